import Crypto
import Foundation
import HTTPClient
import Primitives
import Testing

/// OpenSSL's own server, which answers every request with a page about the connection.
private final class TLSServer {
  let port: Int
  let folder: URL
  private let process = Process()

  init(_ certificate: IssuedCertificate, options: [String] = [], files: [String: String] = [:]) throws {
    folder = FileManager.default.temporaryDirectory.appendingPathComponent("tls-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    let all = ["cert.pem": certificate.certificatePEM, "key.pem": certificate.key.pem].merging(files) { $1 }
    for (name, content) in all {
      try content.write(to: folder.appendingPathComponent(name), atomically: true, encoding: .utf8)
    }
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.currentDirectoryURL = folder
    process.arguments =
      ["openssl", "s_server", "-accept", "127.0.0.1:0", "-cert", "cert.pem", "-key", "key.pem", "-www", "-naccept", "20"]
      + options
    let output = Pipe()
    process.standardOutput = output
    process.standardError = FileHandle.nullDevice
    process.standardInput = FileHandle.nullDevice
    try process.run()
    var text = ""
    var found: Int?
    while found == nil {
      let data = output.fileHandleForReading.availableData
      guard !data.isEmpty else { throw Failure() }
      text += String(decoding: data, as: UTF8.self)
      for line in text.split(separator: "\n") where line.hasPrefix("ACCEPT") && text.contains("\n") {
        found = line.split(separator: ":").last.flatMap { Int($0) }
      }
    }
    port = found ?? 0
  }

  struct Failure: Error {}

  deinit {
    process.terminate()
    process.waitUntilExit()
    try? FileManager.default.removeItem(at: folder)
  }

  func path(_ name: String) -> String { folder.appendingPathComponent(name).path }
}

@Suite(.timeLimit(.minutes(1))) struct TLSTests {
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
      HTTPRequest(url: "https://127.0.0.1:\(port)/"), deadline: .after(.seconds(20)))
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
  }

  @Test func `an issuer that nobody named is refused in words`() async throws {
    let server = try TLSServer(try leaf())
    for authorities in [nil, Array(stranger.certificatePEM.utf8)] {
      let refused = try #require(await failure(to: server.port) { $0.onlyAuthorities = authorities })
      #expect(refused.code == .tlsFailed)
      #expect(refused.description.hasPrefix("127.0.0.1:\(server.port): TLS failed: "))
      #expect(refused.description.contains("unable to get local issuer certificate"), "\(refused)")
    }
  }

  @Test func `a certificate for another name is refused in words`() async throws {
    let server = try TLSServer(try leaf("other.example"))
    let pem = Array(authority.certificatePEM.utf8)
    let refused = try #require(await failure(to: server.port) { $0.onlyAuthorities = pem })
    #expect(refused.code == .tlsFailed)
    #expect(refused.description.contains("127.0.0.1"))
    #expect(refused.description.contains("subject"), "\(refused)")
  }

  @Test func `TLS 1.1 is too old`() async throws {
    let server = try TLSServer(try leaf(), options: ["-tls1_1", "-cipher", "ALL:@SECLEVEL=0"])
    let pem = Array(authority.certificatePEM.utf8)
    #expect(await failure(to: server.port) { $0.onlyAuthorities = pem }?.code == .tlsFailed)
  }

  @Test func `a server without TLS is a TLS failure`() async throws {
    let server = SocketServer.answering("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
    let echo = SocketServer { connection in
      guard connection.readMore() else { return }
      connection.write("HTTP/1.1 400 Bad Request\r\n\r\n")
    }
    #expect(await failure(to: echo.port) { _ in }?.code == .tlsFailed)
    #expect(server.connectionCount == 0)
  }

  @Test func `a client certificate is shown to a server that asks`() async throws {
    let client = try authority.issueLeaf(commonName: "client", dnsNames: [], ipAddresses: [], client: true)
    let server = try TLSServer(
      try leaf(), options: ["-Verify", "1", "-verify_return_error", "-CAfile", "ca.pem"],
      files: ["ca.pem": authority.certificatePEM])
    let pem = Array(authority.certificatePEM.utf8)
    let response = try await send(to: server.port) {
      $0.onlyAuthorities = pem
      $0.clientCertificatePEM = Array(client.certificatePEM.utf8)
      $0.clientKeyPEM = Array(client.key.pem.utf8)
    }
    #expect(response.status == 200)
    #expect(await failure(to: server.port) { $0.onlyAuthorities = pem } != nil)
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
