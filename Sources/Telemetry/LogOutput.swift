import Glibc

/// Where log lines go.
public struct LogOutput: Sendable {
  /// Takes one whole line with its line feed.
  public let write: @Sendable ([UInt8]) -> Void

  /// An output that hands each line to `write`.
  public init(write: @escaping @Sendable ([UInt8]) -> Void) { self.write = write }

  /// Standard error, one system call a line, so that lines of several threads do not mix.
  public static let standardError = LogOutput { line in fileDescriptor(2, line) }

  /// Writes `line` to a file descriptor. What cannot be written is dropped: a log must not stop what it logs.
  static func fileDescriptor(_ descriptor: CInt, _ line: [UInt8]) {
    var rest = line[...]
    while !rest.isEmpty {
      let written = rest.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
      if written > 0 {
        rest = rest.dropFirst(written)
      } else if written < 0, errno == EINTR {
        continue
      } else {
        return
      }
    }
  }
}
