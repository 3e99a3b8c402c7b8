import Crypto
import Foundation
import HTTPServer
import Logging
import Primitives

/// Answers what the tests ask.
final class TestHandler: RequestHandler {
  /// Happens when a request to `/later` is being worked on.
  let entered = Event()
  /// Lets requests to `/later` be answered.
  let release = Event()
  /// Happens when a request to `/later` is cancelled.
  let cancelled = Event()
  /// The bodies that reached `handle`.
  let handled = Locked<[Int]>([])

  func check(_ head: RequestHead) -> Response? {
    guard ["/hello", "/echo", "/length", "/later", "/big", "/whoami", "/headers"].contains(head.path) else {
      return .text(404, "no such path")
    }
    if head.method == "DELETE" { return .text(405, "no such method") }
    return head.header("content-type") == "text/wrong" ? .text(415, "wrong media type") : nil
  }

  func handle(_ request: Request) -> Reply {
    handled.withLock { $0.append(request.body.count) }
    switch request.head.path {
    case "/echo": return .now(Response(status: 200, headers: [("x-query", request.head.query)], body: request.body))
    case "/length": return .now(.text(200, "\(request.body.count)"))
    case "/big": return .now(Response(status: 200, body: [UInt8](repeating: 0x78, count: 3 << 20)))
    case "/whoami": return .now(.text(200, request.head.hasVerifiedClientCertificate ? "verified" : "unknown"))
    case "/headers":
      return .now(.text(200, request.head.headers.map { "\($0.name)=\($0.value)" }.sorted().joined(separator: "\n")))
    case "/later":
      return .later { [self] in
        entered.happen()
        await withTaskCancellationHandler {
          await release.wait()
        } onCancel: {
          cancelled.happen()
          release.happen()
        }
        return .text(200, "late")
      }
    default: return .now(.text(200, "hello"))
    }
  }
}

/// Keeps what is logged.
struct LogKeeper: LogHandler {
  let lines: Locked<[String]>
  var metadata: Logger.Metadata = [:]
  var logLevel = Logger.Level.debug

  subscript(metadataKey key: String) -> Logger.Metadata.Value? {
    get { metadata[key] }
    set { metadata[key] = newValue }
  }

  func log(event: LogEvent) {
    let text = "\(event.level): \(event.message) \(event.metadata.map { "\($0)" } ?? "")"
    lines.withLock { $0.append(text) }
  }
}

/// A server at a free port of the loopback address, with what it logs.
struct TestServer: Sendable {
  let server: Server
  let handler: TestHandler
  let log: Locked<[String]>

  init(tls: TLSConfiguration? = nil, loops: Int = 2, _ change: (inout ServerLimits) -> Void = { _ in }) throws {
    var limits = ServerLimits()
    change(&limits)
    let lines = Locked<[String]>([])
    log = lines
    handler = TestHandler()
    server = try Server.start(
      address: "127.0.0.1:0", tls: tls, limits: limits, loops: loops, handler: handler,
      logger: Logger(label: "test") { _ in LogKeeper(lines: lines) })
  }

  var port: Int { server.port }
  func logged(_ text: String) -> Bool { log.withLock { $0.contains { $0.contains(text) } } }

  /// Runs `body` with a server that is drained afterwards.
  static func run(
    tls: TLSConfiguration? = nil, loops: Int = 2, limits: (inout ServerLimits) -> Void = { _ in },
    _ body: (TestServer) async throws -> Void
  ) async throws {
    let server = try TestServer(tls: tls, loops: loops) {
      $0.drainTimeout = .milliseconds(200)
      limits(&$0)
    }
    do {
      try await body(server)
    } catch {
      await server.server.drain()
      throw error
    }
    await server.server.drain()
  }
}

/// A folder that goes when it is no longer needed.
final class TemporaryFolder: Sendable {
  let path: String

  init() throws {
    path = FileManager.default.temporaryDirectory.appendingPathComponent("pinseal-\(UUID().uuidString)").path
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }

  func file(_ name: String) -> String { path + "/" + name }

  @discardableResult
  func write(_ name: String, _ text: String) throws -> String {
    try text.write(toFile: file(name), atomically: false, encoding: .utf8)
    return file(name)
  }
}

/// An authority, a server's certificate of it, and their files.
struct TestIdentity: Sendable {
  let folder: TemporaryFolder
  let authority: IssuedCertificate
  let leaf: IssuedCertificate
  var authorityFile: String { folder.file("ca.pem") }
  var configuration: TLSConfiguration {
    TLSConfiguration(certificateFile: folder.file("tls.crt"), keyFile: folder.file("tls.key"))
  }

  init() throws {
    folder = try TemporaryFolder()
    authority = try IssuedCertificate.authority(commonName: "test authority")
    leaf = try authority.issueLeaf(commonName: "localhost", dnsNames: ["localhost"], ipAddresses: ["127.0.0.1"])
    try folder.write("ca.pem", authority.certificatePEM)
    try folder.write("tls.crt", leaf.certificatePEM)
    try folder.write("tls.key", leaf.key.pem)
  }
}
