import Crypto
import JSON
import Primitives
import Testing

@testable import TrustRoot

struct CanonicalJSONTests {
  @Test(arguments: [
    (#" { "b" : [ 1 , -2, true,false , null ], "a" : { } } "#, #"{"a":{},"b":[1,-2,true,false,null]}"#),
    (#"{"a\"\\":"\"\\\/"}"#, #"{"a\"\\":"\"\\/"}"#),
    (#"{"k":"a\nb\tc\u0000"}"#, "{\"k\":\"a\nb\tc\0\"}"),
    (#"{"é":1,"z":2,"Z":3,"\ud83d\ude00":4,"\uffff":5}"#, "{\"Z\":3,\"z\":2,\"é\":1,\"\u{ffff}\":5,\"😀\":4}"),
    (#"[9223372036854775807,-9223372036854775808,0]"#, "[9223372036854775807,-9223372036854775808,0]"),
    ("\"K\u{212a}\"", "\"K\u{212a}\""),
  ])
  func `members are sorted by code point, and nothing but quotes and backslashes is escaped`(
    text: String, canonical: String
  ) throws {
    #expect(try CanonicalJSON.encode(JSONDocument(Array(text.utf8)).root) == Array(canonical.utf8))
  }

  @Test(arguments: ["1.0", "1e3", "-0", "9223372036854775808", #"{"a":[0.5]}"#])
  func `a number that is no integer of 64 bits has no canonical form`(text: String) throws {
    let value = try JSONDocument(Array(text.utf8)).root
    #expect(throws: JSONError.self) { try CanonicalJSON.encode(value) }
  }
}

struct TUFDateTests {
  @Test(arguments: [
    ("1970-01-01T00:00:00Z", 0), ("2026-08-21T00:00:00Z", BundledTrustRoot.asOf), ("2000-02-29T23:59:59Z", 951_868_799),
    ("2021-12-18T13:28:12.99008-06:00", 1_639_855_692), ("2022-05-11T19:09:02.663975009Z", 1_652_296_142),
    ("0001-01-01T00:00:00Z", -62_135_596_800), ("9999-12-31T23:59:59Z", 253_402_300_799),
    ("1969-12-31T23:59:59Z", -1), ("2033-05-18T03:33:20+00:00", 2_000_000_000),
  ])
  func `a date is read to the second`(text: String, time: UnixTime) {
    #expect(TUFDate.parse(text) == time)
    if text.hasSuffix("Z"), !text.contains(".") { #expect(CalendarTime.text(time) == text) }
  }

  @Test(arguments: [
    "", "2026-08-21", "2026-08-21T00:00:00", "2026-08-21 00:00:00Z", "2026-02-29T00:00:00Z", "2026-13-01T00:00:00Z",
    "2026-00-01T00:00:00Z", "2026-01-00T00:00:00Z", "2026-01-01T24:00:00Z", "2026-01-01T00:60:00Z",
    "2026-01-01T00:00:60Z", "2026-01-01T00:00:00.Z", "2026-01-01T00:00:00ZZ", "2026-01-01T00:00:00+0100",
    "2026-01-01T00:00:00+24:00", "+026-01-01T00:00:00Z", "2026-01-01t00:00:00z", "２026-01-01T00:00:00Z",
    "2026-01-01T00:00:00.0000000000000000000000000000000Z",
  ])
  func `a text that is no date of RFC 3339 is refused`(text: String) {
    #expect(TUFDate.parse(text) == nil)
  }
}
