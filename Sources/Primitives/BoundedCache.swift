/// A map that forgets what was least recently used once it holds `capacity` entries, and what is older than it may be.
///
/// Not thread-safe by itself: keep it in a `Locked`. All operations take constant time.
public struct BoundedCache<Key: Hashable & Sendable, Value: Sendable>: Sendable {
  private struct Entry: Sendable {
    let key: Key
    /// Nil in a free slot: what was forgotten is not kept in memory.
    var value: Value?
    var expires: Deadline?
    var newer: Int
    var older: Int
  }

  private static var none: Int { -1 }
  private var slots: [Entry] = []
  private var free: [Int] = []
  private var index: [Key: Int] = [:]
  private var newest = none
  private var oldest = none
  /// The most entries it ever holds.
  public let capacity: Int

  /// A cache for `capacity` entries, one at least.
  public init(capacity: Int) { self.capacity = max(1, capacity) }

  /// How many entries it holds, expired ones that nobody asked for included.
  public var count: Int { index.count }

  /// The value under `key`, which becomes the most recently used; nil if there is none or it has expired by `now`.
  public mutating func value(forKey key: Key, now: Deadline = .now) -> Value? {
    guard let slot = index[key] else { return nil }
    if let expires = slots[slot].expires, expires <= now {
      remove(slot)
      return nil
    }
    if slot != newest {
      unlink(slot)
      linkNewest(slot)
    }
    return slots[slot].value
  }

  /// Stores `value`, forgetting the least recently used entry if there is no room. Without `expires` it never ages.
  public mutating func insert(_ value: Value, forKey key: Key, expires: Deadline? = nil) {
    if let slot = index[key] {
      slots[slot].value = value
      slots[slot].expires = expires
      unlink(slot)
      linkNewest(slot)
      return
    }
    if index.count >= capacity, oldest != Self.none { remove(oldest) }
    let entry = Entry(key: key, value: value, expires: expires, newer: Self.none, older: Self.none)
    let slot: Int
    if let reused = free.popLast() {
      slots[reused] = entry
      slot = reused
    } else {
      slots.append(entry)
      slot = slots.count - 1
    }
    index[key] = slot
    linkNewest(slot)
  }

  /// Forgets what is under `key`.
  public mutating func removeValue(forKey key: Key) {
    if let slot = index[key] { remove(slot) }
  }

  private mutating func remove(_ slot: Int) {
    unlink(slot)
    index[slots[slot].key] = nil
    slots[slot].value = nil
    free.append(slot)
  }

  private mutating func unlink(_ slot: Int) {
    let entry = slots[slot]
    if entry.newer == Self.none { newest = entry.older } else { slots[entry.newer].older = entry.older }
    if entry.older == Self.none { oldest = entry.newer } else { slots[entry.older].newer = entry.newer }
    slots[slot].newer = Self.none
    slots[slot].older = Self.none
  }

  private mutating func linkNewest(_ slot: Int) {
    slots[slot].older = newest
    slots[slot].newer = Self.none
    if newest != Self.none { slots[newest].newer = slot }
    newest = slot
    if oldest == Self.none { oldest = slot }
  }
}
