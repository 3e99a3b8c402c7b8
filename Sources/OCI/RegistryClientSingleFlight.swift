import Primitives

/// Makes identical pieces of work that are under way one. Each caller waits by its own deadline and cancellation; the work
/// ends early only when nobody waits any longer.
final class SingleFlight<Key: Hashable & Sendable, Value: Sendable>: Sendable {
  typealias Outcome = Result<Value, RegistryError>

  private struct Flight: Sendable {
    let id: UInt64
    var waiters: [UInt64: OneShot<Outcome>]
    var task: Task<Void, Never>?
  }

  private struct State: Sendable {
    var flights: [Key: Flight] = [:]
    var lastID: UInt64 = 0
  }

  private let state = Locked(State())

  /// The outcome of `work`, started by whoever came first with this key.
  func run(
    _ key: Key, deadline: Deadline, _ work: @escaping @Sendable () async -> Outcome
  ) async -> OneShot<Outcome>.Outcome {
    let waiter = OneShot<Outcome>()
    let (flightID, waiterID) = state.withLock { state -> (UInt64, UInt64) in
      state.lastID &+= 1
      let waiterID = state.lastID
      if var flight = state.flights[key] {
        flight.waiters[waiterID] = waiter
        state.flights[key] = flight
        return (flight.id, waiterID)
      }
      // Begun under the lock, so that whoever leaves finds the task to cancel.
      let task = Task { [self] in
        let outcome = await work()
        finish(key, waiterID, outcome)
      }
      state.flights[key] = Flight(id: waiterID, waiters: [waiterID: waiter], task: task)
      return (waiterID, waiterID)
    }
    let outcome = await waiter.wait(until: deadline)
    if case .value = outcome { return outcome }
    leave(key, flightID, waiterID)
    return outcome
  }

  /// How many wait for this key; for tests.
  func waiterCount(_ key: Key) -> Int {
    state.withLock { $0.flights[key]?.waiters.count ?? 0 }
  }

  private func finish(_ key: Key, _ id: UInt64, _ outcome: Outcome) {
    let waiters = state.withLock { state -> [OneShot<Outcome>] in
      guard let flight = state.flights[key], flight.id == id else { return [] }
      state.flights[key] = nil
      return Array(flight.waiters.values)
    }
    for waiter in waiters { waiter.settle(.value(outcome)) }
  }

  private func leave(_ key: Key, _ flightID: UInt64, _ waiterID: UInt64) {
    let abandoned = state.withLock { state -> Task<Void, Never>? in
      guard var flight = state.flights[key], flight.id == flightID else { return nil }
      flight.waiters[waiterID] = nil
      guard flight.waiters.isEmpty else {
        state.flights[key] = flight
        return nil
      }
      state.flights[key] = nil
      return flight.task
    }
    abandoned?.cancel()
  }
}
