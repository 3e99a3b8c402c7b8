/// Reads DER (ITU-T X.690) values one after another, in their only encoding: definite lengths in the fewest bytes.
struct DERReader {
  enum Tag: UInt8 {
    case integer = 0x02
    case bitString = 0x03
    case null = 0x05
    case objectIdentifier = 0x06
    case sequence = 0x30
  }

  private var rest: ArraySlice<UInt8>

  init(_ bytes: some Collection<UInt8>) { rest = Array(bytes)[...] }

  var isAtEnd: Bool { rest.isEmpty }
  /// The tag of the next value, known or not.
  var nextTag: UInt8? { rest.first }

  /// The content of the next value, which must have this tag.
  mutating func read(_ tag: Tag) throws(KeyError) -> ArraySlice<UInt8> {
    guard let found = rest.popFirst() else { throw KeyError("the key's DER ends early") }
    guard found == tag.rawValue else {
      throw KeyError("the key's DER has tag \(found) where \(tag.rawValue) (\(tag)) belongs")
    }
    guard let first = rest.popFirst() else { throw KeyError("the key's DER ends early") }
    var count = Int(first)
    if first >= 0x80 {
      // Two bytes of length are enough for every key taken here.
      let digits = Int(first & 0x7F)
      guard digits == 1 || digits == 2, rest.count >= digits else {
        throw KeyError("the key's DER has a length that is indefinite or too large")
      }
      count = rest.prefix(digits).reduce(0) { $0 << 8 | Int($1) }
      rest = rest.dropFirst(digits)
      guard count >= (digits == 1 ? 0x80 : 0x100) else {
        throw KeyError("the key's DER has a length that is not minimal")
      }
    }
    guard rest.count >= count else { throw KeyError("the key's DER ends early") }
    defer { rest = rest.dropFirst(count) }
    return rest.prefix(count)
  }

  /// The next value, a positive integer, without leading zero.
  mutating func readPositiveInteger() throws(KeyError) -> ArraySlice<UInt8> {
    let content = try read(.integer)
    guard let first = content.first else { throw KeyError("the key's DER has an empty integer") }
    guard first < 0x80 else { throw KeyError("the key's DER has a negative integer") }
    guard first == 0 else { return content }
    guard content.count > 1, content[content.startIndex + 1] >= 0x80 else {
      throw KeyError("the key's DER has an integer that is zero or not minimal")
    }
    return content.dropFirst()
  }

  /// Throws if something is left.
  func finish() throws(KeyError) {
    guard rest.isEmpty else { throw KeyError("the key's DER has \(rest.count) bytes too many behind its end") }
  }
}

/// Writes DER.
enum DERWriter {
  static func value(_ tag: DERReader.Tag, _ content: [UInt8]) -> [UInt8] {
    var length: [UInt8] = []
    var count = content.count
    if count < 0x80 {
      length = [UInt8(count)]
    } else {
      while count > 0 {
        length.insert(UInt8(truncatingIfNeeded: count), at: 0)
        count >>= 8
      }
      length.insert(0x80 | UInt8(truncatingIfNeeded: length.count), at: 0)
    }
    return [tag.rawValue] + length + content
  }

  /// The unsigned big-endian number `magnitude`.
  static func integer(_ magnitude: some Collection<UInt8>) -> [UInt8] {
    let digits = magnitude.drop { $0 == 0 }
    guard let first = digits.first else { return value(.integer, [0]) }
    return value(.integer, (first >= 0x80 ? [0] : []) + digits)
  }
}
