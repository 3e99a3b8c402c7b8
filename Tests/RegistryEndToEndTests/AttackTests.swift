import EndToEndSupport
import Foundation
import Testing

extension RegistryTests {
  /// The layer of a manifest: its blob's digest.
  private func layer(_ manifest: StoredManifest) throws -> String {
    let value = try JSONSerialization.jsonObject(with: Data(manifest.text.utf8)) as? [String: Any]
    guard let layers = value?["layers"] as? [[String: Any]], let digest = layers.first?["digest"] as? String else {
      throw EndToEndFailure("that manifest has no layer: \(manifest.text)")
    }
    return digest
  }

  private func expectRefusal(
    _ answer: Answer, _ codes: String..., location: SourceLocation = #_sourceLocation
  ) {
    #expect(!answer.isAllowed && answer.patch.isEmpty, "\(answer)", sourceLocation: location)
    #expect(codes.contains { answer.message.contains($0) }, "\(answer)", sourceLocation: location)
  }

  @Test func `a signature copied from another image of the same signer is refused`() async throws {
    let environment = try RegistryEnvironment.current()
    for (_, registry) in environment.openRegistries {
      let signed = try await registry.push("copied/app", tag: "v1", content: "copied 1")
      let other = try await registry.push("copied/app", tag: "v2", content: "copied 2")
      try await environment.signing.sign(signed, with: environment.key(.p256), by: .cosign2)
      let manifest = try #require(try await registry.manifest("copied/app", signed.signatureTag))
      try await registry.put(manifest, "copied/app", other.signatureTag)
      expectRefusal(try await environment.webhook.review(Review(other.tagged, in: "key-p256")), "SIGNATURE_INVALID")
      let still = try await environment.webhook.review(Review(signed.tagged, in: "key-p256"))
      #expect(still.image() == signed.pinned, "\(still)")
    }
  }

  @Test func `a bundle copied from another image of the same signer is refused`() async throws {
    let environment = try RegistryEnvironment.current()
    let registry = environment.docker
    let signed = try await registry.push("copied/bundle", tag: "v1", content: "bundle 1")
    let other = try await registry.push("copied/bundle", tag: "v2", content: "bundle 2")
    try await environment.signing.sign(signed, with: environment.key(.p256), by: .cosign3)
    let index = try #require(try await registry.manifest("copied/bundle", signed.fallbackTag))
    try await registry.put(index, "copied/bundle", other.fallbackTag)
    expectRefusal(try await environment.webhook.review(Review(other.tagged, in: "key-p256")), "SIGNATURE_INVALID")
  }

  @Test func `a bundle re-attached to another image by a referrer is refused`() async throws {
    let environment = try RegistryEnvironment.current()
    let registry = environment.embedded
    let signed = try await registry.push("referred/app", tag: "v1", content: "referred 1")
    let other = try await registry.push("referred/app", tag: "v2", content: "referred 2")
    try await environment.signing.sign(signed, with: environment.key(.p256), by: .cosign3)
    let referrers = try await registry.referrers("referred/app", signed.digest)
    let referrer = try #require(referrers.first)
    let manifest = try #require(try await registry.manifest("referred/app", referrer))
    let moved = StoredManifest(
      mediaType: manifest.mediaType, text: manifest.text.replacingOccurrences(of: signed.digest, with: other.digest))
    try await registry.put(moved, "referred/app", sha256(moved.text))
    expectRefusal(try await environment.webhook.review(Review(other.tagged, in: "key-p256")), "SIGNATURE_INVALID")
  }

  @Test func `a payload changed to name another image is refused`() async throws {
    let environment = try RegistryEnvironment.current()
    for (_, registry) in environment.openRegistries {
      let signed = try await registry.push("tampered/app", tag: "v1", content: "tampered 1")
      let other = try await registry.push("tampered/app", tag: "v2", content: "tampered 2")
      try await environment.signing.sign(signed, with: environment.key(.p256), by: .cosign2)
      let manifest = try #require(try await registry.manifest("tampered/app", signed.signatureTag))
      let blob = try layer(manifest)
      let payload = try await registry.blob("tampered/app", blob)
        .replacingOccurrences(of: signed.digest, with: other.digest)
      let changed = try await registry.putBlob(payload, "tampered/app")
      try await registry.put(
        StoredManifest(
          mediaType: manifest.mediaType, text: manifest.text.replacingOccurrences(of: blob, with: changed)),
        "tampered/app", other.signatureTag)
      expectRefusal(
        try await environment.webhook.review(Review(other.tagged, in: "key-p256")), "SIGNATURE_INVALID",
        "SIGNATURE_KEY_MISMATCH")
    }
  }

  @Test func `a bundle's statement changed to name another image is refused`() async throws {
    let environment = try RegistryEnvironment.current()
    let registry = environment.embedded
    let signed = try await registry.push("tampered/bundle", tag: "v1", content: "tampered 1")
    let other = try await registry.push("tampered/bundle", tag: "v2", content: "tampered 2")
    try await environment.signing.sign(signed, with: environment.key(.p256), by: .cosign3)
    let referrer = try #require(try await registry.referrers("tampered/bundle", signed.digest).first)
    let manifest = try #require(try await registry.manifest("tampered/bundle", referrer))
    let blob = try layer(manifest)
    let bundle = try await registry.blob("tampered/bundle", blob)
    let value = try JSONSerialization.jsonObject(with: Data(bundle.utf8)) as? [String: Any]
    let envelope = try #require(value?["dsseEnvelope"] as? [String: Any])
    let encoded = try #require(envelope["payload"] as? String)
    let statement = String(decoding: try #require(Data(base64Encoded: encoded)), as: UTF8.self)
    let named = statement.replacingOccurrences(of: signed.digest.dropFirst(7), with: other.digest.dropFirst(7))
    #expect(named != statement)
    let changedBundle = bundle.replacingOccurrences(of: encoded, with: Data(named.utf8).base64EncodedString())
    let changed = try await registry.putBlob(changedBundle, "tampered/bundle")
    let moved = StoredManifest(
      mediaType: manifest.mediaType,
      text: manifest.text.replacingOccurrences(of: signed.digest, with: other.digest)
        .replacingOccurrences(of: blob, with: changed)
        .replacingOccurrences(of: "\"size\":\(bundle.utf8.count)", with: "\"size\":\(changedBundle.utf8.count)"))
    try await registry.put(moved, "tampered/bundle", sha256(moved.text))
    expectRefusal(
      try await environment.webhook.review(Review(other.tagged, in: "key-p256")), "SIGNATURE_INVALID",
      "SIGNATURE_KEY_MISMATCH")
  }

  @Test func `a tag moved to an unsigned image is refused, and the pinned image stays good`() async throws {
    let environment = try RegistryEnvironment.current()
    for (_, registry) in environment.openRegistries {
      let signed = try await registry.push("moved/app", content: "moved 1")
      try await environment.signing.sign(signed, with: environment.key(.p256))
      let first = try await environment.webhook.review(Review(signed.tagged, in: "key-p256"))
      #expect(first.image() == signed.pinned, "\(first)")

      let moved = try await registry.push("moved/app", content: "moved 2")
      #expect(moved.tagged == signed.tagged && moved.digest != signed.digest)
      expectRefusal(try await environment.webhook.review(Review(moved.tagged, in: "key-p256")), "SIGNATURE_NOT_FOUND")
      // Verified by its digest, wherever the tag points by now; the moved-to digest is refused under the tag just so.
      let pinned = try await environment.webhook.review(Review(signed.pinned, in: "key-p256"))
      #expect(pinned.isAllowed && pinned.patch.isEmpty, "\(pinned)")
      expectRefusal(try await environment.webhook.review(Review(moved.pinned, in: "key-p256")), "SIGNATURE_NOT_FOUND")
    }
  }

  @Test func `a signature that was deleted counts no longer`() async throws {
    let environment = try RegistryEnvironment.current()
    let image = try await environment.docker.push("deleted/app", content: "deleted")
    try await environment.signing.sign(image, with: environment.key(.p256))
    try await environment.docker.deleteManifest("deleted/app", image.signatureTag)
    expectRefusal(try await environment.webhook.review(Review(image.tagged, in: "key-p256")), "SIGNATURE_NOT_FOUND")
    // Signed anew it is good once the "no", kept for seconds, is forgotten.
    try await environment.signing.sign(image, with: environment.key(.p256))
    try await eventually("the image signed anew is pinned") {
      try await environment.webhook.review(Review(image.tagged, in: "key-p256")).image() == image.pinned
    }
  }

  @Test func `an image signature pushed as the image itself is refused`() async throws {
    let environment = try RegistryEnvironment.current()
    let image = try await environment.docker.push("inside/app", content: "inside")
    try await environment.signing.sign(image, with: environment.key(.p256))
    let signature = "\(environment.docker.address)/inside/app:\(image.signatureTag)"
    expectRefusal(try await environment.webhook.review(Review(signature, in: "key-p256")), "SIGNATURE_NOT_FOUND")
  }
}
