import Glibc

@testable import Kubernetes

/// A folder that goes with the test.
final class TemporaryFolder: Sendable {
  let path: String

  init() {
    var template = Array("/tmp/pinseal-tests-XXXXXX".utf8CString)
    path = template.withUnsafeMutableBufferPointer { buffer in
      guard let name = buffer.baseAddress, mkdtemp(name) != nil else { fatalError("no temporary folder") }
      return String(cString: name)
    }
  }

  deinit { Self.deleteAll(path) }

  private static func deleteAll(_ path: String) {
    // A link or file goes at once; a folder once it is empty.
    if remove(path) == 0 { return }
    for name in (try? FileAccess.names(inFolder: path, limit: .max)) ?? [] where name != "." && name != ".." {
      deleteAll(path + "/" + name)
    }
    remove(path)
  }

  /// The path of a file in it.
  func file(_ name: String) -> String { path + "/" + name }

  /// Writes a file as one should: beside, then renamed.
  @discardableResult
  func write(_ text: String, to name: String) -> String { write(Array(text.utf8), to: name) }

  @discardableResult
  func write(_ bytes: [UInt8], to name: String) -> String {
    let temporary = path + "/.new"
    let descriptor = open(temporary, O_WRONLY | O_CREAT | O_TRUNC, 0o600)
    var rest = bytes[...]
    while !rest.isEmpty {
      let count = rest.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
      guard count > 0 else { fatalError("cannot write \(name)") }
      rest = rest.dropFirst(count)
    }
    close(descriptor)
    rename(temporary, file(name))
    return file(name)
  }

  func makeFolder(_ name: String) { mkdir(file(name), 0o700) }
  func link(_ name: String, to target: String) { symlink(target, file(name)) }
  func move(_ name: String, over other: String) { rename(file(name), file(other)) }
  func delete(_ name: String) { remove(file(name)) }
}
