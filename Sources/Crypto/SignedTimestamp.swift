import COpenSSL

/// A TimeStampResp (RFC 3161 §2.4.2) as it was read: granted, of the right form, nothing of it verified.
///
/// Read here and not by OpenSSL, whose readers take BER, several signers, and certificates that the token brings along.
struct SignedTimestamp {
  /// TSTInfo: what the authority signed.
  struct Info {
    let hash: HashAlgorithm
    let imprint: [UInt8]
    /// A whole second, or the two around a time between them: what holds at both ends holds at that time.
    let time: ClosedRange<UnixTime>
  }

  /// How the token names the certificate that signed it (RFC 5652 §5.3).
  enum SignerName {
    case issuerAndSerial(issuer: ArraySlice<UInt8>, serialNumber: ArraySlice<UInt8>)
    case subjectKeyIdentifier(ArraySlice<UInt8>)
  }

  private enum Identifier {
    static let signedData = "1.2.840.113549.1.7.2"
    static let timestampInfo = "1.2.840.113549.1.9.16.1.4"
    static let contentType = "1.2.840.113549.1.9.3"
    static let messageDigest = "1.2.840.113549.1.9.4"
    static let signingCertificate = "1.2.840.113549.1.9.16.2.12"
    static let signingCertificateV2 = "1.2.840.113549.1.9.16.2.47"
  }

  let info: Info
  let signer: SignerName
  /// The hash function of the signature.
  let hash: HashAlgorithm
  private let signatureAlgorithm: String
  /// The signed attributes, encoded as what is signed.
  let signedBytes: [UInt8]
  let signature: [UInt8]
  /// What must be found as the hash of the signing certificate (RFC 5035, RFC 2634 §5.4).
  private let certificateHash: (algorithm: HashAlgorithm?, value: ArraySlice<UInt8>)

  init(reading der: [UInt8]) throws(TimestampError) {
    var outer = DERReader<TimestampError>(der)
    var response = try outer.enter(.sequence)
    try outer.finish()
    var status = try response.enter(.sequence)
    let code = try status.readSmallInteger()
    guard code == 0 else {
      throw TimestampError(.status, "the time-stamp was not granted: its status is \(code) where 0 belongs")
    }
    guard !response.isAtEnd else { throw TimestampError(.form, "the time-stamp's response holds no token") }

    var contentInfo = try response.enter(.sequence)
    try response.finish()
    guard try contentInfo.readIdentifier() == Identifier.signedData else {
      throw TimestampError(.form, "the time-stamp's token is not signed data")
    }
    var wrapper = try contentInfo.enter(.constructed0)
    try contentInfo.finish()
    var signedData = try wrapper.enter(.sequence)
    try wrapper.finish()
    guard try signedData.readSmallInteger() == 3 else {
      throw TimestampError(.form, "the time-stamp's token is not signed data of version 3")
    }
    _ = try signedData.read(.set)  // Digest algorithms: the signer's own is what counts.

    var encapsulated = try signedData.enter(.sequence)
    guard try encapsulated.readIdentifier() == Identifier.timestampInfo else {
      throw TimestampError(.form, "the time-stamp's token holds something else than a time-stamp")
    }
    var contentWrapper = try encapsulated.enter(.constructed0)
    try encapsulated.finish()
    let content = try contentWrapper.read(.octetString)
    try contentWrapper.finish()
    info = try Info(reading: content)

    _ = try signedData.readIfPresent(.constructed0)  // Certificates: whoever made the token chose them.
    _ = try signedData.readIfPresent(.constructed1)  // Revocation lists.
    var signers = try signedData.enter(.set)
    try signedData.finish()
    var signerInfo = try signers.enter(.sequence)
    guard signers.isAtEnd else { throw TimestampError(.form, "the time-stamp has more than one signer") }

    let version = try signerInfo.readSmallInteger()
    if version == 3 {
      signer = .subjectKeyIdentifier(try signerInfo.read(.primitive0))
    } else {
      guard version == 1 else { throw TimestampError(.form, "the time-stamp's signer is of version \(version)") }
      var name = try signerInfo.enter(.sequence)
      signer = .issuerAndSerial(issuer: try name.readAny().encoded, serialNumber: try name.readInteger())
      try name.finish()
    }
    hash = try signerInfo.readHashAlgorithm(.signature)
    let attributes = try signerInfo.read(.constructed0)
    signatureAlgorithm = try signerInfo.readAlgorithm()
    signature = Array(try signerInfo.read(.octetString))
    _ = try signerInfo.readIfPresent(.constructed1)  // Unsigned attributes.
    try signerInfo.finish()

    signedBytes = DERWriter.value(.set, Array(attributes))
    certificateHash = try Self.certificateHash(in: attributes, content: content, hash)
  }

  /// Checks what the signed attributes say of the content, and reads what they say of the signer's certificate.
  private static func certificateHash(
    in attributes: ArraySlice<UInt8>, content: ArraySlice<UInt8>, _ hash: HashAlgorithm
  ) throws(TimestampError) -> (algorithm: HashAlgorithm?, value: ArraySlice<UInt8>) {
    var list = DERReader<TimestampError>(attributes)
    var values: [String: ArraySlice<UInt8>] = [:]
    while !list.isAtEnd {
      guard values.count < 16 else { throw TimestampError(.form, "the time-stamp has more than 16 signed attributes") }
      var attribute = try list.enter(.sequence)
      let identifier = try attribute.readIdentifier()
      var set = try attribute.enter(.set)
      try attribute.finish()
      let value = try set.readAny().encoded
      try set.finish()
      guard values.updateValue(value, forKey: identifier) == nil else {
        throw TimestampError(.form, "the time-stamp has the signed attribute \(identifier) twice")
      }
    }
    func reader(_ identifier: String) throws(TimestampError) -> DERReader<TimestampError> {
      guard let value = values[identifier] else {
        throw TimestampError(.form, "the time-stamp lacks the signed attribute \(identifier)")
      }
      return DERReader(value)
    }
    var type = try reader(Identifier.contentType)
    guard try type.readIdentifier() == Identifier.timestampInfo else {
      throw TimestampError(.form, "the time-stamp's signature is over another type of content")
    }
    var digest = try reader(Identifier.messageDigest)
    guard Array(try digest.read(.octetString)) == hash.hash(Array(content)) else {
      throw TimestampError(.signature, "the time-stamp's signature is over other content: the digest differs")
    }
    // ESSCertIDv2 leaves its algorithm out where it is SHA-256; ESSCertID is always SHA-1.
    let isNew = values[Identifier.signingCertificateV2] != nil
    var signing = try reader(isNew ? Identifier.signingCertificateV2 : Identifier.signingCertificate)
    var certificates = try signing.enter(.sequence)
    var identifiers = try certificates.enter(.sequence)
    var first = try identifiers.enter(.sequence)
    guard isNew else { return (nil, try first.read(.octetString)) }
    let algorithm = first.nextTag == DERTag.sequence.rawValue ? try first.readHashAlgorithm(.signature) : .sha256
    return (algorithm, try first.read(.octetString))
  }

  /// Whether the token says that this certificate signed it.
  func names(_ certificate: X509Certificate) -> Bool {
    switch signer {
    case .issuerAndSerial(let issuer, let serialNumber):
      issuer == certificate.fields.issuer && serialNumber == certificate.fields.serialNumber
    case .subjectKeyIdentifier(let identifier): identifier == certificate.fields.subjectKeyIdentifier
    }
  }

  /// Throws unless the signed attributes name this certificate (RFC 3161 §2.4.1, RFC 5816).
  func requireCertificate(_ certificate: X509Certificate) throws(TimestampError) {
    let hash = certificateHash.algorithm?.hash(certificate.der) ?? Self.sha1(certificate.der)
    guard certificateHash.value.elementsEqual(hash) else {
      throw TimestampError(.authority, "the time-stamp is signed for another certificate than its authority's")
    }
  }

  /// SHA-1 as the old attribute's name of a certificate. Nothing rests on it: the signature is verified with the
  /// certificate's own key.
  private static func sha1(_ bytes: [UInt8]) -> [UInt8] {
    var hash = [UInt8](repeating: 0, count: 20)
    return EVP_Digest(bytes, bytes.count, &hash, nil, EVP_sha1(), nil) == 1 ? hash : []
  }

  /// The scheme for a key of this kind, if the token's algorithms belong to it.
  func scheme(for kind: PublicKey.Kind) -> SignatureScheme? {
    let (ecdsa, rsa) =
      switch hash {
      case .sha256: ("1.2.840.10045.4.3.2", "1.2.840.113549.1.1.11")
      case .sha384: ("1.2.840.10045.4.3.3", "1.2.840.113549.1.1.12")
      case .sha512: ("1.2.840.10045.4.3.4", "1.2.840.113549.1.1.13")
      }
    switch kind {
    case .p256, .p384, .p521: return signatureAlgorithm == ecdsa ? .ecdsa(hash) : nil
    case .rsa:
      // rsaEncryption alone leaves the hash to the digest algorithm (RFC 3370 §3.2).
      return signatureAlgorithm == rsa || signatureAlgorithm == "1.2.840.113549.1.1.1" ? .rsaPKCS1v15(hash) : nil
    case .ed25519: return signatureAlgorithm == "1.3.101.112" ? .ed25519 : nil
    }
  }
}

extension SignedTimestamp.Info {
  fileprivate init(reading content: ArraySlice<UInt8>) throws(TimestampError) {
    var outer = DERReader<TimestampError>(content)
    var info = try outer.enter(.sequence)
    try outer.finish()
    guard try info.readSmallInteger() == 1 else { throw TimestampError(.form, "the time-stamp is not of version 1") }
    _ = try info.readIdentifier()  // Policy.
    var imprint = try info.enter(.sequence)
    hash = try imprint.readHashAlgorithm(.imprint)
    self.imprint = Array(try imprint.read(.octetString))
    try imprint.finish()
    _ = try info.readInteger()  // Serial number.
    time = try info.readTimestampTime()
    _ = try info.readIfPresent(.sequence)  // Accuracy: times are compared as they are.
    if info.nextTag == DERTag.boolean.rawValue, try !info.readBoolean() {
      throw info.failure("spells out a default (ordering: false)")
    }
    if info.nextTag == DERTag.integer.rawValue { _ = try info.readInteger() }  // Nonce: for who asked.
    _ = try info.readIfPresent(.constructed0)  // The authority's name: its certificate says who it is.
    if let extensions = try info.readIfPresent(.constructed1) {
      var list = DERReader<TimestampError>(extensions)
      while !list.isAtEnd {
        var one = try list.enter(.sequence)
        let identifier = try one.readIdentifier()
        guard one.nextTag != DERTag.boolean.rawValue else {
          throw TimestampError(.form, "the time-stamp has a critical extension that is not known, \(identifier)")
        }
      }
    }
    try info.finish()
  }
}

extension DERReader<TimestampError> {
  /// The next value, an AlgorithmIdentifier: its object identifier.
  fileprivate mutating func readAlgorithm() throws(TimestampError) -> String {
    var algorithm = try enter(.sequence)
    let identifier = try algorithm.readIdentifier()
    if !algorithm.isAtEnd, !(try algorithm.read(.null).isEmpty) { throw failure("has a NULL that is not empty") }
    try algorithm.finish()
    return identifier
  }

  /// The next value, an AlgorithmIdentifier of a hash function.
  fileprivate mutating func readHashAlgorithm(
    _ check: TimestampError.Check
  ) throws(TimestampError) -> HashAlgorithm {
    switch try readAlgorithm() {
    case "2.16.840.1.101.3.4.2.1": return .sha256
    case "2.16.840.1.101.3.4.2.2": return .sha384
    case "2.16.840.1.101.3.4.2.3": return .sha512
    case "1.3.14.3.2.26": throw TimestampError(check, "the time-stamp uses SHA-1; taken are SHA-256, -384 and -512")
    case let other:
      throw TimestampError(check, "the time-stamp uses a hash function that is not taken, \(other)")
    }
  }
}
