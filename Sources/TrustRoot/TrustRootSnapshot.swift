public import Crypto
import Primitives
public import Sigstore

/// A trusted root in use, with where it came from. Immutable: who verifies takes one and keeps to it.
public final class TrustRootSnapshot: Sendable {
  /// A text that the root was made of.
  public struct Part: Sendable {
    /// Where it came from.
    public let kind: TrustRootKind
    /// Where it came from, in words: `bundled with this build`, a path, an address.
    public let place: String
    /// SHA-256 of the text.
    public let digest: Digest
    /// When this text was last known to be the present one: the bundled one's day, the last look at a user's source, the
    /// last good refresh.
    public let asOf: UnixTime
    let root: TrustedRoot

    /// Reads `bytes`; the error names the place.
    init(kind: TrustRootKind, place: String, bytes: [UInt8], asOf: UnixTime) throws(TrustRootError) {
      do throws(TrustedRootError) { root = try TrustedRoot(parsing: bytes) } catch {
        throw TrustRootError("\(place.printable()): \(error.description)")
      }
      self.kind = kind
      self.place = place
      self.asOf = asOf
      digest = Digest(hashing: bytes)
    }
  }

  /// The root.
  public let root: TrustedRoot
  /// What it was made of: one text, or a user's and the public-good one beside it.
  public let parts: [Part]
  /// Since when it has been in use.
  public let since: UnixTime

  /// Part of the key of whatever is cached that was verified with it.
  public var fingerprint: [UInt8] { root.fingerprint }

  init(parts: [Part], since: UnixTime) {
    root = TrustedRoot(combining: parts.map(\.root))
    self.parts = parts
    self.since = since
  }

  /// When the root stops vouching for something that verifying new signatures needs: of each kind of entry that it has, the
  /// end of the one that lasts longest, and of these the earliest. Nil if none has an end.
  public var validUntil: UnixTime? {
    [
      root.transparencyLogs.map(\.validity.end), root.certificateAuthorities.map(\.validity.end),
      root.certificateLogs.map(\.validity.end), root.timestampAuthorities.map(\.validity.end),
    ].compactMap(Self.latest).min()
  }

  /// The latest of these ends; nil if there are none, or one is open.
  private static func latest(_ ends: [UnixTime?]) -> UnixTime? {
    let closed = ends.compactMap(\.self)
    return closed.count == ends.count ? closed.max() : nil
  }
}
