/// How much of a registry's answers is read, and how long it is waited for.
public struct RegistryLimits: Sendable {
  /// Bytes of one manifest, index or page of referrers.
  public var manifestBytes = 4 << 20
  /// Bytes of one blob, whatever its descriptor says.
  public var blobBytes = 1 << 20
  /// Bytes of a token server's answer.
  public var tokenBytes = 1 << 20
  /// Bytes of an answer that is an error.
  public var errorBytes = 64 << 10
  /// Pages of referrers.
  public var referrerPages = 3
  /// Referrers kept of all pages together.
  public var referrerCount = 1000
  /// Redirects followed for one request.
  public var redirects = 5
  /// The time that one exchange may take, within the caller's deadline.
  public var requestTimeout: Duration = .seconds(10)
  /// Requests to one registry host at a time.
  public var concurrentRequestsPerRegistry = 32
  /// The longest `Retry-After` that is waited for, once.
  public var retryAfter: Duration = .seconds(2)

  /// The defaults.
  public init() {}
}
