import Primitives

/// Lets one log line pass in a while, and counts those that it holds back.
final class LinePace: Sendable {
  private let interval: Duration
  private let state = Locked((next: Deadline(nanoseconds: 0), suppressed: 0))

  init(every interval: Duration) { self.interval = interval }

  /// How many lines were held back since the last that passed, if this one passes at `now`; else nil.
  func admit(at now: Deadline) -> Int? {
    state.withLock { state in
      guard now >= state.next else {
        state.suppressed += 1
        return nil
      }
      defer { state = (now.advanced(by: interval), 0) }
      return state.suppressed
    }
  }
}
