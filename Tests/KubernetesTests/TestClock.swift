import Primitives

@testable import Kubernetes

/// A clock that stands until it is moved, for a watch's pace.
final class TestClock: Sendable {
  private struct Sleeper: Sendable {
    let wakes: Deadline
    let continuation: CheckedContinuation<Void, Never>
  }

  private struct State: Sendable {
    var now = Deadline(nanoseconds: 1_000_000_000_000)
    var sleeps: [Duration] = []
    var sleepers: [Int: Sleeper] = [:]
    var next = 0
  }

  private let state = Locked(State())
  /// Whether whoever sleeps moves the clock himself, and so never waits.
  private let isAutomatic: Bool

  init(isAutomatic: Bool) { self.isAutomatic = isAutomatic }

  var now: Deadline { state.withLock { $0.now } }
  /// How long everybody wanted to sleep.
  var sleeps: [Duration] { state.withLock { $0.sleeps } }

  /// Without any chance: jittered times are half of what they might be.
  var pace: WatchPace {
    WatchPace(now: { self.now }, sleep: { await self.sleep($0) }, random: { 0 })
  }

  func advance(by time: Duration) {
    let awake = state.withLock { state in
      state.now = state.now.advanced(by: time)
      let now = state.now
      let awake = state.sleepers.filter { $0.value.wakes <= now }
      for id in awake.keys { state.sleepers[id] = nil }
      return awake.values.map(\.continuation)
    }
    for continuation in awake { continuation.resume() }
  }

  private func sleep(_ time: Duration) async {
    let id = state.withLock { state in
      state.sleeps.append(time)
      state.next += 1
      return state.next
    }
    if isAutomatic || time == .zero { return advance(by: time) }
    await withTaskCancellationHandler {
      await withCheckedContinuation { continuation in
        let isCancelled = Task.isCancelled
        state.withLock {
          $0.sleepers[id] = Sleeper(
            wakes: isCancelled ? $0.now : $0.now.advanced(by: time), continuation: continuation)
        }
        if isCancelled { wake(id) }
      }
    } onCancel: {
      wake(id)
    }
  }

  private func wake(_ id: Int) {
    state.withLock { $0.sleepers.removeValue(forKey: id) }?.continuation.resume()
  }
}

/// Waits until something is so; false if it never is.
func eventually(_ condition: @Sendable () async -> Bool) async -> Bool {
  let limit = Deadline.after(.seconds(60))
  while !limit.hasPassed {
    if await condition() { return true }
    try? await Task.sleep(for: .milliseconds(2))
  }
  return false
}
