/// What waits for a deadline; tests bring their own.
public struct DeadlineTimer: Sendable {
  /// Returns when the deadline has passed, or at once when the task is cancelled.
  public let wait: @Sendable (Deadline) async -> Void

  /// A timer that waits by `wait`.
  public init(_ wait: @escaping @Sendable (Deadline) async -> Void) { self.wait = wait }

  /// The monotonic clock.
  public static let monotonic = DeadlineTimer { deadline in
    while !deadline.hasPassed, !Task.isCancelled {
      // A clock's whole range is no duration that it can sleep for.
      try? await Task.sleep(for: min(deadline.remaining, .seconds(86_400)), tolerance: .milliseconds(1))
    }
  }
}
