import Glibc
import Primitives

/// A moment of the wall clock.
struct Timestamp: Sendable {
  /// Seconds since 1970-01-01T00:00:00Z.
  let seconds: Int
  let milliseconds: Int

  static func now() -> Timestamp {
    var time = timespec()
    clock_gettime(CLOCK_REALTIME, &time)
    return Timestamp(seconds: time.tv_sec, milliseconds: time.tv_nsec / 1_000_000)
  }

  /// `2026-11-23T23:16:57.123Z` (RFC 3339).
  var rfc3339: String { CalendarTime.text(Int64(seconds), fraction: Int64(milliseconds), digits: 3) }
}
