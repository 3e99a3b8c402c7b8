import Primitives

extension Validity: CustomStringConvertible {
  /// As it stands in messages: `2026-01-01T00:00:00Z to 2026-12-31T23:59:59Z`.
  public var description: String {
    "\(start.map(CalendarTime.text) ?? "always") to \(end.map(CalendarTime.text) ?? "open end")"
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

  /// The next value, the `genTime` of a time-stamp (RFC 3161 §2.4.2): the second, or, where a fraction follows it, the two
  /// seconds around that time.
  mutating func readTimestampTime() throws(Failure) -> ClosedRange<UnixTime> {
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
    return time...(fraction.isEmpty ? time : time + 1)
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
