import Crypto
import Primitives

extension TrustedRoot {
  /// How many logs, and authorities, of each kind a root may have.
  private static var maximumCount: Int { 64 }
  /// Certificates of a chain.
  private static var maximumChainCount: Int { 10 }

  /// The root that `trusted_root.json` text describes, in version 0.1 of the format.
  ///
  /// Strict, as Sigstore's Go clients: a member that is not known is an error, not passed over, since it may narrow what
  /// is to be trusted (and in a file that somebody wrote it is more likely a slip). A key of a kind that is not verified
  /// here is an error too. So is an identifier that does not follow from the key, and two logs with one identifier.
  /// At most 1 MiB of text, 64 of each kind, 10 certificates in a chain.
  public init(parsing json: [UInt8]) throws(TrustedRootError) {
    do throws(CandidateRejection) {
      let root = try Field(parsing: json, context: "the trusted root")
      try root.allowOnly(["mediaType", "tlogs", "certificateAuthorities", "ctlogs", "timestampAuthorities"])
      let mediaType = try root.member("mediaType").string(atMost: 256)
      guard Self.mediaTypes.contains(where: { $0.isExactly(mediaType) }) else {
        throw root.malformed(
          "its mediaType is \"\(mediaType.printable(limit: 100))\", only \(Self.mediaTypes[0]) is read")
      }
      var logs: [TransparencyLog] = []
      for field in try root.optional("tlogs")?.elements(atMost: Self.maximumCount) ?? [] {
        logs.append(try Self.transparencyLog(field))
      }
      var certificateLogs: [CertificateLog] = []
      for field in try root.optional("ctlogs")?.elements(atMost: Self.maximumCount) ?? [] {
        certificateLogs.append(try Self.certificateLog(field))
      }
      guard Set(logs.map(\.logID)).count == logs.count,
        Set(certificateLogs.map(\.logID)).count == certificateLogs.count
      else { throw root.malformed("two logs have one logId") }
      var authorities: [CertificateAuthority] = []
      for field in try root.optional("certificateAuthorities")?.elements(atMost: Self.maximumCount) ?? [] {
        let (chain, validity, uri) = try Self.authority(field)
        authorities.append(CertificateAuthority(chain: chain, validity: validity, uri: uri))
      }
      var timestampAuthorities: [TimestampAuthority] = []
      for field in try root.optional("timestampAuthorities")?.elements(atMost: Self.maximumCount) ?? [] {
        let (chain, validity, uri) = try Self.authority(field)
        timestampAuthorities.append(TimestampAuthority(chain: chain, validity: validity, uri: uri))
      }
      self.init(
        fingerprint: HashAlgorithm.sha256.hash(json), transparencyLogs: logs, certificateAuthorities: authorities,
        certificateLogs: certificateLogs, timestampAuthorities: timestampAuthorities)
    } catch {
      throw TrustedRootError(error.description)
    }
  }

  /// Both spellings of version 0.1, as in the wild and as the specification has it now. In 0.2 a log's `baseUrl` means
  /// something else, so it is not taken for this.
  private static var mediaTypes: [String] {
    [
      "application/vnd.dev.sigstore.trustedroot+json;version=0.1",
      "application/vnd.dev.sigstore.trustedroot.v0.1+json",
    ]
  }

  // MARK: Logs

  private static func transparencyLog(_ field: Field) throws(CandidateRejection) -> TransparencyLog {
    let (baseURL, key, logID, validity) = try log(field)
    let log: TransparencyLog
    do { log = try TransparencyLog(baseURL: baseURL, key: key, logID: logID, validity: validity) } catch {
      throw field.malformed("\(field.path): \(error.description)")
    }
    if let id = try checkpointKeyID(field), let origin = log.origin {
      guard
        [key.fingerprint.bytes, log.noteIdentifier(name: origin)].contains(where: { $0.starts(with: id) })
      else { throw field.malformed("\(field.path).checkpointKeyId does not follow from its key") }
    }
    return log
  }

  private static func certificateLog(_ field: Field) throws(CandidateRejection) -> CertificateLog {
    let (baseURL, key, logID, validity) = try log(field)
    guard logID == key.fingerprint.bytes else {
      throw field.malformed("\(field.path).logId is not the SHA-256 of its key")
    }
    _ = try checkpointKeyID(field)
    return CertificateLog(baseURL: baseURL, key: key, logID: logID, validity: validity)
  }

  private static func log(
    _ field: Field
  ) throws(CandidateRejection) -> (baseURL: String, key: PublicKey, logID: [UInt8], validity: Validity) {
    try field.allowOnly(["baseUrl", "hashAlgorithm", "publicKey", "logId", "checkpointKeyId", "operator"])
    let baseURL = try field.member("baseUrl").string(atMost: 1024)
    let hash = try field.member("hashAlgorithm").string(atMost: 64)
    guard hash.isExactly("SHA2_256") else {
      throw field.malformed("\(field.path).hashAlgorithm is \"\(hash.printable(limit: 64))\", only SHA2_256 is read")
    }
    _ = try field.optional("operator")?.string(atMost: 1024)
    let id = try field.member("logId")
    try id.allowOnly(["keyId"])
    let logID = try id.member("keyId").bytes(atMost: 32)
    let key = try field.member("publicKey")
    try key.allowOnly(["rawBytes", "keyDetails", "validFor"])
    return (baseURL, try publicKey(key), logID, try validity(key.member("validFor"), isStartRequired: true))
  }

  private static func checkpointKeyID(_ field: Field) throws(CandidateRejection) -> [UInt8]? {
    guard let id = try field.optional("checkpointKeyId") else { return nil }
    try id.allowOnly(["keyId"])
    let bytes = try id.member("keyId").bytes(atMost: 32)
    guard bytes.count == 4 || bytes.count == 32 else {
      throw id.malformed("\(id.path).keyId has \(bytes.count) bytes, expected 4 or 32")
    }
    return bytes
  }

  /// The key. What `keyDetails` calls it must fit it, and decides nothing but whether the bytes are SPKI or bare PKCS #1.
  private static func publicKey(_ field: Field) throws(CandidateRejection) -> PublicKey {
    let bytes = try field.member("rawBytes").bytes(atMost: 4096)
    let details = try field.member("keyDetails").string(atMost: 64)
    let key: PublicKey
    do {
      key =
        details.isExactly("PKCS1_RSA_PKCS1V5")
        ? try PublicKey(pkcs1: bytes) : try PublicKey(subjectPublicKeyInfo: bytes)
    } catch {
      throw field.malformed("\(field.path).rawBytes: \(error.description)")
    }
    let fitting: [String] =
      switch key.kind {
      case .p256: ["PKIX_ECDSA_P256_SHA_256", "PKIX_ECDSA_P256_HMAC_SHA_256"]
      case .p384: ["PKIX_ECDSA_P384_SHA_384", "PKIX_ECDSA_P384_SHA_256"]
      case .p521: ["PKIX_ECDSA_P521_SHA_512", "PKIX_ECDSA_P521_SHA_256"]
      case .ed25519: ["PKIX_ED25519"]
      case .rsa(let bits): ["PKCS1_RSA_PKCS1V5", "PKIX_RSA_PKCS1V5", "PKIX_RSA_PKCS1V15_\(bits)_SHA256"]
      }
    guard fitting.contains(where: { $0.isExactly(details) }) else {
      throw field.malformed(
        "\(field.path).keyDetails is \"\(details.printable(limit: 64))\", which does not fit its \(key.kind) key")
    }
    return key
  }

  // MARK: Authorities

  private static func authority(
    _ field: Field
  ) throws(CandidateRejection) -> (chain: [X509Certificate], validity: Validity, uri: String) {
    try field.allowOnly(["subject", "uri", "certChain", "validFor", "operator"])
    if let subject = try field.optional("subject") {
      try subject.allowOnly(["organization", "commonName"])
      for name in ["organization", "commonName"] { _ = try subject.optional(name)?.string(atMost: 1024) }
    }
    let uri = try field.optional("uri")?.string(atMost: 1024) ?? ""
    _ = try field.optional("operator")?.string(atMost: 1024)
    let chain = try field.member("certChain")
    try chain.allowOnly(["certificates"])
    var certificates: [X509Certificate] = []
    for certificate in try chain.member("certificates").elements(atMost: maximumChainCount) {
      try certificate.allowOnly(["rawBytes"])
      let bytes = try certificate.member("rawBytes").bytes(atMost: X509Certificate.maximumByteCount)
      do throws(CertificateError) { certificates.append(try X509Certificate(der: bytes)) } catch {
        throw field.malformed("\(certificate.path): \(error.description)")
      }
    }
    guard !certificates.isEmpty else { throw field.malformed("\(chain.path) has no certificate") }
    return (certificates, try validity(field.member("validFor"), isStartRequired: false), uri)
  }

  // MARK: Times

  /// A `TimeRange`; both ends belong to it. In seconds: what begins within a second begins with the next, what ends within
  /// a second ends with it.
  private static func validity(_ field: Field, isStartRequired: Bool) throws(CandidateRejection) -> Validity {
    try field.allowOnly(["start", "end"])
    var start: UnixTime?
    if let text = isStartRequired ? try field.member("start") : try field.optional("start") {
      let time = try time(text)
      start = time.hasFraction ? time.second + 1 : time.second
    }
    let end = try field.optional("end").map { (text) throws(CandidateRejection) in try time(text).second }
    if let start, let end, end < start { throw field.malformed("\(field.path) ends before it starts") }
    return Validity(start: start, end: end)
  }

  private static func time(_ field: Field) throws(CandidateRejection) -> (second: UnixTime, hasFraction: Bool) {
    let text = try field.string(atMost: 64)
    guard let time = InternetTime.parse(text) else {
      throw field.malformed(
        "\(field.path) is \"\(text.printable(limit: 64))\", expected a time as 2021-01-12T11:53:27Z")
    }
    return time
  }
}

extension PublicKey {
  /// A key as RSAPublicKey (RFC 8017 §A.1.1), as the one old certificate log has it.
  fileprivate convenience init(pkcs1 bytes: [UInt8]) throws(KeyError) {
    let text = "-----BEGIN RSA PUBLIC KEY-----\n\(Base64.encode(bytes))\n-----END RSA PUBLIC KEY-----\n"
    guard let key = try PublicKey.parsePEM(text, maximumCount: 1).first else { throw KeyError("no RSA key") }
    try self.init(subjectPublicKeyInfo: key.subjectPublicKeyInfo)
  }
}
