import Glibc

/// Why a file could not be read.
public struct FileError: Error, Sendable, Equatable, CustomStringConvertible {
  /// The path and the reason in words.
  public let description: String

  init(_ description: String) { self.description = description }
}

/// Small files, read whole: certificates, keys, configuration.
public enum FileBytes {
  /// What tells one state of a file from another without reading it; links are followed, so the kubelet's swap of
  /// `..data` shows.
  public struct Identity: Hashable, Sendable {
    let device: UInt
    let inode: UInt
    let size: Int
    let seconds: Int
    let nanoseconds: Int
  }

  /// The file's present identity, or nil if there is none.
  public static func identity(of path: String) -> Identity? {
    var status = stat()
    guard stat(path, &status) == 0 else { return nil }
    return Identity(
      device: UInt(status.st_dev), inode: UInt(status.st_ino), size: Int(status.st_size),
      seconds: status.st_mtim.tv_sec, nanoseconds: status.st_mtim.tv_nsec)
  }

  /// The bytes of the file at `path`; one of more than `maximumBytes` is an error, as is what is no regular file.
  public static func read(_ path: String, maximumBytes: Int = 1 << 20) throws(FileError) -> [UInt8] {
    // O_NONBLOCK: opening a named pipe must not wait for its writer.
    let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    guard descriptor >= 0 else { throw FileError("\(path): \(String(cString: strerror(errno)))") }
    defer { close(descriptor) }
    var status = stat()
    guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
      throw FileError("\(path): not a regular file")
    }
    var bytes: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 64 << 10)
    while true {
      let count = unsafe Glibc.read(descriptor, &chunk, chunk.count)
      if count < 0 {
        if errno == EINTR { continue }
        throw FileError("\(path): \(String(cString: strerror(errno)))")
      }
      if count == 0 { return bytes }
      guard bytes.count + count <= maximumBytes else { throw FileError("\(path): larger than \(maximumBytes) bytes") }
      bytes.append(contentsOf: chunk[..<count])
    }
  }
}
