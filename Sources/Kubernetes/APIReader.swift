import HTTPClient
import JSON
import Primitives

/// One GET of one object, and what the answer means.
struct APIReader: Sendable {
  let transport: APITransport

  private var connection: Connection { transport.connection }

  /// The object as the API server holds it now.
  func object(_ id: ObjectID, deadline: Deadline) async throws(ClusterError) -> ClusterObject {
    let token = try connection.token.current()
    var response = try await send(id, token: token, deadline: deadline)
    if response.status == 401, case .file = connection.token {
      // The kubelet may have renewed the token since the file was last looked at.
      let renewed = try connection.token.current(force: true)
      if renewed != token { response = try await send(id, token: renewed, deadline: deadline) }
    }
    guard response.status == 200 else { throw Self.failure(response, id, server: connection.server) }
    return try decode(response.body, id)
  }

  private func send(_ id: ObjectID, token: String?, deadline: Deadline) async throws(ClusterError) -> HTTPResponse {
    var request = HTTPRequest(
      url: connection.server.url + id.path, headers: [(name: "Accept", value: "application/json")],
      maximumResponseBytes: Self.maximumBytes(id.kind), allowsPlainHTTP: connection.server.url.hasPrefix("http://"))
    if let token { request.headers.append((name: "Authorization", value: "Bearer " + token)) }
    do throws(HTTPClientError) {
      return try await transport.http.send(request, deadline: deadline)
    } catch {
      let code: ClusterError.Code
      switch error.code {
      case .bodyTooLarge, .headersTooLarge, .invalidURL, .invalidRequest, .invalidConfiguration: code = .invalid
      default: code = .unavailable
      }
      throw ClusterError(
        code, "\(id) cannot be read from \(connection.server.url): \(error.description.printable(limit: 300))")
    }
  }

  /// A namespace holds at most 256 KiB of annotations, a Secret 1 MiB of values; then come base64 and managed fields.
  private static func maximumBytes(_ kind: ObjectKind) -> Int { kind == .namespace ? 2 << 20 : 4 << 20 }

  // MARK: Answers

  private func decode(_ body: [UInt8], _ id: ObjectID) throws(ClusterError) -> ClusterObject {
    func refusal(_ reason: String) -> ClusterError {
      ClusterError(
        .invalid, "the answer of \(connection.server.url) for \(id) is not usable: \(reason.printable(limit: 300))")
    }
    let root: Node
    do throws(JSONError) {
      let document = try JSONDocument(body, limits: .init(bytes: Self.maximumBytes(id.kind)))
      root = try Node(document.root)
    } catch {
      throw refusal(error.description)
    }
    do throws(NodeError) {
      let reader = NodeReader(root)
      let kind = try reader.optionalString("kind") ?? ""
      let version = try reader.optionalString("apiVersion") ?? ""
      guard kind == id.kind.rawValue, version == "v1" else {
        throw reader.error("is of kind \"\(kind)\" (\(version)), expected \(id.kind.rawValue) (v1)")
      }
      let (found, object) = try ObjectReader.object(reader, id.kind)
      guard found == id else { throw reader.error("is \(found)") }
      return object
    } catch {
      throw refusal(error.description)
    }
  }

  /// What an answer other than 200 means.
  static func failure(_ response: HTTPResponse, _ id: ObjectID, server: ServerAddress) -> ClusterError {
    let status = Status(response.body)
    let said = (status?.message).map { ": \($0.printable(limit: 300))" } ?? ""
    switch response.status {
    case 401:
      return ClusterError(.unauthorized, "\(server.url) does not know who asks for \(id) (401)\(said)")
    case 403:
      let place = id.namespace.isEmpty ? "in the whole cluster" : "in namespace \(id.namespace)"
      return ClusterError(
        .forbidden,
        "\(server.url) does not allow reading \(id) (403); RBAC must allow the verb get on \(id.kind.resource) \(place)\(said)"
      )
    case 404 where status?.reason == "NotFound":
      return ClusterError(.notFound, "\(id) does not exist")
    case 404:
      return ClusterError(
        .unavailable, "\(server.url) answered 404 for \(id), but not as an API server does; is the address right?")
    case 429, 500...:
      return ClusterError(.unavailable, "\(server.url) cannot answer for \(id) now (\(response.status))\(said)")
    case 300..<400:
      return ClusterError(
        .unavailable, "\(server.url) answered with a redirect (\(response.status)) for \(id), which is not followed")
    default:
      return ClusterError(.invalid, "\(server.url) answered \(response.status) for \(id)\(said)")
    }
  }

  /// The API's own description of a failure.
  private struct Status {
    let reason: String
    let message: String?

    init?(_ body: [UInt8]) {
      guard let root = try? JSONDocument(body, limits: .init(bytes: 64 << 10)).root,
        root["kind"]?.isString("Status") == true
      else { return nil }
      reason = (try? root["reason"]?.string()) ?? ""
      message = try? root["message"]?.string()
    }
  }
}
