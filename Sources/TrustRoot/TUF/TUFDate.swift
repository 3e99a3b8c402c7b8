import Crypto
import Primitives
import Sigstore

/// Dates of metadata (RFC 3339). Those of today end in `Z`; the first public root has an offset.
enum TUFDate {
  /// The second that `text` lies in, or nil if it is no such date.
  static func parse(_ text: String) -> UnixTime? {
    if let time = InternetTime.parse(text) { return time.second }
    let bytes = Array(text.utf8)
    guard bytes.count >= 25, bytes.count <= 40 else { return nil }
    let offset = bytes.suffix(6)
    let digits = [1, 2, 4, 5].map { Int(offset[offset.startIndex + $0]) - 0x30 }
    guard let sign = offset.first, sign == UInt8(ascii: "+") || sign == UInt8(ascii: "-"),
      offset[offset.startIndex + 3] == UInt8(ascii: ":"), digits.allSatisfy({ (0...9).contains($0) })
    else { return nil }
    let (hours, minutes) = (digits[0] * 10 + digits[1], digits[2] * 10 + digits[3])
    guard hours < 24, minutes < 60,
      let local = InternetTime.parse(String(decoding: bytes.dropLast(6), as: UTF8.self) + "Z")
    else { return nil }
    let seconds = Int64(hours * 3600 + minutes * 60)
    return sign == UInt8(ascii: "-") ? local.second + seconds : local.second - seconds
  }
}
