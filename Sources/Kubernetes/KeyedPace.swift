import Primitives

/// Lets things through at a pace, by key; a burst at first.
struct KeyedPace<Key: Hashable & Sendable>: Sendable {
  private let burst: Int
  private let pace: Duration
  private let capacity: Int
  /// The moment at which a key has its whole burst again.
  private var full: [Key: Deadline] = [:]

  init(_ rate: (burst: Int, pace: Duration), capacity: Int = 4096) {
    burst = max(1, rate.burst)
    pace = rate.pace
    self.capacity = capacity
  }

  /// When the next one of this key may pass; not after `now` if it may pass at once.
  func next(_ key: Key, now: Deadline) -> Deadline {
    guard let full = full[key], full > now else { return now }
    // All but one of the burst may be outstanding.
    return full.advanced(by: .zero - pace * (burst - 1))
  }

  /// Whether one of this key may pass now. Counts it if so.
  mutating func take(_ key: Key, now: Deadline) -> Bool {
    guard next(key, now: now) <= now else { return false }
    if full[key] == nil, full.count >= capacity {
      full = full.filter { $0.value > now }
      // Whoever floods with keys is stopped by other limits; nobody else suffers for it.
      if full.count >= capacity { full.removeAll() }
    }
    full[key] = max(full[key] ?? now, now).advanced(by: pace)
    return true
  }
}
