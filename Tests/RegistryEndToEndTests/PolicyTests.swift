import EndToEndSupport
import Testing

extension RegistryTests {
  @Test func `a namespace without the annotation is left alone`() async throws {
    let environment = try RegistryEnvironment.current()
    let answer = try await environment.webhook.review(Review("\(environment.docker.address)/none/none:v1", in: "off"))
    #expect(answer.isAllowed && answer.patch.isEmpty && answer.warnings.isEmpty, "\(answer)")
  }

  @Test(arguments: ["broken", "key-missing"])
  func `a policy that cannot be applied refuses and names the annotation`(namespace: String) async throws {
    let environment = try RegistryEnvironment.current()
    let answer = try await environment.webhook.review(
      Review("\(environment.docker.address)/none/none:v1", in: namespace))
    #expect(!answer.isAllowed, "\(answer)")
    #expect(answer.message.contains("POLICY_"), "\(answer)")
    #expect(answer.message.contains("public-key"), "\(answer)")
  }

  @Test func `Warn lets an unsigned image through with a warning and pins a signed one`() async throws {
    let environment = try RegistryEnvironment.current()
    let unsigned = try await environment.docker.push("warned/unsigned", content: "warned")
    let signed = try await environment.docker.push("warned/signed", content: "warned and signed")
    try await environment.signing.sign(signed, with: environment.key(.p256))
    let answer = try await environment.webhook.review(Review(unsigned.tagged, signed.tagged, in: "warned"))
    #expect(answer.isAllowed, "\(answer)")
    #expect(answer.warnings.contains { $0.contains("SIGNATURE_NOT_FOUND") }, "\(answer)")
    #expect(answer.patch == ["/spec/template/spec/containers/1/image": signed.pinned], "\(answer)")
    try await eventually("it is logged") { environment.webhook.daemon.log.contains("SIGNATURE_NOT_FOUND") }
  }

  @Test(arguments: [Signer.cosign2, .skopeo])
  func `by default a signature counts with the proof of the log that the namespace trusts, and not without`(
    signer: Signer
  ) async throws {
    let environment = try RegistryEnvironment.current()
    for (name, registry) in environment.openRegistries {
      let logged = try await registry.push(
        "logged/\(signer)", content: "logged by \(signer) in \(name)")
      let url = "http://\(environment.log.address)"
      try await environment.signing.sign(logged, with: environment.key(.p256), by: signer, log: url)
      let answer = try await environment.webhook.review(Review(logged.tagged, in: "logged"))
      #expect(answer.patch == ["/spec/template/spec/containers/0/image": logged.pinned], "\(answer)")
      let elsewhere = try await environment.webhook.review(Review(logged.tagged, in: "log-wanted"))
      #expect(!elsewhere.isAllowed && elsewhere.message.contains("LOG_PROOF_INVALID"), "\(elsewhere)")

      let bare = try await registry.push(
        "bare/\(signer)", content: "not logged by \(signer) in \(name)")
      try await environment.signing.sign(bare, with: environment.key(.p256), by: signer)
      let refused = try await environment.webhook.review(Review(bare.tagged, in: "logged"))
      #expect(!refused.isAllowed && refused.message.contains("LOG_PROOF_MISSING"), "\(refused)")
    }
  }

  @Test func `what cannot be had is not called unsigned`() async throws {
    let environment = try RegistryEnvironment.current()
    let expected = [
      ("\(environment.docker.address)/not/here:v1", "IMAGE_NOT_FOUND"),
      ("\(RegistryEnvironment.silentAddress)/any/app:v1", "REGISTRY_UNAVAILABLE"),
      ("\(environment.docker.address)/Upper/Case:v1", "IMAGE_REFERENCE_INVALID"),
    ]
    for (image, code) in expected {
      let answer = try await environment.webhook.review(Review(image, in: "key-p256"))
      #expect(!answer.isAllowed && answer.message.contains(code), "\(image): \(answer)")
    }
  }

  @Test func `an update that leaves an unverifiable image as it is passes, one that brings it does not`() async throws {
    let environment = try RegistryEnvironment.current()
    let image = "\(RegistryEnvironment.silentAddress)/any/app:v1"
    var review = Review(image, in: "key-p256")
    review.operation = "UPDATE"
    review.oldImages = [image]
    let kept = try await environment.webhook.review(review)
    #expect(kept.isAllowed, "\(kept)")
    review.oldImages = ["\(RegistryEnvironment.silentAddress)/any/app:v0"]
    let brought = try await environment.webhook.review(review)
    #expect(!brought.isAllowed && brought.message.contains("REGISTRY_UNAVAILABLE"), "\(brought)")
  }
}
