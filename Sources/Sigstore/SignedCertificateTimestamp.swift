import Crypto
import Primitives

/// The timestamps of certificate transparency logs that are embedded in a certificate (RFC 6962 §3).
///
/// They show that the certificate was promised to a public log before it was used: a certificate authority that issues in
/// secret to somebody else would be seen.
enum SignedCertificateTimestamp {
  /// The extension that holds the list.
  static let listIdentifier = "1.3.6.1.4.1.11129.2.4.2"
  private static let maximumByteCount = 16_384
  private static let maximumCount = 32

  /// Throws unless, for each of `issuers`, one of `logs` has signed for `certificate` as issued by it, while its key was
  /// valid.
  ///
  /// Timestamps of unknown logs and of unknown versions are skipped; so are wrong ones, but if none is right they are the
  /// reason that is told.
  static func verify(
    in certificate: X509Certificate, issuedByEach issuers: [X509Certificate], logs: [CertificateLog]
  ) throws(CandidateRejection) {
    guard let list = certificate.extension(listIdentifier) else {
      throw rejection("its certificate has no timestamp of a certificate transparency log (SCT)")
    }
    let timestamps = try timestamps(in: list.value)
    let signedPart = certificate.signedPart(withoutExtension: listIdentifier)
    for issuer in issuers { try requireOne(of: timestamps, over: signedPart, issuedBy: issuer, by: logs) }
  }

  private static func requireOne(
    of timestamps: [Timestamp], over signedPart: [UInt8], issuedBy issuer: X509Certificate, by logs: [CertificateLog]
  ) throws(CandidateRejection) {
    let issuerKey = HashAlgorithm.sha256.hash(issuer.subjectPublicKeyInfo)
    var failure: CandidateRejection?
    for timestamp in timestamps {
      let known = logs.filter { $0.logID == timestamp.logID }
      guard !known.isEmpty else { continue }
      let inService = known.filter { $0.validity.contains(timestamp.time) }
      guard !inService.isEmpty else {
        failure = rejection(
          "its certificate's SCT is of \(CalendarTime.text(timestamp.time)), when its log \(name(timestamp.logID)) was not"
            + " in service")
        continue
      }
      let message = timestamp.signedMessage(signedPart, issuerKey)
      if inService.contains(where: { timestamp.isSigned(by: $0.key, message) }) { return }
      failure = rejection("its certificate's SCT has a wrong signature for the log \(name(timestamp.logID))")
    }
    throw failure
      ?? rejection(
        "its certificate's SCTs are by none of the \(logs.count) trusted certificate transparency logs")
  }

  private static func rejection(_ text: String) -> CandidateRejection { CandidateRejection(.certificateInvalid, text) }

  private static func name(_ logID: [UInt8]) -> String { Hex.encode(logID.prefix(8)) + "…" }

  /// One timestamp of version 1, as it was read.
  struct Timestamp {
    let logID: [UInt8]
    /// Milliseconds since 1970.
    let milliseconds: UInt64
    let extensions: [UInt8]
    let hashAlgorithm: UInt8
    let signatureAlgorithm: UInt8
    let signature: [UInt8]

    /// The whole second in which it was made.
    var time: UnixTime { UnixTime(milliseconds / 1000) }

    /// What the log signed: an entry for a precertificate (RFC 6962 §3.2).
    func signedMessage(_ signedPart: [UInt8], _ issuerKey: [UInt8]) -> [UInt8] {
      // Version 1, certificate_timestamp.
      var message: [UInt8] = [0, 0]
      message += bigEndian(milliseconds, 8)
      message += [0, 1]  // precert_entry
      message += issuerKey
      message += bigEndian(UInt64(signedPart.count), 3)
      message += signedPart
      message += bigEndian(UInt64(extensions.count), 2)
      return message + extensions
    }

    private func bigEndian(_ number: UInt64, _ count: UInt64) -> [UInt8] {
      (0..<count).map { UInt8(truncatingIfNeeded: number >> ((count - 1 - $0) * 8)) }
    }

    func isSigned(by key: PublicKey, _ message: [UInt8]) -> Bool {
      guard let scheme = scheme(for: key) else { return false }
      return key.verify(signature, of: message, scheme: scheme) == .valid
    }

    /// The scheme of the log's key, if the timestamp claims no other (RFC 5246 §7.4.1.4.1).
    private func scheme(for key: PublicKey) -> SignatureScheme? {
      guard hashAlgorithm == 4 else { return nil }
      switch (key.kind, signatureAlgorithm) {
      case (.p256, 3), (.p384, 3), (.p521, 3): return .ecdsa(.sha256)
      case (.rsa, 1): return .rsaPKCS1v15(.sha256)
      default: return nil
      }
    }
  }

  /// The timestamps of version 1 in the value of the extension.
  static func timestamps(in value: [UInt8]) throws(CandidateRejection) -> [Timestamp] {
    let malformed = rejection("its certificate's list of SCTs is malformed")
    guard value.count <= maximumByteCount, let content = octetString(value) else { throw malformed }
    var outer = VectorReader(content)
    guard var list = outer.vector(2).map({ VectorReader($0) }), outer.isAtEnd, !list.isAtEnd else { throw malformed }
    var timestamps: [Timestamp] = []
    var count = 0
    while !list.isAtEnd {
      count += 1
      guard count <= maximumCount else {
        throw rejection("its certificate has more than \(maximumCount) SCTs")
      }
      guard let one = list.vector(2), let version = one.first else { throw malformed }
      guard version == 0 else { continue }
      var reader = VectorReader(one.dropFirst())
      guard let logID = reader.bytes(32), let time = reader.number(8), let extensions = reader.vector(2),
        let hash = reader.number(1), let algorithm = reader.number(1), let signature = reader.vector(2), reader.isAtEnd
      else { throw malformed }
      timestamps.append(
        Timestamp(
          logID: Array(logID), milliseconds: time, extensions: Array(extensions), hashAlgorithm: UInt8(hash),
          signatureAlgorithm: UInt8(algorithm), signature: Array(signature)))
    }
    return timestamps
  }

  /// The content of one OCTET STRING in DER that is all of `value`.
  private static func octetString(_ value: [UInt8]) -> ArraySlice<UInt8>? {
    guard value.count >= 2, value[0] == 0x04 else { return nil }
    let (count, start): (Int, Int)
    switch value[1] {
    case 0..<0x80: (count, start) = (Int(value[1]), 2)
    case 0x81 where value.count >= 3 && value[2] >= 0x80: (count, start) = (Int(value[2]), 3)
    case 0x82 where value.count >= 4 && value[2] > 0: (count, start) = (Int(value[2]) << 8 | Int(value[3]), 4)
    default: return nil
    }
    return value.count == start + count ? value[start...] : nil
  }

  /// Reads what TLS calls vectors: a length and as many bytes (RFC 5246 §4.3).
  private struct VectorReader {
    private var rest: ArraySlice<UInt8>

    init(_ bytes: ArraySlice<UInt8>) { rest = bytes }

    var isAtEnd: Bool { rest.isEmpty }

    mutating func bytes(_ count: Int) -> ArraySlice<UInt8>? {
      guard rest.count >= count else { return nil }
      defer { rest = rest.dropFirst(count) }
      return rest.prefix(count)
    }

    /// A number of so many bytes, at most eight.
    mutating func number(_ count: Int) -> UInt64? { bytes(count)?.reduce(0) { $0 << 8 | UInt64($1) } }

    mutating func vector(_ lengthByteCount: Int) -> ArraySlice<UInt8>? {
      guard let count = number(lengthByteCount) else { return nil }
      return bytes(Int(count))
    }
  }
}
