import Glibc
import Logging
import Primitives

/// Where log lines go.
public struct LogOutput: Sendable {
  /// Takes one whole line with its line feed.
  public let write: @Sendable ([UInt8]) -> Void

  /// Waits, for a while, until what was taken is written.
  let flush: @Sendable () -> Void

  /// An output that hands each line to `write`.
  public init(write: @escaping @Sendable ([UInt8]) -> Void) {
    self.write = write
    flush = {}
  }

  /// An output that queues each line in `writer`.
  public init(_ writer: LogWriter) {
    write = { writer.enqueue($0) }
    flush = { writer.flush(within: .seconds(1)) }
  }

  /// Standard error, one system call a line, so that lines of several threads do not mix.
  public static let standardError = LogOutput { line in fileDescriptor(2, line) }

  /// Standard error by a thread of its own: nobody who logs waits for who reads. What is queued when the process exits is
  /// written then, for a second at most.
  public static func standardErrorInBackground(format: LogFormat) -> LogOutput {
    let writer = LogWriter(write: { fileDescriptor(2, $0, waits: true) }) { count in
      StructuredLogHandler.line(
        LogEvent(
          level: .warning, message: "log lines dropped", metadata: ["count": "\(count)"], source: "", file: #fileID,
          function: #function, line: #line),
        label: "pinseal", format: format)
    }
    guard writer.start() else { return standardError }
    let isFirst = background.withLock { writers in
      writers.append(writer)
      return writers.count == 1
    }
    if isFirst { atexit { LogOutput.flushBackground() } }
    return LogOutput(writer)
  }

  private static let background = Locked<[LogWriter]>([])

  private static func flushBackground() {
    for writer in background.withLock({ $0 }) { writer.flush(within: .seconds(1)) }
  }

  /// Writes `line` to a file descriptor. What cannot be written is dropped: a log must not stop what it logs. But who
  /// `waits` has a thread for it, and goes on where a pipe that does not block is full.
  static func fileDescriptor(_ descriptor: CInt, _ line: [UInt8], waits: Bool = false) {
    var rest = line[...]
    while !rest.isEmpty {
      let written = rest.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
      if written > 0 {
        rest = rest.dropFirst(written)
      } else if written < 0, errno == EINTR {
        continue
      } else if written < 0, waits, errno == EAGAIN {
        var event = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
        guard poll(&event, 1, -1) >= 0 || errno == EINTR else { return }
      } else {
        return
      }
    }
  }
}
