import Crypto
import Foundation
import HTTPServer
import Logging
import Primitives
import Testing

@Suite(.timeLimit(.minutes(5)))
struct TLSTests {
  let identity: TestIdentity

  init() throws { identity = try TestIdentity() }

  private func curl(_ test: TestServer, _ path: String, _ arguments: [String] = []) async throws -> Tool.Result {
    try await Tool.curl().run(
      ["-sS", "--max-time", "60", "--noproxy", "*", "--cacert", identity.authorityFile] + arguments
        + ["https://localhost:\(test.port)\(path)", "--resolve", "localhost:\(test.port):127.0.0.1"])
  }

  @Test(arguments: ["--http1.1", "--http2"], ["1.2", "1.3"])
  func `curl is answered`(protocolOption: String, version: String) async throws {
    try await TestServer.run(tls: identity.configuration) { test in
      let result = try await curl(
        test, "/hello",
        [protocolOption, "--tlsv\(version)", "--tls-max", version, "-w", "%{http_version} %{http_code}"])
      #expect(result.output == "hello\n" + (protocolOption == "--http2" ? "2 200" : "1.1 200"), "\(result.errors)")
      let statistics = test.server.statistics
      #expect(statistics.handshakes == 1)
      #expect(statistics.http1Requests == (protocolOption == "--http2" ? 0 : 1))
      #expect(statistics.http2Requests == (protocolOption == "--http2" ? 1 : 0))
      #expect(statistics.certificateNotAfter > Int64(Date().timeIntervalSince1970) + 86_400)
    }
  }

  @Test(arguments: ["--http1.1", "--http2"])
  func `bodies of the largest size go both ways`(protocolOption: String) async throws {
    let file = identity.folder.file("body")
    try Data([UInt8](repeating: 0x61, count: 3 << 20)).write(to: URL(fileURLWithPath: file))
    try await TestServer.run(tls: identity.configuration) { test in
      let up = try await curl(test, "/length", [protocolOption, "--data-binary", "@\(file)"])
      #expect(up.output == "\(3 << 20)\n", "\(up.errors)")
      let chunked = try await curl(
        test, "/length",
        [protocolOption, "-H", "Transfer-Encoding: chunked", "-H", "Expect:", "-T", file, "-X", "POST"])
      #expect(chunked.output == "\(3 << 20)\n", "\(chunked.errors)")
      let down = try await curl(test, "/big", [protocolOption])
      #expect(down.output.utf8.count == 3 << 20, "\(down.errors)")
    }
  }

  @Test(arguments: ["--http1.1", "--http2"])
  func `limits and refusals are the same over both protocols`(protocolOption: String) async throws {
    let file = identity.folder.file("body")
    try Data([UInt8](repeating: 0x61, count: 200_000)).write(to: URL(fileURLWithPath: file))
    let wanted: [(path: String, arguments: [String], status: String)] = [
      ("/length", ["--data-binary", "@\(file)"], "413"),
      ("/length", ["-H", "Transfer-Encoding: chunked", "-T", file, "-X", "POST"], "413"),
      ("/hello", ["-H", "x: " + String(repeating: "a", count: 17_000)], "431"),
      ("/hello", (0..<101).flatMap { ["-H", "x\($0): a"] }, "431"),
      ("/nowhere", ["--data-binary", "@\(file)"], "404"), ("/nowhere", ["-d", "short"], "404"),
      ("/hello", ["-X", "DELETE"], "405"), ("/echo", ["-H", "content-type: text/wrong", "-d", "x"], "415"),
    ]
    try await TestServer.run(tls: identity.configuration, limits: { $0.bodyBytes = 100_000 }) { test in
      for (path, arguments, status) in wanted {
        let result = try await curl(
          test, path, [protocolOption, "-o", "/dev/null", "-w", "%{http_code}", "-H", "Expect:"] + arguments)
        #expect(result.output == status, "\(path) \(arguments.prefix(4)) \(result.errors)")
      }
      #expect(test.handler.handled.withLock { $0 } == [])
    }
  }

  @Test func `HTTP/2 requests keep their headers, with the authority as host`() async throws {
    try await TestServer.run(tls: identity.configuration) { test in
      let result = try await curl(
        test, "/headers?a=b", ["--http2", "-H", "X-One: 1", "-H", "User-Agent:", "-H", "Accept:"])
      #expect(result.output == "host=localhost:\(test.port)\nx-one=1\n", "\(result.errors)")
      let head = try await curl(test, "/hello", ["--http2", "-I"])
      #expect(head.output.contains("content-length: 6\r\n"))
      #expect(head.output.contains("date: "))
    }
  }

  @Test func `nghttp2's own clients are answered under load`() async throws {
    let file = try identity.folder.write("body", String(repeating: "a", count: 12_000))
    let large = try identity.folder.write("large", String(repeating: "a", count: 3 << 20))
    let h2load = try Tool("h2load", package: "nghttp2-client")
    let nghttp = try Tool("nghttp", package: "nghttp2-client")
    try await TestServer.run(tls: identity.configuration) { test in
      let address = "https://127.0.0.1:\(test.port)"
      for (arguments, count) in [
        (["-n", "2000", "-c", "4", "-m", "16", "-d", file], 2000), (["-n", "500", "-c", "4", "--h1", "-d", file], 500),
        // Three MiB each, and together more than the connection has room for at once.
        (["-n", "24", "-c", "1", "-m", "24", "-d", large], 24),
      ] {
        let load = try await h2load.run(arguments + ["\(address)/length"])
        #expect(
          load.output.contains("\(count) succeeded, 0 failed, 0 errored, 0 timeout"),
          "\(load.output) \(load.errors) \(test.log.withLock { $0 })")
        #expect(load.output.contains("status codes: \(count) 2xx"))
      }
      let single = try await nghttp.run(["--no-verify-peer", "\(address)/hello"])
      #expect(single.output == "hello\n", "\(single.errors)")
    }
  }

  @Test(arguments: [
    (["-tls1_1"], false), (["-alpn", "spdy/3"], false), (["-alpn", "h2"], true), (["-alpn", "http/1.1"], true),
    ([], true),
    (["-tls1_2", "-cipher", "AES128-SHA"], false),
  ])
  func `only good protocols are agreed on`(arguments: [String], works: Bool) async throws {
    try await TestServer.run(tls: identity.configuration) { test in
      let result = try await Tool.openssl().run(
        ["s_client", "-connect", "127.0.0.1:\(test.port)", "-CAfile", identity.authorityFile, "-verify_return_error"]
          + arguments)
      #expect((result.status == 0) == works, "\(result.output) \(result.errors)")
      // The client is done with it before the server is.
      if works { try await eventually("the handshake is counted") { test.server.statistics.handshakes == 1 } }
      if arguments.first == "-alpn", works { #expect(result.output.contains("ALPN protocol: \(arguments[1])")) }
      #expect(!result.output.contains("Compression: zlib"))
    }
  }

  @Test(arguments: ["-tls1_2", "-tls1_3"])
  func `a session is resumed by its ticket`(version: String) async throws {
    let session = identity.folder.file("session")
    try await TestServer.run(tls: identity.configuration) { test in
      let openssl = try Tool.openssl()
      let common = [
        "s_client", "-connect", "127.0.0.1:\(test.port)", version, "-CAfile", identity.authorityFile, "-ign_eof",
      ]
      let request = "GET /hello HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
      let first = try await openssl.run(common + ["-sess_out", session], input: request)
      #expect(first.output.contains("hello"))
      let second = try await openssl.run(common + ["-sess_in", session], input: request)
      #expect(second.output.contains("Reused, "), "\(second.output)")
      #expect(second.output.contains("hello"))
    }
  }

  @Test func `a client must show a certificate of the right authority`() async throws {
    let strangers = try IssuedCertificate.authority(commonName: "strangers")
    for (name, issuer) in [("client", identity.authority), ("stranger", strangers)] {
      let leaf = try issuer.issueLeaf(commonName: name, dnsNames: [], ipAddresses: [], client: true)
      try identity.folder.write("\(name).crt", leaf.certificatePEM)
      try identity.folder.write("\(name).key", leaf.key.pem)
    }
    var configuration = identity.configuration
    configuration.clientAuthoritiesFile = identity.authorityFile
    try await TestServer.run(tls: configuration) { test in
      func ask(as name: String) async throws -> Tool.Result {
        try await curl(
          test, "/whoami",
          ["--cert", identity.folder.file("\(name).crt"), "--key", identity.folder.file("\(name).key")])
      }
      try await #expect(ask(as: "client").output == "verified\n")
      try await #expect(ask(as: "stranger").status != 0)
      try await #expect(curl(test, "/whoami").status != 0)
      try await #expect(ask(as: "tls").status != 0, "a server's certificate is no client's")
      try await eventually("the failures are counted") { test.server.statistics.failedHandshakes == 3 }
      #expect(test.handler.handled.withLock { $0.count } == 1)
    }
    try await TestServer.run(tls: identity.configuration) { test in
      try await #expect(curl(test, "/whoami").output == "unknown\n")
    }
  }

  @Test func `a client that does not finish its handshake is dropped`() async throws {
    try await TestServer.run(tls: identity.configuration, limits: { $0.handshakeTimeout = .milliseconds(100) }) {
      test in
      let port = test.port
      try await blocking {
        let client = try PlainClient(port: port)
        try client.send([0x16, 3, 1])
        try #expect(client.readToEnd() == "")
      }
      try await eventually("it is counted") { test.server.statistics.failedHandshakes == 1 }
      try await blocking {
        let client = try PlainClient(port: port)
        try client.send("GET /hello HTTP/1.1\r\nHost: a\r\n\r\n")
        try #expect(!client.readToEnd().contains("hello"))
      }
      try await eventually("it is counted") { test.server.statistics.failedHandshakes == 2 }
    }
  }

  @Test func `a server does not start with files that do not fit`() throws {
    let other = try TestIdentity()
    let folder = identity.folder
    let good = identity.configuration
    let missing = folder.file("missing")
    let garbage = try folder.write("garbage", "-----BEGIN CERTIFICATE-----\nnonsense\n-----END CERTIFICATE-----\n")
    let empty = try folder.write("empty", "")
    let encrypted = try folder.write(
      "encrypted", "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n")
    let cases: [(TLSConfiguration, [String])] = [
      (.init(certificateFile: missing, keyFile: good.keyFile), [missing, "No such file"]),
      (.init(certificateFile: good.certificateFile, keyFile: missing), [missing, "No such file"]),
      (
        .init(certificateFile: good.certificateFile, keyFile: other.configuration.keyFile),
        [
          other.configuration.keyFile, good.certificateFile, "does not belong",
        ]
      ),
      (.init(certificateFile: garbage, keyFile: good.keyFile), [garbage, "no PEM certificate"]),
      (.init(certificateFile: empty, keyFile: good.keyFile), [empty, "no PEM certificate"]),
      (.init(certificateFile: good.certificateFile, keyFile: empty), [empty, "not an unencrypted PEM private key"]),
      (.init(certificateFile: good.certificateFile, keyFile: encrypted), [encrypted, "not an unencrypted"]),
      (.init(certificateFile: folder.path, keyFile: good.keyFile), [folder.path, "not a regular file"]),
      (
        .init(certificateFile: good.certificateFile, keyFile: good.keyFile, clientAuthoritiesFile: missing),
        [
          missing, "client authorities",
        ]
      ),
    ]
    for (configuration, words) in cases {
      let error = #expect(throws: ServerError.self) {
        _ = try Server.start(
          address: "127.0.0.1:0", tls: configuration, handler: TestHandler(),
          logger: Logger(label: "test") { _ in LogKeeper(lines: Locked([])) })
      }
      for word in words { #expect(error?.description.contains(word) == true, "\(error?.description ?? "")") }
    }
  }
}
