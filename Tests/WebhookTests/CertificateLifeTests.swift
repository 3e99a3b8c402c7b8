import Crypto
import Kubernetes
import Primitives
import Testing

@testable import Webhook

/// Years of a certificate's life, and what damage does to it.
@Suite struct CertificateLifeTests {
  @Test func `over three years, at every moment what each replica serves is accepted`() async throws {
    let scene = try CertificateScene()
    let replicas = [try scene.replica("a"), try scene.replica("b")]
    var served: Set<X509Certificate> = []
    var authorities: Set<X509Certificate> = []
    for day in stride(from: 0, to: 1096, by: 10) {
      // Two looks in ten days, some minutes apart; at times the second replica is away.
      for _ in 0..<2 {
        for (index, replica) in replicas.enumerated() where index == 0 || day % 7 != 3 {
          try await replica.pass()
          for other in replicas where other.keeper.hasCertificate { try other.expectAccepted("day \(day)") }
        }
        scene.advance(360)
      }
      served.insert(try replicas[0].served)
      authorities.formUnion(scene.material.authorities)
      #expect(scene.material.authorities.count <= 3)
      scene.advance(days: 10)
    }
    // Every 60 days, and at each of the changes of authorities, every 243 days.
    #expect((15...24).contains(served.count), "\(served.count)")
    #expect(authorities.count == 5, "\(authorities.count)")
  }

  @Test func `a new authority is trusted first, signs after a while, and the old one goes with its last certificate`()
    async throws
  {
    let scene = try CertificateScene()
    let replica = try scene.replica("a")
    try await replica.pass()
    let first = try #require(scene.material.signer?.certificate)
    while scene.now < 1_800_000_000 + 243 * 86_400 {
      try await replica.pass()
      scene.advance(days: 1)
    }
    #expect(scene.material.authorities == [first])
    let leaf = try replica.served
    scene.advance(days: 1)

    // 1: announced and published, signs nothing.
    try await replica.pass()
    let next = try #require(scene.material.next?.certificate)
    #expect(scene.material.authorities == [first, next] && scene.material.nextInForceSince == nil)
    #expect(try replica.served == leaf)
    try replica.expectAccepted()
    // 2: seen in force.
    scene.advance(60)
    try await replica.pass()
    let seen = scene.now
    #expect(scene.material.nextInForceSince == seen)
    // 3: not long enough.
    scene.advance(299)
    #expect(try await replica.pass().isEmpty)
    #expect(try replica.served == leaf)
    // 4: signs.
    scene.advance(1)
    try await replica.pass()
    #expect(scene.material.signer?.certificate == next && scene.material.next == nil)
    #expect(scene.material.retired == [first])
    #expect(scene.material.retiredUntil == leaf.validity.end)
    #expect(scene.objects.secret?.data["next-ca.key"] == nil)
    #expect(try replica.served != leaf)
    try replica.expectAccepted()
    // Whoever still shows the old certificate is believed until it ends.
    let roots = try X509Certificate.parsePEM(String(decoding: scene.material.bundle, as: UTF8.self))
    _ = try CertificatePath.verify(
      leaf: leaf, intermediates: [], roots: roots, at: scene.now, purpose: .serverAuthentication)
    // 5: gone with its last certificate.
    scene.advance((leaf.validity.end ?? 0) - scene.now - 1)
    try await replica.pass()
    #expect(scene.material.retired == [first])
    scene.advance(1)
    try await replica.pass()
    #expect(scene.material.authorities == [next] && scene.material.retiredUntil == nil)
    #expect(Set(scene.objects.bundles) == [scene.objects.secret?.data["ca.crt"]])
    try replica.expectAccepted()
  }

  @Test func `a new authority does not sign while a configuration lacks it`() async throws {
    let scene = try CertificateScene()
    let replica = try scene.replica("a")
    try await replica.pass()
    let first = try #require(scene.material.signer?.certificate)
    scene.objects.remove(CertificateScene.validating)
    // Not long enough for the serving certificate to be renewed too.
    for _ in 0..<5 {
      scene.advance(days: 50)
      try await replica.pass()
    }
    for _ in 0..<10 {
      scene.advance(600)
      try await replica.pass()
    }
    #expect(scene.material.signer?.certificate == first)
    #expect(scene.material.next != nil && scene.material.nextInForceSince == nil)
    // It comes back with what it had.
    scene.objects.put(WebhookRegistration(id: CertificateScene.validating, resourceVersion: "1", bundles: [[]]))
    try await replica.pass()
    try await replica.pass()
    // And loses it once more, so that it must be in force for a while again.
    scene.advance(300)
    scene.objects.put(WebhookRegistration(id: CertificateScene.validating, resourceVersion: "2", bundles: [[]]))
    try await replica.pass()
    #expect(scene.material.signer?.certificate == first)
    try await replica.pass()
    #expect(scene.material.signer?.certificate != first)
    try replica.expectAccepted()
  }

  @Test(arguments: 0..<12)
  func `damage is mended, and a replica that runs is accepted at every moment of it`(which: Int) async throws {
    let damages: [(String, @Sendable (inout KeptSecret, CertificateScene) throws -> Void)] = [
      ("everything gone", { secret, _ in secret.data = [:] }),
      ("no PEM", { secret, _ in secret.data["tls.crt"] = Array("x".utf8) }),
      ("no key", { secret, _ in secret.data["tls.key"] = nil }),
      ("another's key", { secret, _ in secret.data["tls.key"] = Array(try PrivateKey(generating: .p256).pem.utf8) }),
      ("no authority", { secret, _ in secret.data["ca.crt"] = [] }),
      ("authority not PEM", { secret, _ in secret.data["ca.crt"] = [0xff, 0xfe] }),
      ("authority's key gone", { secret, _ in secret.data["ca.key"] = nil }),
      (
        "authority's key another's",
        { secret, _ in
          secret.data["ca.key"] = Array(try PrivateKey(generating: .p256).pem.utf8)
        }
      ),
      (
        "a foreign authority",
        { secret, scene in
          secret.data["ca.crt"] = Array(
            try IssuedCertificate.authority(commonName: "x", validity: scene.now...scene.now + 1000).certificatePEM.utf8
          )
        }
      ),
      (
        "other names",
        { secret, scene in
          let authority = try IssuedCertificate.authority(commonName: "x", validity: scene.now...scene.now + 86_400)
          let leaf = try authority.issueLeaf(
            commonName: "x", dnsNames: ["other.svc"], ipAddresses: [], validity: scene.now...scene.now + 86_400)
          secret.data = [
            "ca.crt": Array(authority.certificatePEM.utf8), "ca.key": Array(authority.key.pem.utf8),
            "tls.crt": Array(leaf.certificatePEM.utf8), "tls.key": Array(leaf.key.pem.utf8),
          ]
        }
      ),
      (
        "nonsense in annotations",
        { secret, _ in
          secret.annotations["pinseal.dev/next-authority-in-force-since"] = "-9223372036854775808"
          secret.annotations["pinseal.dev/retired-authorities-until"] = "99999999999999999999"
          secret.data["tls.crt"] = nil
        }
      ),
      (
        "the next authority's key is the present one's",
        { secret, _ in
          secret.data["next-ca.key"] = secret.data["ca.key"]
          secret.data["tls.key"] = Array("x".utf8)
        }
      ),
    ]
    let (title, damage) = damages[which]
    let scene = try CertificateScene()
    let (running, other) = (try scene.replica("a"), try scene.replica("b"))
    try await running.pass()
    scene.advance(days: 1)
    var result: Result<Void, any Error> = .success(())
    scene.objects.change { secret in result = Result { try damage(&secret, scene) } }
    try result.get()
    try running.expectAccepted(title)
    // What waits to interrupt holds the scene.
    defer { scene.objects.interruptNextWrite { _ in } }
    // Another one notices; what runs is not cut off although it has not looked yet.
    // The Secret is written by then, caBundle is not.
    scene.objects.interruptNextWrite { _ in
      scene.objects.interruptNextWrite { _ in try? running.expectAccepted("\(title), before caBundle is written") }
    }
    let changes = try await (which % 2 == 0 ? running : other).pass()
    #expect(changes.contains { $0.hasPrefix("made") }, "\(title): \(changes)")
    if which % 2 == 0 { try running.expectAccepted(title) }
    for _ in 0..<4 {
      scene.advance(200)
      for replica in [running, other] {
        try await replica.pass()
        try replica.expectAccepted(title)
      }
    }
    #expect(scene.material.damage.isEmpty && scene.material.signer != nil, "\(title)")
    #expect(try running.served == other.served, "\(title)")
    let writes = scene.objects.writes.count
    scene.advance(60)
    try await running.pass()
    #expect(scene.objects.writes.count == writes, "\(title)")
  }

  @Test func `an expired certificate is replaced at once`() async throws {
    let scene = try CertificateScene()
    try await scene.replica("a").pass()
    scene.advance(days: 91)
    let replica = try scene.replica("b")
    try await replica.pass()
    try replica.expectAccepted()
    // Everything has expired.
    scene.advance(days: 400)
    let late = try scene.replica("c")
    try await late.pass()
    try late.expectAccepted()
  }

  @Test func `replicas for different names do not replace each other's certificate in turn`() async throws {
    let scene = try CertificateScene()
    let old = try scene.replica("a")
    let new = try scene.replica("b", dnsNames: ["renamed.pinseal.svc"])
    for _ in 0..<3 {
      try await old.pass()
      try await new.pass()
      scene.advance(400)
    }
    #expect(try new.served.hostNames == ["pinseal.pinseal.svc", "renamed.pinseal.svc"])
    let writes = scene.objects.writes.count
    for _ in 0..<5 {
      try await old.pass()
      try await new.pass()
      scene.advance(400)
    }
    #expect(scene.objects.writes.count == writes, "\(scene.objects.writes)")
    try old.expectAccepted()
  }

  @Test(arguments: [-1800, -301, 301, 3000])
  func `a replica whose clock is off does not replace what others made`(skew: Int64) async throws {
    let scene = try CertificateScene()
    let (right, wrong) = (try scene.replica("a"), try scene.replica("b", skew: skew))
    try await right.pass()
    #expect(try await wrong.pass().isEmpty)
    #expect(try right.served == wrong.served)
  }
}
