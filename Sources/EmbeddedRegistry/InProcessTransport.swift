public import HTTPClient
import HTTPServer
public import OCI
public import Primitives

/// An HTTP client for embedded registries that are asked without sockets: `registry.example` may be where a test likes.
///
/// Holds to what the real client promises: plain HTTP only where it is allowed, bodies no larger than asked for,
/// deadlines kept, redirects handed back.
public struct InProcessTransport: HTTPExchanging {
  private let registries: [String: EmbeddedRegistry]

  /// Registries by host, or host and port, as they stand in URLs.
  public init(_ registries: [String: EmbeddedRegistry]) { self.registries = registries }

  /// Hands the request to the registry of that host.
  public func send(_ request: HTTPRequest, deadline: Deadline) async throws(HTTPClientError) -> HTTPResponse {
    let isPlain = request.url.hasPrefix("http://")
    guard request.url.hasPrefix("https://") || isPlain && request.allowsPlainHTTP else {
      throw HTTPClientError(code: .invalidURL, description: "\(request.url.printable()): expected https://")
    }
    let rest = request.url.dropFirst(isPlain ? 7 : 8)
    let host = rest.prefix { $0 != "/" && $0 != "?" }
    let target = rest.dropFirst(host.count)
    let path = target.prefix { $0 != "?" }
    guard let registry = registries[String(host)] else {
      throw HTTPClientError(code: .cannotConnect, description: "nobody answers at \(String(host).printable())")
    }
    let call = RegistryRequest(
      method: request.method.rawValue, path: path.isEmpty ? "/" : String(path),
      query: String(target.dropFirst(path.count).dropFirst()),
      headers: [("host", String(host))] + request.headers.map { ($0.name.lowercased(), $0.value) }, body: request.body)

    let plan = registry.plan(for: call)
    let remaining = deadline.remaining
    if plan.delay > .zero { try await sleep(for: min(plan.delay, remaining)) }
    guard plan.delay < remaining else {
      throw HTTPClientError(code: .timedOut, description: "\(String(host).printable()) did not answer in time")
    }
    var response = registry.answer(call, plan)
    response.headers.append(("content-length", String(response.body.count)))
    if request.method == .head { response.body = [] }
    guard response.body.count <= request.maximumResponseBytes else {
      throw HTTPClientError(
        code: .bodyTooLarge, description: "the answer is larger than \(request.maximumResponseBytes) bytes")
    }
    return HTTPResponse(status: response.status, headers: response.headers, body: response.body)
  }

  private func sleep(for duration: Duration) async throws(HTTPClientError) {
    do {
      try await Task.sleep(for: duration)
    } catch {
      throw HTTPClientError(code: .cancelled, description: "the request was given up")
    }
  }
}

extension EmbeddedRegistry {
  /// The real registry client, which reaches this registry by its name and no other, without sockets.
  public func client(_ configuration: RegistryClient.Configuration = .init()) -> RegistryClient {
    RegistryClient(http: InProcessTransport([self.configuration.name: self]), configuration: configuration)
  }
}
