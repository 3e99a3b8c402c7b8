import HTTPClient
import JSON
import Primitives

/// One exchange with an API server.
struct APICall: Sendable {
  var method: HTTPRequest.Method = .get
  /// From the slash, with its query. Whoever builds it lets only checked names into it.
  var path: String
  /// What is read or written, for messages: `Secret db/registry`.
  var subject: String
  /// What RBAC must allow, for the message of a 403: `get on secrets in namespace db`.
  var permission: String
  var contentType = "application/json"
  var body: [UInt8] = []
  var maximumResponseBytes = 4 << 20
}

/// Sends calls as whoever the connection says, and knows what failures mean.
struct APIClient: Sendable {
  /// Who owns the fields that Pinseal writes.
  static let fieldManager = "pinseal"

  let transport: APITransport

  var connection: Connection { transport.connection }

  /// The answer, whatever its status. Throws `unavailable` or `invalid` where there is none.
  func send(_ call: APICall, deadline: Deadline) async throws(ClusterError) -> HTTPResponse {
    let token = try connection.token.current()
    let response = try await send(call, token: token, deadline: deadline)
    guard response.status == 401, case .file = connection.token else { return response }
    // The kubelet may have renewed the token since the file was last looked at.
    let renewed = try connection.token.current(force: true)
    return renewed == token ? response : try await send(call, token: renewed, deadline: deadline)
  }

  /// The request of a call with the token, for whoever sends it himself.
  func request(_ call: APICall, token: String?) -> HTTPRequest {
    var request = HTTPRequest(
      method: call.method, url: connection.server.url + call.path,
      headers: [(name: "Accept", value: "application/json")], body: call.body,
      maximumResponseBytes: call.maximumResponseBytes,
      allowsPlainHTTP: connection.server.url.hasPrefix("http://"))
    if !call.body.isEmpty { request.headers.append((name: "Content-Type", value: call.contentType)) }
    if let token { request.headers.append((name: "Authorization", value: "Bearer " + token)) }
    return request
  }

  private func send(_ call: APICall, token: String?, deadline: Deadline) async throws(ClusterError) -> HTTPResponse {
    do throws(HTTPClientError) {
      return try await transport.http.send(request(call, token: token), deadline: deadline)
    } catch {
      throw failure(error, of: call)
    }
  }

  /// What it means that no answer came.
  func failure(_ error: HTTPClientError, of call: APICall) -> ClusterError {
    let code: ClusterError.Code
    switch error.code {
    case .bodyTooLarge, .headersTooLarge, .invalidURL, .invalidRequest, .invalidConfiguration: code = .invalid
    default: code = .unavailable
    }
    let verb = call.method == .get ? "read from" : "written to"
    return ClusterError(
      code,
      "\(call.subject) cannot be \(verb) \(connection.server.url): \(error.description.printable(limit: 300))")
  }

  /// What an answer other than a success means; `body` may be the beginning of a longer one.
  func failure(status: Int, body: [UInt8], of call: APICall) -> ClusterError {
    let server = connection.server.url
    let subject = call.subject
    let told = Status(body)
    let said = (told?.message).map { ": \($0.printable(limit: 300))" } ?? ""
    switch status {
    case 401: return ClusterError(.unauthorized, "\(server) does not know who asks for \(subject) (401)\(said)")
    case 403:
      let verb = call.method == .get ? "reading" : "writing"
      return ClusterError(
        .forbidden,
        "\(server) does not allow \(verb) \(subject) (403); RBAC must allow the verb \(call.permission)\(said)")
    case 404 where told?.reason == "NotFound": return ClusterError(.notFound, "\(subject) does not exist")
    case 404:
      return ClusterError(
        .unavailable, "\(server) answered 404 for \(subject), but not as an API server does; is the address right?")
    case 409: return ClusterError(.conflict, "\(server) has another state of \(subject) (409)\(said)")
    case 410:
      return ClusterError(.expired, "\(server) no longer has the state of \(subject) that was asked for (410)\(said)")
    case 504 where told?.causes.contains("ResourceVersionTooLarge") == true:
      return ClusterError(.expired, "\(server) does not know the state of \(subject) that was asked for (504)\(said)")
    case 429, 500...: return ClusterError(.unavailable, "\(server) cannot answer for \(subject) now (\(status))\(said)")
    case 300..<400:
      return ClusterError(
        .unavailable, "\(server) answered with a redirect (\(status)) for \(subject), which is not followed")
    default: return ClusterError(.invalid, "\(server) answered \(status) for \(subject)\(said)")
    }
  }

  /// An answer that says nothing that can be used.
  func unusable(_ subject: String, _ reason: String) -> ClusterError {
    ClusterError(
      .invalid,
      "the answer of \(connection.server.url) for \(subject) is not usable: \(reason.printable(limit: 300))")
  }

  /// The API's own description of a failure.
  struct Status {
    let reason: String
    let message: String?
    /// The reasons of what led to it, 16 at most.
    let causes: [String]

    init?(_ body: [UInt8]) {
      guard let root = try? JSONDocument(body, limits: .init(bytes: 64 << 10)).root,
        root["kind"]?.isString("Status") == true
      else { return nil }
      reason = (try? root["reason"]?.string()) ?? ""
      message = try? root["message"]?.string()
      let causes = (try? root["details"]?["causes"]?.elements()) ?? []
      self.causes = causes.prefix(16).compactMap { try? $0["reason"]?.string() }
    }
  }
}
