public import Crypto

/// Times as RFC 3339 writes them, in UTC only: `2021-01-12T11:53:27Z`, with or without a fraction of a second.
public enum InternetTime {
  /// The second that `text` lies in, and whether it lies behind that second's beginning; nil for any other form.
  ///
  /// Letters are upper case, the offset is `Z`, the fraction has one to nine digits, and the day exists. A leap second
  /// has no Unix time and is refused.
  public static func parse(_ text: String) -> (second: UnixTime, hasFraction: Bool)? {
    let bytes = Array(text.utf8)
    guard bytes.count >= 20, bytes.count <= 30, bytes.last == UInt8(ascii: "Z") else { return nil }
    for (position, mark) in [(4, "-"), (7, "-"), (10, "T"), (13, ":"), (16, ":")] {
      guard mark.utf8.first == bytes[position] else { return nil }
    }
    guard let year = number(bytes[0..<4]), let month = number(bytes[5..<7]), let day = number(bytes[8..<10]),
      let hour = number(bytes[11..<13]), let minute = number(bytes[14..<16]), let second = number(bytes[17..<19]),
      1...9999 ~= year, 1...12 ~= month, 1...days(in: month, of: year) ~= day, hour < 24, minute < 60, second < 60
    else { return nil }
    var hasFraction = false
    if bytes.count > 20 {
      let digits = bytes[20..<(bytes.count - 1)]
      guard bytes[19] == UInt8(ascii: "."), !digits.isEmpty, number(digits) != nil else { return nil }
      hasFraction = digits.contains { $0 != UInt8(ascii: "0") }
    }
    let time = ((daysSinceEpoch(year, month, day) * 24 + hour) * 60 + minute) * 60 + second
    return (time, hasFraction)
  }

  /// `time` in this form; times before the year 1 or behind the year 9999 as a plain number of seconds.
  public static func format(_ time: UnixTime) -> String {
    guard -62_135_596_800...253_402_300_799 ~= time else { return "\(time) s after 1970" }
    let day = time.floored(dividingBy: 86_400)
    let second = time - day * 86_400
    // Days and years counted from 0000-03-01, so that a leap day is the last of its year.
    let shifted = day + 719_468
    let era = shifted.floored(dividingBy: 146_097)
    let dayOfEra = shifted - era * 146_097
    let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
    let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
    let marchMonth = (5 * dayOfYear + 2) / 153
    let month = marchMonth < 10 ? marchMonth + 3 : marchMonth - 9
    let year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
    let date = [(year, 4), (month, 2), (dayOfYear - (153 * marchMonth + 2) / 5 + 1, 2)]
    let clock = [(second / 3600, 2), (second / 60 % 60, 2), (second % 60, 2)]
    return date.map(padded).joined(separator: "-") + "T" + clock.map(padded).joined(separator: ":") + "Z"
  }

  private static func number(_ digits: ArraySlice<UInt8>) -> Int64? {
    var value: Int64 = 0
    for digit in digits {
      guard digit >= UInt8(ascii: "0"), digit <= UInt8(ascii: "9") else { return nil }
      value = value * 10 + Int64(digit - UInt8(ascii: "0"))
    }
    return value
  }

  private static func days(in month: Int64, of year: Int64) -> Int64 {
    switch month {
    case 4, 6, 9, 11: 30
    case 2: year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) ? 29 : 28
    default: 31
    }
  }

  private static func daysSinceEpoch(_ year: Int64, _ month: Int64, _ day: Int64) -> Int64 {
    let year = month <= 2 ? year - 1 : year
    let era = year / 400
    let yearOfEra = year - era * 400
    let dayOfYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1
    return era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719_468
  }

  private static func padded(_ value: Int64, _ width: Int) -> String {
    let digits = String(value)
    return String(repeating: "0", count: max(0, width - digits.utf8.count)) + digits
  }
}

extension Int64 {
  /// The quotient rounded down.
  fileprivate func floored(dividingBy divisor: Int64) -> Int64 {
    self / divisor - (self % divisor < 0 ? 1 : 0)
  }
}
