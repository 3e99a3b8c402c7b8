/// A map that forgets what was least recently used once it holds `capacity` entries, or entries of more than
/// `maximumCost` together, and what is older than it may be.
///
/// Not thread-safe by itself: keep it in a `Locked`. All operations take constant time, but for as many entries as a dear
/// one makes room of.
public struct BoundedCache<Key: Hashable & Sendable, Value: Sendable>: Sendable {
  private struct Entry: Sendable {
    let key: Key
    /// Nil in a free slot: what was forgotten is not kept in memory.
    var value: Value?
    var cost: Int
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
  /// What all entries together may cost, in whatever unit `insert` is told.
  public let maximumCost: Int
  /// What they cost now; never more than `maximumCost`.
  public private(set) var cost = 0

  /// A cache for `capacity` entries, one at least, which together cost at most `maximumCost`.
  public init(capacity: Int, maximumCost: Int = .max) {
    self.capacity = max(1, capacity)
    self.maximumCost = max(0, maximumCost)
  }

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

  /// Stores `value`, forgetting the least recently used entries if there is no room. Without `expires` it never ages. One
  /// that alone costs more than everything may is not kept, and what was under its key is forgotten.
  public mutating func insert(_ value: Value, forKey key: Key, cost entryCost: Int = 0, expires: Deadline? = nil) {
    let entryCost = max(0, entryCost)
    if let slot = index[key] { remove(slot) }
    guard entryCost <= maximumCost else { return }
    while oldest != Self.none, index.count >= capacity || cost > maximumCost - entryCost { remove(oldest) }
    cost += entryCost
    let entry = Entry(
      key: key, value: value, cost: entryCost, expires: expires, newer: Self.none, older: Self.none)
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
    cost -= slots[slot].cost
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
