import Primitives
import Testing

@Suite struct EncodingTests {
  static let vectors: [(bytes: [UInt8], base64: String, hex: String)] = [
    ([], "", ""), (Array("f".utf8), "Zg==", "66"), (Array("fo".utf8), "Zm8=", "666f"),
    (Array("foo".utf8), "Zm9v", "666f6f"),
    (Array("foob".utf8), "Zm9vYg==", "666f6f62"), (Array("fooba".utf8), "Zm9vYmE=", "666f6f6261"),
    (Array("foobar".utf8), "Zm9vYmFy", "666f6f626172"), ([0xFB, 0xFF, 0xBF], "+/+/", "fbffbf"), ([0], "AA==", "00"),
  ]

  @Test(arguments: vectors)
  func `the vectors of RFC 4648`(_ bytes: [UInt8], _ base64: String, _ hex: String) {
    #expect(Base64.encode(bytes) == base64)
    #expect(Base64.decode(base64) == bytes)
    #expect(Base64.decode(base64, dialect: .protobuf) == bytes)
    #expect(Hex.encode(bytes) == hex)
    #expect(Hex.decode(hex) == bytes)
  }

  @Test func `every length and byte comes back`() {
    for count in 0..<260 {
      let bytes = (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 37 &+ count) }
      #expect(Base64.decode(Base64.encode(bytes)) == bytes)
      #expect(Hex.decode(Hex.encode(bytes)) == bytes)
    }
  }

  @Test(arguments: [
    "Z", "Zg", "Zg=", "Zg===", "Zg====", "=", "==", "===", "====", "Zm8", "Zm8==", "Zm9v=", "Zm9v==", "Z===", "Zh==",
    "Zm9=", "Z=g=",
    "=Zg=", " Zg==", "Zg== ", "Zg==\n", "Zm\n9v", "Zm 9v", "Zm9v\r\n", "Zm9-", "Zm9_", "Zm9v,", "Zm9\u{E9}", "Zg==Zg==",
    "Zm9v\u{0}",
  ])
  func `only one text stands for bytes in Base64`(_ text: String) {
    #expect(Base64.decode(text) == nil)
  }

  @Test(
    arguments: [
      ("Zg", [0x66]), ("Zg==", [0x66]), ("Zm8", [0x66, 0x6F]), ("-_-_", [0xFB, 0xFF, 0xBF]),
      ("+/+/", [0xFB, 0xFF, 0xBF]), ("", []),
      ("_w", [0xFF]), ("_w==", [0xFF]),
    ] as [(String, [UInt8])])
  func `protobuf takes both alphabets with or without padding`(_ text: String, _ bytes: [UInt8]) {
    #expect(Base64.decode(text, dialect: .protobuf) == bytes)
  }

  @Test(arguments: ["+_+_", "-/-/", "Zg=", "Zm8==", "Zm9v=", "Z", "Zh", "_x", "Zg ==", "Zm9v\n"])
  func `protobuf takes no mixture, no half padding and no stray bits`(_ text: String) {
    #expect(Base64.decode(text, dialect: .protobuf) == nil)
  }

  @Test(arguments: ["0", "000", "0g", "AB", "aB", "0x00", " 00", "00 ", "é", "٠٠", "-1"])
  func `only lower-case hexadecimal pairs are read`(_ text: String) {
    #expect(Hex.decode(text) == nil)
  }
}

@Suite struct UntrustedTextTests {
  @Test(arguments: [
    ("plain é€😀", "plain é€😀"), ("a\nb\tc", #"a\u{a}b\u{9}c"#), ("\u{1B}[31m", #"\u{1b}[31m"#),
    ("\u{7F}\u{9B}", #"\u{7f}\u{9b}"#),
    ("a\u{202E}b", #"a\u{202e}b"#), ("\u{200B}\u{FEFF}", #"\u{200b}\u{feff}"#),
    ("\u{2028}\u{2029}", #"\u{2028}\u{2029}"#),
    ("\u{E000}", #"\u{e000}"#), ("\u{E0041}", #"\u{e0041}"#), ("\r\n", #"\u{d}\u{a}"#), ("", ""),
  ])
  func `what does not print is spelt out`(_ text: String, _ expected: String) {
    #expect(text.printable().utf8.elementsEqual(expected.utf8))
  }

  @Test func `what is too long is cut`() {
    #expect("abcdef".printable(limit: 3) == "abc…")
    #expect("abc".printable(limit: 3) == "abc")
    #expect("abc".printable(limit: 0) == "…")
    #expect(String(repeating: "e\u{301}", count: 1000).printable(limit: 10).unicodeScalars.count == 11)
  }
}

@Suite struct RefusalCodeTests {
  @Test func `codes are upper-case words, each one once`() {
    let codes = RefusalCode.allCases.map(\.rawValue)
    #expect(Set(codes).count == codes.count)
    #expect(codes.allSatisfy { $0.allSatisfy { $0 == "_" || ($0.isASCII && $0.isUppercase) } })
  }

  @Test func `only what says nothing about the image is transient`() {
    #expect(
      Set(RefusalCode.allCases.filter(\.isTransient))
        == [.registryUnavailable, .logUnavailable, .deadlineExceeded, .policyUnavailable, .internalError])
  }
}

@Suite struct LockedTests {
  @Test func `no increment is lost among many tasks`() async {
    let counter = Locked(0)
    await withTaskGroup(of: Void.self) { group in
      for _ in 0..<16 {
        group.addTask {
          for _ in 0..<5_000 { counter.withLock { $0 += 1 } }
        }
      }
    }
    #expect(counter.withLock { $0 } == 80_000)
  }

  @Test func `the lock is let go when the closure throws`() {
    struct Fault: Error {}
    let value = Locked(1)
    #expect(throws: Fault.self) {
      try value.withLock { (value: inout Int) throws(Fault) -> Void in
        value = 2
        throw Fault()
      }
    }
    #expect(value.withLock { $0 } == 2)
  }
}
