import Primitives

/// Why text is not a digest.
public struct DigestError: Error, Sendable, Equatable, CustomStringConvertible {
  /// What is wrong, and at which character.
  public let description: String
}

/// A content digest as the OCI image specification writes it: `sha256:` or `sha512:` and lower-case hexadecimal digits.
///
/// No other spelling exists as a value of this type, so one may be put into a path or compared as it is.
public struct Digest: Hashable, Sendable, CustomStringConvertible {
  /// `sha256` or `sha512`, if it came from text.
  public let algorithm: HashAlgorithm
  /// The hash.
  public let bytes: [UInt8]

  /// The digest that `text` spells, in its one canonical form (OCI image specification, descriptor.md, "Digests").
  public init(parsing text: some StringProtocol) throws(DigestError) {
    // Cut first: the text may be a megabyte.
    let utf8 = Array(text.utf8.prefix(200))
    guard !utf8.isEmpty else { throw DigestError(description: "a digest is empty, expected sha256: and 64 digits") }
    var shown: String { String(decoding: utf8, as: UTF8.self).printable(limit: 160) }
    guard let colon = utf8.firstIndex(of: UInt8(ascii: ":")) else {
      throw DigestError(
        description: "digest \"\(shown)\" names no algorithm, expected sha256: and 64 hexadecimal digits")
    }
    let algorithm: HashAlgorithm
    switch String(decoding: utf8[..<colon], as: UTF8.self) {
    case "sha256": algorithm = .sha256
    case "sha512": algorithm = .sha512
    default:
      throw DigestError(
        description: "digest \"\(shown)\" has an unsupported algorithm at character 1, expected sha256 or sha512")
    }
    let digits = utf8[(colon + 1)...]
    let expected = algorithm.byteCount * 2
    for (position, digit) in digits.prefix(expected).enumerated() {
      switch digit {
      case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "a")...UInt8(ascii: "f"): continue
      case UInt8(ascii: "A")...UInt8(ascii: "F"):
        throw DigestError(
          description: "digest \"\(shown)\" has an upper-case digit at character \(colon + position + 2),"
            + " digests are written in lower case")
      default:
        throw DigestError(
          description: "digest \"\(shown)\" has no hexadecimal digit at character \(colon + position + 2)")
      }
    }
    guard digits.count == expected else {
      let have = text.utf8.count - colon - 1
      throw DigestError(
        description: "digest \"\(shown)\" has \(have) digits after the colon, \(algorithm.rawValue) has \(expected)")
    }
    guard let bytes = Hex.decode(String(decoding: digits, as: UTF8.self)) else {
      throw DigestError(description: "digest \"\(shown)\" is not hexadecimal")
    }
    self.algorithm = algorithm
    self.bytes = bytes
  }

  /// The digest of `content`.
  public init(hashing content: [UInt8], algorithm: HashAlgorithm = .sha256) {
    self.algorithm = algorithm
    bytes = algorithm.hash(content)
  }

  /// Hashes the bytes, in one piece.
  public func hash(into hasher: inout Hasher) { bytes.withUnsafeBytes { hasher.combine(bytes: $0) } }

  /// The hash in lower-case hexadecimal digits.
  public var hex: String { Hex.encode(bytes) }

  /// The canonical text.
  public var description: String { algorithm.rawValue + ":" + hex }
}
