import Primitives

/// Makes one of the same work that several ask for at one time.
///
/// The work belongs to nobody who waits: each may leave by its own deadline or cancellation, and the others go on.
final class SingleFlight<Key: Hashable & Sendable, Value: Sendable>: Sendable {
  private struct Waiter: Sendable {
    let continuation: CheckedContinuation<Value?, Never>
    var timer: Task<Void, Never>?
  }

  private struct Flight: Sendable {
    let ends: Deadline
    var waiters: [Int: Waiter] = [:]
  }

  private struct State: Sendable {
    var flights: [Key: Flight] = [:]
    var nextWaiter = 0
  }

  private let state = Locked(State())

  /// The value of the flight under way for `key`, or of one begun now, which has `duration`; nil if `deadline` passes
  /// first or the task is cancelled.
  func value(
    for key: Key, deadline: Deadline, duration: Duration, produce: @escaping @Sendable (Deadline) async -> Value
  ) async -> Value? {
    let waiter = state.withLock { state in
      state.nextWaiter &+= 1
      return state.nextWaiter
    }
    return await withTaskCancellationHandler {
      await withCheckedContinuation { continuation in
        let (ends, begins) = state.withLock { state in
          let begins = state.flights[key] == nil
          let ends = state.flights[key]?.ends ?? .after(duration)
          state.flights[key, default: Flight(ends: ends)].waiters[waiter] = Waiter(continuation: continuation)
          return (ends, begins)
        }
        if begins {
          Task { self.finish(key, with: await produce(ends)) }
        }
        // The flight ends by itself: only those who must leave before need a timer.
        if deadline < ends { setTimer(key, waiter, deadline) }
        if Task.isCancelled { leave(key, waiter) }
      }
    } onCancel: {
      leave(key, waiter)
    }
  }

  private func setTimer(_ key: Key, _ waiter: Int, _ deadline: Deadline) {
    let timer = Task {
      try? await Task.sleep(for: deadline.remaining)
      if !Task.isCancelled { self.leave(key, waiter) }
    }
    let isWaiting = state.withLock { state in
      guard state.flights[key]?.waiters[waiter] != nil else { return false }
      state.flights[key]?.waiters[waiter]?.timer = timer
      return true
    }
    if !isWaiting { timer.cancel() }
  }

  private func finish(_ key: Key, with value: Value) {
    let flight = state.withLock { $0.flights.removeValue(forKey: key) }
    for waiter in flight?.waiters.values ?? [:].values {
      waiter.timer?.cancel()
      waiter.continuation.resume(returning: value)
    }
  }

  private func leave(_ key: Key, _ waiter: Int) {
    let left = state.withLock { $0.flights[key]?.waiters.removeValue(forKey: waiter) }
    left?.timer?.cancel()
    left?.continuation.resume(returning: nil)
  }
}
