public import Crypto
public import HTTPClient
public import Primitives

/// A failure of a registry exchange: definitive or not, by its code.
public struct RegistryError: Error, Sendable, CustomStringConvertible {
  /// One of imageNotFound, digestMismatch, registryUnavailable, registryUnauthorized, registryMisbehaved, deadlineExceeded.
  public let code: RefusalCode
  public let description: String
  public init(_ code: RefusalCode, _ description: String) { self.code = code; self.description = description }
}

public struct RegistryLimits: Sendable {
  public var manifestBytes = 4 << 20
  public var blobBytes = 1 << 20
  public var tokenBytes = 1 << 20
  public var errorBytes = 64 << 10
  public var referrerPages = 3
  public var redirects = 5
  public var requestTimeout: Duration = .seconds(10)
  /// Requests to one registry host at a time.
  public var concurrentRequestsPerRegistry = 32
  public init() {}
}

public final class RegistryClient: RegistryReading {
  public struct Configuration: Sendable {
    /// Exact `host:port` (or host) that may be asked over plain HTTP.
    public var insecureRegistries: Set<String> = []
    public var limits = RegistryLimits()
    public init() {}
  }
  public init(http: any HTTPExchanging, configuration: Configuration = .init()) { fatalError("skeleton") }
  public func resolve(_ reference: ImageReference, credentials: any CredentialsProviding, deadline: Deadline) async throws(RegistryError) -> Digest { fatalError("skeleton") }
  public func manifest(_ repository: ImageReference, at: ManifestAddress, credentials: any CredentialsProviding, deadline: Deadline) async throws(RegistryError) -> FetchedManifest? { fatalError("skeleton") }
  public func blob(_ repository: ImageReference, descriptor: Descriptor, maximumBytes: Int, credentials: any CredentialsProviding, deadline: Deadline) async throws(RegistryError) -> [UInt8] { fatalError("skeleton") }
  public func referrers(_ repository: ImageReference, of digest: Digest, credentials: any CredentialsProviding, deadline: Deadline) async throws(RegistryError) -> Referrers { fatalError("skeleton") }
}
