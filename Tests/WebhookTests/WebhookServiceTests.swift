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
    annotations: [String: String] = [:], configMaps: [ConfigMap] = [], trust: any TrustSource = StaticTrust(.nothing),
    shutdownDelay: Duration = .zero, limits: (inout ServerLimits) -> Void = { _ in },
    _ body: (Webhook) async throws -> Void
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
    configuration.trust = trust
    configuration.shutdownDelay = shutdownDelay
    limits(&configuration.serverLimits)
    var all = ["image-verification": "enabled", "ignore-tlog": "true", "public-key": key.publicKey.pem]
    all.merge(annotations) { $1 }
    let cluster = FakeCluster(
      [
        Namespace(
          name: "shop", annotations: Dictionary(uniqueKeysWithValues: all.map { ("pinseal.dev/" + $0.key, $0.value) }))
      ], configMaps: configMaps)
    let service = try WebhookService(
      configuration, cluster: cluster,
      registry: RegistryClient(http: InProcessTransport(["registry.example": registry])),
      logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
    var http = HTTPClient.Configuration()
    http.onlyAuthorities = Array(authority.certificatePEM.utf8)
    http.usesProxyEnvironment = false
    do {
      try await body(Webhook(service: service, cluster: cluster, client: try HTTPClient(http)))
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

  @Test func `who leaves says so, and goes on answering for a while`() async throws {
    let digest = try signedImage()
    try await withWebhook(shutdownDelay: .seconds(3600)) { webhook in
      let leaving = Task { await webhook.service.drain() }
      while try await webhook.operations("/readyz").status == 200 { try await Task.sleep(for: .milliseconds(10)) }
      let answer = try await webhook.mutate("registry.example/team/app:v1")
      #expect(answer.patchedImages == ["registry.example/team/app:v1@\(digest)"])
      #expect(try await webhook.operations("/livez").status == 200)
      leaving.cancel()
      await leaving.value
    }
  }

  @Test(.timeLimit(.minutes(5)))
  func `who does not read its metrics does not hold up the end`() async throws {
    // Whatever else would end it takes hours.
    let long = Duration.seconds(7200)
    try await withWebhook(limits: { ($0.drainTimeout, $0.writeTimeout) = (long, long) }) { webhook in
      let idler = try Idler(
        port: webhook.service.operations.boundAddress.split(separator: ":").last.flatMap { UInt16($0) } ?? 0)
      // More answers than the kernel keeps for a peer that reads none.
      idler.send(String(repeating: "GET /metrics HTTP/1.1\r\nhost: pinseal\r\n\r\n", count: 4000))
      try await Task.sleep(for: .milliseconds(200))
      await webhook.service.drain()
      withExtendedLifetime(idler) {}
    }
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

  // MARK: With a log

  private func loggedImage(
    _ format: SignatureFormat, log: MemoryLog, annotations: [String: String] = [:]
  ) throws -> Digest {
    let digest = try registry.pushImage(repository: "team/app", tag: "v1")
    try registry.attachSignature(
      repository: "team/app", digest: digest, key: key, as: format, annotations: annotations, log: log)
    return digest
  }

  @Test(arguments: SignatureFormat.allCases, [MemoryLog.Version.rekor1, .rekor2])
  func `by default a signature with the proof of the trust root's log is pinned`(
    format: SignatureFormat, version: MemoryLog.Version
  ) async throws {
    // Rekor v2 has no annotation of its own.
    if version == .rekor2, format != .bundle { return }
    let log = MemoryLog(key: try PrivateKey(generating: .p256), version: version)
    let digest = try loggedImage(format, log: log)
    let trust = StaticTrust(try log.trustedRoot(), source: "file", description: "/etc/root.json", since: 1)
    try await withWebhook(annotations: ["ignore-tlog": "false"], trust: trust) { webhook in
      let first = try await webhook.mutate("registry.example/team/app:v1")
      #expect(first.patchedImages == ["registry.example/team/app:v1@\(digest)"], "\(first.message)")
      #expect(first.audit.contains { $0.contains("by key \(key.publicKey.fingerprint)") }, "\(first.audit)")
      #expect(first.audit.contains { $0.contains("log index 6 of https://rekor.example") }, "\(first.audit)")
      let asked = registry.requests.count
      #expect(try await webhook.validate("registry.example/team/app:v1@\(digest)").isAllowed)
      #expect(registry.requests.count == asked)
    }
    let other = MemoryLog(key: try PrivateKey(generating: .p256))
    for source in [StaticTrust(.nothing), StaticTrust(try other.trustedRoot())] {
      try await withWebhook(annotations: ["ignore-tlog": "false"], trust: source) { webhook in
        let answer = try await webhook.mutate("registry.example/team/app:v1")
        #expect(!answer.isAllowed && answer.message.contains("LOG_PROOF_INVALID"), "\(answer.message)")
      }
    }
  }

  @Test func `a private log by its key, a key's times and what must be signed are read from the namespace`()
    async throws
  {
    let log = MemoryLog(key: try PrivateKey(generating: .p256))
    let digest = try loggedImage(.signatureTag, log: log, annotations: ["env": "prod"])
    func maps(notAfter: String) -> [ConfigMap] {
      [
        ConfigMap(
          namespace: "shop", name: "trust",
          data: [
            "team.pub": key.publicKey.pem, "team.pub.not-before": "2026-01-01T00:00:00Z",
            "team.pub.not-after": notAfter,
            "rekor.pub": log.key.publicKey.pem,
          ])
      ]
    }
    let annotations = [
      "ignore-tlog": "false", "public-key": "configmap://trust/team.pub",
      "rekor-public-key": "configmap://trust/rekor.pub", "signed-identity": "repository",
      "signature-annotations": "env=prod",
    ]
    try await withWebhook(annotations: annotations, configMaps: maps(notAfter: "2026-01-01T00:00:00Z")) { webhook in
      let answer = try await webhook.mutate("registry.example/team/app:v1")
      #expect(answer.patchedImages == ["registry.example/team/app:v1@\(digest)"], "\(answer.message)")
    }
    let refusals: [([String: String], String, String)] = [
      (["signature-annotations": "env=test"], "2026-01-01T00:00:00Z", "ANNOTATION_MISMATCH"),
      (["rekor-public-key": "configmap://trust/team.pub"], "2026-01-01T00:00:00Z", "POLICY_INVALID"),
      ([:], "2026-13-01T00:00:00Z", "POLICY_INVALID"),
      (["rekor-public-key": "configmap://trust/none"], "", "POLICY_INVALID"),
    ]
    for (changes, notAfter, code) in refusals {
      try await withWebhook(
        annotations: annotations.merging(changes) { $1 }, configMaps: maps(notAfter: notAfter)
      ) { webhook in
        let answer = try await webhook.mutate("registry.example/team/app:v1")
        #expect(!answer.isAllowed && answer.message.contains(code), "\(answer.message)")
      }
    }
    // The very image and its genuine signatures, in another repository.
    try registry.pushImage(repository: "team/copy")
    let image = try #require(registry.manifest(.digest(digest), repository: "team/app"))
    guard case .image(_, let config, let layers, _, _) = try Manifest(parsing: image) else { return }
    for part in [config] + layers {
      try registry.put(
        blob: try #require(registry.blob(part.digest, repository: "team/app")), repository: "team/copy")
    }
    try registry.put(manifest: image.bytes, mediaType: image.mediaType, repository: "team/copy")
    try registry.copySignatures(from: digest, in: "team/app", to: digest, in: "team/copy")
    try await withWebhook(annotations: annotations, configMaps: maps(notAfter: "2026-06-01T00:00:00Z")) { webhook in
      let answer = try await webhook.mutate("registry.example/team/copy@\(digest)")
      #expect(!answer.isAllowed && answer.message.contains("SIGNED_IDENTITY_MISMATCH"), "\(answer.message)")
    }
  }

  @Test func `readiness and metrics tell of the trust root, and which key verified`() async throws {
    let log = MemoryLog(key: try PrivateKey(generating: .p256))
    _ = try loggedImage(.bundle, log: log)
    let trust = StaticTrust(try log.trustedRoot(), source: "file", description: "/etc/root.json", since: 1)
    try await withWebhook(annotations: ["ignore-tlog": "false"], trust: trust) { webhook in
      #expect(try await webhook.mutate("registry.example/team/app:v1").isAllowed)
      let plain = try await webhook.operations("/readyz")
      #expect(String(decoding: plain.body, as: UTF8.self).contains("ok"))
      #expect(!String(decoding: plain.body, as: UTF8.self).contains("trusted root"))
      let verbose = try await webhook.operations("/readyz?verbose")
      #expect(verbose.status == 200)
      #expect(String(decoding: verbose.body, as: UTF8.self).contains("trusted root: file, /etc/root.json"))
      let metrics = try await webhook.metrics()
      let name = "SHA256:" + Hex.encode(key.publicKey.fingerprint.bytes.prefix(8))
      #expect(metrics.contains("pinseal_signer_verifications_total{signer=\"\(name)\"} 1"))
      #expect(metrics.contains("pinseal_signer_last_verified_seconds{signer=\"\(name)\"} 1"))
      #expect(metrics.contains(#"pinseal_trust_root_age_seconds{source="file"}"#))
      #expect(metrics.contains(#"pinseal_trust_root_expires_seconds{source="file"} 0"#))
    }
  }

  @Test func `readiness and metrics tell of watches that are broken, and it stays ready`() async throws {
    try await withWebhook { webhook in
      func ready(_ path: String) async throws -> (status: Int, lines: [Substring]) {
        let response = try await webhook.operations(path)
        return (response.status, String(decoding: response.body, as: UTF8.self).split(separator: "\n"))
      }
      webhook.cluster.state.withLock {
        $0.status = ClusterStatus(
          watches: [
            .init(name: "namespaces", count: 1, objects: 12, age: .milliseconds(75500), breaks: 3),
            .init(name: "secrets", count: 2, objects: 1, age: .seconds(5), breaks: 0, forbidden: 1),
          ],
          troubles: [
            .init(subject: "namespaces in the whole cluster", duration: .seconds(75), reason: "refused\u{1b}"),
            .init(subject: "Secret db/s", duration: .seconds(5), reason: "refused"),
          ])
      }
      let plain = try await ready("/readyz")
      #expect(plain.status == 200 && plain.lines.count == 2 && plain.lines[0] == "ok")
      #expect(plain.lines[1].hasPrefix("cluster: namespaces in the whole cluster: not seen since 20"))
      #expect(plain.lines[1].hasSuffix("(75 s), decisions go by what was known: refused\\u{1b}"))
      let verbose = try await ready("/readyz?verbose")
      #expect(
        verbose.lines[1...2] == [
          "cluster: namespaces: 12 known by 1 watch, last sign of life 75 s ago, broken 3 times",
          "cluster: secrets: 1 known by 2 watches, last sign of life 5 s ago, broken 0 times, 1 not allowed: those objects are read",
        ])
      #expect(verbose.lines.contains { $0.contains("Secret db/s") })
      let metrics = try await webhook.metrics()
      #expect(metrics.contains(#"pinseal_watch_age_seconds{watch="namespaces"} 75.5"#))
      #expect(metrics.contains(#"pinseal_watch_restarts_total{watch="namespaces"} 3"#))
      #expect(metrics.contains(#"pinseal_watched_objects{watch="namespaces"} 12"#))
      #expect(metrics.contains(#"pinseal_watched_objects{watch="configmaps"} 0"#))
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
  let cluster: FakeCluster
  let client: HTTPClient

  struct Answer {
    let isAllowed: Bool
    let message: String
    let warnings: [String]
    let patchedImages: [String]
    let audit: [String]
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
    let response = try await send("POST", path + "?timeout=30s", type: "application/json", body: Array(body.utf8))
    try #require(response.status == 200)
    let answer = try JSONDocument(response.body).root.member("response")
    try #require(answer.member("uid").string() == "u-1")
    let patch = try answer["patch"].flatMap { Base64.decode(try $0.string()) }
    #expect((patch != nil) == (answer["patchType"] != nil))
    let operations = try patch.map { try JSONDocument($0).root.elements() } ?? []
    let images = try operations.map { try $0.member("value").string() }
    return Answer(
      isAllowed: try answer.member("allowed").bool(), message: try answer["status"]?["message"]?.string() ?? "",
      warnings: try answer["warnings"]?.elements().map { try $0.string() } ?? [], patchedImages: images,
      audit: try answer["auditAnnotations"]?.members().map { try $0.value.string() } ?? [])
  }

  func send(_ method: String, _ path: String, type: String, body: [UInt8]) async throws -> HTTPResponse {
    let method = try #require(HTTPRequest.Method(rawValue: method))
    return try await client.send(
      HTTPRequest(
        method: method, url: "https://127.0.0.1:\(service.server.port)\(path)", headers: [("content-type", type)],
        body: method == .get ? [] : body),
      deadline: .after(.seconds(60)))
  }

  func operations(_ path: String) async throws -> HTTPResponse {
    try await client.send(
      HTTPRequest(url: "http://127.0.0.1:\(service.operations.port)\(path)", allowsPlainHTTP: true),
      deadline: .after(.seconds(60)))
  }

  func metrics() async throws -> String { String(decoding: try await operations("/metrics").body, as: UTF8.self) }
}
