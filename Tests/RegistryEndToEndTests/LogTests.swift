import EndToEndSupport
import Foundation
import Testing

/// Logs that a trust root file names, and what real signers write into them.
extension RegistryTests {
  @Test func `what is in a log of the trust root is pinned, whoever signed and with whatever key`() async throws {
    try await TrustRootScene.with("trust-root") { scene in
      let environment = scene.environment
      // Ed25519 in bundles is Ed25519ph, which not every OpenSSL has, and Rekor v1 logs no such.
      let kinds = KeyKind.allCases.filter { $0 != .ed25519 }
      var cases = scene.logs.flatMap { log in kinds.map { (signer: Signer.cosign3, log: log, kind: $0) } }
      for signer in [Signer.cosign2, .skopeo] {
        for kind in KeyKind.allCases { cases.append((signer, try scene.log(.rekor1), kind)) }
      }
      for (signer, log, kind) in cases {
        // A registry with the referrers API and one without, in turns.
        let registry = kind == .p256 || kind == .rsa2048 ? environment.docker : environment.embedded
        let name = "\(signer)-\(log.kind)-\(kind)"
        let image = try await registry.push("rooted/\(name)".lowercased(), content: name)
        try await environment.signing.sign(image, with: environment.key(kind), by: signer, log: log)
        let answer = try await scene.webhook.review(Review(image.tagged, in: "root-\(kind)"))
        #expect(answer.patch == ["/spec/template/spec/containers/0/image": image.pinned], "\(name): \(answer)")
        // Signed as well as ever, but not in a log that the public-good trust root has.
        let elsewhere = try await environment.webhook.review(Review(image.tagged, in: "log-wanted"))
        let code = kind == .p256 ? "LOG_PROOF_INVALID" : "SIGNATURE_KEY_MISMATCH"
        #expect(!elsewhere.isAllowed && elsewhere.message.contains(code), "\(name): \(elsewhere)")
      }
    }
  }

  @Test func `what is in no log, or in one that the trust root does not have, is refused`() async throws {
    try await TrustRootScene.with("trust-root-only") { scene in
      let environment = scene.environment
      for signer in [Signer.cosign2, .cosign3, .skopeo] {
        for (name, registry) in environment.openRegistries {
          let bare = try await registry.push("unrooted/\(signer)".lowercased(), content: "bare \(signer) \(name)")
          try await environment.signing.sign(bare, with: environment.key(.p256), by: signer)
          let missing = try await scene.webhook.review(Review(bare.tagged, in: "root-p256"))
          #expect(
            !missing.isAllowed && missing.message.contains("LOG_PROOF_MISSING"), "\(signer), \(name): \(missing)")

          let foreign = try await registry.push(
            "unrooted/\(signer)".lowercased(), tag: "v2", content: "foreign \(signer) \(name)")
          try await environment.signing.sign(foreign, with: environment.key(.p256), by: signer, log: scene.foreignLog)
          let unknown = try await scene.webhook.review(Review(foreign.tagged, in: "root-p256"))
          #expect(
            !unknown.isAllowed && unknown.message.contains("LOG_PROOF_INVALID")
              && unknown.message.contains("not trusted"), "\(signer), \(name): \(unknown)")
        }
      }
    }
  }

  @Test func `a log entry that was removed, swapped or changed in a bundle is refused, and says which check failed`()
    async throws
  {
    try await TrustRootScene.with("trust-root-attacked") { scene in
      let environment = scene.environment
      for log in scene.logs {
        let signed = try await scene.image("\(log.kind)", log: log)
        let other = try await scene.image("\(log.kind)-other", log: log)
        let elsewhere = try await scene.image(
          "\(log.kind)-elsewhere", log: scene.log(log.kind == .rekor1 ? .rekor2P256 : .rekor1))
        let bundle = try await StoredBundle(of: signed)
        let material = try EntryAttack.Material(
          entry: bundle.entries()[0], other: try await StoredBundle(of: other).entries()[0],
          elsewhere: try await StoredBundle(of: elsewhere).entries()[0])
        for (number, attack) in EntryAttack.all(log.version).enumerated() {
          let name = "attacked/\(log.kind)-\(number)".lowercased()
          let image = try await environment.embedded.push(name, content: "rooted \(log.kind)")
          #expect(image.digest == signed.digest)
          try await bundle.attach(to: image, entries: attack.entries(material))
          let answer = try await scene.webhook.review(Review(image.tagged, in: "root-p256"))
          if let code = attack.code {
            #expect(!answer.isAllowed && answer.patch.isEmpty, "\(log.kind), \(attack.name): \(answer)")
            #expect(
              answer.message.contains(code) && answer.message.contains(attack.says),
              "\(log.kind), \(attack.name): \(answer)")
          } else {
            #expect(answer.image() == image.pinned, "\(log.kind), \(attack.name): \(answer)")
          }
        }
      }
    }
  }
}
