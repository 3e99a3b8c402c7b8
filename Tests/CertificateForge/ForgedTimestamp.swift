package import Crypto

/// A TimeStampResp of any content, signed by any key.
package struct ForgedTimestamp: Sendable {
  package static let timestampInfo = "1.2.840.113549.1.9.16.1.4"

  package var message: [UInt8]
  /// `YYYYMMDDHHMMSS[.f]Z`.
  package var time: String
  package var status: [UInt8] = DERText.integer(0)
  /// The hash function of the imprint and of the signature.
  package var hash: HashAlgorithm = .sha256
  /// The imprint, if not the message's hash.
  package var imprint: [UInt8]?
  /// The object identifier of the imprint's hash function, if not the right one.
  package var imprintAlgorithm: String?
  /// Bytes behind the time: accuracy and so on.
  package var rest: [UInt8] = []
  /// The certificate that the token says it is signed with.
  package var certificate: [UInt8]
  /// The certificates that the token brings along.
  package var embedded: [[UInt8]] = []
  /// The signer's name, if not issuer and serial number of `certificate`.
  package var signerName: [UInt8]?
  /// Attributes that are left out.
  package var omitted: Set<String> = []
  /// Attributes in addition.
  package var attributes: [[UInt8]] = []
  /// The digest attribute, if not of the content.
  package var messageDigest: [UInt8]?
  /// The hash of the certificate in the attributes, if not that of `certificate`.
  package var certificateHash: [UInt8]?
  package var contentType = timestampInfo
  package var signatureAlgorithm: [UInt8]?
  package var signerCount = 1

  package init(over message: [UInt8], at time: UnixTime, certificate: [UInt8]) {
    self.message = message
    self.time = DERText.timeDigits(time)
    self.certificate = certificate
  }

  private static func identifier(_ hash: HashAlgorithm) -> String {
    switch hash {
    case .sha256: "2.16.840.1.101.3.4.2.1"
    case .sha384: "2.16.840.1.101.3.4.2.2"
    case .sha512: "2.16.840.1.101.3.4.2.3"
    }
  }

  private var hashAlgorithm: [UInt8] { DERText.sequence(DERText.identifier(Self.identifier(hash))) }

  /// TSTInfo.
  private var info: [UInt8] {
    let algorithm = DERText.sequence(DERText.identifier(imprintAlgorithm ?? Self.identifier(hash)))
    let imprint = DERText.sequence(algorithm, DERText.octets(self.imprint ?? hash.hash(message)))
    let head = DERText.integer(1) + DERText.identifier("1.3.6.1.4.1.57264.2") + imprint + DERText.integer(7)
    return DERText.sequence(head, DERText.value(0x18, Array(time.utf8)), rest)
  }

  private func attribute(_ identifier: String, _ value: [UInt8]) -> [UInt8] {
    omitted.contains(identifier) ? [] : DERText.sequence(DERText.identifier(identifier), DERText.set(value))
  }

  /// Issuer and serial number of a certificate made by `ForgedCertificate`, or another with short lengths.
  private func issuerAndSerial() throws -> [UInt8] {
    // Certificate, signed part, version (5 bytes), serial number, algorithm, issuer.
    func header(_ at: Int) -> (content: Int, end: Int) {
      let first = Int(certificate[at + 1])
      if first < 0x80 { return (at + 2, at + 2 + first) }
      let digits = first & 0x7F
      let count = certificate[(at + 2)..<(at + 2 + digits)].reduce(0) { $0 << 8 | Int($1) }
      return (at + 2 + digits, at + 2 + digits + count)
    }
    let serial = header(header(0).content).content + 5
    let algorithm = header(serial).end
    let issuer = header(algorithm).end
    return DERText.sequence(
      Array(certificate[issuer..<header(issuer).end]), Array(certificate[serial..<algorithm]))
  }

  /// The response in DER.
  package func signed(by key: PrivateKey) throws -> [UInt8] {
    let content = info
    var attributes = attribute("1.2.840.113549.1.9.3", DERText.identifier(contentType))
    attributes += attribute("1.2.840.113549.1.9.4", DERText.octets(messageDigest ?? hash.hash(content)))
    let identifier = DERText.sequence(DERText.octets(certificateHash ?? HashAlgorithm.sha256.hash(certificate)))
    attributes += attribute(
      "1.2.840.113549.1.9.16.2.47", DERText.sequence(DERText.sequence(identifier)))
    attributes += self.attributes.flatMap { $0 }
    let scheme: SignatureScheme
    let algorithm: [UInt8]
    switch key.publicKey.kind {
    case .p256, .p384, .p521:
      scheme = .ecdsa(hash)
      let last = hash == .sha256 ? 2 : hash == .sha384 ? 3 : 4
      algorithm = DERText.sequence(DERText.identifier("1.2.840.10045.4.3.\(last)"))
    case .rsa:
      scheme = .rsaPKCS1v15(hash)
      algorithm = DERText.sequence(DERText.identifier("1.2.840.113549.1.1.1"), DERText.null)
    case .ed25519:
      scheme = .ed25519
      algorithm = DERText.sequence(DERText.identifier("1.3.101.112"))
    }
    let signature = try key.sign(DERText.set(attributes), scheme: scheme)
    let name = try signerName ?? issuerAndSerial()
    let version = DERText.integer(name.first == 0x80 ? 3 : 1)
    let head = version + name + hashAlgorithm + DERText.value(0xA0, attributes)
    let signer = DERText.sequence(head, signatureAlgorithm ?? algorithm, DERText.octets(signature))
    let signers = DERText.value(0x31, Array(repeating: signer, count: signerCount).flatMap { $0 })
    let certificates = embedded.isEmpty ? [] : DERText.value(0xA0, embedded.flatMap { $0 })
    let encapsulated = DERText.sequence(
      DERText.identifier(Self.timestampInfo), DERText.value(0xA0, DERText.octets(content)))
    let signedData = DERText.sequence(
      DERText.integer(3), DERText.set(hashAlgorithm), encapsulated, certificates, signers)
    let token = DERText.sequence(DERText.identifier("1.2.840.113549.1.7.2"), DERText.value(0xA0, signedData))
    return DERText.sequence(DERText.sequence(status), token)
  }
}
