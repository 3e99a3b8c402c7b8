import ArgumentParser
import Crypto
import EmbeddedRegistry
import HTTPServer
import JSON
import Kubernetes
import Logging
import OCI
import Primitives
import Testing
import Webhook

@testable import pinseal

/// `pinseal check` against a webhook in this process.
@Suite struct CheckTests {
  private let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }

  private func check(_ arguments: [String]) async throws -> CheckReport {
    let command = try #require(try Pinseal.parseAsRoot(["check"] + arguments) as? Check)
    return try await command.report()
  }

  private struct Stage {
    let folder: TemporaryFolder
    let ca: String
    let strangersCA: String
    let port: Int
    let ops: String
  }

  private func withWebhook(_ body: (Stage) async throws -> Void) async throws {
    let folder = try TemporaryFolder(name: "check-tests")
    defer { folder.remove() }
    let authority = try IssuedCertificate.authority(commonName: "authority")
    let leaf = try authority.issueLeaf(commonName: "pinseal", dnsNames: ["pinseal.pinseal.svc"], ipAddresses: [])
    let tls = TLSConfiguration(
      certificateFile: try folder.write("tls.crt", leaf.certificatePEM),
      keyFile: try folder.write("tls.key", leaf.key.pem))
    var configuration = WebhookConfiguration(listen: "127.0.0.1:0", tls: tls, operationsListen: "127.0.0.1:0")
    configuration.loops = 1
    let registry = EmbeddedRegistry()
    _ = try registry.pushImage(repository: "team/app", tag: "v1")
    let key = try PrivateKey(generating: .p256).publicKey.pem.split(separator: "\n").map { "      " + $0 }
    let cluster = try FileCluster(
      yaml: """
        apiVersion: v1
        kind: Namespace
        metadata:
          name: shop
          annotations:
            pinseal.dev/image-verification: enabled
            pinseal.dev/ignore-tlog: "true"
            pinseal.dev/public-key: |
        \(key.joined(separator: "\n"))
        """)
    let service = try WebhookService(
      configuration, cluster: cluster,
      registry: RegistryClient(http: InProcessTransport(["registry.example": registry])), logger: logger)
    let stage = Stage(
      folder: folder, ca: try folder.write("ca.crt", authority.certificatePEM),
      strangersCA: try folder.write(
        "other.crt", try IssuedCertificate.authority(commonName: "authority").certificatePEM),
      port: service.server.port, ops: "http://\(service.operations.boundAddress)")
    do {
      try await body(stage)
    } catch {
      await service.drain()
      throw error
    }
    await service.drain()
  }

  @Test func `a webhook that works is found to work`() async throws {
    try await withWebhook { stage in
      let base = ["--url", "https://127.0.0.1:\(stage.port)", "--server-name", "pinseal.pinseal.svc", "--ca", stage.ca]
      let report = try await check(base + ["--ops-url", stage.ops])
      #expect(report.status == 0, "\(report.text)")
      #expect(report.steps.count == 5 && report.steps.allSatisfy { $0.verdict == .asExpected })
      #expect(report.steps.contains { $0.message.contains("made for apps/v1 StatefulSet") }, "\(report.text)")
      let root = try JSONDocument(Array(report.json.utf8)).root
      #expect(try root.member("ok").bool() && root.member("steps").elements().count == 5)

      let image = ["--namespace", "shop", "--image", "registry.example/team/app:v1", "--expect"]
      let refused = try await check(base + image + ["refused"])
      #expect(refused.status == 0 && refused.text.contains("SIGNATURE_NOT_FOUND"), "\(refused.text)")
      let otherwise = try await check(base + image + ["allowed"])
      #expect(otherwise.status == 1 && otherwise.text.contains("WRONG"), "\(otherwise.text)")
    }
  }

  @Test func `another authority, another name and nobody there are no reply`() async throws {
    try await withWebhook { stage in
      let url = "https://127.0.0.1:\(stage.port)"
      for arguments in [
        ["--url", url, "--server-name", "pinseal.pinseal.svc", "--ca", stage.strangersCA],
        ["--url", url, "--server-name", "other.pinseal.svc", "--ca", stage.ca], ["--url", url, "--ca", stage.ca],
        ["--url", "https://127.0.0.1:1", "--ca", stage.ca], ["--url", url, "--ca", "/no/such/file"],
      ] {
        let report = try await check(arguments)
        #expect(report.status == 2 && report.text.contains("NO REPLY"), "\(arguments): \(report.text)")
      }
      // Ready is asked apart from the webhook itself.
      let report = try await check([
        "--url", url, "--server-name", "pinseal.pinseal.svc", "--ca", stage.ca, "--ops-url", "http://127.0.0.1:1",
      ])
      #expect(report.status == 2 && report.steps.filter { $0.verdict == .unanswered }.count == 1)
    }
  }

  @Test func `with --within it waits until the webhook answers`() async throws {
    let folder = try TemporaryFolder(name: "check-tests")
    defer { folder.remove() }
    let authority = try IssuedCertificate.authority(commonName: "authority")
    let leaf = try authority.issueLeaf(commonName: "x", dnsNames: ["localhost"], ipAddresses: [])
    let ca = try folder.write("ca.crt", authority.certificatePEM)
    let tls = TLSConfiguration(
      certificateFile: try folder.write("tls.crt", leaf.certificatePEM),
      keyFile: try folder.write("tls.key", leaf.key.pem))
    // Which answers after some rounds.
    let handler = SlowStarter()
    let server = try Server.start(address: "127.0.0.1:0", tls: tls, loops: 1, handler: handler, logger: logger)
    let url = "https://localhost:\(server.port)"
    let early = try await check(["--url", url, "--ca", ca])
    #expect(early.status == 1, "\(early.text)")
    let report = try await check(["--url", url, "--ca", ca, "--within", "60s"])
    #expect(report.status == 0, "\(report.text)")
    #expect(handler.asked.withLock { $0 } > 8)
    await server.drain()
  }

  @Test(arguments: [
    ["--url", "http://a", "--ca", "x"], ["--url", "a", "--ca", "x"], ["--url", "https://", "--ca", "x"],
    ["--url", "https://a/path", "--ca", "x"], ["--url", "https://a:0", "--ca", "x"],
    ["--url", "https://u@a", "--ca", "x"], ["--url", "https://a"],
    ["--url", "https://a", "--ca", "x", "--ca-from", "mutating/x"],
    ["--url", "https://a", "--ca", "x", "--image", "y"], ["--url", "https://a", "--ca", "x", "--expect", "allowed"],
    ["--url", "https://a", "--ca", "x", "--server-name", "b"],
    ["--url", "https://127.0.0.1", "--ca", "x", "--server-name", "b:443:c"],
    ["--url", "https://a", "--ca", "x", "--namespace", "A/b"], ["--url", "https://a", "--ca", "x", "--within", "soon"],
    ["--url", "https://a", "--ca", "x", "--ops-url", "https://a"],
    ["--url", "https://a", "--ca", "x", "--client-cert", "y"],
  ])
  func `wrong usage is refused`(arguments: [String]) async {
    await #expect(throws: (any Error).self) { try await check(arguments) }
  }
}

/// Denies and allows what it must only from the ninth review on.
private final class SlowStarter: RequestHandler {
  let asked = Locked(0)

  func check(_ head: RequestHead) -> Response? { nil }

  func handle(_ request: Request) -> Reply {
    let count = asked.withLock {
      $0 += 1
      return $0
    }
    let isDeletion = String(decoding: request.body, as: UTF8.self).contains("DELETE")
    let body =
      #"{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","response":{"uid":"\#(SampleReview.uid)","allowed":"#
      + "\(count > 8 && isDeletion)}}"
    return .now(Response(status: 200, headers: [("content-type", "application/json")], body: Array(body.utf8)))
  }
}
