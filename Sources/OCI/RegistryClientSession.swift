import HTTPClient
import Primitives

/// One request to a repository, before addresses and credentials.
struct RegistryRequest: Sendable {
  var method = HTTPRequest.Method.get
  /// Absolute.
  let url: HTTPURL
  let accept: String
  let maximumBytes: Int
  /// What is asked for, for messages: `tag 1.27`.
  let subject: String
}

/// An answer that is none of a redirect or a challenge that can be met.
struct RegistryAnswer: Sendable {
  let response: HTTPResponse
  /// Who gave it, redirects followed.
  let url: HTTPURL
  /// What the registry was shown.
  let authorization: RegistryAuthorization?
  /// Leads messages.
  let purpose: String
}

/// One caller's dealings with one repository.
struct RegistrySession: Sendable {
  let endpoint: RepositoryEndpoint
  let credentials: any CredentialsProviding
  let deadline: Deadline
  let exchanger: RegistryExchanger
  let authenticator: RegistryAuthenticator
  let rules: RegistryAddressRules

  private static let redirects: Set<Int> = [301, 302, 303, 307, 308]

  /// Sends the request, meets one challenge, and follows redirects.
  func perform(_ request: RegistryRequest) async throws(RegistryError) -> RegistryAnswer {
    let key = RegistryAuthorization.Key(endpoint, scope: credentials.scope)
    let known = await authenticator.known(key, for: credentials)
    let answer = try await follow(request, known)
    guard isChallenge(answer) else { return answer }
    if let known { authenticator.forget(known, for: key) }
    let authorization = try await authenticator.authorize(
      answer.response.headers(named: "www-authenticate"), for: key, rules: rules, credentials: credentials,
      purpose: answer.purpose, deadline: deadline)
    let second = try await follow(request, authorization)
    if isChallenge(second) { authenticator.forget(authorization, for: key) }
    return second
  }

  /// A challenge counts only if it is the registry's own: another host's could ask for what is not its.
  private func isChallenge(_ answer: RegistryAnswer) -> Bool {
    answer.response.status == 401 && answer.url.hasSameOrigin(as: endpoint.base)
  }

  private func follow(
    _ request: RegistryRequest, _ authorization: RegistryAuthorization?
  ) async throws(RegistryError) -> RegistryAnswer {
    let purpose = "\(endpoint.name): asking for \(request.subject)"
    var url = request.url
    var visited: Set<HTTPURL> = [url]
    // Once dropped, for good: a way back to the registry is not the registry's doing alone.
    var shown = url.hasSameOrigin(as: endpoint.base) ? authorization : nil
    while true {
      var message = HTTPRequest(
        method: request.method, url: url.description, headers: [("Accept", request.accept)],
        maximumResponseBytes: max(request.maximumBytes, exchanger.limits.errorBytes),
        allowsPlainHTTP: !url.isSecure, refusesLocalAddresses: rules.refusesLocalAddresses(of: url))
      if let shown { message.headers.append(("Authorization", shown.header)) }
      let response = try await exchanger.exchange(message, with: url, purpose: purpose, deadline: deadline)
      guard Self.redirects.contains(response.status) else {
        return RegistryAnswer(response: response, url: url, authorization: authorization, purpose: purpose)
      }
      let next = try target(of: response, from: url, purpose: purpose)
      guard visited.insert(next).inserted else {
        throw RegistryError(.registryMisbehaved, "\(purpose): \(url.authority) redirects in a circle")
      }
      guard visited.count <= exchanger.limits.redirects + 1 else {
        throw RegistryError(
          .registryMisbehaved,
          "\(purpose): more than \(exchanger.limits.redirects) redirects, the last to \(next.authority)")
      }
      if !next.hasSameOrigin(as: url) { shown = nil }
      url = next
    }
  }

  private func target(
    of response: HTTPResponse, from url: HTTPURL, purpose: String
  ) throws(RegistryError) -> HTTPURL {
    guard let location = response.header("location") else {
      throw RegistryError(
        .registryMisbehaved, "\(purpose): \(url.authority) answered \(response.status) without a Location")
    }
    let next: HTTPURL
    do throws(HTTPClientError) {
      next = try url.resolving(location)
    } catch {
      throw RegistryError(.registryMisbehaved, "\(purpose): \(url.authority) redirects, but \(error.description)")
    }
    if url.isSecure, !next.isSecure {
      throw RegistryError(
        .registryMisbehaved, "\(purpose): \(url.authority) redirects from HTTPS to plain HTTP at \(next.authority)")
    }
    if let refusal = rules.refusal(of: next) {
      throw RegistryError(
        .registryMisbehaved, "\(purpose): \(url.authority) redirects to \(next.authority), not followed: \(refusal)")
    }
    return next
  }
}
