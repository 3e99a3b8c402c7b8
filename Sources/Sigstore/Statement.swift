import Crypto
import Primitives

/// The in-toto statement (v1) that cosign 3 signs for an image.
enum Statement {
  static let type = "https://in-toto.io/Statement/v1"
  private static let maximumSubjectCount = 1024
  private static let maximumDigestCount = 32

  /// The annotations of the subject that `payload`, whose signature is verified, names; throws unless it says that exactly
  /// this digest is signed.
  ///
  /// Both its kind and its subject come from these signed bytes; what the manifest around them says does not matter.
  static func annotations(
    in payload: [UInt8], naming digest: Digest, signedBy signer: String
  ) throws(CandidateRejection) -> [String: String] {
    let prefix = "signed by \(signer), but"
    let root = try Field(parsing: payload, context: "\(prefix) its statement")
    // First what it is: an attestation may have members that a signature has not.
    let predicateType = try root.member("predicateType").string()
    guard predicateType.isExactly(ImageSignature.predicateType) else {
      throw CandidateRejection(
        .notAnImageSignature,
        "\(prefix) an attestation (predicate type \"\(predicateType.printable(limit: 100))\"), not an image signature")
    }
    try root.allowOnly(["_type", "subject", "predicateType", "predicate"])
    let type = try root.member("_type").string()
    guard type.isExactly(Self.type) else {
      throw root.malformed("its _type is \"\(type.printable(limit: 64))\", not \(Self.type)")
    }
    try root.optional("predicate")?.requireObject()

    let subjects = try root.member("subject").elements(atMost: maximumSubjectCount)
    guard !subjects.isEmpty else { throw root.malformed("it has no subject") }
    var named: [String] = []
    var first: Field?
    for subject in subjects {
      let digests = try self.digests(of: subject)
      guard let hex = digests[digest.algorithm.rawValue] else { continue }
      if first == nil, hex == digest.hex { first = subject }
      named.append("\(digest.algorithm.rawValue):\(hex)")
    }
    guard let first else {
      let others = named.isEmpty ? "no \(digest.algorithm.rawValue) digest" : named.prefix(2).joined(separator: ", ")
      throw CandidateRejection(
        .otherDigest, "\(prefix) for \(others)\(named.count > 2 ? ", …" : ""), not for this image's \(digest)")
    }
    // As cosign: those of the first subject that is the image.
    return try first.optional("annotations")?.signedAnnotations() ?? [:]
  }

  /// The digests of a subject (in-toto ResourceDescriptor) by their algorithms' names, each lower-case hexadecimal.
  private static func digests(of subject: Field) throws(CandidateRejection) -> [String: String] {
    try subject.allowOnly(["name", "uri", "digest", "content", "downloadLocation", "mediaType", "annotations"])
    for name in ["name", "uri", "downloadLocation", "mediaType"] {
      _ = try subject.optional(name)?.string(atMost: 4096)
    }
    _ = try subject.optional("content")?.bytes()
    try subject.optional("annotations")?.requireObject()
    let members = try subject.member("digest").members(atMost: maximumDigestCount)
    guard !members.isEmpty else { throw subject.malformed("a subject has no digest") }
    var result: [String: String] = [:]
    for (name, value) in members {
      let hex = try value.string(atMost: 256)
      guard let bytes = Hex.decode(hex), !bytes.isEmpty else {
        throw subject.malformed("\(value.path) is not lower-case hexadecimal")
      }
      if let algorithm = HashAlgorithm(rawValue: name), bytes.count != algorithm.byteCount {
        throw subject.malformed("\(value.path) has \(hex.utf8.count) digits, expected \(algorithm.byteCount * 2)")
      }
      result[name] = hex
    }
    return result
  }

  /// Throws unless `payload` is an in-toto statement, of any version and predicate, of which a subject is the artifact.
  static func require(_ payload: [UInt8], about artifact: SignedArtifact) throws(CandidateRejection) {
    let root = try Field(parsing: payload, context: "its statement")
    let type = try root.member("_type").string()
    guard type.isExactly(Self.type) || type.isExactly("https://in-toto.io/Statement/v0.1") else {
      throw root.malformed("its _type is \"\(type.printable(limit: 64))\", not \(Self.type)")
    }
    _ = try root.member("predicateType").string()
    let subjects = try root.member("subject").elements(atMost: maximumSubjectCount)
    guard !subjects.isEmpty else { throw root.malformed("it has no subject") }
    var isNamed = false
    for subject in subjects {
      for (name, hex) in try self.digests(of: subject) {
        guard let algorithm = HashAlgorithm(rawValue: name), let digest = artifact.digest(algorithm) else { continue }
        isNamed = isNamed || Hex.encode(digest) == hex
      }
    }
    guard isNamed else { throw CandidateRejection(.otherDigest, "no subject of its statement is this artifact") }
  }
}
