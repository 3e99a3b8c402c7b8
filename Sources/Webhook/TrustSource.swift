public import Sigstore

/// Where the trust root comes from.
public protocol TrustSource: Sendable {
  /// The trust root as it is now. Cheap: asked at every review.
  var trustedRoot: TrustedRoot { get }
  /// What `/readyz?verbose` and `/metrics` say of it at a time (seconds since 1970).
  func status(at now: Int64) -> TrustStatus
}

/// What is known about the trust root in force.
public struct TrustStatus: Sendable, Hashable {
  /// Where it is from, a word of a small set; labels the metrics.
  public var source: String
  /// In words, a line each.
  public var lines: [String]
  /// Seconds since it was last known to be the present one; nil if that is not known.
  public var age: Int64?
  /// When it stops vouching for new signatures, in seconds since 1970; nil if it has no end.
  public var expiresAt: Int64?

  /// A status.
  public init(source: String, lines: [String], age: Int64? = nil, expiresAt: Int64? = nil) {
    self.source = source
    self.lines = lines
    self.age = age
    self.expiresAt = expiresAt
  }
}

/// A trust root that never changes.
public struct StaticTrust: TrustSource {
  /// The root.
  public let trustedRoot: TrustedRoot
  private let source: String
  private let description: String
  private let since: Int64?

  /// `root` out of `source`, as `description` has it in words, taken at `since` (seconds since 1970).
  public init(
    _ root: TrustedRoot, source: String = "none", description: String = "no log and no authority", since: Int64? = nil
  ) {
    trustedRoot = root
    self.source = source
    self.description = description
    self.since = since
  }

  /// As it was given.
  public func status(at now: Int64) -> TrustStatus {
    TrustStatus(
      source: source, lines: ["trusted root: \(source), \(description)"], age: since.map { max(0, now - $0) })
  }
}
