public import Primitives

/// One HTTP exchange to make. Redirects are never followed here: who knows what a redirect may mean decides.
public struct HTTPRequest: Sendable {
  public enum Method: String, Sendable { case get = "GET", head = "HEAD", post = "POST", put = "PUT", patch = "PATCH", delete = "DELETE" }
  public var method: Method
  /// Absolute, `https://` or (only if `allowsPlainHTTP`) `http://`.
  public var url: String
  public var headers: [(name: String, value: String)]
  public var body: [UInt8]
  /// The most bytes of body that are read; one more is an error.
  public var maximumResponseBytes: Int
  public var allowsPlainHTTP: Bool
  public init(method: Method = .get, url: String, headers: [(name: String, value: String)] = [], body: [UInt8] = [], maximumResponseBytes: Int = 4 << 20, allowsPlainHTTP: Bool = false) {
    self.method = method; self.url = url; self.headers = headers; self.body = body
    self.maximumResponseBytes = maximumResponseBytes; self.allowsPlainHTTP = allowsPlainHTTP
  }
}

public struct HTTPResponse: Sendable {
  public var status: Int
  public var headers: [(name: String, value: String)]
  public var body: [UInt8]
  /// First header of this name, compared without regard to case.
  public func header(_ name: String) -> String? {
    headers.first { $0.name.lowercased() == name.lowercased() }?.value
  }
}

public struct HTTPClientError: Error, Sendable, CustomStringConvertible {
  public enum Code: Sendable, Hashable {
    case cannotResolve, cannotConnect, tlsFailed, timedOut, cancelled, bodyTooLarge, headersTooLarge, protocolError, invalidURL
  }
  public let code: Code
  public let description: String
  public init(code: Code, description: String) { self.code = code; self.description = description }
}

/// What the OCI and Kubernetes modules need of a client; tests give their own.
public protocol HTTPExchanging: Sendable {
  func send(_ request: HTTPRequest, deadline: Deadline) async throws(HTTPClientError) -> HTTPResponse
}

/// libcurl's multi interface on one thread of its own.
public final class HTTPClient: HTTPExchanging {
  public struct Configuration: Sendable {
    /// PEM file of extra authorities (added to, not instead of, the system's), for registries.
    public var additionalAuthoritiesFile: String?
    /// PEM bytes that are the only authorities trusted (Kubernetes' cluster CA).
    public var onlyAuthorities: [UInt8]?
    public var clientCertificatePEM: [UInt8]?
    public var clientKeyPEM: [UInt8]?
    /// `insecure-skip-tls-verify`, only where the operator asked for it.
    public var verifiesPeer: Bool = true
    /// Whether HTTPS_PROXY, HTTP_PROXY and NO_PROXY are honoured.
    public var usesProxyEnvironment: Bool = true
    public var maximumConnectionsPerHost: Int = 16
    public var maximumConnections: Int = 128
    public var connectTimeout: Duration = .seconds(5)
    public var userAgent: String = "pinseal"
    public init() {}
  }
  public init(_ configuration: Configuration = .init()) throws(HTTPClientError) { fatalError("skeleton") }
  public func send(_ request: HTTPRequest, deadline: Deadline) async throws(HTTPClientError) -> HTTPResponse { fatalError("skeleton") }
}
