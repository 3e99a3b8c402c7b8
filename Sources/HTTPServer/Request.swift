/// The head of a request: what is known before the body.
public struct RequestHead: Sendable {
  /// Which protocol carried the request.
  public enum ProtocolVersion: String, Sendable {
    case http11 = "HTTP/1.1"
    case http2 = "HTTP/2"
  }

  /// The protocol of the connection. HTTP/1.0 counts as `http11`.
  public let version: ProtocolVersion
  /// Upper-case letters, `-` or `_`; 24 bytes at most.
  public let method: String
  /// The target without the query, undecoded. Starts with `/`, or is `*`.
  public let path: String
  /// Behind the `?`, undecoded; empty if there is none.
  public let query: String
  /// In the order they came, names in lower case. HTTP/2's `:authority` is here as `host`.
  public let headers: [(name: String, value: String)]
  /// Whether the client showed a certificate that `--client-ca` verified.
  public let hasVerifiedClientCertificate: Bool

  /// A head as a client would have sent it; for tests of handlers.
  public init(
    version: ProtocolVersion = .http11, method: String, path: String, query: String = "",
    headers: [(name: String, value: String)] = [], hasVerifiedClientCertificate: Bool = false
  ) {
    self.version = version
    self.method = method
    self.path = path
    self.query = query
    self.headers = headers
    self.hasVerifiedClientCertificate = hasVerifiedClientCertificate
  }

  /// The first header of that name, which must be given in lower case.
  public func header(_ name: String) -> String? {
    for header in headers where header.name == name { return header.value }
    return nil
  }
}

/// A whole request.
public struct Request: Sendable {
  /// What came before the body.
  public let head: RequestHead
  /// The body with its transfer coding undone; `ServerLimits.bodyBytes` at most.
  public let body: [UInt8]

  /// A request as a client would have sent it; for tests of handlers.
  public init(head: RequestHead, body: [UInt8] = []) {
    self.head = head
    self.body = body
  }
}
