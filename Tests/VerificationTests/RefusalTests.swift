import Crypto
import OCI
import Primitives
import Sigstore
import Testing

@testable import Verification

@Suite(.timeLimit(.minutes(5)))
struct RefusalTests {
  let scene = Scene()
  let tag = "ghcr.io/team/app:v1"

  @Test func `nothing anywhere: the message names the places`() async throws {
    let digest = scene.pushImage()
    let verdict = try await scene.verify(tag)
    #expect(verdict.code == .signatureNotFound)
    #expect(
      verdict.message
        == "no signature found: nothing at tag sha256-\(digest.hex).sig, nothing by the referrers API or its fallback tag"
    )
  }

  @Test func `another key: the message counts, says where, and names the key that was wanted`() async throws {
    let digest = scene.pushImage()
    try scene.sign(digest, by: Keys.stranger)
    try scene.attach(to: digest, by: Keys.stranger)
    let verdict = try await scene.verify(tag)
    #expect(verdict.code == .signatureKeyMismatch)
    #expect(
      verdict.message.hasPrefix(
        "2 signatures found (1 at tag sha256-\(digest.hex).sig, 1 bundle by the referrers API), "
          + "none by the namespace's key \(Keys.mine.publicKey.fingerprint.short): layer 1: "))
    #expect(verdict.message.contains("; bundle sha256:"))
    #expect(!verdict.message.contains("ghcr.io/team/app"), "who knows the container names the image")
  }

  @Test func `several keys are counted`() async throws {
    try scene.sign(scene.pushImage(), by: Keys.stranger)
    let message = try await scene.verify(tag, keys: [Keys.mine, Keys.second]).message
    #expect(message.contains("none by any of the namespace's 2 keys: "))
    #expect(message.contains(Keys.second.publicKey.fingerprint.short))
  }

  @Test func `a signature over another digest is invalid`() async throws {
    let digest = scene.pushImage()
    let other = scene.pushImage("two", tag: nil)
    try scene.attach(to: digest, signing: other)
    let verdict = try await scene.verify(tag)
    #expect(verdict.code == .signatureInvalid)
    #expect(verdict.message.hasPrefix("1 signature found (1 bundle by the referrers API), none valid by "))
  }

  @Test func `one malformed among foreign ones makes it invalid`() async throws {
    let digest = scene.pushImage()
    var broken = try scene.layer(over: digest)
    broken.annotations = [:]
    scene.sign(digest, with: [broken, try scene.layer(over: digest, by: Keys.stranger)])
    let verdict = try await scene.verify(tag)
    #expect(verdict.code == .signatureInvalid)
    #expect(verdict.message.contains("layer 1: it has no annotation dev.cosignproject.cosign/signature; layer 2: "))
  }

  @Test func `candidates are spelled out, five at most, and the message stays short`() async throws {
    let digest = scene.pushImage()
    scene.sign(digest, with: try (0..<30).map { _ in try scene.layer(over: digest, by: Keys.stranger) })
    let message = try await scene.verify(tag).message
    #expect(message.contains("layer 5: "))
    #expect(!message.contains("layer 6: "))
    #expect(message.hasSuffix("; and 25 more"))
    #expect(message.count < 2100)
  }

  @Test func `a good signature without a log proof, where one is wanted`() async throws {
    let digest = scene.pushImage()
    try scene.sign(digest)
    let verdict = try await scene.verify(tag, requiresLog: true)
    #expect(verdict.code == .logProofMissing)
    #expect(
      verdict.message
        == "signed by \(Keys.mine.publicKey.fingerprint.short), but no proof of a transparency log is attached; sign so that "
        + "one is: cosign sign does by default (cosign 2: not with --tlog-upload=false), skopeo with rekorURL in its "
        + "--sign-by-sigstore file; or set pinseal.dev/ignore-tlog: \"true\" on the namespace to accept signatures without one"
    )
  }

  @Test func `attestations alone are no signatures`() async throws {
    let digest = scene.pushImage()
    try scene.attach(to: digest, predicateType: "https://slsa.dev/provenance/v1")
    let verdict = try await scene.verify(tag)
    #expect(verdict.code == .signatureNotFound)
    #expect(verdict.message.contains("1 thing that is no image signature by the referrers API"))
  }

  @Test func `entries whose manifest was deleted are no signatures`() async throws {
    let digest = scene.pushImage()
    scene.registry.refer([scene.descriptor(Digest(hashing: [9]))], to: digest, in: scene.repository)
    let verdict = try await scene.verify(tag)
    #expect(verdict.code == .signatureNotFound)
    #expect(verdict.message.contains("1 entry whose manifest is gone by the referrers API"))
  }

  @Test(arguments: [
    (FakeRegistry.Call.Kind.referrers, "the image's referrers could not be read"),
    (.manifest, "what lies at tag sha256-"),
  ])
  func `a registry that does not answer is never "unsigned"`(
    kind: FakeRegistry.Call.Kind, phrase: String
  ) async throws {
    _ = scene.pushImage()
    scene.registry.fail(.registryUnavailable, "ghcr.io answered 503") { $0.kind == kind }
    let verdict = try await scene.verify(tag)
    #expect(verdict.code == .registryUnavailable)
    #expect(verdict.message.contains(phrase))
    #expect(verdict.message.contains("ghcr.io answered 503"))
  }

  @Test func `what was found besides is part of "unavailable"`() async throws {
    let digest = scene.pushImage()
    try scene.sign(digest, by: Keys.stranger)
    scene.registry.fail(.registryUnavailable) { $0.kind == .referrers }
    let verdict = try await scene.verify(tag)
    #expect(verdict.code == .registryUnavailable)
    #expect(verdict.message.hasSuffix("; apart from that 1 signature found (1 at tag sha256-\(digest.hex).sig)"))
  }

  @Test func `a candidate that cannot be fetched now leaves the verdict open`() async throws {
    let digest = scene.pushImage()
    try scene.attach(to: digest)
    scene.registry.fail(.registryUnavailable) { $0.kind == .blob }
    #expect(try await scene.verify(tag).code == .registryUnavailable)
  }

  @Test func `a registry that wants other credentials`() async throws {
    let digest = scene.pushImage()
    try scene.sign(digest, by: Keys.stranger)
    scene.registry.fail(.registryUnauthorized, "ghcr.io answered 403; tried: secret regcred") { $0.kind == .referrers }
    let verdict = try await scene.verify(tag)
    #expect(verdict.code == .registryUnauthorized)
    #expect(verdict.message.contains("tried: secret regcred"))
  }

  @Test func `unavailable goes before unauthorised`() async throws {
    _ = scene.pushImage()
    scene.registry.fail(.registryUnauthorized) { $0.kind == .manifest }
    scene.registry.fail(.registryUnavailable) { $0.kind == .referrers }
    #expect(try await scene.verify(tag).code == .registryUnavailable)
  }

  @Test func `a place with nonsense in it`() async throws {
    let digest = scene.pushImage()
    scene.registry.push("{\"schemaVersion\":2", to: scene.repository, tag: ImageSignature.signatureTag(digest))
    #expect(try await scene.verify(tag).code == .registryMisbehaved)
    try scene.attach(to: digest)
    #expect(try await scene.verify(tag, scope: "again").image != nil, "and still it hides nothing")
  }

  @Test(arguments: [RefusalCode.imageNotFound, .registryUnavailable, .registryUnauthorized, .registryMisbehaved])
  func `a tag that cannot be resolved is refused with what the registry said`(code: RefusalCode) async throws {
    scene.registry.fail(code, "the reason") { $0.kind == .resolve }
    let verdict = try await scene.verify(tag)
    #expect(verdict.code == code)
    #expect(verdict.message == "the tag v1 could not be resolved: the reason")
    #expect(scene.registry.calls.count == 1)
  }

  @Test func `without a tag it is latest`() async throws {
    let digest = scene.pushImage(tag: "latest")
    try scene.sign(digest)
    #expect(try await scene.verify("ghcr.io/team/app").image?.pinnedKeepingTag == "ghcr.io/team/app@\(digest)")
  }

  @Test
  func
    `a registry that would not say whether the image exists is no reason against a good signature, and none to remember it`()
    async throws
  {
    let digest = scene.pushImage()
    try scene.sign(digest)
    scene.registry.fail(.registryUnavailable) { $0.kind == .resolve }
    #expect(try await scene.verify("ghcr.io/team/app@\(digest)").image != nil)
    #expect(scene.verifier.statistics.entries == 0)
    scene.registry.recover()
    #expect(try await scene.verify("ghcr.io/team/app@\(digest)").image?.fromCache == false)
    #expect(scene.verifier.statistics.entries == 1)
  }

  @Test func `an image that may not be read with these credentials`() async throws {
    let digest = scene.pushImage()
    try scene.sign(digest)
    scene.registry.fail(.registryUnauthorized) { $0.kind == .resolve }
    #expect(try await scene.verify("ghcr.io/team/app@\(digest)").code == .registryUnauthorized)
  }

  @Test func `an illegal reference is refused with the position`() {
    #expect {
      try RequestedImage(parsing: "ghcr.io/Team/app")
    } throws: { error in
      guard let refusal = error as? Refusal else { return false }
      return refusal.code == .imageReferenceInvalid && refusal.message.contains("at byte ")
    }
  }

  @Test func `an image knows its name, tag and digest`() throws {
    let image = try RequestedImage(parsing: "nginx:1.27@sha256:\(String(repeating: "0", count: 64))")
    #expect(image.normalizedName == "docker.io/library/nginx")
    #expect(image.tag == "1.27")
    #expect(image.digest == "sha256:\(String(repeating: "0", count: 64))")
    #expect(image.literal.hasPrefix("nginx:1.27@"))
  }
}
