import Crypto
import Primitives

/// A Sigstore bundle (protobuf-specs, sigstore_bundle.proto): read as far as its form, nothing of it verified.
struct Bundle {
  /// What is signed.
  enum Content {
    case envelope(Envelope)
    case message(MessageSignature)
  }

  /// What the bundle says that it was signed with.
  enum Verifier {
    case key(Signer.Hint?)
    case certificate(CertificateField)
  }

  /// A certificate that is still to be read: whoever trusts no identity need not look at it.
  struct CertificateField {
    fileprivate let field: Field
    fileprivate let isChain: Bool
    fileprivate let version: BundleVersion
  }

  let version: BundleVersion
  let content: Content
  let verifier: Verifier
  /// Time-stamps and log entries.
  let evidence: SignatureEvidence

  /// Reads a bundle of one of `versions`.
  init(parsing bytes: [UInt8], versions: [BundleVersion] = [.v03]) throws(CandidateRejection) {
    let root = try Field(parsing: bytes, context: "the bundle")
    try root.allowOnly(["mediaType", "verificationMaterial", "messageSignature", "dsseEnvelope"])
    let mediaType = try root.member("mediaType").string()
    guard let version = BundleVersion(mediaType: mediaType), versions.contains(version) else {
      let taken = versions == [.v03] ? "only \(MediaType.bundleV03) is" : "versions 0.1 to 0.3 are"
      throw root.malformed("its mediaType is \"\(mediaType.printable(limit: 100))\", \(taken) read")
    }
    self.version = version
    let message = try root.optional("messageSignature")
    let envelope = try root.optional("dsseEnvelope")
    guard message == nil || envelope == nil else {
      throw root.malformed("it has both a messageSignature and a dsseEnvelope")
    }
    if versions == [.v03], message != nil {
      throw CandidateRejection(
        .notAnImageSignature, "a bundle with a messageSignature; an image's signature is a DSSE envelope")
    }

    let material = try root.member("verificationMaterial")
    try material.allowOnly([
      "publicKey", "certificate", "x509CertificateChain", "tlogEntries", "timestampVerificationData",
    ])
    let key = try material.optional("publicKey")
    let certificate = try material.optional("certificate")
    let chain = try material.optional("x509CertificateChain")
    guard key == nil || (certificate == nil && chain == nil) else {
      throw root.malformed("it names both a key and a certificate")
    }
    guard certificate == nil || chain == nil else {
      throw root.malformed("it names both a certificate and a chain of certificates")
    }
    if let field = certificate ?? chain {
      verifier = .certificate(CertificateField(field: field, isChain: chain != nil, version: version))
    } else {
      guard let key else { throw root.malformed("verificationMaterial names neither a key nor a certificate") }
      try key.allowOnly(["hint"])
      verifier = .key(try key.optional("hint")?.string(atMost: 1024).nonEmpty.map(Signer.Hint.init))
    }
    evidence = try Self.evidence(material, version)

    if let message {
      content = .message(try MessageSignature(message))
    } else {
      guard let envelope else { throw root.malformed("it has no dsseEnvelope") }
      content = .envelope(try Envelope(envelope))
    }
  }

  private static func evidence(
    _ material: Field, _ version: BundleVersion
  ) throws(CandidateRejection) -> SignatureEvidence {
    let fields = try material.optional("tlogEntries")?.elements(atMost: LogVerifier.maximumEntryCount) ?? []
    let entries = try fields.map { field throws(CandidateRejection) in try LogEntryForm(field) }
    var timestamps: [[UInt8]] = []
    if let data = try material.optional("timestampVerificationData") {
      try data.allowOnly(["rfc3161Timestamps"])
      for stamp in try data.optional("rfc3161Timestamps")?.elements(atMost: SignedTimes.maximumCount) ?? [] {
        try stamp.allowOnly(["signedTimestamp"])
        timestamps.append(try stamp.member("signedTimestamp").bytes(atMost: 65_536))
      }
    }
    return SignatureEvidence(log: .entries(entries, version), timestamps: timestamps)
  }
}

extension Bundle.CertificateField {
  /// The signer's certificate: the only one, or the first of a chain, which versions before 0.3 may have.
  func certificate() throws(CandidateRejection) -> X509Certificate {
    var single = field
    if isChain {
      guard version != .v03 else {
        throw field.malformed("it has a chain of certificates, where version 0.3 has one certificate")
      }
      try field.allowOnly(["certificates"])
      let chain = try field.member("certificates").elements(atMost: 10)
      guard let first = chain.first else { throw field.malformed("its chain of certificates is empty") }
      single = first
    }
    try single.allowOnly(["rawBytes"])
    let der = try single.member("rawBytes").bytes(atMost: X509Certificate.maximumByteCount)
    do throws(CertificateError) {
      return try X509Certificate(der: der)
    } catch {
      throw CandidateRejection(.certificateInvalid, "its certificate cannot be read: \(error.description.printable())")
    }
  }
}

extension BundleVersion {
  /// The version that a bundle's mediaType names, nil for all that are not read.
  init?(mediaType: String) {
    let spellings: [(String, BundleVersion)] = [
      (MediaType.bundleV03, .v03), (MediaType.bundleV03Parameter, .v03),
      ("application/vnd.dev.sigstore.bundle+json;version=0.2", .v02),
      ("application/vnd.dev.sigstore.bundle+json;version=0.1", .v01),
    ]
    guard let version = spellings.first(where: { $0.0.isExactly(mediaType) })?.1 else { return nil }
    self = version
  }
}

/// A signature over the bytes of a file, of which the bundle gives the digest.
struct MessageSignature {
  let algorithm: HashAlgorithm
  let digest: [UInt8]
  let signature: [UInt8]

  init(_ field: Field) throws(CandidateRejection) {
    try field.allowOnly(["messageDigest", "signature"])
    signature = try field.member("signature").bytes(atMost: 1024)
    let message = try field.member("messageDigest")
    try message.allowOnly(["algorithm", "digest"])
    let name = try message.member("algorithm").string(atMost: 32)
    let names: [(String, HashAlgorithm)] = [("SHA2_256", .sha256), ("SHA2_384", .sha384), ("SHA2_512", .sha512)]
    guard let algorithm = names.first(where: { $0.0.isExactly(name) })?.1 else {
      throw message.malformed("its messageDigest's algorithm is \"\(name.printable(limit: 32))\"")
    }
    self.algorithm = algorithm
    digest = try message.member("digest").bytes(atMost: 64)
    guard digest.count == algorithm.byteCount else {
      throw message.malformed("its messageDigest has \(digest.count) bytes, \(name) has \(algorithm.byteCount)")
    }
  }
}

/// A DSSE envelope with one signature over an in-toto statement (secure-systems-lab/dsse, envelope.md).
struct Envelope {
  /// The statement's bytes, as signed.
  let payload: [UInt8]
  let signature: [UInt8]

  init(_ field: Field) throws(CandidateRejection) {
    try field.allowOnly(["payload", "payloadType", "signatures"])
    let type = try field.member("payloadType").string()
    guard type.isExactly(MediaType.inTotoStatement) else {
      throw CandidateRejection(
        .notAnImageSignature,
        "a DSSE envelope around \"\(type.printable(limit: 100))\", not around \(MediaType.inTotoStatement)")
    }
    payload = try field.member("payload").bytes()
    let signatures = try field.member("signatures").elements(atMost: 16)
    guard let only = signatures.first, signatures.count == 1 else {
      throw field.malformed("the envelope has \(signatures.count) signatures, expected one")
    }
    try only.allowOnly(["sig", "keyid"])
    _ = try only.optional("keyid")?.string(atMost: 1024)
    signature = try only.member("sig").bytes(atMost: 1024)
  }

  /// What is signed (protocol.md, "PAE").
  var preAuthenticationEncoding: [UInt8] { Self.preAuthenticationEncoding(of: payload) }

  static func preAuthenticationEncoding(of payload: [UInt8]) -> [UInt8] {
    let type = MediaType.inTotoStatement
    return Array("DSSEv1 \(type.utf8.count) \(type) \(payload.count) ".utf8) + payload
  }
}

extension String {
  /// Nil for the empty string, which protobuf takes for absent.
  fileprivate var nonEmpty: String? { isEmpty ? nil : self }
}
