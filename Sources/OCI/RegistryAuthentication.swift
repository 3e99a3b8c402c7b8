import HTTPClient
import Primitives

/// What a registry is shown, and where it came from.
struct RegistryAuthorization: Sendable, Equatable {
  /// Value of the `Authorization` header.
  let header: String
  /// For messages: `with the credentials of secret db/pull`.
  let provenance: String
  /// Texts that no message may hold.
  let secrets: [String]

  /// Whose it is: authorizations are for one repository and one scope of credentials, never shared beyond.
  struct Key: Sendable, Hashable {
    let registry: String
    let repository: String
    let scope: String

    init(_ endpoint: RepositoryEndpoint, scope: String) {
      registry = endpoint.registry
      repository = endpoint.repository
      self.scope = scope
    }
  }
}

/// Meets the challenges of registries (Docker's token authentication and OAuth2 forms; RFC 7617) and remembers what worked.
final class RegistryAuthenticator: Sendable {
  /// How long a credential that is shown directly is remembered as what a registry wants.
  static let directLifetime: Duration = .seconds(300)
  static let capacity = 4096

  private struct Kept: Sendable {
    let authorization: RegistryAuthorization
    /// Of the credentials that it was had for.
    let version: String?
  }

  let exchanger: RegistryExchanger
  private let cache = Locked(
    BoundedCache<RegistryAuthorization.Key, Kept>(capacity: RegistryAuthenticator.capacity))
  let flights = SingleFlight<
    RegistryAuthorization.Key, Result<RegistryAuthorization, RegistryError>, Void
  >()

  init(exchanger: RegistryExchanger) { self.exchanger = exchanger }

  /// What worked before and still should: the credentials that it was had for are those of now, as far as can be told.
  func known(
    _ key: RegistryAuthorization.Key, for credentials: any CredentialsProviding
  ) async -> RegistryAuthorization? {
    guard let kept = cache.withLock({ $0.value(forKey: key) }) else { return nil }
    guard let version = await credentials.version() else { return kept.authorization }
    if let old = kept.version, old.utf8.elementsEqual(version.utf8) { return kept.authorization }
    forget(kept.authorization, for: key)
    return nil
  }

  /// Forgets an authorization that was refused, unless there is a newer one already.
  func forget(_ authorization: RegistryAuthorization, for key: RegistryAuthorization.Key) {
    cache.withLock { cache in
      if cache.value(forKey: key)?.authorization == authorization { cache.removeValue(forKey: key) }
    }
  }

  func remember(
    _ authorization: RegistryAuthorization, for key: RegistryAuthorization.Key, version: String?, from start: Deadline,
    lifetime: Duration
  ) {
    // A little early, so that none expires on its way.
    let usable = lifetime - min(.seconds(10), lifetime / 4)
    guard usable >= .seconds(1) else { return }
    let kept = Kept(authorization: authorization, version: version)
    cache.withLock { $0.insert(kept, forKey: key, expires: start.advanced(by: usable)) }
  }

  /// Asks for credentials, now that the registry wants some, and makes of them what the challenge asks for. Callers that
  /// need the same at one time share the work.
  func authorize(
    _ challenges: [String], for key: RegistryAuthorization.Key, rules: RegistryAddressRules,
    credentials: any CredentialsProviding, purpose: String, deadline: Deadline
  ) async throws(RegistryError) -> RegistryAuthorization {
    let outcome = await flights.value(of: key, deadline: deadline) { [self] in
      // Those who join may have more time than whoever came first.
      let limit = Deadline.after(exchanger.limits.requestTimeout * 3)
      do throws(RegistryError) {
        return .success(
          try await meet(
            RegistryChallenge.parse(challenges), for: key, rules: rules, credentials: credentials, purpose: purpose,
            deadline: limit))
      } catch { return .failure(error) }
    }
    switch outcome {
    case .value(let result): return try result.get()
    case .timedOut: throw RegistryError(.deadlineExceeded, "\(purpose): time ran out while authenticating")
    case .cancelled: throw RegistryError(.deadlineExceeded, "\(purpose): cancelled while authenticating")
    }
  }

  private func meet(
    _ challenges: [RegistryChallenge], for key: RegistryAuthorization.Key, rules: RegistryAddressRules,
    credentials: any CredentialsProviding, purpose: String, deadline: Deadline
  ) async throws(RegistryError) -> RegistryAuthorization {
    let start = Deadline.now
    // Before the credentials: if they change in between, the next look finds a difference.
    let version = await credentials.version()
    let (sources, notes) = await credentials.credentials()
    let match = RegistryCredentialMatch(key, sources: sources, notes: notes)
    // A bearer token tells the registry less than a password does.
    guard
      let challenge = challenges.first(where: { $0.scheme == "bearer" })
        ?? challenges.first(where: { $0.scheme == "basic" })
    else {
      throw RegistryError(
        .registryUnauthorized,
        "\(purpose): \(rules.endpoint.base.authority) answered 401 without a readable challenge (Bearer or Basic)")
    }
    switch (challenge.scheme, match.credential) {
    case (_, .registryToken(let token)?):
      let authorization = try match.authorization("Bearer", token, purpose: purpose)
      remember(authorization, for: key, version: version, from: start, lifetime: Self.directLifetime)
      return authorization
    case ("basic", .basic(let username, let password)?):
      let authorization = try match.authorization(
        "Basic", Base64.encode(Array("\(username):\(password)".utf8)), password, purpose: purpose)
      remember(authorization, for: key, version: version, from: start, lifetime: Self.directLifetime)
      return authorization
    case ("basic", _):
      let why = match.credential == nil ? "" : ", and an identity token is none"
      throw RegistryError(
        .registryUnauthorized,
        "\(purpose): \(rules.endpoint.base.authority) wants a user name and a password\(why); asked \(match.provenance)"
      )
    default:
      let request = try TokenRequest(
        challenge: challenge, repository: key.repository, rules: rules, match: match, purpose: purpose)
      let (token, lifetime) = try await request.send(exchanger, deadline: deadline)
      let authorization = try match.authorization("Bearer", token, purpose: purpose)
      remember(authorization, for: key, version: version, from: start, lifetime: lifetime)
      return authorization
    }
  }
}

/// The first credential that fits, and the story of how it was looked for.
struct RegistryCredentialMatch: Sendable {
  let credential: RegistryCredentials.Credential?
  let provenance: String

  init(_ key: RegistryAuthorization.Key, sources: [RegistryCredentials], notes: [String]) {
    var found: (RegistryCredentials.Credential, String)?
    for source in sources {
      if let credential = source.credential(forRegistry: key.registry, repository: key.repository) {
        found = (credential, source.source)
        break
      }
    }
    credential = found?.0
    var story: String
    if let found {
      story = "with the credentials of \(found.1.printable())"
    } else if sources.isEmpty {
      story = "anonymously, since there are no credentials"
    } else {
      let names = sources.prefix(8).map { $0.source.printable(limit: 128) }.joined(separator: ", ")
      story = "anonymously, since there are no credentials for \(key.registry) in \(names)"
    }
    let unusable = notes + sources.flatMap(\.notes)
    if !unusable.isEmpty {
      story += "; not usable: " + unusable.prefix(8).map { $0.printable() }.joined(separator: "; ")
    }
    provenance = story
  }

  /// The credential's own secret texts.
  var secrets: [String] {
    switch credential {
    case .basic(_, let password): [password]
    case .identityToken(let token), .registryToken(let token): [token]
    case nil: []
    }
  }

  /// The header `scheme value`; refused if the value could break out of it.
  func authorization(
    _ scheme: String, _ value: String, _ secret: String? = nil, purpose: String
  ) throws(RegistryError) -> RegistryAuthorization {
    guard !value.isEmpty, value.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7f }) else {
      throw RegistryError(
        .registryUnauthorized,
        "\(purpose): the token at hand holds characters that no token may hold; asked \(provenance)")
    }
    return RegistryAuthorization(
      header: "\(scheme) \(value)", provenance: provenance, secrets: secrets + [value] + (secret.map { [$0] } ?? []))
  }
}
