import Glibc

/// The wall clock.
enum WallClock {
  /// Seconds since 1970.
  static func seconds() -> Int64 {
    var time = timespec()
    clock_gettime(CLOCK_REALTIME_COARSE, &time)
    return Int64(time.tv_sec)
  }
}

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
    // Days to a date of the Gregorian calendar, counted in years that begin in March so that leap days come last.
    let shifted = days + 719_468
    let era = shifted / 146_097
    let dayOfEra = shifted % 146_097
    let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
    let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
    let shiftedMonth = (5 * dayOfYear + 2) / 153
    let day = dayOfYear - (153 * shiftedMonth + 2) / 5 + 1
    let month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9
    let year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)

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
    let now = WallClock.seconds()
    if now != second {
      second = now
      cached = HTTPDate.bytes(now)
    }
    return cached
  }
}
