import Crypto
import Primitives

/// What Fulcio writes into the certificates that it issues (fulcio: docs/oid-info.md), as far as it says who signs.
enum FulcioCertificate {
  /// The issuer as bare bytes; older.
  static let issuer = "1.3.6.1.4.1.57264.1.1"
  /// The issuer as a UTF8String.
  static let issuerV2 = "1.3.6.1.4.1.57264.1.8"
  private static let maximumIssuerByteCount = 2048

  /// The identity in a certificate, which must be verified before this is believed.
  ///
  /// Where both spellings of the issuer are there they must agree: readers differ in which one they look at.
  static func identity(of certificate: X509Certificate) throws(CandidateRejection) -> SignerIdentity {
    let bare = try certificate.extension(issuer).map { value throws(CandidateRejection) in try text(value.value) }
    let wrapped = try certificate.extension(issuerV2).map { value throws(CandidateRejection) in
      guard let content = utf8String(value.value) else {
        throw CandidateRejection(
          .certificateInvalid, "its certificate names its issuer (\(issuerV2)) in a form that is malformed")
      }
      return try text(content)
    }
    if let bare, let wrapped, !bare.isExactly(wrapped) {
      throw CandidateRejection(
        .certificateInvalid,
        "its certificate names two issuers, \"\(bare.printable(limit: 96))\" and \"\(wrapped.printable(limit: 96))\"")
    }
    guard let issuer = wrapped ?? bare else {
      throw CandidateRejection(.certificateInvalid, "its certificate names no OpenID Connect issuer")
    }
    let subjects = certificate.subjectAlternativeNames.compactMap(\.text)
    guard !subjects.isEmpty else {
      throw CandidateRejection(
        .certificateInvalid, "its certificate names no subject (alternative name) that an identity could be")
    }
    return SignerIdentity(subjects: subjects, issuer: issuer)
  }

  private static func text(_ bytes: [UInt8]) throws(CandidateRejection) -> String {
    guard !bytes.isEmpty, bytes.count <= maximumIssuerByteCount, let text = String(validating: bytes, as: UTF8.self),
      !text.unicodeScalars.contains(where: { $0.properties.generalCategory == .control })
    else {
      throw CandidateRejection(
        .certificateInvalid,
        "its certificate names its issuer in a form that is malformed: empty, too long, not UTF-8 or with control characters"
      )
    }
    return text
  }

  /// The content of one UTF8String in DER (ITU-T X.690) that is all of `value`.
  private static func utf8String(_ value: [UInt8]) -> [UInt8]? {
    guard value.count >= 2, value[0] == 0x0C else { return nil }
    let (count, start): (Int, Int)
    switch value[1] {
    case 0..<0x80: (count, start) = (Int(value[1]), 2)
    case 0x81 where value.count >= 3 && value[2] >= 0x80: (count, start) = (Int(value[2]), 3)
    case 0x82 where value.count >= 4 && value[2] > 0: (count, start) = (Int(value[2]) << 8 | Int(value[3]), 4)
    default: return nil
    }
    return value.count == start + count ? Array(value[start...]) : nil
  }
}
