import Crypto
import Foundation
import HTTPServer
import Primitives
import Testing

/// A folder laid out and changed as the kubelet does with a mounted Secret: `tls.crt` is a link into `..data`, which is a
/// link to a folder that is replaced as a whole.
private struct MountedSecret {
  let folder: TemporaryFolder
  var configuration: TLSConfiguration {
    var configuration = TLSConfiguration(certificateFile: folder.file("tls.crt"), keyFile: folder.file("tls.key"))
    configuration.reloadInterval = .milliseconds(20)
    return configuration
  }

  init() throws {
    folder = try TemporaryFolder()
    for name in ["tls.crt", "tls.key"] {
      try FileManager.default.createSymbolicLink(atPath: folder.file(name), withDestinationPath: "..data/\(name)")
    }
  }

  func swap(certificate: String, key: String) throws {
    let version = "..\(UUID().uuidString)"
    try FileManager.default.createDirectory(atPath: folder.file(version), withIntermediateDirectories: false)
    try folder.write("\(version)/tls.crt", certificate)
    try folder.write("\(version)/tls.key", key)
    try FileManager.default.createSymbolicLink(atPath: folder.file("..data_tmp"), withDestinationPath: version)
    guard rename(folder.file("..data_tmp"), folder.file("..data")) == 0 else { throw TestFailure("cannot swap") }
  }
}

/// A TLS connection that stays open: `openssl s_client` with a pipe at either end.
private struct OpenConnection: Sendable {
  private let child: Child

  init(port: Int) throws {
    child = try Child(try Tool.openssl().path, ["s_client", "-quiet", "-connect", "127.0.0.1:\(port)"])
  }

  func ask() -> String {
    child.write("GET /hello HTTP/1.1\r\nHost: a\r\n\r\n")
    var text = ""
    while !text.hasSuffix("hello\n") {
      let bytes = child.read(child.output)
      if bytes.isEmpty { return text }
      text += String(decoding: bytes, as: UTF8.self)
    }
    return text
  }
}

@Suite(.timeLimit(.minutes(5)))
struct ReloadTests {
  private func isServed(_ identity: TestIdentity, _ port: Int) async throws -> Bool {
    let result = try await Tool.curl().run([
      "-sS", "--max-time", "60", "--noproxy", "*", "--cacert", identity.authorityFile,
      "https://127.0.0.1:\(port)/hello",
    ])
    return result.output == "hello\n"
  }

  @Test func `a swapped secret is taken into use and open connections go on`() async throws {
    let (old, new) = (try TestIdentity(), try TestIdentity())
    let secret = try MountedSecret()
    try secret.swap(certificate: old.leaf.certificatePEM, key: old.leaf.key.pem)
    try await TestServer.run(tls: secret.configuration) { test in
      let port = test.port
      let open = try OpenConnection(port: port)
      let before = try await blocking { open.ask() }
      #expect(before.hasPrefix("HTTP/1.1 200"))
      try await #expect(isServed(old, port))

      try secret.swap(certificate: new.leaf.certificatePEM, key: new.leaf.key.pem)
      try await eventually("the certificate is reloaded") { test.server.statistics.certificateReloads == 1 }
      try await #expect(isServed(new, port))
      try await #expect(!isServed(old, port))
      let after = try await blocking { open.ask() }
      #expect(after.hasPrefix("HTTP/1.1 200"))
      #expect(test.logged("certificate reloaded"))
    }
  }

  @Test func `a broken pair is not taken into use, and a good one after it is`() async throws {
    let (old, new) = (try TestIdentity(), try TestIdentity())
    let secret = try MountedSecret()
    try secret.swap(certificate: old.leaf.certificatePEM, key: old.leaf.key.pem)
    try await TestServer.run(tls: secret.configuration) { test in
      let port = test.port
      try secret.swap(certificate: new.leaf.certificatePEM, key: old.leaf.key.pem)
      try await eventually("the mismatch is logged") { test.logged("does not belong to") }
      try secret.swap(certificate: "nonsense", key: old.leaf.key.pem)
      try await eventually("the nonsense is logged") { test.logged("no PEM certificate") }
      #expect(test.logged(secret.folder.file("tls.crt")))
      try await #expect(isServed(old, port))
      #expect(test.server.statistics.certificateReloads == 0)

      try secret.swap(certificate: new.leaf.certificatePEM, key: new.leaf.key.pem)
      try await eventually("the certificate is reloaded") { test.server.statistics.certificateReloads == 1 }
      try await #expect(isServed(new, port))
      // Said once each, not at every look; once more if a look fell between the two files' reading.
      #expect(test.log.withLock { lines in lines.filter { $0.contains("stays in use") }.count } <= 4)
    }
  }

  @Test func `files that are replaced one after the other are taken into use together`() async throws {
    let (old, new) = (try TestIdentity(), try TestIdentity())
    var configuration = old.configuration
    configuration.reloadInterval = .milliseconds(20)
    try await TestServer.run(tls: configuration) { test in
      try old.folder.write("tls.crt", new.leaf.certificatePEM)
      try await eventually("the half is noticed") { test.logged("does not belong to") }
      try old.folder.write("tls.key", new.leaf.key.pem)
      try await eventually("the certificate is reloaded") { test.server.statistics.certificateReloads == 1 }
      try await #expect(isServed(new, test.port))
    }
  }
}
