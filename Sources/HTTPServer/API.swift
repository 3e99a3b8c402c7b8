public import Logging
import Primitives

/// The head of a request: what is known before the body.
public struct RequestHead: Sendable {
  public enum ProtocolVersion: String, Sendable { case http11 = "HTTP/1.1", http2 = "HTTP/2" }
  public let version: ProtocolVersion
  public let method: String
  /// Without the query.
  public let path: String
  /// Behind the `?`, undecoded; empty if there is none.
  public let query: String
  /// Names in lower case.
  public let headers: [(name: String, value: String)]
  /// Whether the client showed a certificate that `--client-ca` verified.
  public let hasVerifiedClientCertificate: Bool
  public func header(_ name: String) -> String? { headers.first { $0.name == name }?.value }
}

public struct Request: Sendable {
  public let head: RequestHead
  public let body: [UInt8]
}

public struct Response: Sendable {
  public var status: Int
  /// Names in lower case; `content-length` and `date` are the server's to write.
  public var headers: [(name: String, value: String)]
  public var body: [UInt8]
  public init(status: Int, headers: [(name: String, value: String)] = [], body: [UInt8] = []) {
    self.status = status; self.headers = headers; self.body = body
  }
  public static func text(_ status: Int, _ text: String) -> Response {
    Response(status: status, headers: [("content-type", "text/plain; charset=utf-8")], body: Array((text + "\n").utf8))
  }
}

/// What a handler answers: at once, on the loop's own thread, or later from a task that the server starts and that it
/// cancels when the client goes away.
public enum Reply: Sendable {
  case now(Response)
  case later(@Sendable () async -> Response)
}

public protocol RequestHandler: Sendable {
  /// Called when the head is there, before any of the body: a response refuses the request unread (404, 405, 415).
  func check(_ head: RequestHead) -> Response?
  /// Called with the whole request, on the loop's thread: it must not block.
  func handle(_ request: Request) -> Reply
}

public struct ServerLimits: Sendable {
  public var bodyBytes = 3 << 20
  public var headerBytes = 16 << 10
  public var headerCount = 100
  public var connections = 1024
  public var streamsPerConnection = 128
  public var handshakeTimeout: Duration = .seconds(5)
  public var idleTimeout: Duration = .seconds(120)
  /// From a request's first byte to its last.
  public var requestTimeout: Duration = .seconds(20)
  public var writeTimeout: Duration = .seconds(20)
  /// How long a drain waits for what is in flight.
  public var drainTimeout: Duration = .seconds(25)
  public init() {}
}

public struct TLSConfiguration: Sendable {
  public var certificateFile: String
  public var keyFile: String
  /// Require and verify client certificates against these authorities (`--client-ca`).
  public var clientAuthoritiesFile: String?
  /// How often the files are looked at for a change.
  public var reloadInterval: Duration = .seconds(1)
  public init(certificateFile: String, keyFile: String, clientAuthoritiesFile: String? = nil) {
    self.certificateFile = certificateFile; self.keyFile = keyFile; self.clientAuthoritiesFile = clientAuthoritiesFile
  }
}

public struct ServerError: Error, Sendable, CustomStringConvertible {
  public let description: String
  public init(_ description: String) { self.description = description }
}

/// A running server: event loops on epoll, OpenSSL, HTTP/1.1 and HTTP/2.
public final class Server: Sendable {
  /// Binds and starts the loops. `address` is `HOST:PORT` (IPv6 in brackets; port 0 picks one). `tls` nil is plain HTTP/1.1 and h2c by prior knowledge.
  public static func start(address: String, tls: TLSConfiguration?, limits: ServerLimits = .init(), loops: Int? = nil, handler: any RequestHandler, logger: Logger) throws(ServerError) -> Server { fatalError("skeleton") }
  /// `HOST:PORT` as bound.
  public var boundAddress: String { fatalError("skeleton") }
  public var port: Int { fatalError("skeleton") }
  public struct Statistics: Sendable { public var openConnections = 0, http1Requests = 0, http2Requests = 0, handshakes = 0, failedHandshakes = 0, certificateReloads = 0, certificateNotAfter: Int64 = 0 }
  public var statistics: Statistics { fatalError("skeleton") }
  /// Stops accepting, sends GOAWAY / `Connection: close`, finishes what is in flight within `drainTimeout`, closes, joins the loops.
  public func drain() async { fatalError("skeleton") }
}
