public import Crypto
import Primitives

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
      let time = CalendarTime.time(
        year: year, month: month, day: day, hour: hour, minute: minute, second: second)
    else { return nil }
    var hasFraction = false
    if bytes.count > 20 {
      let digits = bytes[20..<(bytes.count - 1)]
      guard bytes[19] == UInt8(ascii: "."), !digits.isEmpty, number(digits) != nil else { return nil }
      hasFraction = digits.contains { $0 != UInt8(ascii: "0") }
    }
    return (time, hasFraction)
  }

  private static func number(_ digits: ArraySlice<UInt8>) -> Int? {
    var value = 0
    for digit in digits {
      guard digit >= UInt8(ascii: "0"), digit <= UInt8(ascii: "9") else { return nil }
      value = value * 10 + Int(digit - UInt8(ascii: "0"))
    }
    return value
  }
}
