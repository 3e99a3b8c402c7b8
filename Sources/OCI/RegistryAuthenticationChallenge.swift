/// One challenge of a `WWW-Authenticate` header (RFC 9110 §11.6.1).
struct RegistryChallenge: Sendable, Equatable {
  /// Lower case.
  let scheme: String
  /// Names in lower case.
  let parameters: [String: String]

  static let maximumBytes = 8 << 10
  static let maximumCount = 8
  static let maximumParameters = 16

  /// The challenges in these header values. What breaks the grammar ends the reading of its value, and the challenge that it
  /// stands in is left out: better none than half of one. White space around `=`, empty list elements and unquoted
  /// addresses are forgiven.
  static func parse(_ values: [String]) -> [RegistryChallenge] {
    var challenges: [RegistryChallenge] = []
    var budget = maximumBytes
    for value in values {
      budget -= value.utf8.count
      guard budget >= 0 else { break }
      var scanner = ChallengeScanner(bytes: Array(value.utf8))
      scanner.scan(into: &challenges)
      guard challenges.count < maximumCount else { break }
    }
    return Array(challenges.prefix(maximumCount))
  }
}

private struct ChallengeScanner {
  let bytes: [UInt8]
  var position = 0

  private var current: UInt8? { position < bytes.count ? bytes[position] : nil }

  mutating func scan(into challenges: inout [RegistryChallenge]) {
    skipSeparators()
    while current != nil {
      guard challenges.count < RegistryChallenge.maximumCount, let scheme = token(), isSpaceOrEnd else { return }
      guard let parameters = parameters() else { return }
      challenges.append(RegistryChallenge(scheme: scheme.lowercased(), parameters: parameters))
    }
  }

  private var isSpaceOrEnd: Bool {
    guard let current else { return true }
    return current == 0x20 || current == 0x09 || current == UInt8(ascii: ",")
  }

  /// The parameters up to the next scheme or the end; nil if they break the grammar.
  private mutating func parameters() -> [String: String]? {
    var parameters: [String: String] = [:]
    skipSeparators()
    while current != nil {
      let start = position
      guard let name = token()?.lowercased() else { return nil }
      skipSpaces()
      guard current == UInt8(ascii: "=") else {
        // A name without a value: `token68` of a scheme that is not ours, or the next challenge.
        position = start
        return parameters
      }
      position += 1
      if current == UInt8(ascii: "=") || current == nil {
        // The padding of a `token68`.
        while current == UInt8(ascii: "=") { position += 1 }
        skipSeparators()
        continue
      }
      skipSpaces()
      guard let value = current == UInt8(ascii: "\"") ? quoted() : bare() else { return nil }
      // Named twice, one reader takes the first and another the last.
      guard parameters[name] == nil, parameters.count < RegistryChallenge.maximumParameters else { return nil }
      parameters[name] = value
      skipSpaces()
      guard current == nil || current == UInt8(ascii: ",") else { return nil }
      skipSeparators()
    }
    return parameters
  }

  private mutating func skipSpaces() {
    while let byte = current, byte == 0x20 || byte == 0x09 { position += 1 }
  }

  private mutating func skipSeparators() {
    while let byte = current, byte == 0x20 || byte == 0x09 || byte == UInt8(ascii: ",") { position += 1 }
  }

  private mutating func token() -> String? {
    take { byte in
      switch byte {
      case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
        UInt8(ascii: "0")...UInt8(ascii: "9"):
        true
      // The marks of a token, and the two more of a `token68`.
      default: "!#$%&'*+-.^_`|~/".utf8.contains(byte)
      }
    }
  }

  private mutating func bare() -> String? {
    take { $0 > 0x20 && $0 < 0x7f && $0 != UInt8(ascii: ",") && $0 != UInt8(ascii: "\"") }
  }

  private mutating func take(_ belongs: (UInt8) -> Bool) -> String? {
    let start = position
    while let byte = current, belongs(byte) { position += 1 }
    return position > start ? String(decoding: bytes[start..<position], as: UTF8.self) : nil
  }

  private mutating func quoted() -> String? {
    position += 1
    var text: [UInt8] = []
    while let byte = current {
      position += 1
      switch byte {
      case UInt8(ascii: "\""): return String(decoding: text, as: UTF8.self)
      case UInt8(ascii: "\\"):
        guard let escaped = current else { return nil }
        position += 1
        text.append(escaped)
      case 0..<0x09, 0x0a..<0x20, 0x7f: return nil
      default: text.append(byte)
      }
    }
    return nil
  }
}
