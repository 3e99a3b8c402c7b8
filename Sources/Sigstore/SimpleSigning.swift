import Crypto
import JSON
import Primitives

/// A simple signing payload with its signature (cosign's SIGNATURE_SPEC; containers/image, "atomic signature" format).
///
/// As strict as containers/image, stricter than cosign: exact type, no member unknown or named twice, right layer media
/// type. What the payload calls the image is a fact for policies to judge; cosign does not look at it.
struct SimpleSigning {
  let payload: [UInt8]
  let signature: [UInt8]
  /// PEM; the first certificate is the signer's.
  private let certificateText: String?
  private let logAnnotation: String?
  private let timestampAnnotation: String?

  /// Base64 characters of a signature: RSA with 8192 bits has 1368.
  private static let maximumSignatureText = 2048
  /// Characters of the annotation with the certificate.
  private static let maximumCertificateText = 65_536

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
    // An empty text counts as absent (cosign.md 1.1).
    func present(_ name: String) -> String? { annotations[name].flatMap { $0.isEmpty ? nil : $0 } }
    certificateText = present(MediaType.certificateAnnotation)
    logAnnotation = present(MediaType.logAnnotation)
    timestampAnnotation = present(MediaType.timestampAnnotation)
  }

  var isKeyless: Bool { certificateText != nil }
  var hasLogProof: Bool { logAnnotation != nil }

  /// Which of `keys` signed the payload's bytes.
  func signer(among keys: [PublicKey]) throws(CandidateRejection) -> PublicKey {
    try Signer.find(of: signature, over: payload, among: keys, format: .simpleSigning, hint: nil)
  }

  /// The certificate in the annotation: the first, as cosign takes it. Those behind it are not looked at; issuers come from
  /// the trust root.
  func certificate() throws(CandidateRejection) -> X509Certificate? {
    guard let certificateText else { return nil }
    guard certificateText.utf8.count <= Self.maximumCertificateText else {
      throw CandidateRejection(
        .certificateInvalid,
        "its annotation \(MediaType.certificateAnnotation) has more than \(Self.maximumCertificateText) characters")
    }
    do throws(CertificateError) {
      if let first = try X509Certificate.parsePEM(certificateText).first { return first }
      throw CertificateError(.form, "there is none in it")
    } catch {
      throw CandidateRejection(
        .certificateInvalid,
        "its annotation \(MediaType.certificateAnnotation) cannot be read: \(error.description.printable())")
    }
  }

  /// What lies in the annotations beside the signature.
  func evidence(readingTimestamps: Bool) throws(CandidateRejection) -> SignatureEvidence {
    SignatureEvidence(
      log: logAnnotation.map { .annotation(Array($0.utf8)) } ?? .none,
      timestamps: readingTimestamps ? try timestamps() : [])
  }

  /// `{"SignedRFC3161Timestamp": BASE64}`.
  private func timestamps() throws(CandidateRejection) -> [[UInt8]] {
    guard let timestampAnnotation else { return [] }
    let root = try Field(
      parsing: Array(timestampAnnotation.utf8), context: "its annotation \(MediaType.timestampAnnotation)")
    try root.allowOnly(["SignedRFC3161Timestamp"])
    return [try root.member("SignedRFC3161Timestamp").standardBytes(atMost: 65_536)]
  }

  /// What the payload says beside the digest.
  struct Claims {
    let dockerReference: String?
    let annotations: [String: String]
  }

  /// What the payload says; throws unless it is a signature of exactly this digest.
  func claims(naming digest: Digest, signedBy signer: String) throws(CandidateRejection) -> Claims {
    let prefix = "signed by \(signer), but"
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
    let reference = try identity.member("docker-reference").string()
    let image = try critical.member("image")
    try image.allowOnly(["docker-manifest-digest"])
    let annotations = try annotations(in: root.member("optional"))

    let text = try image.member("docker-manifest-digest").string()
    let named: Digest
    do { named = try Digest(parsing: text) } catch { throw image.malformed(error.description) }
    guard named == digest else {
      throw CandidateRejection(.otherDigest, "\(prefix) for \(named), not for this image's \(digest)")
    }
    let isName = !reference.isEmpty && reference.utf8.count <= SignedAnnotations.maximumReferenceByteCount
    return Claims(dockerReference: isName ? reference : nil, annotations: annotations)
  }

  /// Null or an object; the two members that have a meaning have their types. What is text is an annotation.
  private func annotations(in optional: Field) throws(CandidateRejection) -> [String: String] {
    if optional.value.isNull { return [:] }
    try optional.requireObject()
    if let creator = optional.value["creator"], creator.kind != .string {
      throw optional.malformed("optional.creator is of type \(creator.kind), expected string")
    }
    if let timestamp = optional.value["timestamp"], (try? timestamp.integer()) == nil {
      throw optional.malformed("optional.timestamp is not an integer of 64 bits")
    }
    return try optional.signedAnnotations()
  }
}

extension Field {
  /// The members of this object that are text, as facts keep them.
  func signedAnnotations() throws(CandidateRejection) -> [String: String] {
    var annotations = SignedAnnotations()
    for (name, value) in try members(atMost: 65_536) where value.value.kind == .string {
      annotations.add(name, try value.string())
    }
    return annotations.pairs
  }
}
