import Primitives

@testable import Verification

/// A point that whoever comes to it does not pass until it is opened, or until it is cancelled.
final class Gate: Sendable {
  private struct State {
    var isOpen = false
    var arrived = 0
    var next = 0
    var waiting: [Int: CheckedContinuation<Void, Never>] = [:]
    var left: Set<Int> = []
    var watchers: [(count: Int, continuation: CheckedContinuation<Void, Never>)] = []
  }

  private let opensAt: Int
  private let state = Locked(State())

  /// A gate that opens by itself once `opensAt` have come: they can only all pass if none waits for another.
  init(opensAt: Int = .max) { self.opensAt = opensAt }

  /// Waits until the gate is open or the task cancelled.
  func pass() async {
    let ticket = state.withLock { state in
      state.next += 1
      return state.next
    }
    await withTaskCancellationHandler {
      await withCheckedContinuation { continuation in
        let (isFree, watchers, released) = state.withLock {
          state -> (Bool, [CheckedContinuation<Void, Never>], [CheckedContinuation<Void, Never>]) in
          state.arrived += 1
          let count = state.arrived
          let due = state.watchers.filter { $0.count <= count }.map(\.continuation)
          state.watchers.removeAll { $0.count <= count }
          var released: [CheckedContinuation<Void, Never>] = []
          if count >= opensAt {
            state.isOpen = true
            released = Array(state.waiting.values)
            state.waiting = [:]
          }
          if state.isOpen || state.left.contains(ticket) { return (true, due, released) }
          state.waiting[ticket] = continuation
          return (false, due, released)
        }
        for waiting in watchers + released { waiting.resume() }
        if isFree { continuation.resume() }
      }
    } onCancel: {
      let continuation = state.withLock { state in
        state.left.insert(ticket)
        return state.waiting.removeValue(forKey: ticket)
      }
      continuation?.resume()
    }
  }

  /// Lets all pass, now and later.
  func open() {
    let waiting = state.withLock { state in
      state.isOpen = true
      let waiting = Array(state.waiting.values)
      state.waiting = [:]
      return waiting
    }
    for continuation in waiting { continuation.resume() }
  }

  /// Waits until `count` have come to the gate.
  func arrivals(_ count: Int = 1) async {
    await withCheckedContinuation { continuation in
      let isThere = state.withLock { state in
        if state.arrived >= count { return true }
        state.watchers.append((count, continuation))
        return false
      }
      if isThere { continuation.resume() }
    }
  }

  var arrived: Int { state.withLock { state in state.arrived } }
}

/// A clock that stands until a test moves it, and deadlines that pass when a test says so.
final class TestClock: Sendable {
  private let reading = Locked<UInt64>(1_000_000_000)
  /// Where those wait whose deadline has not passed; each deadline has its own.
  private let gates = Locked<[Deadline: Gate]>([:])

  var now: Deadline { Deadline(nanoseconds: reading.withLock { reading in reading }) }

  /// Moves the clock; wakes nobody.
  func advance(by duration: Duration) {
    let moved = now.advanced(by: duration).nanoseconds
    reading.withLock { reading in reading = moved }
  }

  /// Moves the clock to `deadline` and wakes those who wait for it.
  func pass(_ deadline: Deadline) {
    reading.withLock { reading in reading = max(reading, deadline.nanoseconds) }
    gate(deadline).open()
  }

  var timer: DeadlineTimer { DeadlineTimer { [self] deadline in await gate(deadline).pass() } }

  private func gate(_ deadline: Deadline) -> Gate {
    gates.withLock { gates in
      if let gate = gates[deadline] { return gate }
      let gate = Gate()
      gates[deadline] = gate
      return gate
    }
  }
}
