import Glibc

extension FileBytes {
  /// Puts `bytes` at `path` so that every reader, also one after a crash, sees the old content or the new one, whole.
  ///
  /// Only this user may read it, unless `permissions` say otherwise. The folder must be there.
  public static func replace(_ path: String, with bytes: [UInt8], permissions: UInt32 = 0o600) throws(FileError) {
    var template = Array("\(path).XXXXXX".utf8CString)
    let descriptor = mkstemp(&template)
    guard descriptor >= 0 else { throw failure(path) }
    var isInPlace = false
    defer {
      close(descriptor)
      if !isInPlace { unlink(template) }
    }
    guard fcntl(descriptor, F_SETFD, FD_CLOEXEC) == 0, fchmod(descriptor, permissions) == 0 else { throw failure(path) }
    var written = 0
    while written < bytes.count {
      let count = bytes[written...].withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
      if count < 0 && errno == EINTR { continue }
      guard count > 0 else { throw failure(path) }
      written += count
    }
    guard fsync(descriptor) == 0, rename(template, path) == 0 else { throw failure(path) }
    isInPlace = true
  }

  /// Makes the folder at `path`, which only this user may enter, unless it is there. Its parent must be there.
  public static func makeFolder(_ path: String) throws(FileError) {
    if mkdir(path, 0o700) == 0 { return }
    let reason = errno
    var status = stat()
    guard reason == EEXIST, stat(path, &status) == 0, status.st_mode & S_IFMT == S_IFDIR else {
      throw FileError("\(path): \(reason == EEXIST ? "not a folder" : String(cString: strerror(reason)))")
    }
  }

  private static func failure(_ path: String) -> FileError { FileError("\(path): \(String(cString: strerror(errno)))") }
}
