/// The tags of DER that are read here, and those of context-specific values as they are written: class, form, number.
enum DERTag: UInt8 {
  case boolean = 0x01
  case integer = 0x02
  case bitString = 0x03
  case octetString = 0x04
  case null = 0x05
  case objectIdentifier = 0x06
  case utf8String = 0x0C
  case utcTime = 0x17
  case generalizedTime = 0x18
  case sequence = 0x30
  case set = 0x31
  case primitive0 = 0x80
  case primitive1 = 0x81
  case primitive2 = 0x82
  case constructed0 = 0xA0
  case constructed1 = 0xA1
  case constructed3 = 0xA3
}

/// An error that says what is wrong with an encoding.
protocol DERFailure: Error {
  /// What is read, as the beginning of a message: "the key's DER".
  static var encoding: String { get }
  init(encodingProblem: String)
}

extension KeyError: DERFailure {
  static let encoding = "the key's DER"
  init(encodingProblem: String) { self.init(encodingProblem) }
}

/// Reads DER (ITU-T X.690) values one after another, in their only encoding: definite lengths in the fewest bytes.
struct DERReader<Failure: DERFailure> {
  private var rest: ArraySlice<UInt8>

  init(_ bytes: ArraySlice<UInt8>) { rest = bytes }
  init(_ bytes: [UInt8]) { rest = bytes[...] }

  var isAtEnd: Bool { rest.isEmpty }
  /// The tag of the next value, known or not.
  var nextTag: UInt8? { rest.first }

  /// "the key's DER", and what is wrong with it.
  func failure(_ problem: String) -> Failure { Failure(encodingProblem: "\(Failure.encoding) \(problem)") }

  /// The content of the next value, which must have this tag.
  mutating func read(_ tag: DERTag) throws(Failure) -> ArraySlice<UInt8> {
    guard let found = rest.first else { throw failure("ends early") }
    guard found == tag.rawValue else {
      throw failure("has tag \(found) where \(tag.rawValue) (\(tag)) belongs")
    }
    return try readAny().content
  }

  /// The next value if it has this tag.
  mutating func readIfPresent(_ tag: DERTag) throws(Failure) -> ArraySlice<UInt8>? {
    nextTag == tag.rawValue ? try readAny().content : nil
  }

  /// A reader of the content of the next value, which must have this tag.
  mutating func enter(_ tag: DERTag) throws(Failure) -> DERReader { DERReader(try read(tag)) }

  /// The next value, whatever it is: its tag, its content, and all of its bytes.
  mutating func readAny() throws(Failure) -> (tag: UInt8, content: ArraySlice<UInt8>, encoded: ArraySlice<UInt8>) {
    let start = rest
    guard let tag = rest.popFirst() else { throw failure("ends early") }
    guard tag & 0x1F != 0x1F else { throw failure("has a tag of more than one byte") }
    guard let first = rest.popFirst() else { throw failure("ends early") }
    var count = Int(first)
    if first >= 0x80 {
      // Two bytes of length are enough for everything read here.
      let digits = Int(first & 0x7F)
      guard digits == 1 || digits == 2, rest.count >= digits else {
        throw failure("has a length that is indefinite or too large")
      }
      count = rest.prefix(digits).reduce(0) { $0 << 8 | Int($1) }
      rest = rest.dropFirst(digits)
      guard count >= (digits == 1 ? 0x80 : 0x100) else { throw failure("has a length that is not minimal") }
    }
    guard rest.count >= count else { throw failure("ends early") }
    let content = rest.prefix(count)
    rest = rest.dropFirst(count)
    return (tag, content, start[start.startIndex..<content.endIndex])
  }

  /// The next value, a positive integer, without leading zero.
  mutating func readPositiveInteger() throws(Failure) -> ArraySlice<UInt8> {
    let content = try readInteger()
    guard let first = content.first, first < 0x80 else { throw failure("has a negative integer") }
    if first != 0 { return content }
    guard content.count > 1 else { throw failure("has an integer that is zero or not minimal") }
    return content.dropFirst()
  }

  /// The next value, an integer of any size, in two's complement.
  mutating func readInteger() throws(Failure) -> ArraySlice<UInt8> {
    let content = try read(.integer)
    guard let first = content.first else { throw failure("has an empty integer") }
    if content.count > 1 {
      let second = content[content.startIndex + 1]
      guard !(first == 0 && second < 0x80), !(first == 0xFF && second >= 0x80) else {
        throw failure("has an integer that is not minimal")
      }
    }
    return content
  }

  /// The next value, an integer of one byte that is not negative.
  mutating func readSmallInteger() throws(Failure) -> UInt8 {
    let content = try readInteger()
    guard content.count == 1, let value = content.first, value < 0x80 else {
      throw failure("has an integer beyond 0 to 127 where a small one belongs")
    }
    return value
  }

  /// The next value, a Boolean.
  mutating func readBoolean() throws(Failure) -> Bool {
    switch Array(try read(.boolean)) {
    case [0x00]: return false
    case [0xFF]: return true
    default: throw failure("has a Boolean that is neither 0 nor 255")
    }
  }

  /// The next value, a bit string of whole bytes.
  mutating func readWholeBytes() throws(Failure) -> ArraySlice<UInt8> {
    let content = try read(.bitString)
    guard content.first == 0 else { throw failure("has a bit string that is not made of whole bytes") }
    return content.dropFirst()
  }

  /// The next value, an object identifier in dotted decimals.
  mutating func readIdentifier() throws(Failure) -> String {
    guard let text = DottedIdentifier.decode(try read(.objectIdentifier)) else {
      throw failure("has an object identifier that is malformed")
    }
    return text
  }

  /// Throws if something is left.
  func finish() throws(Failure) {
    guard rest.isEmpty else { throw failure("has \(rest.count) bytes too many behind its end") }
  }
}

/// Object identifiers (ITU-T X.660) as text: `1.3.6.1.5.5.7.3.3`.
enum DottedIdentifier {
  /// The text of an encoded identifier, or nil if it is malformed, or longer or with larger numbers than any in use.
  static func decode(_ content: ArraySlice<UInt8>) -> String? {
    guard let last = content.last, last < 0x80, content.count <= 64 else { return nil }
    var numbers: [UInt64] = []
    var number: UInt64 = 0
    var isFirstByte = true
    for byte in content {
      guard !(isFirstByte && byte == 0x80), number < 1 << 56 else { return nil }
      number = number << 7 | UInt64(byte & 0x7F)
      isFirstByte = byte < 0x80
      guard isFirstByte else { continue }
      if numbers.isEmpty {
        let arc = min(number / 40, 2)
        numbers = [arc, number - arc * 40]
      } else {
        numbers.append(number)
      }
      number = 0
    }
    return numbers.map(String.init).joined(separator: ".")
  }
}

/// Writes DER.
enum DERWriter {
  static func value(_ tag: DERTag, _ content: [UInt8]) -> [UInt8] {
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
