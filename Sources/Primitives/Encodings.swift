/// Lower-case hexadecimal.
public enum Hex {
  /// The bytes as lower-case hexadecimal digits.
  public static func encode(_ bytes: some Collection<UInt8>) -> String {
    String(unsafeUninitializedCapacity: bytes.count * 2) { buffer in
      var position = 0
      for byte in bytes {
        buffer[position] = digit(byte >> 4)
        buffer[position + 1] = digit(byte & 15)
        position += 2
      }
      return position
    }
  }

  /// The bytes that lower-case hexadecimal `text` spells, or nil for any other text (upper case included).
  public static func decode(_ text: some StringProtocol) -> [UInt8]? {
    let digits = Array(text.utf8)
    guard digits.count.isMultiple(of: 2) else { return nil }
    var bytes: [UInt8] = []
    bytes.reserveCapacity(digits.count / 2)
    for index in stride(from: 0, to: digits.count, by: 2) {
      guard let high = value(digits[index]), let low = value(digits[index + 1]) else { return nil }
      bytes.append(high << 4 | low)
    }
    return bytes
  }

  private static func digit(_ value: UInt8) -> UInt8 { value < 10 ? value + 0x30 : value + 0x57 }

  private static func value(_ digit: UInt8) -> UInt8? {
    switch digit {
    case UInt8(ascii: "0")...UInt8(ascii: "9"): digit - UInt8(ascii: "0")
    case UInt8(ascii: "a")...UInt8(ascii: "f"): digit - UInt8(ascii: "a") + 10
    default: nil
    }
  }
}

/// Base64 (RFC 4648), read without leniency: one text for one sequence of bytes.
public enum Base64 {
  /// Which texts `decode` takes.
  public enum Dialect: Sendable {
    /// RFC 4648 §4 with padding, and nothing else.
    case standard
    /// What protobuf's JSON form takes: the standard or the URL alphabet (not both in one text), padded or not.
    case protobuf
  }

  private static let alphabet: [UInt8] = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)

  /// The standard alphabet with padding.
  public static func encode(_ bytes: [UInt8]) -> String {
    String(unsafeUninitializedCapacity: (bytes.count + 2) / 3 * 4) { buffer in
      var position = 0
      var index = 0
      while index < bytes.count {
        let left = bytes.count - index
        let second = left > 1 ? bytes[index + 1] : 0
        let third = left > 2 ? bytes[index + 2] : 0
        let group = UInt32(bytes[index]) << 16 | UInt32(second) << 8 | UInt32(third)
        buffer[position] = alphabet[Int(group >> 18)]
        buffer[position + 1] = alphabet[Int(group >> 12 & 63)]
        buffer[position + 2] = left > 1 ? alphabet[Int(group >> 6 & 63)] : UInt8(ascii: "=")
        buffer[position + 3] = left > 2 ? alphabet[Int(group & 63)] : UInt8(ascii: "=")
        position += 4
        index += 3
      }
      return position
    }
  }

  /// The bytes that `text` spells, or nil: white space, missing or surplus padding and non-zero trailing bits are refused.
  public static func decode(_ text: some StringProtocol, dialect: Dialect = .standard) -> [UInt8]? {
    decode(Array(text.utf8), dialect: dialect)
  }

  /// As `decode(_:dialect:)` for text that is at hand as bytes.
  public static func decode(_ text: [UInt8], dialect: Dialect = .standard) -> [UInt8]? {
    var count = text.count
    while count > 0, text.count - count < 2, text[count - 1] == UInt8(ascii: "=") { count -= 1 }
    let padding = text.count - count
    guard count % 4 != 1 else { return nil }
    let expectedPadding = (4 - count % 4) % 4
    guard padding == expectedPadding || (dialect == .protobuf && padding == 0) else { return nil }

    var bytes: [UInt8] = []
    bytes.reserveCapacity(count / 4 * 3 + 2)
    var group: UInt32 = 0
    var bits = 0
    var sawStandard = false
    var sawURL = false
    for index in 0..<count {
      let character = text[index]
      let value: UInt8
      switch character {
      case UInt8(ascii: "A")...UInt8(ascii: "Z"): value = character - 65
      case UInt8(ascii: "a")...UInt8(ascii: "z"): value = character - 71
      case UInt8(ascii: "0")...UInt8(ascii: "9"): value = character + 4
      case UInt8(ascii: "+"), UInt8(ascii: "/"):
        sawStandard = true
        value = character == UInt8(ascii: "+") ? 62 : 63
      case UInt8(ascii: "-"), UInt8(ascii: "_"):
        guard dialect == .protobuf else { return nil }
        sawURL = true
        value = character == UInt8(ascii: "-") ? 62 : 63
      default: return nil
      }
      group = group << 6 | UInt32(value)
      bits += 6
      if bits >= 8 {
        bits -= 8
        bytes.append(UInt8(truncatingIfNeeded: group >> UInt32(bits)))
        group &= (1 << UInt32(bits)) - 1
      }
    }
    guard group == 0, !(sawStandard && sawURL) else { return nil }
    return bytes
  }
}
