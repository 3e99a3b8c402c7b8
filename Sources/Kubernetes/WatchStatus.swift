import HTTPClient
import Primitives

/// How a watch stands.
struct WatchStatus: Sendable {
  /// Whether the collection was listed, however long ago.
  var isSynced = false
  /// The last sign that it sees what happens: a whole list, a stream that opened, an event, a bookmark.
  var lastSign: Deadline?
  /// Since when it sees nothing, though it tries; nil while it does.
  var brokenSince: Deadline?
  /// Why, as the last try had it; nil while it does.
  var failure: ClusterError?
  /// How often it broke.
  var breaks = 0
}

/// Why a watch does not go on by itself.
struct WatchFailure: Error {
  let error: ClusterError
  /// Whether what was seen so far is no beginning to go on from any more.
  var listsAnew = false
  /// What the server asks to wait.
  var retryAfter: Duration?

  /// What a server's refusal means; `retryAfter` is the header of that name.
  static func refused(_ error: ClusterError, retryAfter: String?) -> WatchFailure {
    let seconds = retryAfter.flatMap { Int64($0) }.map { Duration.seconds(max(0, min($0, 3600))) }
    return WatchFailure(error: error, listsAnew: error.code == .expired, retryAfter: seconds)
  }

  /// Servers may ask for patience, within reason.
  private static let longestRetryAfter = Duration.seconds(60)
  /// What RBAC forbids does not change by asking.
  private static let forbiddenPause = Duration.seconds(60)

  /// The least pause before the next try; `isEarly`: not yet where it is forbidden, for a server that has just begun forbids
  /// for a moment what it has not read yet.
  func leastPause(_ pace: WatchPace, isEarly: Bool) -> Duration {
    if error.code == .forbidden, !isEarly { return pace.jittered(Self.forbiddenPause) }
    return min(retryAfter ?? .zero, Self.longestRetryAfter)
  }
}
