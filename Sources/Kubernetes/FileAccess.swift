import Glibc

/// What `stat` says of a file: equal as long as nobody has written to it or put another in its place.
struct FileStamp: Sendable, Hashable {
  let device: UInt64
  let inode: UInt64
  let size: Int64
  let modified: Int64
  let changed: Int64
  let isDirectory: Bool
  let isRegular: Bool

  /// Of the file that `path` leads to, through symbolic links.
  init(path: String) throws(FileError) {
    var status = stat()
    guard stat(path, &status) == 0 else { throw FileError(errno) }
    self.init(status)
  }

  init(_ status: stat) {
    device = UInt64(status.st_dev)
    inode = UInt64(status.st_ino)
    size = Int64(status.st_size)
    modified = Self.nanoseconds(status.st_mtim)
    changed = Self.nanoseconds(status.st_ctim)
    isDirectory = status.st_mode & S_IFMT == S_IFDIR
    isRegular = status.st_mode & S_IFMT == S_IFREG
  }

  /// Whether the file changed so shortly ago that another change may not have moved its times: the kernel's clock for
  /// them ticks every few milliseconds.
  func isYoung(at now: Int64 = Self.now) -> Bool { now < changed.addingReportingOverflow(100_000_000).partialValue }

  private static var now: Int64 {
    var time = timespec()
    clock_gettime(CLOCK_REALTIME, &time)
    return nanoseconds(time)
  }

  private static func nanoseconds(_ time: timespec) -> Int64 {
    Int64(time.tv_sec) &* 1_000_000_000 &+ Int64(time.tv_nsec)
  }
}

/// Why a file could not be read.
struct FileError: Error, CustomStringConvertible {
  let description: String

  init(_ code: Int32) { description = String(cString: strerror(code)) }
  init(description: String) { self.description = description }
}

/// Reading of small files.
enum FileAccess {
  /// The content of a regular file, with its stamp, which was the same before and after the reading.
  static func read(_ path: String, limit: Int) throws(FileError) -> (bytes: [UInt8], stamp: FileStamp) {
    // O_NONBLOCK: opening a FIFO must not wait for a writer.
    let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    guard descriptor >= 0 else { throw FileError(errno) }
    defer { close(descriptor) }
    let before = try stamp(of: descriptor)
    guard before.isRegular else { throw FileError(description: "is not a regular file") }
    guard before.size <= Int64(limit) else {
      throw FileError(description: "holds \(before.size) bytes, at most \(limit) are read")
    }
    var bytes: [UInt8] = []
    bytes.reserveCapacity(Int(before.size) + 1)
    var buffer = [UInt8](repeating: 0, count: 64 << 10)
    while true {
      let count = buffer.withUnsafeMutableBytes { Glibc.read(descriptor, $0.baseAddress, $0.count) }
      if count < 0, errno == EINTR { continue }
      guard count >= 0 else { throw FileError(errno) }
      if count == 0 { break }
      bytes += buffer[..<count]
      guard bytes.count <= limit else { throw FileError(description: "holds more than \(limit) bytes") }
    }
    guard try stamp(of: descriptor) == before else { throw FileError(description: "changed while it was read") }
    return (bytes, before)
  }

  /// The names in a folder, sorted by bytes; at most `limit`.
  static func names(inFolder path: String, limit: Int) throws(FileError) -> [String] {
    guard let folder = opendir(path) else { throw FileError(errno) }
    defer { closedir(folder) }
    var names: [String] = []
    while true {
      errno = 0
      guard let entry = readdir(folder) else {
        guard errno == 0 else { throw FileError(errno) }
        break
      }
      let name = withUnsafePointer(to: &entry.pointee.d_name) {
        $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
      }
      guard names.count < limit else { throw FileError(description: "holds more than \(limit) entries") }
      names.append(name)
    }
    return names.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
  }

  private static func stamp(of descriptor: Int32) throws(FileError) -> FileStamp {
    var status = stat()
    guard fstat(descriptor, &status) == 0 else { throw FileError(errno) }
    return FileStamp(status)
  }
}
