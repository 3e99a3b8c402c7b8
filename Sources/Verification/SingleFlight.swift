import Primitives

/// Work that is wanted by several at once and done once.
///
/// The work runs in a task of its own, which belongs to no caller: each caller keeps its own deadline and its own
/// cancellation, and leaving early takes nothing from the others. The work is cancelled when the last caller has left.
final class SingleFlight<Key: Hashable & Sendable, Value: Sendable>: Sendable {
  /// How waiting for the work ended.
  enum Outcome: Sendable {
    case value(Value)
    /// The caller's deadline passed, with the work at these steps: a phrase that follows "while".
    case timedOut(String)
    /// The caller itself was cancelled.
    case cancelled
  }

  private let timer: Timer
  // Lock order: this table, then a flight.
  private let flights = Locked<[Key: Flight<Value>]>([:])

  private let observer: (any VerificationObserver)?

  init(timer: Timer, observer: (any VerificationObserver)? = nil) {
    self.timer = timer
    self.observer = observer
  }

  /// The work's value: of the flight under `key` if there is one (`joined` is called then), else of a new one.
  func value(
    of key: Key, deadline: Deadline, joined: () -> Void = {},
    work: @escaping @Sendable (Progress) async -> Value
  ) async -> Outcome {
    let (flight, seat, isNew) = board(key, work)
    if !isNew { joined() }
    let timer = timer
    return await withTaskGroup(of: Outcome.self) { group in
      group.addTask { [self] in
        guard let value = await wait(for: flight, seat: seat, key: key) else { return .cancelled }
        return .value(value)
      }
      group.addTask {
        await timer.wait(deadline)
        // Read now, since the steps end when the work is given up.
        return Task.isCancelled ? .cancelled : .timedOut(flight.progress.description)
      }
      let first = await group.next() ?? .cancelled
      group.cancelAll()
      if case .value = first { return first }
      // The value may have come in the same moment, and then it is the better answer.
      while let other = await group.next() {
        if case .value = other { return other }
      }
      return first
    }
  }

  private func board(
    _ key: Key, _ work: @escaping @Sendable (Progress) async -> Value
  ) -> (flight: Flight<Value>, seat: UInt64, isNew: Bool) {
    flights.withLock { flights in
      if let flight = flights[key], let seat = flight.board() { return (flight, seat, false) }
      let flight = Flight<Value>(Progress(observer: observer))
      let seat = flight.board() ?? 0
      flights[key] = flight
      // Detached, because it must inherit nothing from the caller that happens to be first.
      flight.carry(
        Task.detached { [self] in
          let value = await work(flight.progress)
          remove(flight, key)
          flight.land(value)
        })
      return (flight, seat, true)
    }
  }

  /// Nil if the current task is cancelled first.
  private func wait(for flight: Flight<Value>, seat: UInt64, key: Key) async -> Value? {
    await withTaskCancellationHandler {
      await flight.wait(seat)
    } onCancel: {
      if flight.leave(seat) { remove(flight, key) }
    }
  }

  private func remove(_ flight: Flight<Value>, _ key: Key) {
    flights.withLock { flights in
      if flights[key] === flight { flights[key] = nil }
    }
  }
}

/// What waits for a deadline; tests bring their own.
struct Timer: Sendable {
  /// Returns when the deadline has passed, or at once when the task is cancelled.
  let wait: @Sendable (Deadline) async -> Void

  /// The monotonic clock.
  static let monotonic = Timer { deadline in
    try? await Task.sleep(for: deadline.remaining, tolerance: .milliseconds(1))
  }
}

/// One piece of work under way and those who wait for it.
private final class Flight<Value: Sendable>: Sendable {
  private struct State {
    var value: Value?
    var isAbandoned = false
    var task: Task<Void, Never>?
    var seats: Set<UInt64> = []
    var waiting: [UInt64: CheckedContinuation<Value?, Never>] = [:]
    var nextSeat: UInt64 = 0
  }

  let progress: Progress
  private let state = Locked(State())

  init(_ progress: Progress) { self.progress = progress }

  /// A seat, or nil if the work was given up.
  func board() -> UInt64? {
    state.withLock { state in
      guard !state.isAbandoned else { return nil }
      state.nextSeat &+= 1
      state.seats.insert(state.nextSeat)
      return state.nextSeat
    }
  }

  /// Takes the task that does the work. Called once, before anybody can leave.
  func carry(_ task: Task<Void, Never>) {
    state.withLock { state in state.task = task }
  }

  /// The value once it is there; nil if the seat was left.
  func wait(_ seat: UInt64) async -> Value? {
    await withCheckedContinuation { continuation in
      let answer: Value?? = state.withLock { state in
        if let value = state.value { return .some(value) }
        guard state.seats.contains(seat) else { return .some(nil) }
        state.waiting[seat] = continuation
        return nil
      }
      if let answer { continuation.resume(returning: answer) }
    }
  }

  /// Gives the seat up. Whether it was the last one and the work, unfinished, is given up with it.
  func leave(_ seat: UInt64) -> Bool {
    let (continuation, task, isLast) = state.withLock {
      state -> (CheckedContinuation<Value?, Never>?, Task<Void, Never>?, Bool) in
      guard state.seats.remove(seat) != nil, state.value == nil else { return (nil, nil, false) }
      let continuation = state.waiting.removeValue(forKey: seat)
      guard state.seats.isEmpty else { return (continuation, nil, false) }
      state.isAbandoned = true
      return (continuation, state.task, true)
    }
    task?.cancel()
    continuation?.resume(returning: nil)
    return isLast
  }

  /// Hands the value to all who wait, and to those who will.
  func land(_ value: Value) {
    let waiting = state.withLock { state in
      state.value = value
      state.task = nil
      let waiting = Array(state.waiting.values)
      state.waiting = [:]
      return waiting
    }
    for continuation in waiting { continuation.resume(returning: value) }
  }
}
