import Primitives

/// Events that were written lately, and how often each was seen: what is seen again counts one up instead of adding another.
struct EventSeries: Sendable {
  /// What counts as the same: all but the moment and the action.
  private struct Key: Hashable, Sendable {
    let event: ClusterEvent

    init(_ event: ClusterEvent) { self.event = event.doing("") }
  }

  /// One Event that is counted up.
  struct Entry: Sendable {
    let name: String
    /// Times seen, the first included.
    var count = 1
    var last: EventTime
    var lastSeen: Deadline
    /// What the Event says in the cluster.
    var writtenCount = 1
    /// When its count may be written next.
    var due: Deadline

    var isWritten: Bool { count == writtenCount }
  }

  private let bounds: EventBounds
  private var entries: [Key: Entry] = [:]
  private var nextPruning = Deadline(nanoseconds: 0)

  init(_ bounds: EventBounds) { self.bounds = bounds }

  var count: Int { entries.count }

  /// A new Event was written.
  mutating func insert(_ event: ClusterEvent, name: String, at time: EventTime, now: Deadline) {
    if entries.count >= bounds.series, let oldest = entries.min(by: { $0.value.lastSeen < $1.value.lastSeen }) {
      entries[oldest.key] = nil
    }
    // The first repetition is written as soon as it is seen.
    entries[Key(event)] = Entry(name: name, last: time, lastSeen: now, due: now)
  }

  /// Counts an event up that was written lately; false if it was not.
  mutating func repeated(_ event: ClusterEvent, at time: EventTime, seen: Deadline) -> Bool {
    guard var entry = entries[Key(event)] else { return false }
    guard seen < entry.lastSeen.advanced(by: bounds.seriesTime) else {
      // What was not written of the old series is not worth a call any more.
      entries[Key(event)] = nil
      return false
    }
    entry.count = min(entry.count + 1, Int(Int32.max))
    entry.last = time
    entry.lastSeen = max(entry.lastSeen, seen)
    entries[Key(event)] = entry
    return true
  }

  /// A count that is to be written now, if there is one; `all`: whether it is due or not.
  func next(now: Deadline, all: Bool) -> (event: ClusterEvent, entry: Entry)? {
    entries.first { !$0.value.isWritten && (all || $0.value.due <= now) }.map { ($0.key.event, $0.value) }
  }

  /// When the next count is due, if any is to be written.
  var nextDue: Deadline? { entries.values.lazy.filter { !$0.isWritten }.map(\.due).min() }

  /// `count` was written.
  mutating func written(_ event: ClusterEvent, count: Int, now: Deadline) {
    entries[Key(event)]?.writtenCount = count
    entries[Key(event)]?.due = now.advanced(by: bounds.seriesPace)
  }

  /// The count cannot be written now.
  mutating func postpone(_ event: ClusterEvent, until due: Deadline) { entries[Key(event)]?.due = due }

  /// The Event is gone, or cannot be counted up.
  mutating func remove(_ event: ClusterEvent) { entries[Key(event)] = nil }

  /// Forgets what was not seen for the length of a series and says in the cluster what it should.
  mutating func prune(now: Deadline) {
    guard now >= nextPruning else { return }
    nextPruning = now.advanced(by: bounds.seriesPace)
    entries = entries.filter { !$0.value.isWritten || $0.value.lastSeen.advanced(by: bounds.seriesTime) > now }
  }
}
