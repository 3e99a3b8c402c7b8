import HTTPServer
import JSON
import Primitives

/// How a registry asks who somebody is.
public enum Authentication: Sendable, Hashable {
  /// It does not.
  case none
  /// User name and password with every request (RFC 7617).
  case basic
  /// Bearer tokens (distribution project, "Token Authentication"). `realm` is the absolute URL of the token endpoint;
  /// nil is `/token` on the host that the request named, over plain HTTP.
  case bearer(realm: String? = nil, service: String = "embedded-registry")
}

/// Somebody who may come in.
public struct Account: Sendable {
  /// What they are called.
  public var username: String
  /// What they know.
  public var password: String
  /// A refresh token that stands for the password at the token endpoint.
  public var identityToken: String?
  /// The repositories they may use; nil is all.
  public var repositories: Set<String>?
  /// Whether they may push to and delete from these.
  public var mayPush: Bool

  /// An account for all repositories, or for some.
  public init(
    username: String, password: String, identityToken: String? = nil, repositories: Set<String>? = nil,
    mayPush: Bool = true
  ) {
    self.username = username
    self.password = password
    self.identityToken = identityToken
    self.repositories = repositories
    self.mayPush = mayPush
  }

  func may(_ action: String, _ repository: String) -> Bool {
    (repositories?.contains(repository) ?? true) && (action == "pull" || mayPush)
  }
}

/// What a token lets its bearer do.
struct Grant: Sendable, Hashable {
  let repository: String
  let action: String
}

extension EmbeddedRegistry {
  /// A bearer token for this repository, as if the token endpoint had given it out: for `registrytoken` credentials.
  public func issueToken(repository: String, actions: [String] = ["pull"], lifetime: Duration? = nil) -> String {
    issue(actions.map { Grant(repository: repository, action: $0) }, lifetime: lifetime ?? configuration.tokenLifetime)
  }

  /// Makes every token given out so far worthless.
  public func revokeTokens() {
    state.withLock { $0.tokens = .init(capacity: RegistryState.maximumTokens) }
  }

  // MARK: At the door

  func authorize(_ request: RegistryRequest, for route: Route) throws(RegistryFault) {
    let action =
      switch request.method {
      case "GET", "HEAD": "pull"
      case "DELETE": "delete"
      default: "push"
      }
    try authorize(request, action, repository: route.repository)
  }

  func authorize(_ request: RegistryRequest, pulling repository: String) throws(RegistryFault) {
    guard isRepositoryName(repository) else { throw .invalid("NAME_INVALID", "no repository can be called that") }
    try authorize(request, "pull", repository: repository)
  }

  private func authorize(_ request: RegistryRequest, _ action: String, repository: String?) throws(RegistryFault) {
    if action == "pull", let repository, configuration.publicRepositories.contains(repository),
      request.header("authorization") == nil
    {
      return
    }
    switch configuration.authentication {
    case .none: return
    case .basic:
      guard let account = basicAccount(request) else {
        throw unauthorized(challenge: "Basic realm=\"\(configuration.name)\"")
      }
      guard let repository, !account.may(action, repository) else { return }
      throw RegistryFault(status: 403, code: "DENIED", message: "\(account.username) may not \(action) \(repository)")
    case .bearer(let realm, let service):
      let grants = bearerGrants(request)
      if let grants, repository.map({ grants.contains(Grant(repository: $0, action: action)) }) ?? true { return }
      var challenge = "Bearer realm=\"\(realm ?? "http://\(request.header("host") ?? configuration.name)/token")\""
      challenge += ",service=\"\(service)\""
      if let repository {
        challenge += ",scope=\"repository:\(repository):\(action == "push" ? "pull,push" : action)\""
      }
      if request.header("authorization") != nil {
        challenge += grants == nil ? ",error=\"invalid_token\"" : ",error=\"insufficient_scope\""
      }
      throw unauthorized(challenge: challenge)
    }
  }

  private func unauthorized(challenge: String) -> RegistryFault {
    RegistryFault(
      status: 401, code: "UNAUTHORIZED", message: "authentication required", headers: [("www-authenticate", challenge)])
  }

  private func bearerGrants(_ request: RegistryRequest) -> Set<Grant>? {
    guard let token = credentials(request, scheme: "bearer") else { return nil }
    return (configuration.tokenIssuer ?? self).state.withLock { $0.tokens.value(forKey: token).map { Set($0.grants) } }
  }

  private func basicAccount(_ request: RegistryRequest) -> Account? {
    guard let text = credentials(request, scheme: "basic"), let bytes = Base64.decode(text) else { return nil }
    return configuration.accounts.first { Array("\($0.username):\($0.password)".utf8) == bytes }
  }

  private func credentials(_ request: RegistryRequest, scheme: String) -> String? {
    let parts = (request.header("authorization") ?? "").split(separator: " ", maxSplits: 1)
    guard parts.count == 2, parts[0].lowercased() == scheme else { return nil }
    return String(parts[1])
  }

  // MARK: The token endpoint

  /// `GET` with or without basic credentials, or `POST` with an OAuth 2 form.
  func token(_ request: RegistryRequest) throws(RegistryFault) -> Response {
    let form = request.method == "POST" ? String(decoding: request.body.prefix(64 << 10), as: UTF8.self) : request.query
    func parameter(_ name: String) -> String? { RegistryRequest.parameters(name, in: form).first }

    let account: Account?
    if request.method == "POST" {
      switch parameter("grant_type") {
      case "refresh_token":
        let token = parameter("refresh_token")
        account = configuration.accounts.first { $0.identityToken != nil && $0.identityToken == token }
      case "password":
        account = configuration.accounts.first {
          $0.username == parameter("username") && $0.password == parameter("password")
        }
      default: throw .invalid("UNSUPPORTED", "grant_type must be refresh_token or password")
      }
      guard account != nil else { throw unauthorized(challenge: "Basic realm=\"\(configuration.name)\"") }
    } else if request.header("authorization") != nil {
      account = basicAccount(request)
      guard account != nil else { throw unauthorized(challenge: "Basic realm=\"\(configuration.name)\"") }
    } else {
      account = nil
    }

    let grants = RegistryRequest.parameters("scope", in: form).flatMap { self.grants(for: $0, to: account) }
    let token = issue(grants, lifetime: configuration.tokenLifetime)
    return json { body in
      body.member("token", token)
      body.member("access_token", token)
      body.member("expires_in", configuration.tokenLifetime.components.seconds)
      if let refresh = account?.identityToken, request.method == "POST" || parameter("offline_token") == "true" {
        body.member("refresh_token", refresh)
      }
    }
  }

  /// What of `repository:NAME:pull,push …` this account, or nobody in particular, gets.
  private func grants(for scopes: String, to account: Account?) -> [Grant] {
    scopes.split(separator: " ").prefix(16).flatMap { scope -> [Grant] in
      let parts = scope.split(separator: ":", omittingEmptySubsequences: false)
      guard parts.count >= 3, parts[0] == "repository" else { return [] }
      let repository = parts[1..<(parts.count - 1)].joined(separator: ":")
      return parts[parts.count - 1].split(separator: ",").prefix(8).flatMap { action -> [Grant] in
        let wanted = action == "*" ? ["pull", "push", "delete"] : [String(action)]
        return wanted.filter { action in
          account?.may(action, repository) ?? false
            || action == "pull" && configuration.publicRepositories.contains(repository)
        }.map { Grant(repository: repository, action: $0) }
      }
    }
  }

  private func issue(_ grants: [Grant], lifetime: Duration) -> String {
    let token = randomName()
    let expires = Deadline.after(lifetime)
    state.withLock { $0.tokens.insert(.init(grants: grants, expires: expires), forKey: token, expires: expires) }
    return token
  }
}
