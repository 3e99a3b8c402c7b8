import Crypto
import Glibc
import Kubernetes
import Primitives
import Testing

@testable import Webhook

/// The first start, replicas that race, and what must not be touched.
@Suite struct CertificateKeeperTests {
  @Test(arguments: [FakeCertificateObjects.emptySecret, nil])
  func `the first pass makes everything, the second finds nothing to do`(secret: KeptSecret?) async throws {
    let scene = try CertificateScene(secret: secret)
    let replica = try scene.replica("a")
    #expect(!replica.keeper.hasCertificate && replica.keeper.status == nil)
    let changes = try await replica.pass()
    #expect(changes.count == 3, "\(changes)")
    try replica.expectAccepted()
    #expect(replica.keeper.hasCertificate)
    var status = stat()
    #expect(stat(replica.file, &status) == 0 && status.st_mode & 0o777 == 0o600)

    let stored = try #require(scene.objects.secret)
    #expect(stored.annotations["pinseal.dev/certificates"] == "self-managed")
    #expect(stored.annotations["mine"] == (secret == nil ? nil : "kept"))
    #expect(stored.type == (secret == nil ? "kubernetes.io/tls" : "Opaque"))
    #expect(stored.data.filter { !$0.value.isEmpty }.keys.sorted() == ["ca.crt", "ca.key", "tls.crt", "tls.key"])
    #expect(Set(scene.objects.bundles) == [stored.data["ca.crt"]])
    for (key, value) in stored.data where key.hasSuffix(".key") {
      #expect(!String(decoding: value, as: UTF8.self).isEmpty && !"\(stored)".contains("PRIVATE"))
    }

    var dumped = ""
    dump(scene.material, to: &dumped)
    #expect(!dumped.contains("PRIVATE") && !"\(scene.material)".contains("PRIVATE"))

    let writes = scene.objects.writes
    #expect(writes == [secret == nil ? "create" : "update", "bundle", "bundle"])
    #expect(try await replica.pass().isEmpty)
    #expect(scene.objects.writes == writes)
    let kept = try #require(replica.keeper.status)
    #expect(kept.isComplete && kept.failures == 0 && kept.lastPass == scene.now)
    #expect(kept.authorityNotAfter == scene.now + 365 * 86_400)
    #expect(try replica.served.validity.end == scene.now + 90 * 86_400)
  }

  @Test func `who comes second takes what the first has made`() async throws {
    let scene = try CertificateScene()
    let (first, second) = (try scene.replica("a"), try scene.replica("b"))
    scene.objects.interruptNextWrite { _ in _ = try? await first.pass() }
    #expect(try await second.pass().isEmpty)
    #expect(try first.served == second.served)
    try second.expectAccepted()
    #expect(scene.objects.writes == ["update", "bundle", "bundle"])
  }

  @Test func `two that make the Secret at the same time agree`() async throws {
    let scene = try CertificateScene(secret: nil)
    let (first, second) = (try scene.replica("a"), try scene.replica("b"))
    scene.objects.interruptNextWrite { _ in _ = try? await first.pass() }
    #expect(try await second.pass().isEmpty)
    #expect(try first.served == second.served)
  }

  @Test func `a bundle from an older state of the Secret is never written over a newer one`() async throws {
    let scene = try CertificateScene()
    let (first, second) = (try scene.replica("a"), try scene.replica("b"))
    try await first.pass()
    try await second.pass()
    // Somebody empties a bundle; the second is about to write back what it read, when the first makes the next authority.
    scene.objects.put(WebhookRegistration(id: CertificateScene.mutating, resourceVersion: "x", bundles: [[]]))
    scene.objects.interruptNextWrite { name in
      #expect(name == "bundle")
      scene.advance(days: 250)
      _ = try? await first.pass()
    }
    try await second.pass()
    let bundle = try #require(scene.objects.secret?.data["ca.crt"])
    #expect(scene.material.next != nil)
    #expect(Set(scene.objects.bundles) == [bundle])
  }

  @Test func `who is interrupted again and again gives up until the next pass`() async throws {
    let scene = try CertificateScene()
    let replica = try scene.replica("a")
    @Sendable func interrupt() {
      scene.objects.interruptNextWrite { _ in
        scene.objects.change { $0.annotations["other"] = "\(scene.now)" }
        interrupt()
      }
    }
    interrupt()
    // What waits to interrupt holds the scene.
    defer { scene.objects.interruptNextWrite { _ in } }
    let error = try await #require(throws: CertificateKeeperError.self) { try await replica.pass() }
    #expect(!error.isFinal && error.description.contains("others keep changing"))
    #expect(scene.objects.writes.isEmpty && !replica.keeper.hasCertificate)
  }

  // MARK: Others' objects

  @Test(arguments: [
    KeptSecret(type: "kubernetes.io/tls", annotations: [:], data: ["tls.crt": [1]], resourceVersion: "1"),
    KeptSecret(
      type: "Opaque", annotations: ["pinseal.dev/certificates": "yes"], data: ["password": [1]], resourceVersion: "1"),
    KeptSecret(type: "kubernetes.io/dockerconfigjson", annotations: [:], data: [:], resourceVersion: "1"),
  ])
  func `a Secret that is somebody else's is refused and left alone`(secret: KeptSecret) async throws {
    let scene = try CertificateScene(secret: secret)
    let replica = try scene.replica("a")
    for attempt in [{ try await replica.pass() as Any }, { try await replica.keeper.start() as Any }] {
      let error = try await #require(throws: CertificateKeeperError.self) { try await attempt() }
      #expect(error.isFinal && error.description.contains("pinseal/pinseal-tls"), "\(error)")
    }
    #expect(scene.objects.writes.isEmpty && scene.objects.secret?.data == secret.data)
  }

  @Test func `a configuration with a webhook that is somebody else's is refused and left alone`() async throws {
    let scene = try CertificateScene()
    scene.objects.put(
      WebhookRegistration(
        id: CertificateScene.mutating, resourceVersion: "1", bundles: [[], [1]],
        hosts: ["pinseal.pinseal.svc", "other.pinseal.svc"]))
    let replica = try scene.replica("a")
    let error = try await #require(throws: CertificateKeeperError.self) { try await replica.pass() }
    #expect(error.isFinal && error.description.contains("other.pinseal.svc"), "\(error)")
    #expect(scene.objects.writes.isEmpty)
  }

  @Test func `a TLS Secret with empty values is as good as an empty one`() async throws {
    let scene = try CertificateScene(
      secret: KeptSecret(
        type: "kubernetes.io/tls", annotations: [:], data: ["tls.crt": [], "tls.key": []], resourceVersion: "1"))
    let replica = try scene.replica("a")
    try await replica.pass()
    try replica.expectAccepted()
  }

  @Test func `where somebody else writes caBundle nothing is written, also later`() async throws {
    let scene = try CertificateScene()
    let replica = try scene.replica("a")
    let other = WebhookRegistration(
      id: CertificateScene.validating, resourceVersion: "1", bundles: [Array("theirs".utf8)],
      otherWriter: "cert-manager, by the annotation cert-manager.io/inject-ca-from")
    let own = try #require(scene.objects.state.withLock { $0.registrations[CertificateScene.validating] })
    scene.objects.put(other)
    let error = try await #require(throws: CertificateKeeperError.self) { try await replica.keeper.start() }
    #expect(error.isFinal)
    for part in ["ValidatingWebhookConfiguration pinseal-validate", "cert-manager", "one writer"] {
      #expect(error.description.contains(part), "\(error)")
    }
    #expect(scene.objects.writes.isEmpty)

    scene.objects.put(own)
    try await replica.pass()
    let writes = scene.objects.writes
    scene.objects.put(other)
    scene.advance(days: 70)
    await #expect(throws: CertificateKeeperError.self) { try await replica.pass() }
    #expect(scene.objects.writes == writes && scene.objects.bundles.contains(Array("theirs".utf8)))
  }

  // MARK: An API server that is away

  @Test func `while the API server is away everything stays as it is`() async throws {
    let scene = try CertificateScene()
    let replica = try scene.replica("a")
    try await replica.pass()
    let served = try replica.served
    scene.objects.fail(ClusterError(.unavailable, "nobody answers"))
    scene.advance(days: 61)
    let error = try await #require(throws: CertificateKeeperError.self) { try await replica.pass() }
    #expect(!error.isFinal && error.description == "nobody answers")
    #expect(try replica.served == served)
    scene.objects.fail(nil)
    try await replica.pass()
    #expect(try replica.served != served)
    try replica.expectAccepted()
  }

  @Test func `a start waits for the API server`() async throws {
    let scene = try CertificateScene()
    let replica = try scene.replica("a")
    scene.objects.fail(ClusterError(.unavailable, "nobody answers"))
    let pauses = Locked<[Duration]>([])
    try await replica.keeper.start { pause in
      let count = pauses.withLock {
        $0.append(pause)
        return $0.count
      }
      if count == 6 { scene.objects.fail(nil) }
    }
    #expect(pauses.withLock { $0 } == [1, 2, 4, 8, 10, 10].map { .seconds($0) })
    #expect(replica.keeper.hasCertificate && replica.keeper.status?.failures == 6)
  }

  @Test func `a configuration that cannot be written keeps nobody from serving`() async throws {
    let scene = try CertificateScene()
    let replica = try scene.replica("a")
    scene.objects.interruptNextWrite { _ in
      scene.objects.interruptNextWrite { _ in scene.objects.fail(ClusterError(.forbidden, "not allowed")) }
    }
    await #expect(throws: CertificateKeeperError.self) { try await replica.pass() }
    #expect(replica.keeper.hasCertificate)
    scene.objects.fail(nil)
    try await replica.pass()
    try replica.expectAccepted()
  }

  @Test func `configurations that come later get their bundle then`() async throws {
    let scene = try CertificateScene()
    let replica = try scene.replica("a")
    scene.objects.remove(CertificateScene.validating)
    #expect(try await replica.keeper.pass().missing == [CertificateScene.validating])
    #expect(replica.keeper.hasCertificate && replica.keeper.status?.isComplete == false)
    scene.objects.put(WebhookRegistration(id: CertificateScene.validating, resourceVersion: "1", bundles: [[]]))
    #expect(try await replica.keeper.pass().missing.isEmpty)
    try replica.expectAccepted()
  }

  @Test(arguments: [[], ["a b"], ["A.svc"], ["*.svc"], [""], ["a..b"], Array(repeating: "a", count: 9)] as [[String]])
  func `names that no webhook has are refused`(names: [String]) throws {
    #expect(throws: CertificateKeeperError.self) {
      try CertificateKeeper.Configuration(
        secret: try SecretPlace(parsing: "a/b"), dnsNames: names, registrations: [])
    }
  }
}
