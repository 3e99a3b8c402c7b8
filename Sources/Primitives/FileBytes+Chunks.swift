import Glibc

extension FileBytes {
  /// Reads a file of any size, part by part; pipes too.
  public static func readChunks(_ path: String, _ body: ([UInt8]) -> Void) throws(FileError) {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw FileError("\(path): \(String(cString: strerror(errno)))") }
    defer { close(descriptor) }
    while true {
      var failure: Int32 = 0
      let chunk = [UInt8](unsafeUninitializedCapacity: 256 << 10) { buffer, count in
        let result = Glibc.read(descriptor, buffer.baseAddress, buffer.count)
        failure = result < 0 ? errno : 0
        count = max(0, result)
      }
      if failure == EINTR { continue }
      guard failure == 0 else { throw FileError("\(path): \(String(cString: strerror(failure)))") }
      if chunk.isEmpty { return }
      body(chunk)
    }
  }
}
