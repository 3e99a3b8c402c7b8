import Glibc

/// A folder that only this user may read, with files in it, for as long as somebody needs them.
public struct TemporaryFolder: Sendable {
  /// Where it is.
  public let path: String

  /// Makes `/tmp/NAME.XXXXXX`.
  public init(name: String) throws(FileError) {
    var template = Array("/tmp/\(name).XXXXXX".utf8CString)
    guard mkdtemp(&template) != nil else { throw FileError("no temporary folder could be made in /tmp") }
    path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }

  /// Writes a file that only this user may read, and returns its path.
  public func write(_ name: String, _ text: String) throws(FileError) -> String {
    let file = "\(path)/\(name)"
    let descriptor = open(file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
    guard descriptor >= 0 else { throw FileError("\(file): \(String(cString: strerror(errno)))") }
    defer { close(descriptor) }
    let bytes = Array(text.utf8)
    guard Glibc.write(descriptor, bytes, bytes.count) == bytes.count else {
      throw FileError("\(file): \(String(cString: strerror(errno)))")
    }
    return file
  }

  /// Removes the folder with the files that were written here.
  public func remove() {
    if let folder = opendir(path) {
      while let entry = readdir(folder) {
        let name = withUnsafeBytes(of: entry.pointee.d_name) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
        if name != "." && name != ".." { unlink("\(path)/\(name)") }
      }
      closedir(folder)
    }
    rmdir(path)
  }
}
