import COpenSSL
import Primitives

/// An X.509 certificate with its private key, made here.
public struct IssuedCertificate: Sendable {
  /// One PEM block `CERTIFICATE`.
  public let certificatePEM: String
  /// Its private key (ECDSA P-256 where it was made here).
  public let key: PrivateKey

  private init(certificatePEM: String, key: PrivateKey) {
    self.certificatePEM = certificatePEM
    self.key = key
  }

  /// A certificate that is at hand, with its key; refused if the key is another's.
  public init(certificate: X509Certificate, key: PrivateKey) throws(KeyError) {
    guard certificate.subjectPublicKeyInfo == key.publicKey.subjectPublicKeyInfo else {
      throw KeyError("the key does not belong to the certificate \(certificate)")
    }
    self.init(certificatePEM: certificate.pem, key: key)
  }

  /// A self-signed authority that may issue leaves and nothing else, valid from five minutes ago, for clocks that are
  /// behind.
  public static func authority(commonName: String, days: Int = 30) throws(KeyError) -> IssuedCertificate {
    try authority(commonName: commonName, validity: try validity(days: days))
  }

  /// The same, valid from the first second of `validity` to the last. With `permittedNames` it may issue for these hosts
  /// and those below them, and for no address (a critical extension nameConstraints, RFC 5280 §4.2.1.10).
  public static func authority(
    commonName: String, validity: ClosedRange<UnixTime>, permittedNames: [String] = []
  ) throws(KeyError) -> IssuedCertificate {
    let key = try PrivateKey(generating: .p256)
    let certificate = try Certificate(commonName: commonName, validity: validity, key: key.publicKey)
    try certificate.name(issuer: certificate)
    try certificate.add(NID_basic_constraints, "critical,CA:TRUE,pathlen:0", issuer: certificate)
    try certificate.add(NID_key_usage, "critical,keyCertSign,cRLSign", issuer: certificate)
    try certificate.add(NID_subject_key_identifier, "hash", issuer: certificate)
    if !permittedNames.isEmpty { try certificate.constrain(to: permittedNames) }
    return IssuedCertificate(certificatePEM: try certificate.signed(by: key), key: key)
  }

  /// A leaf issued by this authority for these names: a server's certificate, or a client's, valid from five minutes ago.
  ///
  /// Names of hosts may begin with `*.`; addresses are IPv4 or IPv6 text. A server's certificate needs a name.
  public func issueLeaf(
    commonName: String, dnsNames: [String], ipAddresses: [String], client: Bool = false, days: Int = 30
  ) throws(KeyError) -> IssuedCertificate {
    try issueLeaf(
      commonName: commonName, dnsNames: dnsNames, ipAddresses: ipAddresses, client: client,
      validity: try Self.validity(days: days))
  }

  /// The same, valid from the first second of `validity` to the last.
  public func issueLeaf(
    commonName: String, dnsNames: [String], ipAddresses: [String], client: Bool = false,
    validity: ClosedRange<UnixTime>
  ) throws(KeyError) -> IssuedCertificate {
    guard client || !(dnsNames.isEmpty && ipAddresses.isEmpty) else {
      throw KeyError("a server's certificate needs the name of a host or an address")
    }
    let issuer = try Certificate(pem: certificatePEM)
    guard X509_check_ca(issuer.pointer) == 1 else { throw KeyError("the issuing certificate is no authority's") }
    let key = try PrivateKey(generating: .p256)
    let certificate = try Certificate(commonName: commonName, validity: validity, key: key.publicKey)
    try certificate.name(issuer: issuer)
    try certificate.add(NID_basic_constraints, "critical,CA:FALSE", issuer: issuer)
    try certificate.add(NID_key_usage, "critical,digitalSignature", issuer: issuer)
    try certificate.add(NID_ext_key_usage, client ? "clientAuth" : "serverAuth", issuer: issuer)
    try certificate.add(NID_subject_key_identifier, "hash", issuer: issuer)
    try certificate.add(NID_authority_key_identifier, "keyid:always", issuer: issuer)
    try certificate.addNames(dnsNames, ipAddresses)
    return IssuedCertificate(certificatePEM: try certificate.signed(by: self.key), key: key)
  }

  /// The longest validity of anything made here, in days.
  public static let maximumDays = 3650

  private static func validity(days: Int) throws(KeyError) -> ClosedRange<UnixTime> {
    guard (1...maximumDays).contains(days) else {
      throw KeyError("a certificate for \(days) days; 1 to \(maximumDays) are possible")
    }
    let now = WallClock.seconds
    return now - 300...now + Int64(days) * 86_400
  }
}

/// Owns an `X509` while it is put together.
private final class Certificate {
  let pointer: OpaquePointer

  init(pem: String) throws(KeyError) {
    guard let pointer = withOpenSSLSource(pem, { PEM_read_bio_X509($0, nil, nil, nil) }) else {
      throw KeyError("the text holds no certificate in PEM: \(takeOpenSSLError())")
    }
    self.pointer = pointer
  }

  /// With a subject, a random serial number, and a validity.
  init(commonName: String, validity: ClosedRange<UnixTime>, key: PublicKey) throws(KeyError) {
    // From 1970 to the end of the year 9999, beyond which no certificate can say a time.
    guard validity.lowerBound >= 0, validity.upperBound <= 253_402_300_799 else {
      throw KeyError(
        "a certificate cannot be valid from \(Validity(start: validity.lowerBound, end: validity.upperBound))")
    }
    guard validity.upperBound - validity.lowerBound <= Int64(IssuedCertificate.maximumDays + 1) * 86_400 else {
      throw KeyError("a certificate for more than \(IssuedCertificate.maximumDays) days")
    }
    guard (1...64).contains(commonName.utf8.count) else {
      throw KeyError("a common name has 1 to 64 bytes, not \(commonName.utf8.count)")
    }
    guard let pointer = X509_new_ex(OpenSSLContext.shared.pointer, nil) else {
      throw KeyError("OpenSSL cannot make a certificate: \(takeOpenSSLError())")
    }
    self.pointer = pointer
    let name = Array(commonName.utf8)
    let subject = X509_get_subject_name(pointer)
    guard X509_set_version(pointer, 2) == 1, setRandomSerial(),
      X509_NAME_add_entry_by_NID(subject, NID_commonName, MBSTRING_UTF8, name, Int32(name.count), -1, 0) == 1,
      ASN1_TIME_set(X509_getm_notBefore(pointer), Int(validity.lowerBound)) != nil,
      ASN1_TIME_set(X509_getm_notAfter(pointer), Int(validity.upperBound)) != nil,
      X509_set_pubkey(pointer, key.handle.pointer) == 1
    else { throw KeyError("OpenSSL cannot fill in a certificate: \(takeOpenSSLError())") }
  }

  deinit { X509_free(pointer) }

  /// 126 random bits below a set one: positive, never zero, always 16 bytes (RFC 5280 §4.1.2.2).
  private func setRandomSerial() -> Bool {
    guard let number = BN_new() else { return false }
    defer { BN_free(number) }
    return BN_rand_ex(number, 127, BN_RAND_TOP_ONE, BN_RAND_BOTTOM_ANY, 0, nil) == 1
      && BN_to_ASN1_INTEGER(number, X509_get_serialNumber(pointer)) != nil
  }

  func name(issuer: Certificate) throws(KeyError) {
    guard X509_set_issuer_name(pointer, X509_get_subject_name(issuer.pointer)) == 1 else {
      throw KeyError("OpenSSL cannot name the issuer: \(takeOpenSSLError())")
    }
  }

  /// `value` in OpenSSL's configuration language, hence only constants.
  func add(_ identifier: Int32, _ value: StaticString, issuer: Certificate) throws(KeyError) {
    guard pinseal_add_extension(pointer, issuer.pointer, identifier, "\(value)") == 1 else {
      throw KeyError("OpenSSL cannot add the extension \(value): \(takeOpenSSLError())")
    }
  }

  /// The subject's alternative names, each put in as bytes.
  func addNames(_ dnsNames: [String], _ ipAddresses: [String]) throws(KeyError) {
    guard !dnsNames.isEmpty || !ipAddresses.isEmpty else { return }
    guard let names = GENERAL_NAMES_new() else { throw KeyError("OpenSSL has no memory") }
    defer { GENERAL_NAMES_free(names) }
    for name in dnsNames {
      guard Self.isHostName(name), pinseal_add_name(names, GEN_DNS, Array(name.utf8), Int32(name.utf8.count)) == 1
      else {
        throw KeyError("\"\(name.printable(limit: 64))\" is not the name of a host")
      }
    }
    for address in ipAddresses {
      guard let octets = a2i_IPADDRESS(address) else {
        ERR_clear_error()
        throw KeyError("\"\(address.printable(limit: 64))\" is not an IP address")
      }
      defer { ASN1_OCTET_STRING_free(octets) }
      guard pinseal_add_name(names, GEN_IPADD, ASN1_STRING_get0_data(octets), ASN1_STRING_length(octets)) == 1 else {
        throw KeyError("OpenSSL has no memory")
      }
    }
    guard X509_add1_ext_i2d(pointer, NID_subject_alt_name, UnsafeMutableRawPointer(names), 0, 0) == 1 else {
      throw KeyError("OpenSSL cannot add the names: \(takeOpenSSLError())")
    }
  }

  /// The names that an authority may issue for; no address is one.
  func constrain(to names: [String]) throws(KeyError) {
    guard let constraints = NAME_CONSTRAINTS_new() else { throw KeyError("OpenSSL has no memory") }
    defer { NAME_CONSTRAINTS_free(constraints) }
    for name in names {
      guard !name.hasPrefix("*"), Self.isHostName(name),
        pinseal_permit_name(constraints, Array(name.utf8), Int32(name.utf8.count)) == 1
      else { throw KeyError("\"\(name.printable(limit: 64))\" is not the name of a host") }
    }
    guard pinseal_exclude_addresses(constraints) == 1,
      X509_add1_ext_i2d(pointer, NID_name_constraints, UnsafeMutableRawPointer(constraints), 1, 0) == 1
    else { throw KeyError("OpenSSL cannot add the name constraints: \(takeOpenSSLError())") }
  }

  private static func isHostName(_ name: String) -> Bool {
    let labels = (name.hasPrefix("*.") ? name.dropFirst(2) : name[...]).split(
      separator: ".", omittingEmptySubsequences: false)
    return name.utf8.count <= 253
      && labels.allSatisfy { label in
        (1...63).contains(label.utf8.count) && !label.hasPrefix("-") && !label.hasSuffix("-")
          && label.utf8.allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
              UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"):
              true
            default: false
            }
          }
      }
  }

  func signed(by key: PrivateKey) throws(KeyError) -> String {
    guard X509_sign(pointer, key.handle.pointer, OpenSSLContext.shared.digest(.sha256)) > 0,
      let text = textFromOpenSSL({ PEM_write_bio_X509($0, pointer) })
    else { throw KeyError("OpenSSL cannot sign the certificate: \(takeOpenSSLError())") }
    return text
  }
}
