import Primitives

/// A text with signatures below it (C2SP, signed-note.md). Nothing of it is verified.
struct SignedNote {
  /// A line `— NAME BASE64`.
  struct Signature {
    let name: String
    /// The first four bytes of the signer's key identifier.
    let hint: [UInt8]
    let signature: [UInt8]
  }

  /// What is signed: everything up to the blank line, the newline before it included.
  let text: [UInt8]
  let signatures: [Signature]

  /// Bytes of a note, and lines of signatures, that are looked at; witnesses sign checkpoints too.
  static let maximumByteCount = 32_768
  private static let maximumSignatureCount = 100
  /// EM DASH and a space.
  private static let mark: [UInt8] = [0xE2, 0x80, 0x94, 0x20]

  init(parsing envelope: String) throws(CandidateRejection) {
    let bytes = Array(envelope.utf8)
    guard bytes.count <= Self.maximumByteCount else {
      throw Self.refusal("has \(bytes.count) bytes, at most \(Self.maximumByteCount) are read")
    }
    // No carriage return either: a note has one spelling.
    if let control = bytes.first(where: { $0 < 0x20 && $0 != 0x0A || $0 == 0x7F }) {
      throw Self.refusal("holds the control character \(control)")
    }
    guard bytes.last == 0x0A else { throw Self.refusal("does not end with a newline") }
    guard let blank = (1..<bytes.count).last(where: { bytes[$0] == 0x0A && bytes[$0 - 1] == 0x0A }) else {
      throw Self.refusal("has no blank line between text and signatures")
    }
    text = Array(bytes[..<blank])
    guard text.count > 1 else { throw Self.refusal("has no text above its signatures") }
    let lines = bytes[(blank + 1)...].dropLast().split(separator: 0x0A, omittingEmptySubsequences: false)
    guard bytes.count > blank + 1 else { throw Self.refusal("has no signature") }
    guard lines.count <= Self.maximumSignatureCount else {
      throw Self.refusal("has \(lines.count) signatures, at most \(Self.maximumSignatureCount) are read")
    }
    var signatures: [Signature] = []
    for line in lines { signatures.append(try Self.signature(line)) }
    self.signatures = signatures
  }

  private static func signature(_ line: ArraySlice<UInt8>) throws(CandidateRejection) -> Signature {
    guard line.starts(with: mark) else {
      throw refusal("has a signature line that does not begin with an EM DASH and a space")
    }
    let parts = line.dropFirst(mark.count).split(separator: 0x20, omittingEmptySubsequences: false)
    guard parts.count == 2, let first = parts.first, let last = parts.last, isName(first) else {
      throw refusal("has a signature line that is not of the form \"— NAME BASE64\"")
    }
    // Four bytes of hint, and at least one of signature.
    guard let decoded = Base64.decode(Array(last)), decoded.count > 4, decoded.count <= 4 + 1024 else {
      throw refusal("has a signature line whose signature is not base64 of 5 to 1028 bytes")
    }
    return Signature(
      name: String(decoding: first, as: UTF8.self), hint: Array(decoded.prefix(4)),
      signature: Array(decoded.dropFirst(4)))
  }

  /// Not empty, no white space of Unicode, no plus sign.
  private static func isName(_ bytes: ArraySlice<UInt8>) -> Bool {
    let scalars = String(decoding: bytes, as: UTF8.self).unicodeScalars
    return !scalars.isEmpty && scalars.allSatisfy { !$0.properties.isWhitespace && $0 != "+" }
  }

  private static func refusal(_ what: String) -> CandidateRejection {
    CandidateRejection(.logProofInvalid, "its log proof's checkpoint \(what)")
  }
}
