import EndToEndSupport
import Testing

extension RegistryTests {
  @Test(arguments: Signer.allCases, KeyKind.allCases)
  func `what real signers signed is pinned, from either registry and with every kind of key`(
    signer: Signer, kind: KeyKind
  ) async throws {
    let environment = try RegistryEnvironment.current()
    for (name, registry) in environment.openRegistries {
      let repository = "signed/\(signer)-\(kind)".lowercased()
      let image = try await registry.push(repository, content: "\(signer) \(kind)")
      try await environment.signing.sign(image, with: environment.key(kind), by: signer)

      let answer = try await environment.webhook.review(Review(image.tagged, in: "key-\(kind)"))
      if kind == .ed25519, signer == .cosign3, !environment.checksPrehashedEd25519 {
        // cosign 3 signs bundles with Ed25519ph, which OpenSSL knows since 3.2.
        #expect(!answer.isAllowed, "\(name): \(answer)")
        #expect(answer.message.contains("OpenSSL"), "\(name): \(answer)")
      } else if kind == .ed25519, signer == .cosign3Legacy {
        // Ed25519ph where pure Ed25519 belongs: no version of cosign takes that for a signature either.
        #expect(!answer.isAllowed, "\(name): \(answer)")
        #expect(answer.message.contains("SIGNATURE_KEY_MISMATCH"), "\(name): \(answer)")
      } else {
        #expect(answer.isAllowed, "\(name): \(answer)")
        #expect(answer.patch == ["/spec/template/spec/containers/0/image": image.pinned], "\(name): \(answer)")
      }

      let refused = try await environment.webhook.review(Review(image.tagged, in: "other-key"))
      #expect(!refused.isAllowed, "\(name): \(refused)")
      #expect(refused.message.contains("SIGNATURE_KEY_MISMATCH"), "\(name): \(refused)")
      #expect(refused.patch.isEmpty, "\(name): \(refused)")
    }
  }

  @Test func `an unsigned image is refused, and the message names the container and the image`() async throws {
    let environment = try RegistryEnvironment.current()
    for (name, registry) in environment.openRegistries {
      let image = try await registry.push("unsigned/app", content: "unsigned")
      let answer = try await environment.webhook.review(Review(image.tagged, in: "key-p256"))
      #expect(!answer.isAllowed, "\(name): \(answer)")
      for part in ["SIGNATURE_NOT_FOUND", "c0", image.tagged] {
        #expect(answer.message.contains(part), "\(name): \(answer)")
      }
    }
  }

  @Test func `one unsigned image among signed ones refuses them all`() async throws {
    let environment = try RegistryEnvironment.current()
    let signed = try await environment.docker.push("several/signed", content: "signed")
    try await environment.signing.sign(signed, with: environment.key(.p256))
    let unsigned = try await environment.docker.push("several/unsigned", content: "not signed")

    var review = Review(signed.tagged, unsigned.tagged, in: "key-p256")
    let refused = try await environment.webhook.review(review)
    #expect(!refused.isAllowed, "\(refused)")
    #expect(refused.message.contains(unsigned.tagged) && refused.patch.isEmpty, "\(refused)")

    review = Review(signed.tagged, signed.tagged, in: "key-p256")
    review.initImages = [signed.digested]
    let pinned = try await environment.webhook.review(review)
    #expect(
      pinned.patch == [
        "/spec/template/spec/containers/0/image": signed.pinned,
        "/spec/template/spec/containers/1/image": signed.pinned,
      ], "\(pinned)")
  }

  @Test func `any of several keys will do, and a foreign signature hides no good one`() async throws {
    let environment = try RegistryEnvironment.current()
    for (name, registry) in environment.openRegistries {
      let image = try await registry.push("several/keys", content: "several keys")
      try await environment.signing.sign(image, with: environment.key(.p384), by: .cosign2)
      try await environment.signing.attest(image, with: environment.key(.p384), by: .cosign3)
      try await environment.signing.sign(image, with: environment.key(.p256), by: .cosign2)
      for namespace in ["key-p256", "two-keys"] {
        let answer = try await environment.webhook.review(Review(image.tagged, in: namespace))
        #expect(answer.image() == image.pinned, "\(name), \(namespace): \(answer)")
      }
    }
  }

  @Test(arguments: ["key-in-secret", "key-in-config-map"])
  func `the key may lie in a Secret or ConfigMap`(namespace: String) async throws {
    let environment = try RegistryEnvironment.current()
    let image = try await environment.docker.push("keys/elsewhere", content: namespace)
    try await environment.signing.sign(image, with: environment.key(.p256))
    let answer = try await environment.webhook.review(Review(image.tagged, in: namespace))
    #expect(answer.image() == image.pinned, "\(answer)")
  }

  @Test(arguments: [Signer.cosign2, .cosign3])
  func `an attestation is no signature`(signer: Signer) async throws {
    let environment = try RegistryEnvironment.current()
    for (name, registry) in environment.openRegistries {
      let image = try await registry.push("attested/\(signer)".lowercased(), content: "attested by \(signer)")
      try await environment.signing.attest(image, with: environment.key(.p256), by: signer)
      let answer = try await environment.webhook.review(Review(image.tagged, in: "key-p256"))
      #expect(!answer.isAllowed, "\(name): \(answer)")
      #expect(
        answer.message.contains("SIGNATURE_NOT_FOUND") || answer.message.contains("SIGNATURE_INVALID"),
        "\(name): \(answer)")
    }
  }

  @Test func `without ignore-tlog a signature that is in no log is refused`() async throws {
    let environment = try RegistryEnvironment.current()
    let image = try await environment.docker.push("log/app", content: "log")
    try await environment.signing.sign(image, with: environment.key(.p256))
    let answer = try await environment.webhook.review(Review(image.tagged, in: "log-wanted"))
    #expect(!answer.isAllowed, "\(answer)")
    #expect(answer.message.contains("LOG_PROOF_MISSING") && answer.message.contains("ignore-tlog"), "\(answer)")
    // The same fact, cached by now, under the policy that waives the log: no verdict rides on another's setting.
    let waived = try await environment.webhook.review(Review(image.tagged, in: "key-p256"))
    #expect(waived.image() == image.pinned, "\(waived)")
    let again = try await environment.webhook.review(Review(image.pinned, in: "log-wanted"))
    #expect(!again.isAllowed && again.message.contains("LOG_PROOF_MISSING"), "\(again)")
  }

  @Test func `pin says how the image is written`() async throws {
    let environment = try RegistryEnvironment.current()
    let image = try await environment.docker.push("pins/app", content: "pins")
    try await environment.signing.sign(image, with: environment.key(.p256))
    let digest = try await environment.webhook.review(Review(image.tagged, in: "pin-digest"))
    #expect(digest.image() == image.digested, "\(digest)")
    let none = try await environment.webhook.review(Review(image.tagged, in: "pin-none"))
    #expect(none.isAllowed && none.patch.isEmpty, "\(none)")
  }

  @Test func `a second pass changes nothing, and validation takes only what is pinned`() async throws {
    let environment = try RegistryEnvironment.current()
    let image = try await environment.docker.push("twice/app", content: "twice")
    try await environment.signing.sign(image, with: environment.key(.p256))
    let first = try await environment.webhook.review(Review(image.tagged, in: "key-p256"))
    #expect(first.image() == image.pinned, "\(first)")
    let second = try await environment.webhook.review(Review(image.pinned, in: "key-p256"))
    #expect(second.isAllowed && second.patch.isEmpty, "\(second)")
    let valid = try await environment.webhook.review(Review(image.pinned, in: "key-p256"), at: "validate")
    #expect(valid.isAllowed, "\(valid)")
    let invalid = try await environment.webhook.review(Review(image.tagged, in: "key-p256"), at: "validate")
    #expect(!invalid.isAllowed && invalid.message.contains("IMAGE_NOT_PINNED"), "\(invalid)")
  }
}
