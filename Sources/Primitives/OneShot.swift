/// A value that comes once, for one task that waits for it no longer than it wants to.
public final class OneShot<Value: Sendable>: Sendable {
  /// How the wait ended.
  public enum Outcome: Sendable {
    /// The value came.
    case value(Value)
    /// The deadline passed first.
    case timedOut
    /// The task that waits was cancelled first.
    case cancelled
  }

  private enum State: Sendable {
    case pending
    case waiting(CheckedContinuation<Outcome, Never>)
    case settled(Outcome)
  }

  private let state = Locked(State.pending)

  /// A value that is still to come.
  public init() {}

  /// Decides the outcome; false if it had been decided before.
  @discardableResult
  public func settle(_ outcome: Outcome) -> Bool {
    let (isFirst, waiter) = state.withLock { state -> (Bool, CheckedContinuation<Outcome, Never>?) in
      switch state {
      case .settled: return (false, nil)
      case .pending:
        state = .settled(outcome)
        return (true, nil)
      case .waiting(let continuation):
        state = .settled(outcome)
        return (true, continuation)
      }
    }
    waiter?.resume(returning: outcome)
    return isFirst
  }

  /// Waits, once, until the value is there, the deadline has passed by `timer`, or the task is cancelled.
  public func wait(until deadline: Deadline, by timer: DeadlineTimer = .monotonic) async -> Outcome {
    let alarm = Task {
      await timer.wait(deadline)
      if !Task.isCancelled { settle(.timedOut) }
    }
    defer { alarm.cancel() }
    return await withTaskCancellationHandler {
      await withCheckedContinuation { continuation in
        let outcome = state.withLock { state -> Outcome? in
          if case .settled(let outcome) = state { return outcome }
          state = .waiting(continuation)
          return nil
        }
        if let outcome { continuation.resume(returning: outcome) }
      }
    } onCancel: {
      settle(.cancelled)
    }
  }
}
