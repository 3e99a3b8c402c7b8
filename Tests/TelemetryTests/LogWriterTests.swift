import Glibc
import JSON
import Logging
import Primitives
import Testing

@testable import Telemetry

@Suite(.timeLimit(.minutes(5))) struct LogWriterTests {
  /// What was written, and whether the one who writes is held up.
  private final class Sink: Sendable {
    let lines = Locked<[String]>([])
    let isHeld = Locked(false)

    func write(_ line: [UInt8]) {
      while isHeld.withLock({ $0 }) { usleep(500) }
      lines.withLock { $0.append(String(decoding: line, as: UTF8.self)) }
    }

    var written: [String] { lines.withLock { $0 } }
  }

  private func writer(_ sink: Sink, lines: Int = 16384, bytes: Int = 8 << 20) throws -> LogWriter {
    var limits = LogWriter.Limits()
    limits.lines = lines
    limits.bytes = bytes
    let writer = LogWriter(limits: limits, write: { sink.write($0) }) { Array("dropped \($0)".utf8) }
    try #require(writer.start())
    return writer
  }

  @Test func `lines are written in the order in which they came`() throws {
    let sink = Sink()
    let writer = try writer(sink)
    defer { writer.close() }
    for number in 0..<5000 { writer.enqueue(Array("\(number)".utf8)) }
    #expect(writer.flush(within: .seconds(30)))
    #expect(sink.written == (0..<5000).map(String.init))
  }

  @Test func `lines of several tasks keep each its order`() async throws {
    let sink = Sink()
    let writer = try writer(sink)
    defer { writer.close() }
    await withTaskGroup(of: Void.self) { group in
      for task in 0..<4 {
        group.addTask { for number in 0..<500 { writer.enqueue(Array("\(task) \(number)".utf8)) } }
      }
    }
    #expect(writer.flush(within: .seconds(30)))
    let written = sink.written
    #expect(written.count == 2000)
    for task in 0..<4 {
      #expect(written.filter { $0.hasPrefix("\(task) ") } == (0..<500).map { "\(task) \($0)" })
    }
  }

  @Test(arguments: [(lines: 10, bytes: 1 << 20), (lines: 1000, bytes: 20)])
  func `who logs does not wait for who reads, and what finds no room is counted in its place`(
    limit: (lines: Int, bytes: Int)
  ) throws {
    let sink = Sink()
    let writer = try writer(sink, lines: limit.lines, bytes: limit.bytes)
    defer { writer.close() }
    sink.isHeld.withLock { $0 = true }
    for _ in 0..<1000 { writer.enqueue(Array("x1".utf8)) }
    #expect(!writer.flush(within: .milliseconds(20)))
    #expect(sink.written.isEmpty)
    sink.isHeld.withLock { $0 = false }
    #expect(writer.flush(within: .seconds(30)))
    writer.enqueue(Array("after".utf8))
    #expect(writer.flush(within: .seconds(30)))
    let written = sink.written
    let kept = written.filter { $0 == "x1" }.count
    // One batch may be on its way out while the next waits.
    #expect((10...20).contains(kept), "\(kept)")
    #expect(written.suffix(2) == ["dropped \(1000 - kept)", "after"])
    #expect(written.count == kept + 2)
  }

  @Test func `a line that comes after dropped ones is not put before the note about them`() throws {
    // Lines that may be written, and lines that were begun.
    let (allowed, begun) = (Locked(0), Locked(0))
    let sink = Sink()
    var limits = LogWriter.Limits()
    limits.lines = 10
    let writer = LogWriter(limits: limits) { line in
      begun.withLock { $0 += 1 }
      while !allowed.withLock({ allowed in
        defer { allowed = max(0, allowed - 1) }
        return allowed > 0
      }) { usleep(500) }
      sink.write(line)
    } note: { count in
      Array("dropped \(count)".utf8)
    }
    try #require(writer.start())
    defer { writer.close() }
    func waitUntilBegun(_ count: Int) { while begun.withLock({ $0 }) < count { usleep(500) } }

    writer.enqueue(Array("first".utf8))
    waitUntilBegun(1)
    for number in 0..<15 { writer.enqueue(Array("\(number)".utf8)) }
    allowed.withLock { $0 = 1 }
    waitUntilBegun(2)
    // The queue is empty now, and there is room.
    writer.enqueue(Array("late".utf8))
    allowed.withLock { $0 = 100 }
    #expect(writer.flush(within: .seconds(30)))
    #expect(sink.written == ["first"] + (0..<10).map(String.init) + ["dropped 6"])
  }

  @Test func `what is queued is written before the thread ends`() async throws {
    let sink = Sink()
    let writer = try writer(sink)
    for number in 0..<100 { writer.enqueue(Array("\(number)".utf8)) }
    writer.close()
    writer.enqueue(Array("late".utf8))
    #expect(writer.flush(within: .seconds(30)))
    #expect(sink.written.first == "0" && sink.written.filter { !$0.hasPrefix("dropped") }.count == 100)
  }

  @Test func `what is critical is written before the logging returns`() throws {
    let sink = Sink()
    let writer = try writer(sink)
    defer { writer.close() }
    let logger = Logger(label: "pinseal") {
      StructuredLogHandler(label: $0, format: .json, level: .info, output: LogOutput(writer))
    }
    logger.info("one")
    logger.critical("two")
    #expect(sink.written.count == 2 && sink.written.last?.contains("two") == true)
  }

  @Test func `a full pipe that does not block loses nothing`() throws {
    var ends: [CInt] = [0, 0]
    try #require(pipe(&ends) == 0)
    let (reading, writing) = (ends[0], ends[1])
    try #require(fcntl(writing, F_SETFL, O_NONBLOCK) == 0)
    let writer = LogWriter(write: { LogOutput.fileDescriptor(writing, $0, waits: true) }) { _ in [] }
    try #require(writer.start())
    let line = Array(String(repeating: "x", count: 999).utf8) + [0x0a]
    for _ in 0..<300 { writer.enqueue(line) }
    // Until the pipe is full, which takes less than is queued.
    #expect(!writer.flush(within: .milliseconds(50)))
    var read = 0
    var buffer = [UInt8](repeating: 0, count: 4096)
    var event = pollfd(fd: reading, events: Int16(POLLIN), revents: 0)
    while read < 300_000, poll(&event, 1, 10_000) > 0 { read += Glibc.read(reading, &buffer, buffer.count) }
    #expect(read == 300_000)
    #expect(writer.flush(within: .seconds(30)))
    writer.close()
    close(reading)
    close(writing)
  }
}
