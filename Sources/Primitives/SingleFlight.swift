/// Work that is wanted by several at once and done once.
///
/// The work runs in a task of its own, which belongs to no caller: each keeps its own deadline and its own cancellation,
/// and leaving early takes nothing from the others. Whoever comes after the work ended begins it anew: nothing is kept.
public final class SingleFlight<Key: Hashable & Sendable, Value: Sendable, Context: Sendable>: Sendable {
  /// What becomes of work that nobody waits for any longer.
  public enum Unwanted: Sendable {
    /// It is cancelled, and who comes then begins anew, however long it takes to end.
    case cancelled
    /// It goes on, and may be joined; it must end by itself.
    case finished
  }

  private struct Flight: Sendable {
    let id: UInt64
    let context: Context
    let task: Task<Void, Never>
    var waiters: [UInt64: OneShot<Value>]
  }

  private struct State: Sendable {
    var flights: [Key: Flight] = [:]
    var lastID: UInt64 = 0
  }

  private struct Seat {
    let flight: UInt64
    let id: UInt64
    let context: Context
    let isFirst: Bool
  }

  private let state = Locked(State())
  private let timer: DeadlineTimer
  private let unwanted: Unwanted
  private let makeContext: @Sendable () -> Context

  /// Flights that each have a context, made as they begin, under a lock: it must be made at once.
  public init(
    unwanted: Unwanted = .cancelled, timer: DeadlineTimer = .monotonic, context: @escaping @Sendable () -> Context
  ) {
    self.unwanted = unwanted
    self.timer = timer
    makeContext = context
  }

  /// The value of the flight under `key`: of the one under way (`joined` is called then), else of one that does `work`.
  ///
  /// If `deadline` passes first, `late` gets the flight's context, before work that nobody waits for is given up.
  public func value(
    of key: Key, deadline: Deadline, joined: () -> Void = {}, late: (Context) -> Void = { _ in },
    work: @escaping @Sendable (Context) async -> Value
  ) async -> OneShot<Value>.Outcome {
    let waiter = OneShot<Value>()
    let seat = board(key, waiter, work)
    if !seat.isFirst { joined() }
    let outcome = await waiter.wait(until: deadline, by: timer)
    if case .value = outcome { return outcome }
    if case .timedOut = outcome { late(seat.context) }
    leave(key, seat)
    return outcome
  }

  /// How many wait for this key; for tests.
  package func waiterCount(_ key: Key) -> Int {
    state.withLock { $0.flights[key]?.waiters.count ?? 0 }
  }

  private func board(
    _ key: Key, _ waiter: OneShot<Value>, _ work: @escaping @Sendable (Context) async -> Value
  ) -> Seat {
    state.withLock { state in
      state.lastID &+= 1
      let id = state.lastID
      if let flight = state.flights[key] {
        state.flights[key]?.waiters[id] = waiter
        return Seat(flight: flight.id, id: id, context: flight.context, isFirst: false)
      }
      let context = makeContext()
      // Begun under the lock, so that whoever leaves finds the task to cancel. Detached, because it must inherit nothing
      // from the caller that happens to be first.
      let task = Task.detached { [self] in finish(key, id, await work(context)) }
      state.flights[key] = Flight(id: id, context: context, task: task, waiters: [id: waiter])
      return Seat(flight: id, id: id, context: context, isFirst: true)
    }
  }

  private func finish(_ key: Key, _ id: UInt64, _ value: Value) {
    let waiters = state.withLock { state -> [OneShot<Value>] in
      guard let flight = state.flights[key], flight.id == id else { return [] }
      state.flights[key] = nil
      return Array(flight.waiters.values)
    }
    for waiter in waiters { waiter.settle(.value(value)) }
  }

  private func leave(_ key: Key, _ seat: Seat) {
    let abandoned = state.withLock { state -> Task<Void, Never>? in
      guard let flight = state.flights[key], flight.id == seat.flight else { return nil }
      state.flights[key]?.waiters[seat.id] = nil
      guard flight.waiters.allSatisfy({ $0.key == seat.id }), unwanted == .cancelled else { return nil }
      state.flights[key] = nil
      return flight.task
    }
    abandoned?.cancel()
  }
}

extension SingleFlight where Context == Void {
  /// Flights without a context.
  public convenience init(unwanted: Unwanted = .cancelled, timer: DeadlineTimer = .monotonic) {
    self.init(unwanted: unwanted, timer: timer) {}
  }
}
