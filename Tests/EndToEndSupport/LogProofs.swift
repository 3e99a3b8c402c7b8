import Foundation

/// Log proofs beside signatures in a registry, changed as an attacker would: by Foundation, not by the code under test.
extension Registry {
  private static let annotation = "dev.sigstore.cosign/bundle"

  /// The annotation with the proof of the one signature under an image's signature tag.
  package func logAnnotation(of image: TestImage) async throws -> String {
    let layer = try await signatureLayer(of: image).layer
    guard let annotations = layer["annotations"] as? [String: String], let proof = annotations[Self.annotation] else {
      throw EndToEndFailure("the signature of \(image.tagged) has no log proof: \(layer)")
    }
    return proof
  }

  /// Puts another proof in the place of an image's, or none.
  package func replaceLogAnnotation(of image: TestImage, by proof: String?) async throws {
    var (manifest, layer) = try await signatureLayer(of: image)
    var annotations = layer["annotations"] as? [String: String] ?? [:]
    annotations[Self.annotation] = proof
    layer["annotations"] = annotations
    manifest["layers"] = [layer]
    let mediaType = manifest["mediaType"] as? String ?? ""
    try await put(
      StoredManifest(mediaType: mediaType, text: json(manifest)), image.repository, image.signatureTag)
  }

  private func signatureLayer(of image: TestImage) async throws -> (manifest: [String: Any], layer: [String: Any]) {
    guard let stored = try await manifest(image.repository, image.signatureTag) else {
      throw EndToEndFailure("\(image.tagged) has no signature under \(image.signatureTag)")
    }
    let manifest = try jsonObject(stored.text)
    guard let layers = manifest["layers"] as? [[String: Any]], let layer = layers.first, layers.count == 1 else {
      throw EndToEndFailure("that is not one signature: \(stored.text)")
    }
    return (manifest, layer)
  }
}

/// A bundle as a registry with the referrers API has it.
package struct StoredBundle: Sendable {
  /// What refers to the image.
  package let manifest: StoredManifest
  /// The bundle's own digest and text.
  package let digest: String
  package let text: String

  /// The only bundle of an image.
  package init(of image: TestImage) async throws {
    let referrers = try await image.registry.referrers(image.repository, image.digest)
    guard let referrer = referrers.first, referrers.count == 1,
      let manifest = try await image.registry.manifest(image.repository, referrer),
      let digest = (try jsonObject(manifest.text)["layers"] as? [[String: Any]])?.first?["digest"] as? String
    else { throw EndToEndFailure("\(image.tagged) has not one bundle: \(referrers)") }
    self.manifest = manifest
    self.digest = digest
    text = try await image.registry.blob(image.repository, digest)
  }

  /// The log entries.
  package func entries() throws -> [[String: Any]] {
    let material = try jsonObject(text)["verificationMaterial"] as? [String: Any]
    guard let entries = material?["tlogEntries"] as? [[String: Any]] else {
      throw EndToEndFailure("that bundle has no log entries: \(text)")
    }
    return entries
  }

  /// Attaches the bundle with other log entries to the same image in another repository.
  package func attach(to image: TestImage, entries: [[String: Any]]) async throws {
    var bundle = try jsonObject(text)
    var material = bundle["verificationMaterial"] as? [String: Any] ?? [:]
    material["tlogEntries"] = entries
    bundle["verificationMaterial"] = material
    let changed = try json(bundle)
    let (registry, repository) = (image.registry, image.repository)
    _ = try await registry.putBlob("{}", repository)
    let changedDigest = try await registry.putBlob(changed, repository)
    let size = "\"size\":"
    let attached = StoredManifest(
      mediaType: manifest.mediaType,
      text: manifest.text.replacingOccurrences(of: digest, with: changedDigest)
        .replacingOccurrences(of: size + "\(text.utf8.count)", with: size + "\(changed.utf8.count)"))
    try await registry.put(attached, repository, sha256(attached.text))
  }
}

private func jsonObject(_ text: String) throws -> [String: Any] {
  guard let object = try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any] else {
    throw EndToEndFailure("that is no JSON object: \(text)")
  }
  return object
}

private func json(_ object: [String: Any]) throws -> String {
  let data = try JSONSerialization.data(withJSONObject: object, options: [.sortedKeys, .withoutEscapingSlashes])
  return String(decoding: data, as: UTF8.self)
}
