import Glibc
import Logging
public import Primitives

/// Objects from YAML or JSON files: a file or a folder, read anew when they change.
///
/// Of a folder the files `*.yaml`, `*.yml` and `*.json` are read in order of their names, hidden ones and sub-folders
/// left out. Kinds Namespace, Secret (`data` and `stringData`), ConfigMap (`data`) and List are read, others left out; a
/// Secret or ConfigMap without namespace is in `default`. An object may stand only once.
///
/// `run` looks every `reloadInterval` whether they changed, by `stat`, so through the symbolic links of a mounted volume;
/// what is known comes from memory. A new state with a fault in it is not taken: the old one goes on, the fault is logged
/// and stands in the status. Replace files by renaming: one that is being written may be read half.
public final class FileCluster: Cluster {
  private struct State: Sendable {
    var snapshot: ClusterSnapshot
    var stamps: [String: FileStamp]
    var generation: Int
    var isLooking = false
    /// A change too young for its time stamps to be trusted: read again, whatever they say.
    var isYoung: Bool
    var failure: String?
    var failingSince: Deadline?
  }

  private let path: String
  private let interval: Duration
  private let state: Locked<State>
  private let logger = Logger(label: "pinseal.kubernetes")

  private static let maximumFiles = 1000
  private static let maximumEntries = 10_000
  private static let maximumFileBytes = 4 << 20
  private static let maximumTotalBytes = 64 << 20

  /// Reads a file or the files of a folder; throws if they have a fault, naming file and line.
  public init(path: String, reloadInterval: Duration = .seconds(1)) throws(ClusterError) {
    self.path = path
    interval = reloadInterval
    let stamps = try Self.stamps(path)
    var snapshot = try Self.read(stamps)
    snapshot.setVersions(after: ClusterSnapshot(), generation: 1)
    state = Locked(
      State(
        snapshot: snapshot, stamps: stamps, generation: 1, isYoung: stamps.values.contains { $0.isYoung() }))
  }

  /// From YAML text, for the demo and tests.
  public init(yaml: String) throws(ClusterError) {
    path = ""
    interval = .seconds(1)
    var snapshot = ClusterSnapshot()
    try snapshot.add(Array(yaml.utf8), file: "the YAML text")
    snapshot.setVersions(after: ClusterSnapshot(), generation: 1)
    state = Locked(State(snapshot: snapshot, stamps: [:], generation: 1, isYoung: false))
  }

  /// Why the files as they were last are not what is served; nil if they are.
  public var reloadFailure: String? { state.withLock { $0.failure } }

  /// Looks whether the files changed every interval, until the task is cancelled.
  public func run() async {
    guard !path.isEmpty else { return }
    while !Task.isCancelled {
      do { try await Task.sleep(for: interval) } catch { return }
      look()
    }
  }

  /// The namespace, if the files hold it.
  public func knownNamespace(_ name: String) -> Namespace? { current.namespaces[name] }

  /// The Secret; throws `notFound` if no file holds it.
  public func knownSecret(_ name: String, namespace: String) throws(ClusterError) -> Secret? {
    try heldSecret(name, namespace)
  }

  /// The ConfigMap; throws `notFound` if no file holds it.
  public func knownConfigMap(_ name: String, namespace: String) throws(ClusterError) -> ConfigMap? {
    try heldConfigMap(name, namespace)
  }

  /// The namespace; throws `notFound` if no file holds it.
  public func namespace(_ name: String, deadline: Deadline) async throws(ClusterError) -> Namespace {
    let id = try ObjectID(.namespace, namespace: "", name: name)
    guard let namespace = current.namespaces[name] else { throw missing(id) }
    return namespace
  }

  /// The Secret; throws `notFound` if no file holds it.
  public func secret(_ name: String, namespace: String, deadline: Deadline) async throws(ClusterError) -> Secret {
    try heldSecret(name, namespace)
  }

  /// The ConfigMap; throws `notFound` if no file holds it.
  public func configMap(_ name: String, namespace: String, deadline: Deadline) async throws(ClusterError) -> ConfigMap {
    try heldConfigMap(name, namespace)
  }

  /// Always nil: a state was read at the start, and the last good one is served.
  public func notReadyReason() -> String? { nil }

  /// Whether the files as they are now are what is served.
  public func status() -> ClusterStatus {
    let (failure, since) = state.withLock { ($0.failure, $0.failingSince) }
    guard let failure, let since else { return ClusterStatus() }
    return ClusterStatus(troubles: [.init(subject: "the files", duration: Deadline.now.since(since), reason: failure)])
  }

  private func heldSecret(_ name: String, _ namespace: String) throws(ClusterError) -> Secret {
    let id = try ObjectID(.secret, namespace: namespace, name: name)
    guard let secret = current.secrets[id] else { throw missing(id) }
    return secret
  }

  private func heldConfigMap(_ name: String, _ namespace: String) throws(ClusterError) -> ConfigMap {
    let id = try ObjectID(.configMap, namespace: namespace, name: name)
    guard let configMap = current.configMaps[id] else { throw missing(id) }
    return configMap
  }

  private func missing(_ id: ObjectID) -> ClusterError {
    ClusterError(.notFound, "\(id) does not exist\(path.isEmpty ? "" : " in \(path.printable(limit: 1024))")")
  }

  private var current: ClusterSnapshot { state.withLock { $0.snapshot } }

  // MARK: Changes

  /// Looks whether the files changed, unless somebody else is looking.
  func look() {
    let isDue = state.withLock { state in
      guard !state.isLooking else { return false }
      state.isLooking = true
      return true
    }
    guard isDue else { return }
    let old = state.withLock { $0 }
    var new = old
    do throws(ClusterError) {
      let stamps = try Self.stamps(path)
      if stamps != old.stamps || old.isYoung {
        var snapshot = try Self.read(stamps)
        new.generation += 1
        snapshot.setVersions(after: old.snapshot, generation: new.generation)
        new.snapshot = snapshot
        new.stamps = stamps
        new.isYoung = stamps.values.contains { $0.isYoung() }
        if stamps != old.stamps {
          logger.info(
            "objects read anew", metadata: ["path": "\(path.printable(limit: 1024))", "files": "\(stamps.count)"])
        }
      }
      new.failure = nil
    } catch {
      new.failure = "the new state of \(path.printable(limit: 1024)) is not used: \(error.description)"
    }
    if let failure = new.failure, failure != old.failure { logger.error("\(failure)") }
    new.failingSince = new.failure == nil ? nil : old.failingSince ?? .now
    new.isLooking = false
    let result = new
    state.withLock { $0 = result }
  }

  /// The files that are read, with their stamps; the folder's own is not needed, for its list is made anew each time.
  private static func stamps(_ path: String) throws(ClusterError) -> [String: FileStamp] {
    do throws(FileError) {
      let stamp = try FileStamp(path: path)
      guard stamp.isDirectory else { return [path: stamp] }
    } catch {
      throw ClusterError(.invalid, "\(path.printable(limit: 1024)): \(error.description)")
    }
    let names: [String]
    do throws(FileError) {
      names = try FileAccess.names(inFolder: path, limit: maximumEntries)
    } catch {
      throw ClusterError(.invalid, "\(path.printable(limit: 1024)): \(error.description)")
    }
    var stamps: [String: FileStamp] = [:]
    for name in names where isRead(name) {
      let file = path.hasSuffix("/") ? path + name : path + "/" + name
      do throws(FileError) {
        let stamp = try FileStamp(path: file)
        if !stamp.isDirectory { stamps[file] = stamp }
      } catch {
        throw ClusterError(.invalid, "\(file.printable(limit: 1024)): \(error.description)")
      }
      guard stamps.count <= maximumFiles else {
        throw ClusterError(.invalid, "\(path.printable(limit: 1024)) holds more than \(maximumFiles) files of objects")
      }
    }
    return stamps
  }

  private static func isRead(_ name: String) -> Bool {
    !name.hasPrefix(".") && (name.hasSuffix(".yaml") || name.hasSuffix(".yml") || name.hasSuffix(".json"))
  }

  /// The objects of exactly these files; one that changed since counts as a fault, and the next look sees it.
  private static func read(_ stamps: [String: FileStamp]) throws(ClusterError) -> ClusterSnapshot {
    var snapshot = ClusterSnapshot()
    var total = 0
    for (file, stamp) in stamps.sorted(by: { $0.key.utf8.lexicographicallyPrecedes($1.key.utf8) }) {
      let content: (bytes: [UInt8], stamp: FileStamp)
      do throws(FileError) {
        content = try FileAccess.read(file, limit: maximumFileBytes)
        guard content.stamp == stamp else { throw FileError(description: "changed while it was read") }
      } catch {
        throw ClusterError(.invalid, "\(file.printable(limit: 1024)): \(error.description)")
      }
      total += content.bytes.count
      guard total <= maximumTotalBytes else {
        throw ClusterError(.invalid, "the files of objects hold more than \(maximumTotalBytes) bytes together")
      }
      try snapshot.add(content.bytes, file: file)
    }
    return snapshot
  }
}
