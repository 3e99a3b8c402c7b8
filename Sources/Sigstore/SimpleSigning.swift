import Crypto
import JSON
import Primitives

/// A simple signing payload with its signature (cosign's SIGNATURE_SPEC; containers/image, "atomic signature" format).
///
/// As strict as containers/image, stricter than cosign: exact type, no member unknown or named twice, right layer media
/// type. The docker-reference is not compared with the image's name, as cosign does not.
struct SimpleSigning {
  private let payload: [UInt8]
  private let signature: [UInt8]
  private let isKeyless: Bool

  /// Base64 characters of a signature: RSA with 8192 bits has 1368.
  private static let maximumSignatureText = 2048

  init(payload: [UInt8], layerMediaType: String, annotations: [String: String]) throws(CandidateRejection) {
    guard layerMediaType.isExactly(MediaType.simpleSigning) else {
      if layerMediaType.isExactly(MediaType.envelope) {
        throw CandidateRejection(.notAnImageSignature, "an attestation (DSSE envelope), not an image signature")
      }
      throw CandidateRejection(
        .malformed,
        "its layer's media type is \"\(layerMediaType.printable(limit: 100))\", not \(MediaType.simpleSigning)")
    }
    guard payload.count <= ImageSignature.maximumByteCount else {
      throw CandidateRejection(
        .malformed, "its payload has \(payload.count) bytes, at most \(ImageSignature.maximumByteCount) are read")
    }
    guard let text = annotations[MediaType.signatureAnnotation], !text.isEmpty else {
      throw CandidateRejection(.malformed, "its layer has no annotation \(MediaType.signatureAnnotation)")
    }
    guard text.utf8.count <= Self.maximumSignatureText, let signature = Base64.decode(text) else {
      throw CandidateRejection(
        .malformed,
        "its annotation \(MediaType.signatureAnnotation) is not base64 of at most \(Self.maximumSignatureText) characters"
      )
    }
    self.payload = payload
    self.signature = signature
    isKeyless = !(annotations[MediaType.certificateAnnotation] ?? "").isEmpty
  }

  /// Which of `keys` signed the payload's bytes.
  func signer(among keys: [PublicKey]) throws(CandidateRejection) -> PublicKey {
    do {
      return try Signer.find(of: signature, over: payload, among: keys, format: .simpleSigning, hint: nil)
    } catch {
      guard isKeyless else { throw error }
      throw CandidateRejection(
        .keyless, "signed with a certificate (keyless), which is not supported yet; \(error.description)")
    }
  }

  /// Throws unless the payload is a signature of exactly this digest.
  func requirePayload(naming digest: Digest, signedBy key: PublicKey) throws(CandidateRejection) {
    let prefix = "signed by \(key.fingerprint.short), but"
    let root = try Field(parsing: payload, context: "\(prefix) its payload")
    try root.allowOnly(["critical", "optional"])
    let critical = try root.member("critical")
    try critical.allowOnly(["identity", "image", "type"])
    let type = try critical.member("type").string()
    guard type.isExactly(ImageSignature.payloadType) else {
      throw CandidateRejection(
        .malformed, "\(prefix) of type \"\(type.printable(limit: 64))\", not \"\(ImageSignature.payloadType)\"")
    }
    let identity = try critical.member("identity")
    try identity.allowOnly(["docker-reference"])
    _ = try identity.member("docker-reference").string()
    let image = try critical.member("image")
    try image.allowOnly(["docker-manifest-digest"])
    try requireOptional(root.member("optional"))

    let text = try image.member("docker-manifest-digest").string()
    let named: Digest
    do { named = try Digest(parsing: text) } catch { throw image.malformed(error.description) }
    guard named == digest else {
      throw CandidateRejection(.otherDigest, "\(prefix) for \(named), not for this image's \(digest)")
    }
  }

  /// Null or an object; the two members that have a meaning have their types.
  private func requireOptional(_ optional: Field) throws(CandidateRejection) {
    if optional.value.isNull { return }
    try optional.requireObject()
    if let creator = optional.value["creator"], creator.kind != .string {
      throw optional.malformed("optional.creator is of type \(creator.kind), expected string")
    }
    if let timestamp = optional.value["timestamp"], (try? timestamp.integer()) == nil {
      throw optional.malformed("optional.timestamp is not an integer of 64 bits")
    }
  }
}
