import Testing

@testable import JSON

@Suite struct ValueTests {
  @Test(arguments: [
    ("0", 0), ("1", 1), ("-1", -1), ("9223372036854775807", Int64.max), ("-9223372036854775808", Int64.min),
    ("9223372036854775806", Int64.max - 1), ("1000000000000000000", 1_000_000_000_000_000_000),
    ("9007199254740993", 9_007_199_254_740_993),
  ])
  func `integers are exact`(_ text: String, _ expected: Int64) throws {
    #expect(try parse(text).integer() == expected)
    #expect(JSONValue.exactInteger(Array(text.utf8)) == expected)
  }

  @Test(arguments: [
    "-0", "1.0", "0.0", "1e5", "1E0", "9223372036854775808", "-9223372036854775809", "18446744073709551616",
    "99999999999999999999", "100000000000000000000000",
  ])
  func `what is no integer of 64 bits is none`(_ text: String) throws {
    let value = try parse(text)
    #expect(value.kind == .number)
    #expect { try value.integer() } throws: { ($0 as? JSONError)?.code == .wrongType }
  }

  @Test(arguments: ["", "-", "+1", "01", "-01", "1 ", " 1", "1a", "٣", "--1", "0x1"])
  func `only the canonical form of an integer is one`(_ text: String) {
    #expect(JSONValue.exactInteger(Array(text.utf8)) == nil)
  }

  @Test func `members are found by their exact name`() throws {
    let value = try parse(#"{"a":1,"A":2,"b\u0063":3,"":4,"e\u0301":5,"\u212Aey":6,"x":null}"#)
    #expect(try value["a"]?.integer() == 1)
    #expect(try value["A"]?.integer() == 2)
    #expect(try value["bc"]?.integer() == 3)
    #expect(try value[""]?.integer() == 4)
    #expect(value["\u{E9}"] == nil)
    #expect(value["Key"] == nil)
    #expect(value["ab"] == nil)
    #expect(try value.member("x").isNull)
    #expect(try value.optionalMember("x") == nil)
    #expect(try value.optionalMember("y") == nil)
    #expect(value["a"]?["b"] == nil)
  }

  @Test func `a name with a look-alike letter is an unknown member`() throws {
    #expect { try parse("{\"\u{212A}ey\":1}").allowOnly(["Key"]) } throws: {
      ($0 as? JSONError)?.code == .unknownMember
    }
    try parse(#"{"Key":1}"#).allowOnly(["Key", "other"])
  }

  @Test func `a string equals another byte by byte`() throws {
    #expect(try !parse("\"\u{E9}\"").isString("e\u{301}"))
    #expect(try !parse(#""\u00e9""#).isString("e\u{301}"))
    #expect(try parse(#""\u00e9""#).isString("\u{E9}"))
    #expect(try !parse("1").isString("1"))
    #expect(try !parse(#""ab""#).isString("a"))
    #expect(try !parse(#""a""#).isString("ab"))
  }

  struct Fault: Sendable {
    let code: JSONError.Code
    let text: String
    let read: @Sendable (JSONValue) throws -> Void
  }

  static let document = #"{"a":{"b":[1,{"c":"x","n":1.5}]},"t":true}"#
  static let faults: [Fault] = [
    Fault(code: .missingMember, text: #"the JSON text lacks the member "z""#) { _ = try $0.member("z") },
    Fault(code: .missingMember, text: #"a lacks the member "z""#) { _ = try $0.member("a").member("z") },
    Fault(code: .missingMember, text: #"a.b[1] lacks the member "z""#) {
      _ = try $0.member("a").member("b").elements()[1].member("z")
    },
    Fault(code: .wrongType, text: "a.b is of type array, expected object") {
      _ = try $0.member("a").member("b").member("c")
    },
    Fault(code: .wrongType, text: "a.b[0] is of type number, expected string") {
      _ = try $0.member("a").member("b").elements()[0].string()
    },
    Fault(code: .wrongType, text: "a.b[1].c is of type string, expected number") {
      _ = try $0.member("a").member("b").elements()[1].member("c").integer()
    },
    Fault(code: .wrongType, text: "a.b[1].n is not an integer of 64 bits") {
      _ = try $0.member("a").member("b").elements()[1].member("n").integer()
    },
    Fault(code: .wrongType, text: "t is of type boolean, expected array") { _ = try $0.member("t").elements() },
    Fault(code: .wrongType, text: "the JSON text is of type object, expected boolean") { _ = try $0.bool() },
    Fault(code: .wrongType, text: "t is of type boolean, expected object") {
      _ = try $0.member("t").optionalMember("x")
    },
    Fault(code: .unknownMember, text: #"a.b[1] has an unknown member "n""#) {
      try $0.member("a").member("b").elements()[1].allowOnly(["c"])
    },
  ]

  @Test(arguments: faults)
  func `an error says where`(_ fault: Fault) throws {
    let value = try parse(Self.document)
    #expect { try fault.read(value) } throws: { error in
      (error as? JSONError)?.code == fault.code && "\(error)" == fault.text
    }
  }

  @Test func `the path of hostile names is bounded and fit for a terminal`() throws {
    let name = #"\u001b"# + String(repeating: "e\u{301}", count: 5000)
    let text = (0..<60).reduce("1") { inner, _ in "{\"\(name)\":\(inner)}" }
    var value = try parse(text)
    while let member = try? value.members().first?.value { value = member }
    #expect(value.path.utf8.count < 1024)
    #expect(value.path.unicodeScalars.allSatisfy { $0.value >= 0x20 })
  }

  @Test func `values keep their text`() throws {
    let value = try parse(#" { "a" : [ 1.50 , "\u0041" ] } "#)
    let elements = try value.member("a").elements()
    #expect(elements.map { String(decoding: $0.bytes, as: UTF8.self) } == ["1.50", #""\u0041""#])
    #expect(String(decoding: value.bytes, as: UTF8.self) == #"{ "a" : [ 1.50 , "\u0041" ] }"#)
  }

  struct Pair: Sendable {
    let left: String
    let right: String
    /// Nil where the structures differ.
    let paths: [String]?
  }

  @Test(arguments: [
    Pair(left: "1", right: "1", paths: []), Pair(left: "1", right: "2", paths: [""]),
    Pair(left: #"{"a":[1,"x"],"b":null}"#, right: #" { "a" : [ 1, "x" ], "b" : null } "#, paths: []),
    Pair(left: #"{"a":[1,"x"],"b":null}"#, right: #"{"a":[2,"y"],"b":null}"#, paths: ["a[0]", "a[1]"]),
    Pair(left: #"{"a":{"b":"x"},"c":"y"}"#, right: #"{"a":{"b":"x"},"c":"z"}"#, paths: ["c"]),
    Pair(left: #"{"a":"b","b":"a"}"#, right: #"{"a":"c","b":"a"}"#, paths: ["a"]),
    Pair(left: #"{"a":{},"b":[]}"#, right: #"{"a":{},"b":[]}"#, paths: []),
    Pair(left: #"{"a":true}"#, right: #"{"a":false}"#, paths: ["a"]),
    Pair(left: #"{"a":1}"#, right: #"{"b":1}"#, paths: nil),
    Pair(left: #"{"a":{"b":1}}"#, right: #"{"a":{"c":1}}"#, paths: nil),
    Pair(left: #"{"a":1,"b":2}"#, right: #"{"b":2,"a":1}"#, paths: nil), Pair(left: "[1]", right: "[1,2]", paths: nil),
    Pair(left: "[1]", right: #"["1"]"#, paths: nil), Pair(left: "[[1],2]", right: "[[1,2]]", paths: nil),
    Pair(left: "[[],[1]]", right: "[[1],[]]", paths: nil), Pair(left: #"{"a":[]}"#, right: #"{"a":{}}"#, paths: nil),
    Pair(left: #"["a","b"]"#, right: #"{"a":"b"}"#, paths: nil), Pair(left: "[{},1]", right: "[{},2]", paths: ["[1]"]),
    Pair(left: #"[{"a":{"x":1},"b":2}]"#, right: #"[{"a":{"x":1},"c":2}]"#, paths: nil),
  ])
  func `differences are found`(_ pair: Pair) throws {
    let found = try parse(pair.left).differingScalars(from: try parse(pair.right))
    #expect(found?.map(\.here.path) == pair.paths)
    #expect(found?.map(\.there.path) == pair.paths)
  }

  @Test func `parts of documents are compared like documents`() throws {
    let outer = try parse(#"{"x":["y"],"o":{"a":1,"b":"two"},"z":0}"#).member("o")
    let found = try #require(outer.differingScalars(from: try parse(#"{"a":1,"b":"three"}"#)))
    #expect(found.map(\.here.path) == ["o.b"])
    #expect(found.map(\.there.path) == ["b"])
  }
}

@Suite struct WriterTests {
  @Test func `everything is written with its commas`() {
    var writer = JSONWriter()
    writer.object { writer in
      writer.member("s", "a\"\\\n\r\t\u{1}")
      writer.member("i", Int64.min)
      writer.member("b", true)
      writer.name("n")
      writer.null()
      writer.name("a")
      writer.array { writer in
        writer.array { _ in }
        writer.object { _ in }
        writer.integer(UInt64.max)
        writer.bool(false)
        writer.raw("{\"r\":1}".utf8)
      }
      writer.name("last")
      writer.string("x")
    }
    let expected =
      #"{"s":"a\"\\\n\r\t\u0001","i":-9223372036854775808,"b":true,"n":null,"#
      + #""a":[[],{},18446744073709551615,false,{"r":1}],"last":"x"}"#
    #expect(writer.text == expected)
  }

  @Test(arguments: [
    ("", #""""#), ("plain", #""plain""#), ("é€😀", #""é€😀""#), ("\u{0}\u{1F}\u{7F}", #""\u0000\u001f\u007f""#),
    ("\u{80}\u{9B}", #""\u0080\u009b""#), ("a\u{202E}b\u{2028}c\u{2066}d\u{200F}", #""a\u202eb\u2028c\u2066d\u200f""#),
    ("/<>&'", #""/<>&'""#), ("\u{8}\u{C}", #""\u0008\u000c""#),
  ])
  func `a string is escaped`(_ value: String, _ expected: String) throws {
    var writer = JSONWriter()
    writer.string(value)
    #expect(Array(writer.text.utf8) == Array(expected.utf8))
  }

  @Test func `every scalar comes back as it was`() throws {
    let scalars = Array(0...0x2FFF) + [0xD7FF, 0xE000, 0xFFFD, 0xFFFF, 0x10000, 0x1F600, 0x10FFFF]
    let text = String(String.UnicodeScalarView(scalars.compactMap { Unicode.Scalar(UInt32($0)) }))
    var writer = JSONWriter()
    writer.object { $0.member(text, text) }
    let member = try #require(try JSONDocument(writer.bytes).root.members().first)
    #expect(member.name.utf8.elementsEqual(text.utf8))
    #expect(try member.value.string().utf8.elementsEqual(text.utf8))
  }
}

/// Every text of a few bytes, and every way to break a good one: never a crash, and what is accepted can be read.
@Suite struct ExhaustionTests {
  @Test func `no text of four of the bytes that matter crashes`() throws {
    let alphabet: [UInt8] = Array("[]{}\":,\\u01-.e t".utf8) + [0xC3, 0xA9]
    var accepted = 0
    for a in alphabet {
      for b in alphabet {
        for c in alphabet {
          for d in alphabet where (try? JSONDocument([a, b, c, d])) != nil { accepted += 1 }
        }
      }
    }
    #expect(accepted > 20)
  }

  @Test func `a good text with one byte replaced, removed or cut off is read or refused`() throws {
    let good = Array(#"{"a":[1,-2.5e3,"x\n\ud83d\ude00é"],"b":{"c":null,"d":true}}"#.utf8)
    for index in good.indices {
      for byte in UInt8.min...UInt8.max {
        var bytes = good
        bytes[index] = byte
        if let document = try? JSONDocument(bytes) { #expect(document.root.kind == .object) }
      }
      var shorter = good
      shorter.remove(at: index)
      _ = try? JSONDocument(shorter)
      #expect(throws: JSONError.self) { try JSONDocument(Array(good[..<index])) }
    }
  }
}
