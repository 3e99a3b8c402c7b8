/// Dates as metadata spells them (RFC 3339): `2026-11-20T13:58:18Z`, with a fraction or an offset too.
enum RFC3339 {
  /// Whole seconds since 1970 (a fraction is dropped), or nil if `text` is no such date of the years 1 to 9999.
  static func parse(_ text: String) -> UnixTime? {
    let bytes = Array(text.utf8)
    guard bytes.count >= 20, bytes.count <= 40 else { return nil }
    var reader = Reader(bytes: bytes)
    guard let year = reader.number(4), reader.skip("-"), let month = reader.number(2), reader.skip("-"),
      let day = reader.number(2), reader.skip("T"), let hour = reader.number(2), reader.skip(":"),
      let minute = reader.number(2), reader.skip(":"), let second = reader.number(2)
    else { return nil }
    if reader.skip(".") {
      guard reader.skipDigits() else { return nil }
    }
    guard let offset = reader.offset(), reader.isAtEnd else { return nil }
    guard year >= 1, (1...12).contains(month), day >= 1, day <= days(in: month, of: year), hour < 24, minute < 60,
      second < 60
    else { return nil }
    let days = dayNumber(year: year, month: month, day: day)
    return Int64(days * 86_400 + hour * 3600 + minute * 60 + second - offset)
  }

  /// `time` as `2026-11-20T13:58:18Z`.
  static func text(_ time: UnixTime) -> String {
    let clamped = min(max(time, -62_135_596_800), 253_402_300_799)
    let second = Int(((clamped % 86_400) + 86_400) % 86_400)
    let (year, month, day) = date(dayNumber: (Int(clamped) - second) / 86_400)
    func padded(_ number: Int, _ count: Int) -> String {
      let digits = String(number)
      return String(repeating: "0", count: max(0, count - digits.count)) + digits
    }
    return "\(padded(year, 4))-\(padded(month, 2))-\(padded(day, 2))T"
      + "\(padded(second / 3600, 2)):\(padded(second / 60 % 60, 2)):\(padded(second % 60, 2))Z"
  }

  private static func days(in month: Int, of year: Int) -> Int {
    switch month {
    case 2: year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) ? 29 : 28
    case 4, 6, 9, 11: 30
    default: 31
    }
  }

  /// Days since 1970-01-01 in the proleptic Gregorian calendar; years count from March here, so that leap days come last.
  private static func dayNumber(year: Int, month: Int, day: Int) -> Int {
    let shifted = month > 2 ? year : year - 1
    let dayOfYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1
    return shifted * 365 + shifted / 4 - shifted / 100 + shifted / 400 + dayOfYear - 719_468
  }

  private static func date(dayNumber: Int) -> (year: Int, month: Int, day: Int) {
    let days = dayNumber + 719_468
    let era = days / 146_097
    let dayOfEra = days % 146_097
    let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
    let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
    let shifted = (5 * dayOfYear + 2) / 153
    let month = shifted < 10 ? shifted + 3 : shifted - 9
    return (yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, dayOfYear - (153 * shifted + 2) / 5 + 1)
  }

  private struct Reader {
    let bytes: [UInt8]
    var position = 0

    var isAtEnd: Bool { position == bytes.count }

    mutating func number(_ count: Int) -> Int? {
      guard bytes.count - position >= count else { return nil }
      var value = 0
      for digit in bytes[position..<(position + count)] {
        guard (0x30...0x39).contains(digit) else { return nil }
        value = value * 10 + Int(digit - 0x30)
      }
      position += count
      return value
    }

    mutating func skip(_ character: Unicode.Scalar) -> Bool {
      guard !isAtEnd, bytes[position] == UInt8(ascii: character) else { return false }
      position += 1
      return true
    }

    /// Skips one digit or more.
    mutating func skipDigits() -> Bool {
      let start = position
      while !isAtEnd, (0x30...0x39).contains(bytes[position]) { position += 1 }
      return position > start
    }

    /// Seconds east of Greenwich.
    mutating func offset() -> Int? {
      if skip("Z") { return 0 }
      let isWest: Bool
      if skip("+") { isWest = false } else if skip("-") { isWest = true } else { return nil }
      guard let hours = number(2), skip(":"), let minutes = number(2), hours < 24, minutes < 60 else { return nil }
      return (hours * 3600 + minutes * 60) * (isWest ? -1 : 1)
    }
  }
}
