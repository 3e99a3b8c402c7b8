/// The calendar (ISO 8601, UTC) of seconds since the beginning of 1970.
public enum CalendarTime {
  /// The time as RFC 3339 writes it: `2026-01-01T00:00:00Z`. Times beyond the years 1 to 9999 are written as seconds.
  public static func text(_ time: Int64) -> String {
    guard (-62_135_596_800...253_402_300_799).contains(time) else { return "\(time) s after 1970" }
    let days = (time >= 0 ? time : time - 86_399) / 86_400
    let second = time - days * 86_400
    let (year, month, day) = date(days: days)
    return "\(padded(year, 4))-\(padded(month, 2))-\(padded(day, 2))"
      + "T\(padded(second / 3600, 2)):\(padded(second / 60 % 60, 2)):\(padded(second % 60, 2))Z"
  }

  /// The date that many days after 1970-01-01, in the years 1 to 9999.
  package static func date(days: Int64) -> (year: Int64, month: Int64, day: Int64) {
    // Days since 0000-03-01, in eras of 400 years, of years that begin in March so that leap days come last.
    let shifted = days + 719_468
    let era = (shifted >= 0 ? shifted : shifted - 146_096) / 146_097
    let dayOfEra = shifted - era * 146_097
    let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
    let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
    let monthFromMarch = (5 * dayOfYear + 2) / 153
    let day = dayOfYear - (153 * monthFromMarch + 2) / 5 + 1
    let month = monthFromMarch < 10 ? monthFromMarch + 3 : monthFromMarch - 9
    return (yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, day)
  }

  /// As `text`, with a fraction of the second, `2026-01-01T00:00:00.123Z`: this many `digits` of it, of which `fraction`
  /// is the number.
  public static func text(_ time: Int64, fraction: Int64, digits: Int) -> String {
    text(time).dropLast() + "." + padded(fraction, digits) + "Z"
  }

  private static func padded(_ number: Int64, _ width: Int) -> String {
    let digits = String(number)
    return String(repeating: "0", count: max(0, width - digits.utf8.count)) + digits
  }

  /// The time of this date and hour in UTC, or nil if there is none such in the years 1 to 9999. Leap seconds do not exist.
  public static func time(
    year: Int, month: Int, day: Int, hour: Int, minute: Int, second: Int
  ) -> Int64? {
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
