import Testing

@testable import JSON

/// A text, with a name that test reports can show.
struct Text: Sendable, CustomTestStringConvertible {
  let testDescription: String
  let bytes: [UInt8]

  init(_ text: String) { (testDescription, bytes) = (text, Array(text.utf8)) }
  init(_ description: String, _ bytes: [UInt8]) { (testDescription, self.bytes) = (description, bytes) }
}

func parse(_ text: String, limits: JSONDocument.Limits = .init()) throws -> JSONValue {
  try JSONDocument(Array(text.utf8), limits: limits).root
}

@Suite struct GrammarTests {
  static let good: [Text] =
    [
      "null", "true", "false", "0", "-0", "1", "-1", "10", "0.5", "-0.5", "1e5", "1E5", "1e+5", "1e-5", "1.25e10",
      "0e0", "0E0",
      "123456789012345678901234567890", #""""#, #""a""#, "[]", "{}", "[1]", "[1,2]", "[[],{}]", #"{"a":1}"#,
      #"{"":""}"#,
      #"{"a":{"a":{"a":[]}}}"#, " null ", "\t\r\n [ \t\r\n 1 \t\r\n , 2 ] \n", " { \"a\" : 1 , \"b\" : 2 } ",
      #""\"\\\/\b\f\n\r\t\u0041""#, #""\u00e9\u20AC\ud83d\uDE00""#, "\"\u{7F}\"", "\"é€😀\"", "\"\u{FFFF}\"",
      #""\uFFFF""#,
      #"{"a":1,"A":2}"#, #"{"a":1,"b":{"a":1}}"#, #"[{"a":1},{"a":1}]"#, "\"plain ASCII of more than sixteen bytes\"",
    ].map { Text($0) } + [
      Text("U+10FFFF", [0x22, 0xF4, 0x8F, 0xBF, 0xBF, 0x22]), Text("U+0080", [0x22, 0xC2, 0x80, 0x22]),
      Text("U+0800", [0x22, 0xE0, 0xA0, 0x80, 0x22]), Text("U+D7FF", [0x22, 0xED, 0x9F, 0xBF, 0x22]),
      Text("U+E000", [0x22, 0xEE, 0x80, 0x80, 0x22]), Text("U+10000", [0x22, 0xF0, 0x90, 0x80, 0x80, 0x22]),
    ]

  @Test(arguments: good)
  func `what RFC 8259 allows is read`(_ text: Text) throws {
    #expect(try JSONDocument(text.bytes).root.range.count <= text.bytes.count)
  }

  static let bad: [Text] = [
    "", " ", "nul", "nulll", "NULL", "True", "tru", "fals", "undefined", "NaN", "Infinity", "-Infinity", "-", "+1",
    "01", "-01",
    "00", "1.", ".5", "1.e5", "1e", "1e+", "1e-", "1.5.5", "0x10", "1_000", "1 2", "[", "]", "{", "}", "[}", "{]",
    "[1,]", "[,1]",
    "[1 2]", "[1,,2]", "[,]", "{,}", #"{"a"}"#, #"{"a":}"#, #"{"a":1,}"#, #"{,"a":1}"#, #"{"a" 1}"#, #"{"a":1 "b":2}"#,
    #"{a:1}"#, #"{'a':1}"#, #"{1:1}"#, #"{null:1}"#, #"{"a"::1}"#, #"{"a":1"#, #"["a""#, #""a"#, #"""#, #""\"#, #""\""#,
    #""\x""#, #""\'""#, #""\u""#, #""\u12""#, #""\u123""#, #""\u123g""#, #""\U0041""#, #""\u 041""#, #""\u-041""#,
    "'a'",
    "\"\t\"", "\"\n\"", "\"\u{0}\"", "\"\u{1F}\"", "\"0123456789abcdef\u{1F}\"", "\"0123456789abcde\n\"", "null null",
    "{}{}",
    "[]]", "{}}", "1,", "1\u{0}", "null\u{A0}", "\u{A0}null", "\u{FEFF}null", "/* c */ 1", "1 // c", "# c\n1", "\u{B}1",
    "\u{C}1",
  ].map { Text($0) }

  @Test(arguments: bad)
  func `what RFC 8259 does not allow is refused`(_ text: Text) {
    #expect { try JSONDocument(text.bytes) } throws: { ($0 as? JSONError)?.code == .syntax }
  }

  static let badEncoding: [Text] = [
    Text("a continuation byte", [0x80]), Text("two continuation bytes", [0xBF, 0xBF]), Text("0xFF", [0xFF]),
    Text("0xFE", [0xFE]),
    Text("C0 80, NUL too long", [0xC0, 0x80]), Text("C1 BF", [0xC1, 0xBF]), Text("E0 80 80", [0xE0, 0x80, 0x80]),
    Text("E0 9F BF", [0xE0, 0x9F, 0xBF]), Text("F0 80 80 80", [0xF0, 0x80, 0x80, 0x80]),
    Text("F0 8F BF BF", [0xF0, 0x8F, 0xBF, 0xBF]),
    Text("a surrogate", [0xED, 0xA0, 0x80]), Text("the last surrogate", [0xED, 0xBF, 0xBF]),
    Text("past U+10FFFF", [0xF4, 0x90, 0x80, 0x80]), Text("F5", [0xF5, 0x80, 0x80, 0x80]),
    Text("cut after one of two", [0xC2]), Text("cut after two of three", [0xE2, 0x82]),
    Text("cut after three of four", [0xF0, 0x9F, 0x98]),
    Text("an ASCII letter inside", [0xE2, 0x41, 0x82]), Text("a lead byte inside", [0xE2, 0x82, 0xC2]),
  ]

  @Test(arguments: badEncoding, [0, 1, 7, 8, 9])
  func `what is not UTF-8 is refused wherever it stands`(_ text: Text, _ before: Int) {
    let body = [0x22] + Array(repeating: 0x61, count: before) + text.bytes + [0x22]
    #expect { try JSONDocument(body) } throws: { ($0 as? JSONError)?.code == .encoding }
    let name = [0x7B] + body + Array(":1}".utf8)
    #expect { try JSONDocument(name) } throws: { ($0 as? JSONError)?.code == .encoding }
  }

  @Test(arguments: [
    #""\ud800""#, #""\udc00""#, #""\udfff""#, #""\ud800x""#, #""\ud800\n""#, #""\ud800\ud800""#, #""\udc00\ud800""#,
    #""\ud800\u0041""#, #""\ud83d""#, #""\ud83d\ue000""#, #"{"\ud800":1}"#,
  ])
  func `a lone surrogate is refused`(_ text: String) {
    #expect { try parse(text) } throws: { ($0 as? JSONError)?.code == .encoding }
  }

  @Test(arguments: [#""\ud800\u""#, #""\ud800\uDC""#, #""\ud800\uDCxx""#])
  func `half an escape behind a surrogate is refused`(_ text: String) {
    #expect(throws: JSONError.self) { try parse(text) }
  }

  @Test(arguments: [
    (#""\"\\\/\b\f\n\r\t""#, "\"\\/\u{8}\u{C}\n\r\t"), (#""\u0000""#, "\u{0}"), (#""\u0041\u00e9\u20AC""#, "Aé€"),
    (#""\ud83d\uDE00!""#, "😀!"), (#""\uD800\uDC00\uDBFF\uDFFF""#, "\u{10000}\u{10FFFF}"), (#""é\n€""#, "é\n€"),
    (#""""#, ""),
  ])
  func `escapes are resolved`(_ text: String, _ expected: String) throws {
    let value = try parse(text)
    #expect(Array(try value.string().utf8) == Array(expected.utf8))
    #expect(value.isString(expected))
  }
}

@Suite struct DuplicateTests {
  static func object(_ names: [String]) -> String { "{" + names.map { "\"\($0)\":1" }.joined(separator: ",") + "}" }
  static let many = (0..<40).map { "name\($0)" }

  @Test(arguments: [
    ["a", "a"], ["a", "b", "a"], ["", ""], ["a", #"\u0061"#], [#"\u0061"#, "a"], [#"\u0061"#, #"\u0061"#],
    ["/", #"\/"#],
    ["é", #"\u00e9"#], ["😀", #"\ud83d\ude00"#], many + ["name0"], ["x"] + many + ["x"], many + [#"name\u0030"#],
  ])
  func `a member named twice is refused, however it is spelt`(_ names: [String]) {
    for text in [Self.object(names), "[\(Self.object(names))]", #"{"outer":\#(Self.object(names))}"#] {
      #expect { try parse(text) } throws: { ($0 as? JSONError)?.code == .duplicateMember }
    }
  }

  @Test(arguments: [
    ["a", "A"], ["a", "ab"], ["ab", "a"], ["", "a"], [#"\u0061"#, "b"], many, many + [#"\u0061"#],
    // Canonically equivalent in Unicode, yet two names.
    ["\u{E9}", "e\u{301}"], [#"\u00e9"#, "e\u{301}"], many + ["\u{E9}", "e\u{301}"], ["K", "\u{212A}"],
    ["K", "\u{212A}", #"\u0062"#], many + ["K", "\u{212A}"],
  ])
  func `different names are no duplicates`(_ names: [String]) throws {
    #expect(try parse(Self.object(names)).members().count == names.count)
  }

  @Test func `the message names the member, made fit for a terminal`() {
    let name = #"\u001b\u202e"# + String(repeating: "x", count: 200)
    #expect { try parse(Self.object([name, name])) } throws: { error in
      let text = "\(error)"
      return text.contains(#"\u{1b}\u{202e}xxx"#) && text.contains("…") && text.utf8.count < 200
    }
  }
}

@Suite struct BoundTests {
  private static func nested(_ depth: Int) -> String {
    String(repeating: "[", count: depth) + String(repeating: "]", count: depth)
  }

  @Test(arguments: [1, 2, 64])
  func `as deep as allowed is read and one deeper is refused`(_ depth: Int) throws {
    let limits = JSONDocument.Limits(depth: depth)
    #expect(try parse(Self.nested(depth), limits: limits).kind == .array)
    #expect { try parse(Self.nested(depth + 1), limits: limits) } throws: { ($0 as? JSONError)?.code == .limitExceeded }
  }

  @Test func `a depth of zero allows scalars alone`() throws {
    let limits = JSONDocument.Limits(depth: 0)
    #expect(try parse("1", limits: limits).kind == .number)
    #expect(throws: JSONError.self) { try parse("[]", limits: limits) }
  }

  @Test(arguments: ["[", #"{"a":"#])
  func `a million levels end at the bound`(_ opening: String) {
    let text = String(repeating: opening, count: 1_000_000)
    #expect { try parse(text) } throws: { ($0 as? JSONError)?.code == .limitExceeded }
  }

  @Test func `deep nesting needs no stack`() throws {
    let limits = JSONDocument.Limits(depth: 200_000, values: 1_000_000)
    let value = try parse(Self.nested(200_000), limits: limits)
    #expect(value.differingScalars(from: value)?.isEmpty == true)
  }

  @Test func `bytes and values are bounded`() throws {
    #expect(try parse("[1,2]", limits: .init(bytes: 5)).elements().count == 2)
    #expect { try parse("[1,2] ", limits: .init(bytes: 5)) } throws: { ($0 as? JSONError)?.code == .limitExceeded }
    #expect(try parse(#"{"a":[1]}"#, limits: .init(values: 4)).kind == .object)
    #expect { try parse(#"{"a":[1]}"#, limits: .init(values: 3)) } throws: {
      ($0 as? JSONError)?.code == .limitExceeded
    }
  }

  @Test func `an object of very many members is read in reasonable time`() throws {
    let names = (0..<50_000).map { "n\($0)" }
    let value = try parse(DuplicateTests.object(names))
    #expect(try value.members().count == 50_000)
    #expect(value["n49999"] != nil)
  }
}
