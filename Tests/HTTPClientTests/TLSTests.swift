import Crypto
import Foundation
import HTTPClient
import HTTPServer
import Logging
import Primitives
import Testing

/// Pinseal's own server over TLS, which says how it was asked.
private final class TLSServer: Sendable {
  private let server: Server
  private let folder: URL

  var port: Int { server.port }
  var handshakes: Int { server.statistics.handshakes }

  private struct Echo: RequestHandler {
    func check(_ head: RequestHead) -> HTTPServer.Response? { nil }

    func handle(_ request: Request) -> Reply {
      let answer =
        "\(request.head.version.rawValue) \(request.head.method) \(request.head.hasVerifiedClientCertificate)"
      return .now(Response(status: 200, body: Array(answer.utf8)))
    }
  }

  init(_ certificate: IssuedCertificate, files: [String: String] = [:], asksClients: Bool = false) throws {
    folder = FileManager.default.temporaryDirectory.appendingPathComponent("tls-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    let all = ["cert.pem": certificate.certificatePEM, "key.pem": certificate.key.pem].merging(files) { $1 }
    for (name, content) in all {
      try content.write(to: folder.appendingPathComponent(name), atomically: true, encoding: .utf8)
    }
    let path = { [folder] (name: String) in folder.appendingPathComponent(name).path }
    server = try Server.start(
      address: "127.0.0.1:0",
      tls: TLSConfiguration(
        certificateFile: path("cert.pem"), keyFile: path("key.pem"),
        clientAuthoritiesFile: asksClients ? path("ca.pem") : nil),
      loops: 1, handler: Echo(), logger: Logger(label: "tls-tests") { _ in SwiftLogNoOpLogHandler() })
  }

  deinit { try? FileManager.default.removeItem(at: folder) }

  func path(_ name: String) -> String { folder.appendingPathComponent(name).path }

  func drain() async { await server.drain() }
}

@Suite(.timeLimit(.minutes(5))) struct TLSTests {
  private let authority: IssuedCertificate
  private let stranger: IssuedCertificate

  init() throws {
    authority = try IssuedCertificate.authority(commonName: "Test authority")
    stranger = try IssuedCertificate.authority(commonName: "Another authority")
  }

  private func leaf(_ name: String? = nil) throws -> IssuedCertificate {
    try authority.issueLeaf(
      commonName: "server", dnsNames: name.map { [$0] } ?? ["localhost"], ipAddresses: name == nil ? ["127.0.0.1"] : [])
  }

  private func send(
    to port: Int, _ change: (inout HTTPClient.Configuration) -> Void
  ) async throws -> HTTPResponse {
    var configuration = HTTPClient.Configuration()
    configuration.usesProxyEnvironment = false
    change(&configuration)
    return try await HTTPClient(configuration).send(
      HTTPRequest(url: "https://127.0.0.1:\(port)/"), deadline: .after(.seconds(60)))
  }

  private func failure(to port: Int, _ change: (inout HTTPClient.Configuration) -> Void) async -> HTTPClientError? {
    do {
      _ = try await send(to: port, change)
      return nil
    } catch { return error as? HTTPClientError }
  }

  @Test func `the authorities given are trusted, alone or beside the system's`() async throws {
    let server = try TLSServer(try leaf(), files: ["ca.pem": authority.certificatePEM])
    let pem = Array(authority.certificatePEM.utf8)
    #expect(try await send(to: server.port) { $0.onlyAuthorities = pem }.status == 200)
    #expect(try await send(to: server.port) { $0.additionalAuthoritiesFile = server.path("ca.pem") }.status == 200)
    #expect(try await send(to: server.port) { $0.verifiesPeer = false }.status == 200)
    await server.drain()
  }

  @Test func `an issuer that nobody named is refused in words`() async throws {
    let server = try TLSServer(try leaf())
    for authorities in [nil, Array(stranger.certificatePEM.utf8)] {
      let refused = try #require(await failure(to: server.port) { $0.onlyAuthorities = authorities })
      #expect(refused.code == .tlsFailed)
      #expect(refused.description.hasPrefix("127.0.0.1:\(server.port): TLS failed: "))
      #expect(refused.description.contains("unable to get local issuer certificate"), "\(refused)")
    }
    await server.drain()
  }

  @Test func `a certificate for another name is refused in words`() async throws {
    let server = try TLSServer(try leaf("other.example"))
    let pem = Array(authority.certificatePEM.utf8)
    let refused = try #require(await failure(to: server.port) { $0.onlyAuthorities = pem })
    #expect(refused.code == .tlsFailed)
    #expect(refused.description.contains("127.0.0.1"))
    #expect(refused.description.contains("subject"), "\(refused)")
    await server.drain()
  }

  @Test func `a server without TLS is a TLS failure`() async throws {
    let echo = SocketServer { connection in
      guard connection.readMore() else { return }
      connection.write("HTTP/1.1 400 Bad Request\r\n\r\n")
    }
    #expect(await failure(to: echo.port) { _ in }?.code == .tlsFailed)
  }

  @Test func `a client certificate is shown to a server that asks`() async throws {
    let client = try authority.issueLeaf(commonName: "client", dnsNames: [], ipAddresses: [], client: true)
    let server = try TLSServer(try leaf(), files: ["ca.pem": authority.certificatePEM], asksClients: true)
    let pem = Array(authority.certificatePEM.utf8)
    let response = try await send(to: server.port) {
      $0.onlyAuthorities = pem
      $0.clientCertificatePEM = Array(client.certificatePEM.utf8)
      $0.clientKeyPEM = Array(client.key.pem.utf8)
    }
    #expect(String(decoding: response.body, as: UTF8.self).hasSuffix("GET true"))
    #expect(await failure(to: server.port) { $0.onlyAuthorities = pem } != nil)
    await server.drain()
  }

  @Test func `HTTP/2 is spoken where TLS offers it, over one connection`() async throws {
    let server = try TLSServer(try leaf())
    let methods = [HTTPRequest.Method.get, .post, .put, .delete]
    #expect(try await exchange(with: server, methods) == methods.map { "HTTP/2 \($0.rawValue) false" })
    #expect(server.handshakes == 1)
    await server.drain()
  }

  private func exchange(with server: TLSServer, _ methods: [HTTPRequest.Method]) async throws -> [String] {
    var configuration = HTTPClient.Configuration()
    configuration.usesProxyEnvironment = false
    configuration.onlyAuthorities = Array(authority.certificatePEM.utf8)
    let client = try HTTPClient(configuration)
    var answers: [String] = []
    for method in methods {
      let request = HTTPRequest(
        method: method, url: "https://127.0.0.1:\(server.port)/", body: method == .get ? [] : Array("body".utf8))
      answers.append(
        String(decoding: try await client.send(request, deadline: .after(.seconds(60))).body, as: UTF8.self))
    }
    return answers
  }

  @Test func `what cannot be used is refused at the start`() {
    let file = "/nonexistent/ca.pem"
    for change: (inout HTTPClient.Configuration) -> Void in [
      { $0.additionalAuthoritiesFile = file }, { $0.onlyAuthorities = Array("nothing".utf8) },
      { $0.clientKeyPEM = Array("key".utf8) }, { $0.userAgent = "a\r\nb" },
    ] {
      var configuration = HTTPClient.Configuration()
      change(&configuration)
      #expect {
        try HTTPClient(configuration)
      } throws: {
        ($0 as? HTTPClientError)?.code == .invalidConfiguration
      }
    }
  }
}
