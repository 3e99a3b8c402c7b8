import ArgumentParser
import Crypto
import JSON
import Kubernetes
import Logging
import Primitives
import Telemetry
import Testing

@testable import pinseal

/// `pinseal certs`, and the options of `serve` about certificates.
@Suite struct CertsTests {
  private func text(_ path: String) throws -> String { String(decoding: try FileBytes.read(path), as: UTF8.self) }

  @Test func `files are a pair by an authority, and are not overwritten`() throws {
    let folder = try TemporaryFolder(name: "certs-tests")
    defer { folder.remove() }
    let arguments = [
      "certs", "files", "--out", folder.path, "--dns-name", "localhost", "--dns-name", "pinseal.pinseal.svc",
      "--ip-address", "127.0.0.1", "--days", "5",
    ]
    let command = try #require(try Pinseal.parseAsRoot(arguments) as? CertsFiles)
    try command.run()
    let ca = try X509Certificate.parsePEM(try text("\(folder.path)/ca.crt"))
    let leaf = try #require(try X509Certificate.parsePEM(try text("\(folder.path)/tls.crt")).first)
    _ = try IssuedCertificate(certificate: leaf, key: try PrivateKey(pem: try text("\(folder.path)/tls.key")))
    _ = try CertificatePath.verify(
      leaf: leaf, intermediates: [], roots: ca, at: WallClock.seconds, purpose: .serverAuthentication)
    #expect(leaf.subjectAlternativeNames.compactMap(\.text) == ["localhost", "pinseal.pinseal.svc", "127.0.0.1"])

    #expect(throws: ValidationError.self) { try command.run() }
    #expect(try text("\(folder.path)/tls.crt") == leaf.pem)
    var forced = command
    forced.force = true
    try forced.run()
    #expect(try text("\(folder.path)/tls.crt") != leaf.pem)
  }

  @Test(arguments: [
    ["--out", "/tmp/x"], ["--out", "/tmp/x", "--dns-name", "a", "--days", "0"],
    ["--out", "/tmp/x", "--dns-name", "a", "--days", "3651"], ["--dns-name", "a"],
  ])
  func `wrong usage of files is refused`(arguments: [String]) {
    #expect(throws: (any Error).self) { try Pinseal.parseAsRoot(["certs", "files"] + arguments) }
  }

  @Test(arguments: [["--dns-name", "a b"], ["--ip-address", "localhost"]])
  func `names that are none are refused before anything is written`(arguments: [String]) throws {
    let folder = try TemporaryFolder(name: "certs-tests")
    defer { folder.remove() }
    let command = try Pinseal.parseAsRoot(["certs", "files", "--out", folder.path] + arguments) as? CertsFiles
    #expect(throws: ValidationError.self) { try command?.run() }
    #expect(FileBytes.identity(of: "\(folder.path)/ca.crt") == nil)
  }

  @Test func `what is shown names certificates and holds no key`() throws {
    let authority = try IssuedCertificate.authority(commonName: "Shown authority", validity: 1000...2000)
    let leaf = try authority.issueLeaf(
      commonName: "leaf", dnsNames: ["a.example"], ipAddresses: [], validity: 1000...1500)
    let pem = leaf.certificatePEM + leaf.key.pem + authority.certificatePEM
    let report = try CertsReport(pem: pem, source: "file\u{7}", at: 1600)
    #expect(report.rows.count == 2 && !report.isValid)
    for text in [report.text, report.json] {
      for part in ["Shown authority", "a.example", "SHA256:", "ECDSA P-256", "file\\u{7}"] {
        #expect(text.contains(part) || text.contains(part.replacing("\\", with: "\\\\")), "\(part) in \(text)")
      }
      #expect(!text.contains("PRIVATE") && !text.contains(String(leaf.key.pem.dropFirst(40).prefix(40))))
    }
    #expect(report.text.contains("(EXPIRED)") && report.text.contains("(0 days left)"))
    let list = try JSONDocument(Array(report.json.utf8)).root.elements()
    #expect(try list.map { try $0.member("valid").bool() } == [false, true])
    #expect(try list.map { try $0.member("authority").bool() } == [false, true])
    #expect(throws: CertsFault.self) {
      try CertsReport(pem: "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", source: "x", at: 1)
    }
  }

  // MARK: Options of serve

  private func open(_ arguments: [String], environment: [String: String] = [:]) async throws -> Bool {
    let command = try #require(try Pinseal.parseAsRoot(["serve"] + arguments) as? Serve)
    let made = try await command.certificates.open(
      Settings(environment: environment), objects: { throw CertsFault("the API is asked") },
      logger: Serve.logger(format: .text, level: .critical))
    return made != nil
  }

  private static let complete = [
    "--self-managed-tls", "--tls-secret", "pinseal/tls", "--tls-dns-name", "pinseal.pinseal.svc",
    "--webhook-configuration", "mutating/pinseal",
  ]

  @Test func `without the flag nothing is self-managed, and all of it asks the API`() async throws {
    #expect(try await !open([]))
    await #expect(throws: CertsFault.self) { try await open(Self.complete) }
    await #expect(throws: CertsFault.self) {
      try await open(
        [],
        environment: [
          "PINSEAL_SELF_MANAGED_TLS": "true", "PINSEAL_TLS_SECRET": "a/b", "PINSEAL_TLS_DNS_NAME": "a.b.svc,c.b.svc",
          "PINSEAL_WEBHOOK_CONFIGURATION": "mutating/x,validating/y",
        ])
    }
  }

  @Test(arguments: [
    ["--tls-secret", "a/b"], ["--tls-dns-name", "a"], ["--webhook-configuration", "mutating/x"],
    ["--self-managed-tls"], Array(complete.dropLast(2)), complete + ["--webhook-configuration", "other/x"],
    complete + ["--tls-dns-name", "*.svc"], ["--self-managed-tls", "--tls-secret", "b"] + complete.dropFirst(3),
  ])
  func `halves and mistakes are refused before the API is asked`(arguments: [String]) async {
    await #expect(throws: ValidationError.self) { try await open(arguments) }
  }

  @Test(arguments: ["file:/x", "elsewhere", "kubeconfig:"])
  func `certificates are kept in an API server only`(cluster: String) {
    #expect(throws: ValidationError.self) { try ClusterSource.certificateObjects(cluster, allowsInsecure: false) }
  }
}
