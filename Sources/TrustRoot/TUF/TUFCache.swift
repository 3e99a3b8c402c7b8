import Primitives

/// A folder in which verified files outlive the process, so that the rules against going back do too.
///
/// Nothing in it is trusted: all of it is verified again from the root that came with the program. The names of its files
/// are fixed; a repository chooses none of them.
struct TUFCache: Sendable {
  let folder: String

  enum File: Sendable {
    case root(version: Int64)
    case timestamp, snapshot, targets, target

    var name: String {
      switch self {
      case .root(let version): "\(version).root.json"
      case .timestamp: "timestamp.json"
      case .snapshot: "snapshot.json"
      case .targets: "targets.json"
      case .target: "target"
      }
    }

    var maximumByteCount: Int {
      switch self {
      case .root: TUFRole.root.maximumByteCount
      case .timestamp: TUFRole.timestamp.maximumByteCount
      case .snapshot: TUFRole.snapshot.maximumByteCount
      case .targets: TUFRole.targets.maximumByteCount
      case .target: TUFClient.maximumTargetByteCount
      }
    }
  }

  /// The content, or nil if there is none that can be read.
  func read(_ file: File) -> [UInt8]? {
    do {
      return try FileBytes.read("\(folder)/\(file.name)", maximumBytes: file.maximumByteCount)
    } catch {
      return nil
    }
  }

  /// Replaces the file, atomically.
  func write(_ file: File, _ bytes: [UInt8]) throws(FileError) {
    try FileBytes.makeFolder(folder)
    try FileBytes.replace("\(folder)/\(file.name)", with: bytes)
  }
}
