package import Crypto
import Primitives

/// Writes DER, and things near it, for tests: independent of the reader under test.
package enum DERText {
  /// A value of this tag around the parts.
  package static func value(_ tag: UInt8, _ parts: [UInt8]...) -> [UInt8] {
    let content = parts.flatMap { $0 }
    var length: [UInt8] = []
    var count = content.count
    if count < 0x80 {
      length = [UInt8(count)]
    } else {
      while count > 0 {
        length.insert(UInt8(count & 0xFF), at: 0)
        count >>= 8
      }
      length.insert(0x80 | UInt8(length.count), at: 0)
    }
    return [tag] + length + content
  }

  package static func sequence(_ parts: [UInt8]...) -> [UInt8] { value(0x30, parts.flatMap { $0 }) }
  package static func set(_ parts: [UInt8]...) -> [UInt8] { value(0x31, parts.flatMap { $0 }) }
  package static func octets(_ content: [UInt8]) -> [UInt8] { value(0x04, content) }
  package static func bits(_ content: [UInt8], unused: UInt8 = 0) -> [UInt8] { value(0x03, [unused] + content) }
  package static func utf8(_ text: String) -> [UInt8] { value(0x0C, Array(text.utf8)) }
  package static let null: [UInt8] = [0x05, 0x00]
  package static let yes: [UInt8] = [0x01, 0x01, 0xFF]

  /// A number that is not negative.
  package static func integer(_ number: Int) -> [UInt8] {
    var bytes: [UInt8] = []
    var rest = number
    repeat {
      bytes.insert(UInt8(rest & 0xFF), at: 0)
      rest >>= 8
    } while rest > 0
    return value(0x02, (bytes[0] >= 0x80 ? [0] : []) + bytes)
  }

  /// The object identifier in dotted decimals.
  package static func identifier(_ dotted: String) -> [UInt8] {
    let numbers = dotted.split(separator: ".").compactMap { Int($0) }
    var content: [UInt8] = []
    for number in [numbers[0] * 40 + numbers[1]] + numbers.dropFirst(2) {
      var digits = [UInt8(number & 0x7F)]
      var rest = number >> 7
      while rest > 0 {
        digits.insert(UInt8(rest & 0x7F) | 0x80, at: 0)
        rest >>= 7
      }
      content += digits
    }
    return value(0x06, content)
  }

  /// `YYYYMMDDHHMMSSZ`.
  package static func timeDigits(_ time: UnixTime) -> String {
    CalendarTime.text(time).filter { $0.isNumber || $0 == "Z" }
  }

  package static func generalizedTime(_ time: UnixTime) -> [UInt8] { value(0x18, Array(timeDigits(time).utf8)) }

  /// UTCTime up to 2049, as RFC 5280 asks.
  package static func certificateTime(_ time: UnixTime) -> [UInt8] {
    let digits = timeDigits(time)
    guard let year = Int(digits.prefix(4)), (1950..<2050).contains(year) else { return generalizedTime(time) }
    return value(0x17, Array(digits.dropFirst(2).utf8))
  }

  /// A name of one CN.
  package static func name(_ commonName: String) -> [UInt8] {
    sequence(set(sequence(identifier("2.5.4.3"), utf8(commonName))))
  }

  /// The algorithm of a signature by this key over SHA-256.
  package static func signatureAlgorithm(_ key: PrivateKey) -> [UInt8] {
    switch key.publicKey.kind {
    case .p256, .p384, .p521: sequence(identifier("1.2.840.10045.4.3.2"))
    case .rsa: sequence(identifier("1.2.840.113549.1.1.11"), null)
    case .ed25519: sequence(identifier("1.3.101.112"))
    }
  }

  package static func scheme(_ key: PrivateKey) -> SignatureScheme {
    switch key.publicKey.kind {
    case .p256, .p384, .p521: .ecdsa(.sha256)
    case .rsa: .rsaPKCS1v15(.sha256)
    case .ed25519: .ed25519
    }
  }
}
