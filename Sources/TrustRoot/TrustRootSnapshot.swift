public import Crypto
import JSON
import Primitives
import Sigstore

/// A trusted root in use, with where it came from. Immutable: who verifies takes one and keeps to it.
public final class TrustRootSnapshot: Sendable {
  /// A text that the root was made of.
  public struct Part: Sendable, Hashable {
    /// Where it came from.
    public let kind: TrustRootKind
    /// Where it came from, in words: `bundled with this build`, a path, an address.
    public let place: String
    /// SHA-256 of the text.
    public let digest: Digest
    /// When this text was last known to be the present one: the bundled one's day, the last look at a user's source, the
    /// last good refresh.
    public let asOf: UnixTime
    let bytes: [UInt8]

    init(kind: TrustRootKind, place: String, bytes: [UInt8], asOf: UnixTime) {
      self.kind = kind
      self.place = place
      self.bytes = bytes
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

  init(parts: [Part], since: UnixTime) throws(TrustRootError) {
    var texts: [(name: String, bytes: [UInt8])] = []
    for part in parts {
      // Each alone first, so that the message names the text that is at fault.
      _ = try Self.parse(part.bytes, part.place)
      texts.append((part.place, part.bytes))
    }
    root = try Self.parse(TrustRootMerge.merge(texts), texts.map(\.name).joined(separator: " beside "))
    self.parts = parts
    self.since = since
  }

  private static func parse(_ bytes: [UInt8], _ place: String) throws(TrustRootError) -> TrustedRoot {
    do {
      return try TrustedRoot(parsing: bytes)
    } catch {
      throw TrustRootError("the trusted root of \(place) cannot be used: \(error.description.printable(limit: 512))")
    }
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
