import Primitives

/// The one pass over the text: an explicit stack, so no depth of nesting can exhaust the thread's own.
struct Parser {
  private(set) var tape: [Entry] = []
  private let limits: JSONDocument.Limits
  private var open: [Int] = []
  private var position = 0

  init(limits: JSONDocument.Limits, expecting count: Int) {
    self.limits = limits
    tape.reserveCapacity(min(limits.values, count / 8 + 8))
    open.reserveCapacity(16)
  }

  mutating func parse(_ text: Span<UInt8>) throws(JSONError) {
    skipSpace(text)
    try value(text)
    while let container = open.last {
      skipSpace(text)
      let isObject = tape[container].kind == .object
      let isEmpty = tape.count == container + 1
      let byte = try current(text)
      if byte == (isObject ? UInt8(ascii: "}") : UInt8(ascii: "]")) {
        position += 1
        try close(container, text)
        continue
      }
      if !isEmpty {
        guard byte == UInt8(ascii: ",") else {
          throw JSONError(
            .syntax, at: position, "expected a comma or the end of the \(tape[container].kind) at byte \(position)")
        }
        position += 1
        skipSpace(text)
      }
      if isObject {
        guard try current(text) == UInt8(ascii: "\"") else {
          throw JSONError(.syntax, at: position, "expected a member name at byte \(position)")
        }
        try string(text)
        skipSpace(text)
        guard try current(text) == UInt8(ascii: ":") else {
          throw JSONError(.syntax, at: position, "expected a colon at byte \(position)")
        }
        position += 1
        skipSpace(text)
      }
      try value(text)
    }
    skipSpace(text)
    guard position == text.count else {
      throw JSONError(.syntax, at: position, "trailing data after the JSON text at byte \(position)")
    }
  }

  @inline(__always)
  private func current(_ text: Span<UInt8>) throws(JSONError) -> UInt8 {
    guard position < text.count else {
      throw JSONError(.syntax, at: position, "the text ends early, at byte \(position)")
    }
    return text[position]
  }

  @inline(__always)
  private mutating func skipSpace(_ text: Span<UInt8>) {
    while position < text.count {
      switch text[position] {
      case 0x20, 0x09, 0x0A, 0x0D: position += 1
      default: return
      }
    }
  }

  @inline(__always)
  private mutating func append(_ kind: JSONValue.Kind, from start: Int, hasEscapes: Bool = false) throws(JSONError) {
    guard tape.count < limits.values else {
      throw JSONError(.limitExceeded, at: start, "more than \(limits.values) values in the JSON text")
    }
    // Both fit: the initialiser of the document refuses texts past UInt32.
    tape.append(
      Entry(
        start: UInt32(truncatingIfNeeded: start), end: UInt32(truncatingIfNeeded: position),
        next: UInt32(truncatingIfNeeded: tape.count + 1), kind: kind, hasEscapes: hasEscapes))
  }

  private mutating func value(_ text: Span<UInt8>) throws(JSONError) {
    let start = position
    switch try current(text) {
    case UInt8(ascii: "{"): try openContainer(.object)
    case UInt8(ascii: "["): try openContainer(.array)
    case UInt8(ascii: "\""): try string(text)
    case UInt8(ascii: "t"): try literal("true", .bool, text)
    case UInt8(ascii: "f"): try literal("false", .bool, text)
    case UInt8(ascii: "n"): try literal("null", .null, text)
    case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"):
      try number(text)
      try append(.number, from: start)
    default: throw JSONError(.syntax, at: start, "expected a value at byte \(start)")
    }
  }

  private mutating func openContainer(_ kind: JSONValue.Kind) throws(JSONError) {
    guard open.count < limits.depth else {
      throw JSONError(.limitExceeded, at: position, "nested deeper than \(limits.depth) levels at byte \(position)")
    }
    let start = position
    position += 1
    try append(kind, from: start)
    open.append(tape.count - 1)
  }

  private mutating func close(_ container: Int, _ text: Span<UInt8>) throws(JSONError) {
    tape[container].end = UInt32(truncatingIfNeeded: position)
    tape[container].next = UInt32(truncatingIfNeeded: tape.count)
    open.removeLast()
    if tape[container].kind == .object { try refuseDuplicates(in: container, text) }
  }

  private mutating func literal(_ word: String, _ kind: JSONValue.Kind, _ text: Span<UInt8>) throws(JSONError) {
    let start = position
    for expected in word.utf8 {
      guard try current(text) == expected else {
        throw JSONError(.syntax, at: start, "expected a value at byte \(start)")
      }
      position += 1
    }
    try append(kind, from: start)
  }

  private mutating func number(_ text: Span<UInt8>) throws(JSONError) {
    let start = position
    func digits(_ position: inout Int) -> Int {
      let from = position
      while position < text.count, text[position] >= 0x30, text[position] <= 0x39 { position += 1 }
      return position - from
    }
    func fail() -> JSONError { JSONError(.syntax, at: start, "a malformed number at byte \(start)") }
    if text[position] == UInt8(ascii: "-") { position += 1 }
    let leadsWithZero = position < text.count && text[position] == UInt8(ascii: "0")
    let whole = digits(&position)
    guard whole > 0, !(leadsWithZero && whole > 1) else { throw fail() }
    if position < text.count, text[position] == UInt8(ascii: ".") {
      position += 1
      guard digits(&position) > 0 else { throw fail() }
    }
    if position < text.count, text[position] | 0x20 == UInt8(ascii: "e") {
      position += 1
      if position < text.count, text[position] == UInt8(ascii: "+") || text[position] == UInt8(ascii: "-") {
        position += 1
      }
      guard digits(&position) > 0 else { throw fail() }
    }
  }
}

// MARK: - Strings

extension Parser {
  /// How many of eight bytes, in the order of the text, come before the first that is a quote, a backslash, a control
  /// character or not ASCII; eight if none is.
  @inline(__always)
  private static func plainCount(_ word: UInt64) -> Int {
    let ones: UInt64 = 0x0101_0101_0101_0101
    let tops: UInt64 = 0x8080_8080_8080_8080
    let quote = word ^ (ones &* 0x22)
    let backslash = word ^ (ones &* 0x5C)
    let hasQuote = (quote &- ones) & ~quote
    let hasBackslash = (backslash &- ones) & ~backslash
    let hasControl = (word &- ones &* 0x20) & ~word
    // A borrow can only mark bytes behind one that is marked rightly, so the first mark is right.
    return ((hasQuote | hasBackslash | hasControl | word) & tops).trailingZeroBitCount >> 3
  }

  fileprivate mutating func string(_ text: Span<UInt8>) throws(JSONError) {
    let start = position
    position += 1
    var hasEscapes = false
    let raw = unsafe text.bytes
    while true {
      // Checked against the bounds by RawSpan; any eight bytes are a valid UInt64.
      while position + 8 <= raw.byteCount {
        let word = unsafe raw.unsafeLoadUnaligned(fromByteOffset: position, as: UInt64.self)
        let count = Self.plainCount(UInt64(littleEndian: word))
        position += count
        if count < 8 { break }
      }
      let byte = try current(text)
      switch byte {
      case UInt8(ascii: "\""):
        position += 1
        return try append(.string, from: start, hasEscapes: hasEscapes)
      case UInt8(ascii: "\\"):
        hasEscapes = true
        try escape(text)
      case 0..<0x20: throw JSONError(.syntax, at: position, "a control character inside a string at byte \(position)")
      case 0x20..<0x80: position += 1
      default: try multibyte(text)
      }
    }
  }

  private mutating func escape(_ text: Span<UInt8>) throws(JSONError) {
    let start = position
    position += 1
    switch try current(text) {
    case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"), UInt8(ascii: "b"), UInt8(ascii: "f"),
      UInt8(ascii: "n"),
      UInt8(ascii: "r"), UInt8(ascii: "t"):
      position += 1
    case UInt8(ascii: "u"):
      let unit = try codeUnit(text, at: start)
      if 0xDC00...0xDFFF ~= unit { throw JSONError(.encoding, at: start, "a lone surrogate at byte \(start)") }
      if 0xD800...0xDBFF ~= unit {
        guard position + 1 < text.count, text[position] == UInt8(ascii: "\\"), text[position + 1] == UInt8(ascii: "u")
        else {
          throw JSONError(.encoding, at: start, "a lone surrogate at byte \(start)")
        }
        position += 1
        guard 0xDC00...0xDFFF ~= (try codeUnit(text, at: start)) else {
          throw JSONError(.encoding, at: start, "a lone surrogate at byte \(start)")
        }
      }
    default: throw JSONError(.syntax, at: start, "an unknown escape at byte \(start)")
    }
  }

  /// Reads `uXXXX`, standing at the `u`.
  private mutating func codeUnit(_ text: Span<UInt8>, at start: Int) throws(JSONError) -> UInt32 {
    guard position + 5 <= text.count else { throw JSONError(.syntax, at: start, "the text ends inside an escape") }
    var unit: UInt32 = 0
    for index in (position + 1)..<(position + 5) {
      guard let digit = hexadecimalDigit(text[index]) else {
        throw JSONError(.syntax, at: start, "an unknown escape at byte \(start)")
      }
      unit = unit << 4 | digit
    }
    position += 5
    return unit
  }

  /// One scalar of two to four bytes, in its shortest form, no surrogate, none past U+10FFFF (RFC 3629 §4).
  private mutating func multibyte(_ text: Span<UInt8>) throws(JSONError) {
    let start = position
    let lead = text[position]
    let count: Int
    var low: UInt8 = 0x80
    var high: UInt8 = 0xBF
    switch lead {
    case 0xC2...0xDF: count = 1
    case 0xE0: (count, low) = (2, 0xA0)
    case 0xE1...0xEC, 0xEE...0xEF: count = 2
    case 0xED: (count, high) = (2, 0x9F)
    case 0xF0: (count, low) = (3, 0x90)
    case 0xF1...0xF3: count = 3
    case 0xF4: (count, high) = (3, 0x8F)
    default: throw JSONError(.encoding, at: start, "not UTF-8 at byte \(start)")
    }
    position += 1
    for _ in 0..<count {
      guard position < text.count, text[position] >= low, text[position] <= high else {
        throw JSONError(.encoding, at: start, "not UTF-8 at byte \(start)")
      }
      (low, high) = (0x80, 0xBF)
      position += 1
    }
  }
}

func hexadecimalDigit(_ byte: UInt8) -> UInt32? {
  switch byte {
  case UInt8(ascii: "0")...UInt8(ascii: "9"): UInt32(byte) - 0x30
  case UInt8(ascii: "a")...UInt8(ascii: "f"): UInt32(byte) - 0x57
  case UInt8(ascii: "A")...UInt8(ascii: "F"): UInt32(byte) - 0x37
  default: nil
  }
}

// MARK: - Members named twice

extension Parser {
  fileprivate func refuseDuplicates(in container: Int, _ text: Span<UInt8>) throws(JSONError) {
    let end = Int(tape[container].next)
    var count = 0
    var hasEscapes = false
    var index = container + 1
    while index < end {
      count += 1
      hasEscapes = hasEscapes || tape[index].hasEscapes
      index = Int(tape[index + 1].next)
    }
    if count < 2 { return }
    if count > 16 || hasEscapes { return try refuseDuplicatesByHash(in: container, text) }
    // Few names, as written: comparing all pairs is quicker than hashing them.
    var first = container + 1
    while first < end {
      var second = Int(tape[first + 1].next)
      let next = second
      while second < end {
        if sameBytes(tape[first], tape[second], text) { throw duplicate(tape[second], text) }
        second = Int(tape[second + 1].next)
      }
      first = next
    }
  }

  private func refuseDuplicatesByHash(in container: Int, _ text: Span<UInt8>) throws(JSONError) {
    // Swift's hasher is seeded per process: chosen names cannot pile up in one bucket. Bytes, not strings: two names that
    // are canonically equivalent in Unicode are still two names in JSON.
    var seen: Set<[UInt8]> = []
    var index = container + 1
    while index < Int(tape[container].next) {
      guard seen.insert(Array(spelling(of: tape[index], text).utf8)).inserted else {
        throw duplicate(tape[index], text)
      }
      index = Int(tape[index + 1].next)
    }
  }

  private func spelling(of name: Entry, _ text: Span<UInt8>) -> String {
    let content = (name.start + 1..<name.end - 1).map { text[Int($0)] }
    return decodeString(content[...], hasEscapes: name.hasEscapes)
  }

  private func sameBytes(_ left: Entry, _ right: Entry, _ text: Span<UInt8>) -> Bool {
    let count = left.end - left.start
    guard count == right.end - right.start else { return false }
    for offset in 0..<Int(count) where text[Int(left.start) + offset] != text[Int(right.start) + offset] {
      return false
    }
    return true
  }

  private func duplicate(_ name: Entry, _ text: Span<UInt8>) -> JSONError {
    let spelt = spelling(of: name, text).printable(limit: 64)
    return JSONError(
      .duplicateMember, at: Int(name.start), "member \"\(spelt)\" twice in one object, again at byte \(name.start)")
  }
}

/// The text between the quotes of a string that the parser has found valid, its escapes resolved.
func decodeString(_ content: ArraySlice<UInt8>, hasEscapes: Bool) -> String {
  guard hasEscapes else { return String(decoding: content, as: UTF8.self) }
  var bytes: [UInt8] = []
  bytes.reserveCapacity(content.count)
  var index = content.startIndex
  func unit(_ index: Int) -> UInt32 {
    (0..<4).reduce(0) { $0 << 4 | (hexadecimalDigit(content[index + $1]) ?? 0) }
  }
  while index < content.endIndex {
    let byte = content[index]
    guard byte == UInt8(ascii: "\\") else {
      bytes.append(byte)
      index += 1
      continue
    }
    index += 2
    switch content[index - 1] {
    case UInt8(ascii: "b"): bytes.append(0x08)
    case UInt8(ascii: "f"): bytes.append(0x0C)
    case UInt8(ascii: "n"): bytes.append(0x0A)
    case UInt8(ascii: "r"): bytes.append(0x0D)
    case UInt8(ascii: "t"): bytes.append(0x09)
    case UInt8(ascii: "u"):
      var scalar = unit(index)
      index += 4
      if 0xD800...0xDBFF ~= scalar {
        scalar = 0x10000 + (scalar - 0xD800) << 10 + (unit(index + 2) - 0xDC00)
        index += 6
      }
      bytes.append(contentsOf: String(Unicode.Scalar(scalar) ?? "\u{FFFD}").utf8)
    case let other: bytes.append(other)
    }
  }
  return String(decoding: bytes, as: UTF8.self)
}
