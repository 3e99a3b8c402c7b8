public import Crypto
public import HTTPClient
public import Primitives

/// A client of registries (OCI distribution specification, pull and referrers): HTTPS but where the operator said otherwise,
/// every answer bounded and hashed, credentials only upon the registry's own challenge.
public final class RegistryClient: RegistryReading {
  /// What the operator may set.
  public struct Configuration: Sendable {
    /// Exact `host:port` (or host) that may be asked over plain HTTP.
    public var insecureRegistries: Set<String> = []
    /// Bounds.
    public var limits = RegistryLimits()

    /// The defaults.
    public init() {}
  }

  /// Look-ups are one only if all of this is the same; the scope keeps one tenant's credentials from answering another.
  struct LookUp: Sendable, Hashable {
    let registry: String
    let repository: String
    let address: ManifestAddress
    let scope: String
  }

  let configuration: Configuration
  let exchanger: RegistryExchanger
  let authenticator: RegistryAuthenticator
  let lookUps = SingleFlight<LookUp, Result<Digest, RegistryError>, Void>()

  /// A client that makes its exchanges by `http`.
  public convenience init(http: any HTTPExchanging, configuration: Configuration = .init()) {
    self.init(http: http, configuration: configuration) { try await Task.sleep(for: $0) }
  }

  init(
    http: any HTTPExchanging, configuration: Configuration, sleep: @escaping @Sendable (Duration) async throws -> Void
  ) {
    self.configuration = configuration
    exchanger = RegistryExchanger(http: http, limits: configuration.limits, sleep: sleep)
    authenticator = RegistryAuthenticator(exchanger: exchanger)
  }

  func session(
    _ reference: ImageReference, _ credentials: any CredentialsProviding, _ deadline: Deadline
  ) throws(RegistryError) -> RegistrySession {
    let endpoint = try RepositoryEndpoint(reference, insecureRegistries: configuration.insecureRegistries)
    return RegistrySession(
      endpoint: endpoint, credentials: credentials, deadline: deadline, exchanger: exchanger,
      authenticator: authenticator,
      rules: RegistryAddressRules(endpoint: endpoint, insecureRegistries: configuration.insecureRegistries))
  }

  /// The digest that the tag names now, or the reference's own digest once the registry has confirmed that it is there.
  /// Identical look-ups of one credentials scope that are under way are one. Throws `imageNotFound` for 404.
  public func resolve(
    _ reference: ImageReference, credentials: any CredentialsProviding, deadline: Deadline
  ) async throws(RegistryError) -> Digest {
    let address = reference.digest.map(ManifestAddress.digest) ?? .tag(reference.effectiveTag)
    let key = LookUp(
      registry: reference.registry, repository: reference.repository, address: address, scope: credentials.scope)
    let outcome = await lookUps.value(of: key, deadline: deadline) { [self] in
      // The work serves whoever joins, so it goes by its own time and not by the first caller's.
      let limit = Deadline.after(configuration.limits.requestTimeout * 3)
      do throws(RegistryError) {
        return .success(try await session(reference, credentials, limit).resolve(address))
      } catch { return .failure(error) }
    }
    switch outcome {
    case .value(let result): return try result.get()
    case .timedOut:
      throw RegistryError(.deadlineExceeded, "\(reference.name): time ran out while asking for \(address.subject)")
    case .cancelled:
      throw RegistryError(.deadlineExceeded, "\(reference.name): cancelled while asking for \(address.subject)")
    }
  }

  /// The manifest by digest (hashed and compared) or by tag (digest computed); nil for 404. The tag and digest of
  /// `repository` itself are not looked at.
  public func manifest(
    _ repository: ImageReference, at address: ManifestAddress, credentials: any CredentialsProviding, deadline: Deadline
  ) async throws(RegistryError) -> FetchedManifest? {
    try await session(repository, credentials, deadline).manifest(address)
  }

  /// The blob: as many bytes as its descriptor says (at most `maximumBytes` and `RegistryLimits.blobBytes`), of its digest.
  /// Throws `digestMismatch` where it is not what the descriptor says, `registryMisbehaved` where it is not there.
  public func blob(
    _ repository: ImageReference, descriptor: Descriptor, maximumBytes: Int, credentials: any CredentialsProviding,
    deadline: Deadline
  ) async throws(RegistryError) -> [UInt8] {
    try await session(repository, credentials, deadline)
      .blob(descriptor, maximumBytes: min(maximumBytes, configuration.limits.blobBytes))
  }

  /// Descriptors that refer to `digest`: by the referrers API, else by the fallback tag. Pages and descriptors beyond the
  /// limits are left out, and the answer says so.
  public func referrers(
    _ repository: ImageReference, of digest: Digest, credentials: any CredentialsProviding, deadline: Deadline
  ) async throws(RegistryError) -> Referrers {
    try await session(repository, credentials, deadline).referrers(of: digest)
  }
}
