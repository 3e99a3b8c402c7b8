import Primitives

/// A name in a certificate's extension subjectAlternativeName (RFC 5280 §4.2.1.6).
public enum SubjectAlternativeName: Sendable {
  /// rfc822Name.
  case email(String)
  /// dNSName.
  case dns(String)
  /// uniformResourceIdentifier.
  case uri(String)
  /// iPAddress: 4 or 16 bytes.
  case ip([UInt8])
  /// otherName, with its value where that is a UTF8String.
  case otherName(oid: String, utf8: String?)
  /// A name of another kind: directoryName, registeredID and so on; the tag.
  case other(tag: UInt8)

  /// The otherName under which Fulcio puts subjects that are neither mail addresses nor URIs.
  public static let fulcioOtherName = "1.3.6.1.4.1.57264.1.7"

  /// The name as text, for comparison with what a policy asks for; nil for names that are none of a signer.
  public var text: String? {
    switch self {
    case .email(let text), .dns(let text), .uri(let text): text
    case .ip(let bytes): Self.addressText(bytes)
    case .otherName(let oid, let text): oid == Self.fulcioOtherName ? text : nil
    case .other: nil
    }
  }

  /// An IPv4 address in dotted decimals, an IPv6 address as RFC 5952 writes it.
  private static func addressText(_ bytes: [UInt8]) -> String? {
    if bytes.count == 4 { return bytes.map(String.init).joined(separator: ".") }
    guard bytes.count == 16 else { return nil }
    let groups = stride(from: 0, to: 16, by: 2).map { UInt16(bytes[$0]) << 8 | UInt16(bytes[$0 + 1]) }
    // The longest run of two zeros or more, the first of equals.
    var longest = 0..<0
    var start = 0
    while start < groups.count {
      var end = start
      while end < groups.count, groups[end] == 0 { end += 1 }
      if end - start >= 2, end - start > longest.count { longest = start..<end }
      start = max(end, start + 1)
    }
    func text(_ groups: ArraySlice<UInt16>) -> String { groups.map { String($0, radix: 16) }.joined(separator: ":") }
    if longest.isEmpty { return text(groups[...]) }
    return "\(text(groups[..<longest.lowerBound]))::\(text(groups[longest.upperBound...]))"
  }
}

extension DERReader<CertificateError> {
  /// The GeneralNames that are the rest: at least one, at most `limit`.
  mutating func readGeneralNames(atMost limit: Int) throws(CertificateError) -> [SubjectAlternativeName] {
    var names: [SubjectAlternativeName] = []
    var list = try enter(.sequence)
    try finish()
    while !list.isAtEnd {
      guard names.count < limit else {
        throw CertificateError(.extensions, "the certificate has more than \(limit) alternative names")
      }
      names.append(try list.readGeneralName())
    }
    guard !names.isEmpty else { throw failure("has an empty list of alternative names") }
    return names
  }

  private mutating func readGeneralName() throws(CertificateError) -> SubjectAlternativeName {
    let (tag, content, _) = try readAny()
    switch tag {
    case 0x81: return .email(try text(content))
    case 0x82: return .dns(try text(content))
    case 0x86: return .uri(try text(content))
    case 0x87:
      guard content.count == 4 || content.count == 16 else {
        throw CertificateError(.extensions, "the certificate names an address of \(content.count) bytes")
      }
      return .ip(Array(content))
    case 0xA0:
      var name = DERReader(content)
      let identifier = try name.readIdentifier()
      var value = try name.enter(.constructed0)
      try name.finish()
      let (kind, bytes, _) = try value.readAny()
      try value.finish()
      guard kind == DERTag.utf8String.rawValue else { return .otherName(oid: identifier, utf8: nil) }
      guard let text = String(validating: bytes, as: UTF8.self) else {
        throw CertificateError(.extensions, "the certificate has a name that is not UTF-8")
      }
      return .otherName(oid: identifier, utf8: try printable(text))
    default: return .other(tag: tag)
    }
  }

  /// An IA5String's text.
  private func text(_ content: ArraySlice<UInt8>) throws(CertificateError) -> String {
    guard content.allSatisfy({ $0 < 0x80 }) else {
      throw CertificateError(.extensions, "the certificate has an alternative name that is not ASCII")
    }
    return try printable(String(decoding: content, as: UTF8.self))
  }

  /// Refuses what would look like another name: no control characters, and not nothing.
  private func printable(_ text: String) throws(CertificateError) -> String {
    guard !text.isEmpty, !text.unicodeScalars.contains(where: { $0.properties.generalCategory == .control }) else {
      throw CertificateError(
        .extensions, "the certificate has an alternative name that is empty or has control characters")
    }
    return text
  }
}
