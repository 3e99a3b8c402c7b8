import Crypto
import Primitives

/// The body of an entry of Rekor v1: what the log has on record. Its kinds: hashedrekord, rekord and dsse 0.0.1, intoto
/// 0.0.2.
struct RekorEntry {
  let kind: String
  let version: String
  private let spec: Field

  init(parsing body: [UInt8]) throws(CandidateRejection) {
    let root = try Field(parsing: body, context: "its log entry")
    try root.allowOnly(["apiVersion", "kind", "spec"])
    kind = try root.member("kind").string(atMost: 64)
    version = try root.member("apiVersion").string(atMost: 64)
    spec = try root.member("spec")
  }

  /// Throws unless this is an entry of exactly `signature`: of these signature bytes, by this key or certificate, over
  /// this content.
  func requireEntry(of signature: LoggedSignature) throws(CandidateRejection) {
    // The text as a whole, so that no part can shift into another.
    switch "\(kind)/\(version)" {
    case let name where name.isExactly("hashedrekord/0.0.1"): try requireHashedRekord(spec, signature)
    case let name where name.isExactly("rekord/0.0.1"): try requireRekord(spec, signature)
    case let name where name.isExactly("dsse/0.0.1"): try requireDSSE(spec, signature)
    case let name where name.isExactly("intoto/0.0.2"): try requireInToto(spec, signature)
    default:
      throw CandidateRejection(
        .logProofInvalid,
        "its log entry is of kind \"\(kind.printable(limit: 64))\" \"\(version.printable(limit: 64))\", read are"
          + " hashedrekord 0.0.1, rekord 0.0.1, dsse 0.0.1 and intoto 0.0.2")
    }
  }

  // MARK: The equalities

  static func requireSame(signature: [UInt8], _ expected: LoggedSignature) throws(CandidateRejection) {
    guard signature == expected.signature else {
      throw CandidateRejection(.logProofInvalid, "its log entry is of another signature")
    }
  }

  /// Compares decoded keys and certificates: how the PEM text is wrapped does not matter.
  static func requireSame(verifier text: [UInt8], _ expected: LoggedSignature) throws(CandidateRejection) {
    guard let block = PEMBlock(parsing: text) else {
      throw CandidateRejection(
        .logProofInvalid, "its log entry's key is not exactly one PEM block, PUBLIC KEY or CERTIFICATE")
    }
    switch (expected.verifier, block.label) {
    case (.key(let key), .publicKey):
      guard block.content == key.subjectPublicKeyInfo else {
        throw CandidateRejection(
          .logProofInvalid, "its log entry is of another key than \(key.fingerprint.short), which signed")
      }
    case (.certificate(let certificate), .certificate):
      guard block.content == certificate.der else {
        throw CandidateRejection(.logProofInvalid, "its log entry is of another certificate than the signer's")
      }
    case (.key, .certificate):
      throw CandidateRejection(.logProofInvalid, "its log entry is of a certificate, but it is signed with a bare key")
    case (.certificate, .publicKey):
      throw CandidateRejection(.logProofInvalid, "its log entry is of a bare key, but it is signed with a certificate")
    }
  }

  /// A `{"algorithm": …, "value": HEX}` that must be the hash of what was signed.
  static func requireSame(
    hash field: Field, _ expected: (algorithm: HashAlgorithm, bytes: [UInt8]), of what: String
  ) throws(CandidateRejection) {
    try field.allowOnly(["algorithm", "value"])
    let algorithm = try field.member("algorithm").string(atMost: 16)
    guard algorithm.isExactly(expected.algorithm.rawValue) else {
      throw CandidateRejection(
        .logProofInvalid,
        "its log entry has a \(algorithm.printable(limit: 16)) hash of \(what), expected \(expected.algorithm.rawValue)"
      )
    }
    guard try field.member("value").hexadecimal(byteCount: expected.algorithm.byteCount) == expected.bytes else {
      throw CandidateRejection(.logProofInvalid, "its log entry's hash of \(what) is another one")
    }
  }

  func wrongContent(_ what: String) -> CandidateRejection {
    CandidateRejection(
      .logProofInvalid, "its log entry is of kind \(kind) \(version), which \(what) does not have")
  }
}

/// One block of PEM and nothing around it (RFC 7468), as logs keep keys and certificates.
struct PEMBlock {
  enum Label: String, CaseIterable {
    case publicKey = "PUBLIC KEY"
    case certificate = "CERTIFICATE"
  }

  let label: Label
  let content: [UInt8]

  /// Nil for anything but a begin line, lines of base64 and the end line; line ends are LF or CRLF, the last may lack.
  init?(parsing text: [UInt8]) {
    var lines = text.split(separator: 0x0A, omittingEmptySubsequences: false)
    if lines.last?.isEmpty == true { lines.removeLast() }
    lines = lines.map { $0.last == 0x0D ? $0.dropLast() : $0 }
    guard lines.count >= 3, let first = lines.first, let last = lines.last else { return nil }
    guard let label = Label.allCases.first(where: { first.elementsEqual("-----BEGIN \($0.rawValue)-----".utf8) }),
      last.elementsEqual("-----END \(label.rawValue)-----".utf8)
    else { return nil }
    let body = lines[1..<(lines.count - 1)]
    guard body.allSatisfy({ !$0.isEmpty }), let content = Base64.decode(Array(body.joined())) else { return nil }
    self.label = label
    self.content = content
  }
}
