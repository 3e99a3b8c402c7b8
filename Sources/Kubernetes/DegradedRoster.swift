import Primitives

/// The StatefulSets that are looked after, and who makes room where there is none.
///
/// Whoever may update StatefulSets can have them refused as often as he likes. So there is a bound for all and one for each
/// namespace, and whom a verdict puts in the place of another is limited too: each one begins with a watch and a write.
struct DegradedRoster: Sendable {
  typealias Entry = DegradedKeeper.Entry

  /// What came of adding.
  enum Placement: Sendable {
    case placed
    /// This one had to go.
    case displaced(StatefulSetID)
    /// There is no room now.
    case refused
  }

  private(set) var entries: [StatefulSetID: Entry] = [:]
  /// By when they were last decided on, oldest first.
  private var order: [StatefulSetID] = []
  /// Entries whose task is not begun yet.
  private var pending: [Entry] = []
  /// By namespace, and for all under the empty name.
  private var displacements = KeyedPace<String>((burst: 8, pace: .seconds(1)))
  private let maximum: Int
  private let maximumPerNamespace: Int

  init(maximum: Int, maximumPerNamespace: Int) {
    self.maximum = max(1, maximum)
    self.maximumPerNamespace = max(1, maximumPerNamespace)
  }

  /// Adds one, or puts it in the place of one that has ended; `displaces`: another may have to go.
  mutating func add(_ entry: Entry, _ id: StatefulSetID, displaces: Bool = true, now: Deadline) -> Placement {
    var displaced: StatefulSetID?
    if entries[id] == nil {
      let isNamespaceFull = entries.keys.lazy.filter { $0.namespace == id.namespace }.count >= maximumPerNamespace
      if isNamespaceFull || entries.count >= maximum {
        let place = isNamespaceFull ? id.namespace : ""
        guard displaces, let least = leastConcerned(in: place), displacements.take(place, now: now) else {
          return .refused
        }
        drop(least)
        displaced = least
      }
    }
    touch(id)
    entries[id] = entry
    pending.append(entry)
    return displaced.map { .displaced($0) } ?? .placed
  }

  /// There was a verdict about it.
  mutating func touch(_ id: StatefulSetID) {
    order.removeAll { $0 == id }
    order.append(id)
  }

  /// Takes this very entry out.
  mutating func remove(_ entry: Entry, _ id: StatefulSetID) {
    guard entries[id] === entry else { return }
    entries[id] = nil
    order.removeAll { $0 == id }
  }

  /// Those whose task is to be begun.
  mutating func takePending() -> [Entry] {
    defer { pending = [] }
    return pending
  }

  /// Whom to let go: one whose condition is no longer true, else the one longest without a verdict.
  private func leastConcerned(in namespace: String) -> StatefulSetID? {
    let order = order.lazy.filter { namespace.isEmpty || $0.namespace == namespace }
    let recovered = order.first { id in entries[id]?.track.withLock { !$0.goal.isTrue } ?? true }
    return recovered ?? order.first
  }

  private mutating func drop(_ id: StatefulSetID) {
    order.removeAll { $0 == id }
    guard let entry = entries.removeValue(forKey: id) else { return }
    pending.removeAll { $0 === entry }
    entry.track.withLock { $0.letGo() }
    entry.waker.yield()
  }
}
