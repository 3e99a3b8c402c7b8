import Glibc
import JSON
import Logging
import Primitives
import Testing

@testable import Telemetry

@Suite struct LogTests {
  private let lines = Locked<[[UInt8]]>([])

  private func logger(_ format: LogFormat, level: Logger.Level = .trace) -> Logger {
    let lines = lines
    let output = LogOutput { line in lines.withLock { $0.append(line) } }
    return Logger(label: "pinseal") { StructuredLogHandler(label: $0, format: format, level: level, output: output) }
  }

  private func line() throws -> String {
    let written = lines.withLock { $0 }
    #expect(written.count == 1)
    let line = String(decoding: try #require(written.first), as: UTF8.self)
    #expect(line.hasSuffix("\n"))
    #expect(!line.dropLast().contains { $0.isNewline })
    return String(line.dropLast())
  }

  @Test func `a line of text says when, how bad, who and what`() throws {
    var logger = logger(.text)
    logger[metadataKey: "b"] = "plain"
    logger.error(
      "image refused",
      metadata: [
        "a": "with space", "c": ["x", "y z"], "d": ["k": "v", "j": "w=1"], "e": "", "f": "say \"hi\"",
        "g": .stringConvertible(42),
      ])
    let text = try line()
    let parts = text.split(separator: " ", maxSplits: 1).map(String.init)
    #expect(parts[0].utf8.count == 24)
    #expect(
      parts[1]
        == #"error pinseal: image refused a="with space" b=plain c=[x, "y z"] d={j="w=1" k=v} e="" f="say \"hi\"" g=42"#
    )
  }

  @Test func `a line of JSON is one object`() throws {
    var logger = logger(.json)
    logger[metadataKey: "shared"] = "old"
    logger.warning(
      "say \"hi\"\nbye", metadata: ["shared": "new", "list": ["x", ["k": "v"]], "n": .stringConvertible(42)])
    let value = try JSONDocument(Array(try line().utf8)).root
    #expect(try value.members().map(\.name) == ["time", "level", "logger", "message", "metadata"])
    #expect(try value.member("level").string() == "warning")
    #expect(try value.member("logger").string() == "pinseal")
    #expect(try value.member("message").string() == "say \"hi\"\nbye")
    let metadata = try value.member("metadata")
    #expect(try metadata.member("shared").string() == "new")
    #expect(try metadata.member("list").elements()[1].member("k").string() == "v")
    #expect(try metadata.member("n").string() == "42")
  }

  @Test(arguments: LogFormat.allCases)
  func `nothing that a terminal obeys gets into a line`(_ format: LogFormat) throws {
    let hostile = "\u{1B}[31m\r\nforged\u{202E}\u{9B}\u{2028}\u{0}"
    logger(format).info("\(hostile)", metadata: ["\(hostile)": "\(hostile)", "list": ["\(hostile)"]])
    let written = try #require(lines.withLock { $0.first })
    let text = String(decoding: written.dropLast(), as: UTF8.self)
    #expect(text.unicodeScalars.allSatisfy { $0.value >= 0x20 && !(0x7F..<0xA0).contains($0.value) })
    #expect(text.unicodeScalars.allSatisfy { $0.value != 0x202E && $0.value != 0x2028 })
  }

  @Test(arguments: [
    // A combining accent makes one Character of itself and the quote before it.
    ("x\"\u{301} forged=1", "\"x\\\"\u{301} forged=1\""),
    ("x\\\" forged=1", "\"x\\\\\\\" forged=1\""),
    ("ends in \\", "\"ends in \\\\\""),
  ])
  func `no value ends before its closing quote`(_ value: String, _ written: String) throws {
    logger(.text).info("m", metadata: ["k": "\(value)"])
    #expect(try line().utf8.suffix(written.utf8.count + 2).elementsEqual("k=\(written)".utf8))
  }

  @Test(arguments: LogFormat.allCases)
  func `a line is bounded`(_ format: LogFormat) throws {
    let long = String(repeating: "é", count: 1_000_000)
    var deep: Logger.Metadata.Value = "end"
    for _ in 0..<1_000 { deep = ["k": deep] }
    logger(format).info(
      "\(long)", metadata: ["long": "\(long)", "deep": deep, "many": .array(Array(repeating: "x", count: 10_000))])
    #expect(try line().utf8.count < 40_000)
  }

  @Test func `levels below the handler's are not written`() throws {
    let logger = logger(.text, level: .warning)
    logger.info("no")
    logger.notice("no")
    logger.warning("yes")
    #expect(try line().contains("yes"))
  }

  @Test func `an error and provided metadata are written, an event's own going first`() throws {
    struct Fault: Error {}
    let lines = lines
    let provider = Logger.MetadataProvider { ["trace": "t1", "x": "provided"] }
    let handler = StructuredLogHandler(
      label: "l", format: .text, output: LogOutput { line in lines.withLock { $0.append(line) } },
      metadataProvider: provider)
    handler.log(
      event: LogEvent(
        level: .info, message: "m", error: Fault(), metadata: ["x": "own"], source: nil, file: "", function: "", line: 1
      ))
    #expect(try line().hasSuffix("info l: m error=Fault() trace=t1 x=own"))
  }

  @Test(arguments: [
    (0, 0, "1970-01-01T00:00:00.000Z"), (1_795_475_817, 7, "2026-11-23T23:16:57.007Z"),
    (951_782_400, 999, "2000-02-29T00:00:00.999Z"),
    (253_402_300_799, 1, "9999-12-31T23:59:59.001Z"),
  ])
  func `times are written in UTC`(_ seconds: Int, _ milliseconds: Int, _ expected: String) {
    #expect(Timestamp(seconds: seconds, milliseconds: milliseconds).rfc3339 == expected)
  }

  @Test func `a line goes out in one piece`() throws {
    var ends: [CInt] = [0, 0]
    #expect(pipe(&ends) == 0)
    LogOutput.fileDescriptor(ends[1], Array("one line\n".utf8))
    close(ends[1])
    var buffer = [UInt8](repeating: 0, count: 64)
    let count = read(ends[0], &buffer, buffer.count)
    close(ends[0])
    #expect(String(decoding: buffer.prefix(max(0, count)), as: UTF8.self) == "one line\n")
    // Nobody reads from a closed descriptor: the line is dropped, nothing else happens.
    LogOutput.fileDescriptor(-1, Array("lost\n".utf8))
  }
}
