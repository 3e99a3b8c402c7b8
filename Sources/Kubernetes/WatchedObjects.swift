import Logging
import Primitives

/// The Secrets and ConfigMaps that somebody asks for, each kept by a watch of its own from the first time on until
/// nobody has asked for a while.
///
/// Only these, and each by name: RBAC need not allow more. For whatever is not kept here (no room, too large, the watch
/// forbidden or not there yet) the answer is `unknown`, and the object is read.
final class WatchedObjects: Sendable {
  /// How many, how large, how long.
  struct Bounds: Sendable {
    /// Watches in all.
    var watches = 512
    /// Watches of one namespace, so that none can take them all: names in Pod templates are anybody's.
    var watchesPerNamespace = 64
    /// Larger objects are not kept: keys and credentials are small, and all of them together must leave room in the memory.
    var bytes = 64 << 10
    /// A watch that nobody asked for so long ends.
    var idle = Duration.seconds(600)
    /// Where there is no room, one that nobody asked for so long makes room.
    var displaced = Duration.seconds(60)
  }

  private struct State: Sendable {
    var entries: [ObjectID: WatchedObject] = [:]
    var perNamespace: [String: Int] = [:]
    /// Who begins the watches; nil while `run` does not.
    var starts: AsyncStream<WatchedObject>.Continuation?
    var nextDisplacement = Deadline(nanoseconds: 0)
    /// Of watches that have ended.
    var pastBreaks: [ObjectKind: Int] = [:]
    /// Where watching was said to be forbidden.
    var complained: Set<String> = []
  }

  private let client: APIClient
  private let pace: WatchPace
  private let limits: WatchLimits
  private let bounds: Bounds
  private let state = Locked(State())
  private let logger = Logger(label: "pinseal.kubernetes")

  init(
    client: APIClient, pace: WatchPace = WatchPace(), limits: WatchLimits = WatchLimits(), bounds: Bounds = Bounds()
  ) {
    self.client = client
    self.pace = pace
    self.limits = limits
    self.bounds = bounds
  }

  /// What is known of the object, which from now on is watched if it can be. Does not wait.
  func known(_ id: ObjectID) -> KnownObject {
    let now = pace.now()
    let (entry, start): (WatchedObject?, AsyncStream<WatchedObject>.Continuation?) = state.withLock { state in
      if let entry = state.entries[id] { return (entry, nil) }
      guard let starts = state.starts, hasRoom(for: id, in: &state, now) else { return (nil, nil) }
      let entry = WatchedObject(id, now: now)
      state.entries[id] = entry
      state.perNamespace[id.namespace, default: 0] += 1
      return (entry, starts)
    }
    guard let entry else { return .unknown }
    start?.yield(entry)
    return entry.use(now)
  }

  /// Keeps the watches until the task is cancelled, and then forgets everything.
  func run() async {
    let (entries, continuation) = AsyncStream.makeStream(of: WatchedObject.self)
    state.withLock { $0.starts = continuation }
    await withDiscardingTaskGroup { group in
      group.addTask { await self.releaseIdle() }
      for await entry in entries {
        group.addTask { await self.watch(entry) }
      }
      group.cancelAll()
    }
    state.withLock { $0 = State(pastBreaks: $0.pastBreaks, complained: $0.complained) }
  }

  /// The watches of one kind.
  func watches(_ kind: ObjectKind) -> (all: [WatchedObject], pastBreaks: Int) {
    state.withLock { state in
      (state.entries.values.filter { $0.id.kind == kind }, state.pastBreaks[kind] ?? 0)
    }
  }

  // MARK: Watching

  private func watch(_ entry: WatchedObject) async {
    let id = entry.id
    let maximum = bounds.bytes
    let watch = ObjectWatch<KeptObject>(
      client: client, target: WatchTarget(id), pace: pace, limits: limits, logLevel: .debug,
      decode: { try KeptObject($0, id: id, maximumBytes: maximum) }, onChange: { entry.take($0) },
      onBreak: { error in
        guard error.code == .forbidden else { return }
        entry.forget()
        self.complain(error, about: id)
      })
    let task = Task { await watch.run() }
    if !entry.begin(watch, task) { task.cancel() }
    await withTaskCancellationHandler {
      await task.value
    } onCancel: {
      task.cancel()
    }
    entry.end()
  }

  private func complain(_ error: ClusterError, about id: ObjectID) {
    let place = "\(id.kind.resource) in namespace \(id.namespace)"
    let isNew = state.withLock { $0.complained.count < 256 && $0.complained.insert(place).inserted }
    guard isNew else { return }
    logger.warning(
      "watching is not allowed, so these objects are read at each admission",
      metadata: ["objects": "\(place)", "reason": "\(error.description)"])
  }

  // MARK: Room

  private func releaseIdle() async {
    while !Task.isCancelled {
      await pace.sleep(bounds.idle / 20)
      let before = pace.now()
      let released = state.withLock { state in
        let idle = state.entries.values.filter { $0.lastUse.advanced(by: bounds.idle) <= before }
        for entry in idle { remove(entry, from: &state) }
        return idle
      }
      for entry in released { entry.end() }
    }
  }

  private func hasRoom(for id: ObjectID, in state: inout State, _ now: Deadline) -> Bool {
    guard state.perNamespace[id.namespace] ?? 0 < bounds.watchesPerNamespace else { return false }
    guard state.entries.count >= bounds.watches else { return true }
    // Looking through all of them is not for every admission.
    guard state.nextDisplacement <= now else { return false }
    state.nextDisplacement = now.advanced(by: .seconds(1))
    guard let oldest = state.entries.values.min(by: { $0.lastUse < $1.lastUse }),
      oldest.lastUse.advanced(by: bounds.displaced) <= now
    else { return false }
    remove(oldest, from: &state)
    oldest.end()
    state.nextDisplacement = now
    return true
  }

  private func remove(_ entry: WatchedObject, from state: inout State) {
    state.entries[entry.id] = nil
    let left = (state.perNamespace[entry.id.namespace] ?? 1) - 1
    state.perNamespace[entry.id.namespace] = left > 0 ? left : nil
    state.pastBreaks[entry.id.kind, default: 0] += entry.status?.breaks ?? 0
  }
}
