/// Shares out the room for large HTTP/2 bodies on one connection.
///
/// Every stream may send `base` bytes unasked; a body that is larger needs a reservation for its whole size, made in the
/// order of asking and never in part. So whoever has one can finish, and what a connection buffers stays bounded.
struct WindowBudget {
  /// A stream that gets its reservation.
  struct Grant: Equatable {
    let stream: Int32
    let bytes: Int
  }

  private var available: Int
  private let total: Int
  private var waiting: [Grant] = []
  private var reserved: [Int32: Int] = [:]

  init(bytes: Int) {
    available = bytes
    total = bytes
  }

  /// Asks for `bytes` for `stream`; whether it has them now. If not, a later `release` will name it.
  mutating func reserve(_ bytes: Int, for stream: Int32) -> Bool {
    let wanted = min(bytes, total)
    guard waiting.isEmpty, wanted <= available else {
      waiting.append(Grant(stream: stream, bytes: wanted))
      return false
    }
    available -= wanted
    reserved[stream] = wanted
    return true
  }

  /// Gives back what `stream` has or waits for; those whose turn it is then.
  mutating func release(_ stream: Int32) -> [Grant] {
    if let bytes = reserved.removeValue(forKey: stream) {
      available += bytes
    } else if !waiting.isEmpty {
      waiting.removeAll { $0.stream == stream }
    }
    var granted: [Grant] = []
    while let next = waiting.first, next.bytes <= available {
      waiting.removeFirst()
      available -= next.bytes
      reserved[next.stream] = next.bytes
      granted.append(next)
    }
    return granted
  }
}

/// Counts what a well-behaved client does rarely: each takes a token, and tokens come back slowly.
struct GlitchMeter {
  private let capacity: UInt64
  private let perSecond: UInt64
  /// In billionths of a token, so that the clock's nanoseconds need no division.
  private var level: UInt64
  private var last: UInt64

  init(capacity: Int, perSecond: Int, now: UInt64) {
    self.capacity = UInt64(max(1, capacity)) * 1_000_000_000
    self.perSecond = UInt64(max(1, perSecond))
    level = self.capacity
    last = now
  }

  /// Takes a token; whether there was one.
  mutating func take(now: UInt64) -> Bool {
    let elapsed = min(now > last ? now - last : 0, 3_600_000_000_000)
    last = max(last, now)
    level = min(capacity, level + elapsed * perSecond)
    guard level >= 1_000_000_000 else { return false }
    level -= 1_000_000_000
    return true
  }
}
