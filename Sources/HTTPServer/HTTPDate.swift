import Primitives

/// A date as HTTP writes it (RFC 9110 §5.6.7): `Sun, 06 Nov 1994 08:49:37 GMT`.
enum HTTPDate {
  private static let weekdays = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"].map { Array($0.utf8) }
  private static let months = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
  ].map { Array($0.utf8) }

  /// The 29 bytes for a moment in seconds since 1970. Moments outside the years 1970 to 9999 are brought into them.
  static func bytes(_ moment: Int64) -> [UInt8] {
    let seconds = Int(min(max(moment, 0), 253_402_300_799))
    let days = seconds / 86_400
    let ofDay = seconds % 86_400
    let date = CalendarTime.date(days: Int64(days))
    let (year, month, day) = (Int(date.year), Int(date.month), Int(date.day))

    var text: [UInt8] = []
    text.reserveCapacity(29)
    text += weekdays[days % 7]
    text.append(", ")
    appendTwo(day, to: &text)
    text.append(" ")
    text += months[month - 1]
    text.append(" ")
    appendTwo(year / 100, to: &text)
    appendTwo(year % 100, to: &text)
    text.append(" ")
    appendTwo(ofDay / 3600, to: &text)
    text.append(":")
    appendTwo(ofDay / 60 % 60, to: &text)
    text.append(":")
    appendTwo(ofDay % 60, to: &text)
    text.append(" GMT")
    return text
  }

  /// As `bytes`, for messages.
  static func text(_ moment: Int64) -> String { String(decoding: bytes(moment), as: UTF8.self) }

  private static func appendTwo(_ number: Int, to text: inout [UInt8]) {
    text.append(0x30 + UInt8(truncatingIfNeeded: number / 10 % 10))
    text.append(0x30 + UInt8(truncatingIfNeeded: number % 10))
  }
}

/// The date of now, made once a second. Each loop has its own.
struct DateCache {
  private var second: Int64 = -1
  private var cached: [UInt8] = []

  /// The present date as HTTP writes it.
  mutating func bytes() -> [UInt8] {
    let now = WallClock.seconds
    if now != second {
      second = now
      cached = HTTPDate.bytes(now)
    }
    return cached
  }
}
