package import Crypto
import Primitives

/// A Sigstore of one's own: certificate authority, certificate log and time-stamp authority, and the trust root that lists
/// them. Everything is valid in the year 2026.
package struct ForgedSigstore: Sendable {
  /// 2026-01-01T00:00:00Z.
  package static let start: UnixTime = 1_767_225_600
  /// 2026-12-31T23:59:59Z.
  package static let end: UnixTime = start + 365 * 86_400 - 1
  /// When leaves are issued: 2026-06-01T00:00:00Z; they live for ten minutes.
  package static let now: UnixTime = 1_780_272_000
  package static let lifetime: UnixTime = 600

  package let root: [UInt8]
  package let rootKey: PrivateKey
  package let intermediate: [UInt8]
  package let intermediateKey: PrivateKey
  package let logKey: PrivateKey
  package let stamper: [UInt8]
  package let stamperKey: PrivateKey

  package init() throws {
    var authority = try ForgedCertificate(
      subject: "root", issuer: "root", from: Self.start, to: Self.end, extensions: [.authority(), .keyUsage(0x06)])
    rootKey = authority.key
    root = try authority.signed(by: rootKey)
    authority = try ForgedCertificate(
      subject: "intermediate", issuer: "root", from: Self.start, to: Self.end,
      extensions: [.authority(pathLength: 0), .keyUsage(0x06), .codeSigning])
    intermediateKey = authority.key
    intermediate = try authority.signed(by: rootKey)
    logKey = try PrivateKey(generating: .p256)
    let stamper = try ForgedCertificate(
      subject: "time-stamps", issuer: "root", from: Self.start, to: Self.end,
      extensions: [.keyUsage(0x80), .timeStamping])
    stamperKey = stamper.key
    self.stamper = try stamper.signed(by: rootKey)
  }

  /// A certificate of the intermediate, before it is logged: for this identity, at this time.
  package func leaf(
    _ names: ForgedCertificate.Extension = .email("jane@example.com"), issuer: String = "https://issuer.example.com",
    at time: UnixTime = now, key: PrivateKey? = nil
  ) throws -> ForgedCertificate {
    try ForgedCertificate(
      subject: "", issuer: "intermediate", from: time, to: time + Self.lifetime,
      extensions: [.keyUsage(0x80), .codeSigning, names, .issuer(issuer), .issuerV2(issuer)], key: key)
  }

  /// A signed certificate timestamp over this certificate.
  package func timestamp(
    of certificate: ForgedCertificate, at time: UnixTime = now, by log: PrivateKey? = nil, extensions: [UInt8] = [],
    issuerKey: PublicKey? = nil
  ) throws -> [UInt8] {
    func bigEndian(_ number: Int, _ count: Int) -> [UInt8] {
      (0..<count).reversed().map { UInt8(number >> ($0 * 8) & 0xFF) }
    }
    let log = log ?? logKey
    let part = certificate.signedPart(signedBy: intermediateKey)
    let milliseconds = bigEndian(Int(time) * 1000 + 500, 8)
    let issuer = HashAlgorithm.sha256.hash((issuerKey ?? intermediateKey.publicKey).subjectPublicKeyInfo)
    let suffix = bigEndian(extensions.count, 2) + extensions
    let entry: [UInt8] = [0, 1] + issuer + bigEndian(part.count, 3) + part
    let signature = try log.sign([0, 0] + milliseconds + entry + suffix, scheme: DERText.scheme(log))
    let head = [0] + log.publicKey.fingerprint.bytes + milliseconds + suffix
    let algorithm: [UInt8] = if case .rsa = log.publicKey.kind { [4, 1] } else { [4, 3] }
    return head + algorithm + bigEndian(signature.count, 2) + signature
  }

  /// The extension with a list of timestamps.
  package static func list(_ timestamps: [[UInt8]]) -> ForgedCertificate.Extension {
    func vector(_ content: [UInt8]) -> [UInt8] { [UInt8(content.count >> 8), UInt8(content.count & 0xFF)] + content }
    return ForgedCertificate.Extension("1.3.6.1.4.1.11129.2.4.2", DERText.octets(vector(timestamps.flatMap(vector))))
  }

  /// The certificate, logged and signed.
  package func issue(_ certificate: ForgedCertificate, timestamps: [[UInt8]]? = nil) throws -> [UInt8] {
    var logged = certificate
    let timestamps = try timestamps ?? [timestamp(of: certificate)]
    if !timestamps.isEmpty { logged.extensions.append(Self.list(timestamps)) }
    return try logged.signed(by: intermediateKey)
  }

  /// A time-stamp (TimeStampResp) over these bytes.
  package func stamp(_ message: [UInt8], at time: UnixTime = now) throws -> [UInt8] {
    try ForgedTimestamp(over: message, at: time, certificate: stamper).signed(by: stamperKey)
  }

  /// The trust root's text. `logs` are elements of its list of transparency logs.
  package func trustedRoot(
    logs: [String] = [], authorities: [[[UInt8]]]? = nil, authorityValidity: Validity? = nil,
    logValidity: Validity? = nil, stamperValidity: Validity? = nil
  ) -> [UInt8] {
    let whole = Validity(start: Self.start, end: Self.end)
    func validity(_ validity: Validity?) -> String {
      let range = validity ?? whole
      let members = [range.start.map { ("start", $0) }, range.end.map { ("end", $0) }].compactMap { $0 }
      return "{" + members.map { #""\#($0.0)":"\#(CalendarTime.text($0.1))""# }.joined(separator: ",") + "}"
    }
    func chain(_ certificates: [[UInt8]]) -> String {
      #"{"certificates":[\#(certificates.map { #"{"rawBytes":"\#(Base64.encode($0))"}"# }.joined(separator: ","))]}"#
    }
    let issuers = (authorities ?? [[intermediate, root]]).map {
      #"{"uri":"https://ca.example","certChain":\#(chain($0)),"validFor":\#(validity(authorityValidity))}"#
    }
    let key =
      #"{"rawBytes":"\#(Base64.encode(logKey.publicKey.subjectPublicKeyInfo))","#
      + #""keyDetails":"PKIX_ECDSA_P256_SHA_256","validFor":\#(validity(logValidity))}"#
    let log =
      #"{"baseUrl":"https://ct.example","hashAlgorithm":"SHA2_256","publicKey":\#(key),"#
      + #""logId":{"keyId":"\#(Base64.encode(logKey.publicKey.fingerprint.bytes))"}}"#
    let stamps =
      #"{"uri":"https://tsa.example","certChain":\#(chain([stamper, root])),"validFor":\#(validity(stamperValidity))}"#
    let text =
      #"{"mediaType":"application/vnd.dev.sigstore.trustedroot+json;version=0.1","#
      + #""tlogs":[\#(logs.joined(separator: ","))],"certificateAuthorities":[\#(issuers.joined(separator: ","))],"#
      + #""ctlogs":[\#(log)],"timestampAuthorities":[\#(stamps)]}"#
    return Array(text.utf8)
  }
}
