import Primitives

/// Wakes the one who waits, early or at a time.
final class Bell: Sendable {
  private struct State: Sendable {
    var isRung = false
    var waiter: CheckedContinuation<Void, Never>?
  }

  private let state = Locked(State())

  func ring() {
    let waiter = state.withLock { state in
      state.isRung = state.waiter == nil
      defer { state.waiter = nil }
      return state.waiter
    }
    waiter?.resume()
  }

  /// Returns at `deadline`, when the bell rings or has rung, or when the task is cancelled.
  func wait(until deadline: Deadline?) async {
    let timer = deadline.map { deadline in
      Task {
        try? await Task.sleep(for: min(deadline.remaining, .seconds(3600)))
        if !Task.isCancelled { self.ring() }
      }
    }
    await withTaskCancellationHandler {
      await withCheckedContinuation { continuation in
        let isRung = state.withLock { state in
          defer { state.isRung = false }
          if !state.isRung { state.waiter = continuation }
          return state.isRung
        }
        if isRung { continuation.resume() }
      }
    } onCancel: {
      ring()
    }
    timer?.cancel()
  }
}
