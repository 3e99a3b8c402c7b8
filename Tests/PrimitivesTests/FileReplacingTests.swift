import Foundation
import Primitives
import Testing

struct FileReplacingTests {
  @Test func `a file is replaced whole, and nothing else is left in its folder`() throws {
    let folder = try TemporaryFolder(name: "pinseal-replacing-test")
    defer { folder.remove() }
    let path = "\(folder.path)/file"
    try FileBytes.replace(path, with: [1, 2, 3])
    let first = FileBytes.identity(of: path)
    try FileBytes.replace(path, with: [UInt8](repeating: 7, count: 300_000))
    #expect(try FileBytes.read(path) == [UInt8](repeating: 7, count: 300_000))
    #expect(FileBytes.identity(of: path) != first)
    #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == ["file"])
    let mode = try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int
    #expect(mode == 0o600)
  }

  @Test func `what cannot be put in place leaves everything as it was`() throws {
    let folder = try TemporaryFolder(name: "pinseal-replacing-test")
    defer { folder.remove() }
    #expect(throws: FileError.self) { try FileBytes.replace("\(folder.path)/none/file", with: [1]) }
    // A folder stands where the file should come: renaming fails after writing.
    try FileManager.default.createDirectory(atPath: "\(folder.path)/taken/x", withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: "\(folder.path)/taken") }
    #expect(throws: FileError.self) { try FileBytes.replace("\(folder.path)/taken", with: [1]) }
    #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == ["taken"])
  }

  @Test func `a folder is made once, and a file in its place is an error`() throws {
    let folder = try TemporaryFolder(name: "pinseal-replacing-test")
    defer { folder.remove() }
    let path = "\(folder.path)/inner"
    defer { try? FileManager.default.removeItem(atPath: path) }
    try FileBytes.makeFolder(path)
    try FileBytes.makeFolder(path)
    try FileBytes.replace("\(folder.path)/file", with: [])
    #expect(throws: FileError.self) { try FileBytes.makeFolder("\(folder.path)/file") }
    #expect(throws: FileError.self) { try FileBytes.makeFolder("\(folder.path)/none/inner") }
  }
}
