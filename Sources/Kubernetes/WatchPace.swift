import JSON
import Primitives

/// The clock and the dice of a watch; tests give their own.
struct WatchPace: Sendable {
  /// The present moment.
  var now: @Sendable () -> Deadline = { .now }
  /// Returns after the time, or when the task is cancelled.
  var sleep: @Sendable (Duration) async -> Void = { try? await Task.sleep(for: $0) }
  /// A number from 0 up to but not including 1.
  var random: @Sendable () -> Double = { .random(in: 0..<1) }

  /// Between half of a time and all of it, so that many do not come back together.
  func jittered(_ time: Duration) -> Duration { time * (0.5 + random() / 2) }
}

/// How long to wait before the next try: half a second, twice as long each time, at most ten seconds: until then a changed
/// policy is not seen.
struct WatchBackoff: Sendable {
  private static let first = Duration.milliseconds(500)
  private static let last = Duration.seconds(10)

  private var step = first

  /// The time now, jittered; the next will be longer.
  mutating func next(_ pace: WatchPace) -> Duration {
    defer { step = min(step * 2, Self.last) }
    return pace.jittered(step)
  }

  /// Begins again from the shortest.
  mutating func reset() { step = Self.first }
}

/// What a watch takes at most.
struct WatchLimits: Sendable {
  /// Objects asked for at once; fewer where an answer is too large.
  var pageObjects = 500
  /// Bytes of one page.
  var pageBytes = 16 << 20
  /// Bytes of one event: an object of the API server's own bound (1.5 MiB stored, more in JSON), and some.
  var lineBytes = (4 << 20) + (64 << 10)
  /// Objects of a collection.
  var objects = 100_000
  /// Bytes of all pages of one list.
  var listBytes = 2 << 30
  /// Pages of one list.
  var pages = 20_000
  /// For one page, and until a stream opens.
  var requestTimeout = Duration.seconds(30)
  /// A stream on which nothing arrives for as long is opened anew: the API server sends a bookmark every minute.
  var silence = Duration.seconds(100)

  func json(_ bytes: Int) -> JSONDocument.Limits { JSONDocument.Limits(bytes: bytes, values: 2 << 20) }
}
