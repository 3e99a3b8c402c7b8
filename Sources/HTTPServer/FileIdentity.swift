import Glibc
import Primitives

/// What tells one state of a file from another, seen through symbolic links: the kubelet swaps a link (`..data`) and
/// never touches the file.
struct FileIdentity: Equatable {
  let device: UInt64
  let inode: UInt64
  let modifiedSeconds: Int
  let modifiedNanoseconds: Int
  let size: Int

  /// nil if there is no such file or it cannot be looked at.
  init?(path: String) {
    var status = stat()
    guard stat(path, &status) == 0 else { return nil }
    device = UInt64(status.st_dev)
    inode = UInt64(status.st_ino)
    modifiedSeconds = Int(status.st_mtim.tv_sec)
    modifiedNanoseconds = Int(status.st_mtim.tv_nsec)
    size = Int(status.st_size)
  }
}

/// Small files read whole.
enum SmallFile {
  /// More than any chain of certificates needs.
  static let maximumBytes = 1 << 20

  /// The file's bytes; the error names the file and what is wrong with it.
  static func read(_ path: String, as role: String) throws(ServerError) -> [UInt8] {
    func failed(_ why: String) -> ServerError { ServerError("cannot read \(role) \(path.printable()): \(why)") }
    // Non-blocking, so that a FIFO at this path cannot hold the loop.
    let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    guard descriptor >= 0 else { throw failed(systemMessage(errno)) }
    defer { close(descriptor) }
    var status = stat()
    guard fstat(descriptor, &status) == 0 else { throw failed(systemMessage(errno)) }
    guard status.st_mode & S_IFMT == S_IFREG else { throw failed("it is not a regular file") }
    guard status.st_size <= maximumBytes else { throw failed("it is larger than \(maximumBytes) bytes") }

    var bytes: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 16 << 10)
    while bytes.count <= maximumBytes {
      let count = Glibc.read(descriptor, &chunk, chunk.count)
      if count < 0, errno == EINTR { continue }
      guard count >= 0 else { throw failed(systemMessage(errno)) }
      if count == 0 { return bytes }
      bytes.append(contentsOf: chunk[..<count])
    }
    throw failed("it is larger than \(maximumBytes) bytes")
  }
}

/// The system's words for an `errno`.
func systemMessage(_ code: Int32) -> String {
  // glibc's strerror answers from storage of the thread's own.
  guard let words = strerror(code) else { return "error \(code)" }
  return String(cString: words)
}
