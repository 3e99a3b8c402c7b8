import Primitives

/// How long the steps of one verification took; nil for a step that was not made.
public struct VerificationTimes: Sendable, Hashable {
  /// Asking the registry what the tag names.
  public var resolve: Duration?
  /// Looking for signatures: the time until there was a conclusion, less `verify`.
  public var find: Duration?
  /// Computing: the checks of all candidates together, which may have been made side by side.
  public var verify: Duration?

  /// No step.
  public init() {}
}

/// Notes the times of one verification for whoever asks for it. Nothing is measured for a request that has none.
public final class VerificationStopwatch: Sendable {
  private let state = Locked(VerificationTimes())

  /// A stopwatch for one request.
  public init() {}

  /// What was noted until now.
  public var times: VerificationTimes { state.withLock { $0 } }

  func resolved(since start: Deadline) {
    let elapsed = Deadline.now.since(start)
    state.withLock { $0.resolve = elapsed }
  }

  /// A search ended, or was given up, in which the checks took `verify`.
  func searched(since start: Deadline, verify: Duration?) {
    let elapsed = Deadline.now.since(start)
    state.withLock { times in
      times.find = max(.zero, elapsed - (verify ?? .zero))
      times.verify = verify
    }
  }
}
