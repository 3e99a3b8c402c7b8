/// Moments at which something is to be looked at, earliest first.
///
/// Entries are not taken out when a deadline moves: whoever is woken looks whether the time has really come. A deadline
/// that only moves later, as an idle connection's does with each request, so costs nothing.
struct TimerHeap {
  struct Entry: Equatable {
    let time: UInt64
    let key: UInt64
  }

  private var entries: [Entry] = []

  /// When the next entry is due.
  var nextTime: UInt64? { entries.first?.time }

  mutating func insert(_ entry: Entry) {
    entries.append(entry)
    var child = entries.count - 1
    while child > 0 {
      let parent = (child - 1) / 2
      guard entries[child].time < entries[parent].time else { return }
      entries.swapAt(child, parent)
      child = parent
    }
  }

  /// Takes out the earliest entry if it is due at `now`.
  mutating func popDue(_ now: UInt64) -> Entry? {
    guard let first = entries.first, first.time <= now else { return nil }
    let last = entries.removeLast()
    if entries.isEmpty { return first }
    entries[0] = last
    var parent = 0
    while true {
      let left = 2 * parent + 1
      guard left < entries.count else { return first }
      let right = left + 1
      let child = right < entries.count && entries[right].time < entries[left].time ? right : left
      guard entries[child].time < entries[parent].time else { return first }
      entries.swapAt(child, parent)
      parent = child
    }
  }
}
