extension Validity: CustomStringConvertible {
  /// As it stands in messages: `2026-01-01T00:00:00Z to 2026-12-31T23:59:59Z`.
  public var description: String {
    "\(start.map(CalendarTime.text) ?? "always") to \(end.map(CalendarTime.text) ?? "open end")"
  }
}

/// The calendar (ISO 8601, UTC) of `UnixTime`.
public enum CalendarTime {
  /// The time as RFC 3339 writes it: `2026-01-01T00:00:00Z`. Times beyond the years 1 to 9999 are written as seconds.
  public static func text(_ time: UnixTime) -> String {
    guard (-62_135_596_800...253_402_300_799).contains(time) else { return "\(time) s after 1970" }
    let days = (time >= 0 ? time : time - 86_399) / 86_400
    let second = time - days * 86_400
    // Days since 0000-03-01, in eras of 400 years; both are positive here.
    let shifted = days + 719_468
    let era = (shifted >= 0 ? shifted : shifted - 146_096) / 146_097
    let dayOfEra = shifted - era * 146_097
    let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
    let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
    let monthFromMarch = (5 * dayOfYear + 2) / 153
    let day = dayOfYear - (153 * monthFromMarch + 2) / 5 + 1
    let month = monthFromMarch < 10 ? monthFromMarch + 3 : monthFromMarch - 9
    let year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
    func padded(_ number: Int64, _ width: Int) -> String {
      let digits = String(number)
      return String(repeating: "0", count: max(0, width - digits.count)) + digits
    }
    return "\(padded(year, 4))-\(padded(month, 2))-\(padded(day, 2))"
      + "T\(padded(second / 3600, 2)):\(padded(second / 60 % 60, 2)):\(padded(second % 60, 2))Z"
  }

  /// The time of this date and hour in UTC, or nil if there is none such in the years 1 to 9999. Leap seconds do not exist.
  public static func time(
    year: Int, month: Int, day: Int, hour: Int, minute: Int, second: Int
  ) -> UnixTime? {
    guard (1...9999).contains(year), (1...12).contains(month), (0...23).contains(hour), (0...59).contains(minute),
      (0...59).contains(second)
    else { return nil }
    let isLeap = year.isMultiple(of: 4) && (!year.isMultiple(of: 100) || year.isMultiple(of: 400))
    let lengths = [31, isLeap ? 29 : 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
    guard day >= 1, day <= lengths[month - 1] else { return nil }
    let shiftedYear = month <= 2 ? year - 1 : year
    let era = (shiftedYear >= 0 ? shiftedYear : shiftedYear - 399) / 400
    let yearOfEra = shiftedYear - era * 400
    let dayOfYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1
    let dayOfEra = yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear
    let days = era * 146_097 + dayOfEra - 719_468
    return Int64(days) * 86_400 + Int64(hour * 3600 + minute * 60 + second)
  }
}

extension DERReader {
  /// The next value, a `Time` of a certificate (RFC 5280 §4.1.2.5): UTCTime or GeneralizedTime, in Zulu, to the second.
  mutating func readCertificateTime() throws(Failure) -> UnixTime {
    let value = try readAny()
    let text = Array(value.content)
    switch value.tag {
    case DERTag.utcTime.rawValue:
      guard text.count == 13, let year = Self.number(text[0..<2]) else { break }
      if let time = Self.time(year: year < 50 ? 2000 + year : 1900 + year, rest: text[2...]) { return time }
    case DERTag.generalizedTime.rawValue:
      guard text.count == 15, let year = Self.number(text[0..<4]) else { break }
      if let time = Self.time(year: year, rest: text[4...]) { return time }
    default: break
    }
    throw failure("has a time that is not of the form YYMMDDHHMMSSZ or YYYYMMDDHHMMSSZ")
  }

  /// The next value, the `genTime` of a time-stamp (RFC 3161 §2.4.2): a fraction may follow the second. It is dropped.
  mutating func readTimestampTime() throws(Failure) -> UnixTime {
    let text = Array(try read(.generalizedTime))
    guard text.count >= 15, text.count <= 25, let year = Self.number(text[0..<4]), text.last == UInt8(ascii: "Z") else {
      throw failure("has a time that is not of the form YYYYMMDDHHMMSS[.f]Z")
    }
    let fraction = text[14..<(text.count - 1)]
    if !fraction.isEmpty {
      let digits = fraction.dropFirst()
      guard fraction.first == UInt8(ascii: "."), let last = digits.last, last != UInt8(ascii: "0"),
        digits.allSatisfy(Self.isDigit)
      else { throw failure("has a time whose fraction is malformed") }
    }
    guard let time = Self.time(year: year, rest: text[4..<14] + [UInt8(ascii: "Z")]) else {
      throw failure("has a time that is not of the form YYYYMMDDHHMMSS[.f]Z")
    }
    return time
  }

  private static func isDigit(_ byte: UInt8) -> Bool { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) }

  private static func number(_ digits: ArraySlice<UInt8>) -> Int? {
    guard digits.allSatisfy(isDigit) else { return nil }
    return digits.reduce(0) { $0 * 10 + Int($1 - UInt8(ascii: "0")) }
  }

  /// The time whose month to second and Z are in `rest`, eleven bytes.
  private static func time(year: Int, rest: ArraySlice<UInt8>) -> UnixTime? {
    let text = Array(rest)
    guard text.count == 11, text[10] == UInt8(ascii: "Z"), let month = number(text[0..<2]),
      let day = number(text[2..<4]), let hour = number(text[4..<6]), let minute = number(text[6..<8]),
      let second = number(text[8..<10])
    else { return nil }
    return CalendarTime.time(year: year, month: month, day: day, hour: hour, minute: minute, second: second)
  }
}
