/// What a certificate (RFC 5280 §4.1) says, read from its DER without OpenSSL.
struct CertificateFields: Sendable {
  struct Extension: Sendable {
    let identifier: String
    let isCritical: Bool
    let value: ArraySlice<UInt8>
    /// The whole extension, as it stands in the certificate.
    let encoded: ArraySlice<UInt8>
  }

  /// Object identifiers of the extensions that are read here.
  enum Identifier {
    static let subjectKeyIdentifier = "2.5.29.14"
    static let keyUsage = "2.5.29.15"
    static let subjectAlternativeName = "2.5.29.17"
    static let basicConstraints = "2.5.29.19"
    static let extendedKeyUsage = "2.5.29.37"
    static let serverAuthentication = "1.3.6.1.5.5.7.3.1"
    static let codeSigning = "1.3.6.1.5.5.7.3.3"
    static let timeStamping = "1.3.6.1.5.5.7.3.8"
    static let anyExtendedKeyUsage = "2.5.29.37.0"
  }

  /// What the key may be used for (RFC 5280 §4.2.1.3), as far as it matters here.
  struct KeyUsage: Sendable {
    let digitalSignature: Bool
    let contentCommitment: Bool
    let certificateSigning: Bool
  }

  static let maximumExtensionCount = 64
  static let maximumNameCount = 64

  /// The content of the certificate's signed part up to its extensions.
  let signedPrefix: ArraySlice<UInt8>
  /// The serial number's content bytes.
  let serialNumber: ArraySlice<UInt8>
  /// The names, in DER.
  let issuer: ArraySlice<UInt8>
  let subject: ArraySlice<UInt8>
  let validity: Validity
  let subjectPublicKeyInfo: ArraySlice<UInt8>
  let extensions: [Extension]
  let subjectAlternativeNames: [SubjectAlternativeName]
  let isAuthority: Bool
  /// Nil where there is no such extension.
  let keyUsage: KeyUsage?
  /// Nil where there is no such extension.
  let extendedKeyUsage: (isCritical: Bool, purposes: [String])?
  /// Nil where there is no such extension.
  let subjectKeyIdentifier: ArraySlice<UInt8>?

  init(reading der: [UInt8]) throws(CertificateError) {
    var outer = DERReader<CertificateError>(der)
    var certificate = try outer.enter(.sequence)
    try outer.finish()
    let signed = try certificate.read(.sequence)
    let algorithm = try certificate.readAny().encoded
    _ = try certificate.readWholeBytes()
    try certificate.finish()

    var body = DERReader<CertificateError>(signed)
    guard var version = try body.readIfPresent(.constructed0).map({ DERReader<CertificateError>($0) }) else {
      throw CertificateError(.form, "the certificate is of version 1, only version 3 is taken")
    }
    guard try version.readSmallInteger() == 2 else {
      throw CertificateError(.form, "the certificate is not of version 3, the only one that is taken")
    }
    try version.finish()
    serialNumber = try body.readInteger()
    guard serialNumber.count <= 21 else { throw CertificateError(.form, "the certificate's serial number is too long") }
    guard try body.readAny().encoded == algorithm else {
      throw CertificateError(.form, "the certificate names two different signature algorithms")
    }
    issuer = try body.readName()
    var times = try body.enter(.sequence)
    let (start, end) = (try times.readCertificateTime(), try times.readCertificateTime())
    try times.finish()
    guard start <= end else { throw CertificateError(.form, "the certificate ends before it begins") }
    validity = Validity(start: start, end: end)
    subject = try body.readName()
    let key = try body.readAny()
    guard key.tag == DERTag.sequence.rawValue else { throw body.failure("has no key where one belongs") }
    subjectPublicKeyInfo = key.encoded
    signedPrefix = signed[signed.startIndex..<key.encoded.endIndex]
    guard body.nextTag == nil || body.nextTag == DERTag.constructed3.rawValue else {
      throw CertificateError(.form, "the certificate has unique identifiers, which nobody may use any more")
    }
    var extensions: [Extension] = []
    if let content = try body.readIfPresent(.constructed3) {
      var wrapper = DERReader<CertificateError>(content)
      extensions = try Self.extensions(in: wrapper.enter(.sequence))
      try wrapper.finish()
    }
    try body.finish()
    self.extensions = extensions

    func value(_ identifier: String) -> DERReader<CertificateError>? {
      extensions.first { $0.identifier == identifier }.map { DERReader($0.value) }
    }
    if var names = value(Identifier.subjectAlternativeName) {
      subjectAlternativeNames = try names.readGeneralNames(atMost: Self.maximumNameCount)
    } else {
      subjectAlternativeNames = []
    }
    isAuthority = try value(Identifier.basicConstraints)?.readingAuthority() ?? false
    keyUsage = try value(Identifier.keyUsage)?.readingKeyUsage()
    if let usage = extensions.first(where: { $0.identifier == Identifier.extendedKeyUsage }) {
      extendedKeyUsage = (usage.isCritical, try DERReader<CertificateError>(usage.value).readingPurposes())
    } else {
      extendedKeyUsage = nil
    }
    if var identifier = value(Identifier.subjectKeyIdentifier) {
      subjectKeyIdentifier = try identifier.read(.octetString)
      try identifier.finish()
    } else {
      subjectKeyIdentifier = nil
    }
  }

  private static func extensions(
    in reader: DERReader<CertificateError>
  ) throws(CertificateError) -> [Extension] {
    var list = reader
    var extensions: [Extension] = []
    var known: Set<String> = []
    guard !list.isAtEnd else { throw list.failure("has an empty list of extensions") }
    while !list.isAtEnd {
      guard extensions.count < maximumExtensionCount else {
        throw CertificateError(.form, "the certificate has more than \(maximumExtensionCount) extensions")
      }
      let whole = try list.readAny()
      guard whole.tag == DERTag.sequence.rawValue else { throw list.failure("has an extension that is no sequence") }
      var one = DERReader<CertificateError>(whole.content)
      let identifier = try one.readIdentifier()
      var isCritical = false
      if one.nextTag == DERTag.boolean.rawValue {
        isCritical = try one.readBoolean()
        guard isCritical else { throw one.failure("spells out a default (critical: false)") }
      }
      let value = try one.read(.octetString)
      try one.finish()
      guard known.insert(identifier).inserted else {
        throw CertificateError(.extensions, "the certificate has the extension \(identifier) twice")
      }
      extensions.append(
        Extension(identifier: identifier, isCritical: isCritical, value: value, encoded: whole.encoded))
    }
    return extensions
  }
}

extension DERReader<CertificateError> {
  /// The next value, a Name, with all of its bytes.
  fileprivate mutating func readName() throws(CertificateError) -> ArraySlice<UInt8> {
    let name = try readAny()
    guard name.tag == DERTag.sequence.rawValue else { throw failure("has no name where one belongs") }
    return name.encoded
  }

  /// BasicConstraints (RFC 5280 §4.2.1.9); OpenSSL enforces the length of the path.
  fileprivate consuming func readingAuthority() throws(CertificateError) -> Bool {
    var constraints = try enter(.sequence)
    try finish()
    guard constraints.nextTag == DERTag.boolean.rawValue else {
      try constraints.finish()
      return false
    }
    let isAuthority = try constraints.readBoolean()
    guard isAuthority else { throw failure("spells out a default (cA: false)") }
    if !constraints.isAtEnd { _ = try constraints.readInteger() }
    try constraints.finish()
    return isAuthority
  }

  /// KeyUsage (RFC 5280 §4.2.1.3).
  fileprivate consuming func readingKeyUsage() throws(CertificateError) -> CertificateFields.KeyUsage {
    let bits = try read(.bitString)
    try finish()
    guard let unused = bits.first, unused <= 7, let first = bits.dropFirst().first else {
      throw CertificateError(.extensions, "the certificate's key usage is empty or malformed")
    }
    return CertificateFields.KeyUsage(
      digitalSignature: first & 0x80 != 0, contentCommitment: first & 0x40 != 0, certificateSigning: first & 0x04 != 0)
  }

  /// ExtKeyUsageSyntax (RFC 5280 §4.2.1.12).
  fileprivate consuming func readingPurposes() throws(CertificateError) -> [String] {
    var list = try enter(.sequence)
    try finish()
    var purposes: [String] = []
    while !list.isAtEnd {
      guard purposes.count < 32 else {
        throw CertificateError(.extensions, "the certificate has more than 32 extended key usages")
      }
      purposes.append(try list.readIdentifier())
    }
    guard !purposes.isEmpty else { throw failure("has an empty list of extended key usages") }
    return purposes
  }
}

extension X509Certificate {
  /// The signed part (TBSCertificate) without one extension, re-encoded: what a certificate transparency log signed before
  /// that extension existed (RFC 6962 §3.2).
  public func signedPart(withoutExtension identifier: String) -> [UInt8] {
    let kept = fields.extensions.filter { $0.identifier != identifier }.flatMap(\.encoded)
    let list = kept.isEmpty ? [] : DERWriter.value(.constructed3, DERWriter.value(.sequence, kept))
    return DERWriter.value(.sequence, fields.signedPrefix + list)
  }
}
