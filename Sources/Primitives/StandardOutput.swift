import Glibc

/// Standard output without a buffer: what a person or a pipe must see now.
public enum StandardOutput {
  /// Writes `text` and a newline. A closed pipe is nobody's fault and no error.
  public static func write(_ text: String) {
    let bytes = Array((text + "\n").utf8)
    var written = 0
    while written < bytes.count {
      let count = bytes[written...].withUnsafeBytes { Glibc.write(STDOUT_FILENO, $0.baseAddress, $0.count) }
      if count < 0 && errno == EINTR { continue }
      if count <= 0 { return }
      written += count
    }
  }
}
