import Primitives
import Testing

@Suite struct BoundedCacheTests {
  private let start = Deadline(nanoseconds: 1_000)

  @Test func `what was least recently used is forgotten first`() {
    var cache = BoundedCache<Int, String>(capacity: 3)
    for key in 1...3 { cache.insert("\(key)", forKey: key) }
    #expect(cache.value(forKey: 1) == "1")
    cache.insert("4", forKey: 4)
    #expect(cache.value(forKey: 2) == nil)
    #expect([1, 3, 4].allSatisfy { cache.value(forKey: $0) == "\($0)" })
    #expect(cache.count == 3)
  }

  @Test func `storing anew counts as a use and replaces value and age`() {
    var cache = BoundedCache<Int, String>(capacity: 2)
    cache.insert("a", forKey: 1, expires: start)
    cache.insert("b", forKey: 2)
    cache.insert("c", forKey: 1)
    cache.insert("d", forKey: 3)
    #expect(cache.value(forKey: 1, now: Deadline(nanoseconds: .max)) == "c")
    #expect(cache.value(forKey: 2) == nil)
  }

  @Test(arguments: [(999, true), (1_000, false), (1_001, false)])
  func `a value is gone from the moment at which it expires`(_ now: UInt64, _ isThere: Bool) {
    var cache = BoundedCache<String, Int>(capacity: 2)
    cache.insert(1, forKey: "a", expires: start)
    #expect((cache.value(forKey: "a", now: Deadline(nanoseconds: now)) != nil) == isThere)
    #expect(cache.count == (isThere ? 1 : 0))
  }

  @Test(arguments: [-5, 0, 1])
  func `a capacity below one is one`(_ capacity: Int) {
    var cache = BoundedCache<Int, Int>(capacity: capacity)
    cache.insert(1, forKey: 1)
    cache.insert(2, forKey: 2)
    #expect(cache.count == 1)
    #expect(cache.value(forKey: 2) == 2)
    cache.removeValue(forKey: 2)
    cache.removeValue(forKey: 2)
    #expect(cache.count == 0)
    #expect(cache.value(forKey: 2) == nil)
  }

  @Test func `entries that cost too much together are forgotten, the least recently used first`() {
    var cache = BoundedCache<Int, String>(capacity: 10, maximumCost: 100)
    for key in 1...4 { cache.insert("\(key)", forKey: key, cost: 25) }
    #expect(cache.cost == 100)
    _ = cache.value(forKey: 1)
    cache.insert("5", forKey: 5, cost: 30)
    #expect([1, 4, 5].allSatisfy { cache.value(forKey: $0) == "\($0)" })
    #expect((cache.count, cache.cost) == (3, 80))
    // Stored anew, it costs what it costs now.
    cache.insert("4", forKey: 4, cost: 5)
    #expect((cache.count, cache.cost) == (3, 60))
    cache.removeValue(forKey: 5)
    #expect(cache.cost == 30)
    // What is too dear for an empty cache drives nothing else out, and its old value is no longer true.
    cache.insert("dear", forKey: 4, cost: 101)
    #expect(cache.value(forKey: 4) == nil)
    #expect(cache.value(forKey: 1) == "1")
    cache.insert("all", forKey: 9, cost: 100)
    #expect((cache.count, cache.cost) == (1, 100))
    cache.insert("free", forKey: 10, cost: -5)
    #expect((cache.count, cache.cost) == (2, 100))
  }

  @Test func `what is forgotten is let go`() {
    final class Token: Sendable {}
    var cache = BoundedCache<Int, Token>(capacity: 2)
    var token: Token? = Token()
    weak let seen = token
    if let token { cache.insert(token, forKey: 1) }
    token = nil
    #expect(seen != nil)
    cache.removeValue(forKey: 1)
    #expect(seen == nil)
  }

  @Test func `it agrees with a simple model through thousands of steps`() {
    var cache = BoundedCache<Int, Int>(capacity: 8, maximumCost: 40)
    var model: [(key: Int, value: Int, cost: Int)] = []
    var random = LinearCongruential(state: 42)
    for step in 0..<20_000 {
      let key = Int(random.next() % 16)
      switch random.next() % 4 {
      case 0:
        cache.removeValue(forKey: key)
        model.removeAll { $0.key == key }
      case 1:
        let found = model.firstIndex { $0.key == key }
        #expect(cache.value(forKey: key) == found.map { model[$0].value })
        if let found { model.append(model.remove(at: found)) }
      default:
        let cost = Int(random.next() % 12)
        cache.insert(step, forKey: key, cost: cost)
        model.removeAll { $0.key == key }
        model.append((key, step, cost))
        while model.count > 8 || model.reduce(0, { $0 + $1.cost }) > 40 { model.removeFirst() }
      }
      #expect(cache.count == model.count)
      #expect(cache.cost == model.reduce(0) { $0 + $1.cost })
    }
  }
}

struct LinearCongruential {
  var state: UInt64

  mutating func next() -> UInt64 {
    state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
    return state >> 33
  }
}
