import JSON
import Primitives

/// What is known of an object without asking.
enum KnownObject: Sendable {
  /// Nothing: it must be read.
  case unknown
  /// That there is none.
  case absent
  /// It is as this.
  case found(ClusterObject)
}

/// What a watch keeps of an object; nil where that is nothing, because it is too large or cannot be read.
struct KeptObject: Sendable {
  let object: ClusterObject?

  /// Throws if it is another object than `id`.
  init(_ value: JSONValue, id: ObjectID, maximumBytes: Int) throws {
    let metadata = try value.member("metadata")
    guard try metadata.member("name").isString(id.name), try metadata.member("namespace").isString(id.namespace) else {
      throw ClusterError(.invalid, "an object is not \(id)")
    }
    // The text is never shorter than what it says.
    guard value.bytes.count <= 2 * maximumBytes + (1 << 20) else {
      object = nil
      return
    }
    guard let read = try? ObjectReader.object(NodeReader(try Node(value)), id.kind), read.object.bytes <= maximumBytes
    else {
      object = nil
      return
    }
    object = read.object
  }
}

extension ClusterObject {
  /// Of all values together.
  var bytes: Int {
    switch self {
    case .namespace(let namespace): namespace.annotations.values.reduce(0) { $0 + $1.utf8.count }
    case .secret(let secret): secret.data.values.reduce(0) { $0 + $1.count }
    case .configMap(let configMap): configMap.data.values.reduce(0) { $0 + $1.utf8.count }
    }
  }
}

/// One object that is watched.
final class WatchedObject: Sendable {
  private struct State: Sendable {
    var known = KnownObject.unknown
    var lastUse: Deadline
    var watch: ObjectWatch<KeptObject>?
    var task: Task<Void, Never>?
    var hasEnded = false
  }

  let id: ObjectID
  /// When somebody first asked for it.
  let begin: Deadline
  private let state: Locked<State>

  init(_ id: ObjectID, now: Deadline) {
    self.id = id
    begin = now
    state = Locked(State(lastUse: now))
  }

  /// What is known; it counts as used.
  func use(_ now: Deadline) -> KnownObject {
    state.withLock { state in
      state.lastUse = now
      return state.known
    }
  }

  var known: KnownObject { state.withLock { $0.known } }
  var lastUse: Deadline { state.withLock { $0.lastUse } }
  var status: WatchStatus? { state.withLock { $0.watch }?.status }

  /// The task that watches; false if nobody wants it any more.
  func begin(_ watch: ObjectWatch<KeptObject>, _ task: Task<Void, Never>) -> Bool {
    state.withLock { state in
      guard !state.hasEnded else { return false }
      state.watch = watch
      state.task = task
      return true
    }
  }

  /// Ends the watch, if it has not ended, and lets go of it: what it tells holds this object in turn.
  func end() {
    let task = state.withLock { state in
      defer { (state.watch, state.task) = (nil, nil) }
      state.hasEnded = true
      state.known = .unknown
      return state.task
    }
    task?.cancel()
  }

  /// Takes up what the watch saw.
  func take(_ change: WatchChange<KeptObject>) {
    let known: KnownObject =
      switch change {
      case .listed(let all): all.first.map(Self.known) ?? .absent
      case .stored(let kept): Self.known(kept)
      case .deleted: .absent
      }
    state.withLock { if !$0.hasEnded { $0.known = known } }
  }

  /// What may not be watched may perhaps be read, and what was known is nobody's to go on with.
  func forget() { state.withLock { $0.known = .unknown } }

  private static func known(_ kept: KeptObject) -> KnownObject { kept.object.map { .found($0) } ?? .unknown }
}
