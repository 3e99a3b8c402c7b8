import Crypto
import EmbeddedRegistry
import HTTPClient
import HTTPServer
import JSON
import Kubernetes
import Logging
import OCI
import Primitives
import Sigstore
import Testing
import Verification

@testable import Webhook

/// The whole webhook over TLS, with a registry in this process and a cluster from YAML.
@Suite struct WebhookServiceTests {
  let registry = EmbeddedRegistry()
  let key: PrivateKey
  let authority: IssuedCertificate

  init() throws {
    key = try PrivateKey(generating: .p256)
    authority = try .authority(commonName: "test authority")
  }

  private func withWebhook(
    annotations: [String: String] = [:], _ body: (Webhook) async throws -> Void
  ) async throws {
    let folder = try TemporaryFolder(name: "pinseal-webhook-tests")
    defer { folder.remove() }
    let leaf = try authority.issueLeaf(commonName: "pinseal", dnsNames: ["localhost"], ipAddresses: ["127.0.0.1"])
    let tls = TLSConfiguration(
      certificateFile: try folder.write("tls.crt", leaf.certificatePEM),
      keyFile: try folder.write("tls.key", leaf.key.pem))
    var configuration = WebhookConfiguration(listen: "127.0.0.1:0", tls: tls, operationsListen: "127.0.0.1:0")
    configuration.loops = 1
    configuration.verifierLimits.negativeLifetime = .zero
    var all = ["image-verification": "enabled", "ignore-tlog": "true", "public-key": key.publicKey.pem]
    all.merge(annotations) { $1 }
    let cluster = FakeCluster([
      Namespace(
        name: "shop", annotations: Dictionary(uniqueKeysWithValues: all.map { ("pinseal.dev/" + $0.key, $0.value) }))
    ])
    let service = try WebhookService(
      configuration, cluster: cluster,
      registry: RegistryClient(http: InProcessTransport(["registry.example": registry])),
      logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
    var http = HTTPClient.Configuration()
    http.onlyAuthorities = Array(authority.certificatePEM.utf8)
    http.usesProxyEnvironment = false
    do {
      try await body(Webhook(service: service, client: try HTTPClient(http)))
    } catch {
      await service.drain()
      throw error
    }
    await service.drain()
  }

  private func signedImage(_ format: SignatureFormat = .signatureTag) throws -> Digest {
    let digest = try registry.pushImage(repository: "team/app", tag: "v1")
    try registry.attachSignature(repository: "team/app", digest: digest, key: key, as: format)
    return digest
  }

  @Test(arguments: SignatureFormat.allCases)
  func `a signed image is pinned, and its second pass changes nothing and asks nobody`(format: SignatureFormat)
    async throws
  {
    let digest = try signedImage(format)
    try await withWebhook { webhook in
      let first = try await webhook.mutate("registry.example/team/app:v1")
      #expect(first.isAllowed)
      #expect(first.patchedImages == ["registry.example/team/app:v1@\(digest)"])
      let asked = registry.requests.count
      let second = try await webhook.mutate("registry.example/team/app:v1@\(digest)")
      #expect(second.isAllowed && second.patchedImages.isEmpty)
      let third = try await webhook.validate("registry.example/team/app:v1@\(digest)")
      #expect(third.isAllowed && third.patchedImages.isEmpty)
      #expect(registry.requests.count == asked)
      let metrics = try await webhook.metrics()
      #expect(
        metrics.contains(#"pinseal_decisions_total{decision="pinned",endpoint="mutate"} 1"#)
          || metrics.contains(#"pinseal_decisions_total{endpoint="mutate",decision="pinned"} 1"#))
      #expect(metrics.contains("pinseal_fact_cache_entries 1"))
      #expect(!metrics.contains("shop") && !metrics.contains("team/app"))
    }
  }

  @Test func `an unsigned image is refused under Block, and let through with a warning under Warn`() async throws {
    try registry.pushImage(repository: "team/app", tag: "v1")
    try await withWebhook { webhook in
      let answer = try await webhook.mutate("registry.example/team/app:v1")
      #expect(!answer.isAllowed)
      #expect(answer.message.contains("SIGNATURE_NOT_FOUND") && answer.message.contains("registry.example/team/app:v1"))
      #expect(answer.message.contains("container app"))
    }
    try await withWebhook(annotations: ["failure-policy": "Warn"]) { webhook in
      let answer = try await webhook.mutate("registry.example/team/app:v1")
      #expect(answer.isAllowed && answer.patchedImages.isEmpty)
      #expect(answer.warnings.contains { $0.contains("SIGNATURE_NOT_FOUND") })
    }
  }

  @Test func `without ignore-tlog a signature with no log proof is refused, and the message names the annotation`()
    async throws
  {
    _ = try signedImage()
    try await withWebhook(annotations: ["ignore-tlog": "false"]) { webhook in
      let answer = try await webhook.mutate("registry.example/team/app:v1")
      #expect(!answer.isAllowed)
      #expect(answer.message.contains("LOG_PROOF_MISSING") && answer.message.contains("pinseal.dev/ignore-tlog"))
    }
  }

  @Test func `a registry that is away blocks new images, and no update that leaves images as they were`() async throws {
    _ = try signedImage()
    registry.inject(.status(503), path: "/v2/*")
    try await withWebhook { webhook in
      let created = try await webhook.mutate("registry.example/team/app:v1")
      #expect(!created.isAllowed && created.message.contains("REGISTRY_UNAVAILABLE"))
      let updated = try await webhook.mutate("registry.example/team/app:v1", old: "registry.example/team/app:v1")
      #expect(updated.isAllowed)
      let changed = try await webhook.mutate("registry.example/team/app:v2", old: "registry.example/team/app:v1")
      #expect(!changed.isAllowed)
    }
  }

  @Test(arguments: [
    ("GET", "/mutate", "application/json", 405), ("POST", "/", "application/json", 404),
    ("POST", "/mutate", "text/plain", 415), ("POST", "/mutate", "application/json", 400),
  ])
  func `what is no review is answered by its HTTP status`(method: String, path: String, type: String, status: Int)
    async throws
  {
    try await withWebhook { webhook in
      let response = try await webhook.send(method, path, type: type, body: Array("{}".utf8))
      #expect(response.status == status)
      #expect(!response.body.isEmpty)
    }
  }

  @Test func `probes are answered on the plain port, and readiness ends with the cluster's`() async throws {
    try await withWebhook { webhook in
      for (path, status) in [("/livez", 200), ("/readyz", 200), ("/nothing", 404)] {
        let response = try await webhook.operations(path)
        #expect(response.status == status, "\(path)")
      }
    }
  }
}

/// What the tests ask of a running webhook.
private struct Webhook {
  let service: WebhookService
  let client: HTTPClient

  struct Answer {
    let isAllowed: Bool
    let message: String
    let warnings: [String]
    let patchedImages: [String]
  }

  func mutate(_ image: String, old: String? = nil) async throws -> Answer { try await ask("/mutate", image, old: old) }
  func validate(_ image: String) async throws -> Answer { try await ask("/validate", image, old: nil) }

  private func ask(_ path: String, _ image: String, old: String?) async throws -> Answer {
    func object(_ image: String) -> String {
      #"{"apiVersion":"apps/v1","kind":"StatefulSet","metadata":{"name":"db","namespace":"shop"},"spec":{"template":{"spec":{"containers":[{"name":"app","image":"\#(image)"}]}}}}"#
    }
    let body = #"""
      {"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{"uid":"u-1",
      "kind":{"group":"apps","version":"v1","kind":"StatefulSet"},"resource":{"group":"apps","version":"v1","resource":"statefulsets"},
      "name":"db","namespace":"shop","operation":"\#(old == nil ? "CREATE" : "UPDATE")","userInfo":{},
      "object":\#(object(image)),"oldObject":\#(old.map(object) ?? "null")}}
      """#
    let response = try await send("POST", path + "?timeout=5s", type: "application/json", body: Array(body.utf8))
    try #require(response.status == 200)
    let answer = try JSONDocument(response.body).root.member("response")
    try #require(answer.member("uid").string() == "u-1")
    let patch = try answer["patch"].flatMap { Base64.decode(try $0.string()) }
    #expect((patch != nil) == (answer["patchType"] != nil))
    let operations = try patch.map { try JSONDocument($0).root.elements() } ?? []
    let images = try operations.map { try $0.member("value").string() }
    return Answer(
      isAllowed: try answer.member("allowed").bool(), message: try answer["status"]?["message"]?.string() ?? "",
      warnings: try answer["warnings"]?.elements().map { try $0.string() } ?? [], patchedImages: images)
  }

  func send(_ method: String, _ path: String, type: String, body: [UInt8]) async throws -> HTTPResponse {
    let method = try #require(HTTPRequest.Method(rawValue: method))
    return try await client.send(
      HTTPRequest(
        method: method, url: "https://127.0.0.1:\(service.server.port)\(path)", headers: [("content-type", type)],
        body: method == .get ? [] : body),
      deadline: .after(.seconds(10)))
  }

  func operations(_ path: String) async throws -> HTTPResponse {
    try await client.send(
      HTTPRequest(url: "http://127.0.0.1:\(service.operations.port)\(path)", allowsPlainHTTP: true),
      deadline: .after(.seconds(10)))
  }

  func metrics() async throws -> String { String(decoding: try await operations("/metrics").body, as: UTF8.self) }
}
