import Primitives

/// A value that comes once, for one task that waits for it no longer than it wants to.
final class OneShot<Value: Sendable>: Sendable {
  enum Outcome: Sendable {
    case value(Value)
    case timedOut
    case cancelled
  }

  private enum State: Sendable {
    case pending
    case waiting(CheckedContinuation<Outcome, Never>)
    case settled(Outcome)
  }

  private let state = Locked(State.pending)

  /// Decides the outcome; false if it had been decided before.
  @discardableResult
  func settle(_ outcome: Outcome) -> Bool {
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

  /// Waits, once, until the value is there, the deadline has passed or the task is cancelled.
  func wait(until deadline: Deadline) async -> Outcome {
    let timer = Task {
      // A clock's whole range is no duration that it can sleep for.
      try await Task.sleep(for: min(deadline.remaining, .seconds(86_400)))
      settle(.timedOut)
    }
    defer { timer.cancel() }
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
