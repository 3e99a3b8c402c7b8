import Primitives

/// Lets so many requests to one host go at a time, the others after them in the order in which they came.
final class RequestGate: Sendable {
  private struct Host: Sendable {
    var active = 0
    var waiting: [OneShot<Void>] = []
  }

  /// Waiters hold memory until their deadlines: beyond this many for one host, the next is told so.
  static let maximumWaiters = 1024

  private let limit: Int
  private let hosts = Locked([String: Host]())

  init(limit: Int) { self.limit = max(1, limit) }

  /// Waits for a place, which the caller must `leave`.
  func enter(_ host: String, deadline: Deadline) async throws(RegistryError) {
    enum Entry: Sendable {
      case admitted, full
      case wait(OneShot<Void>)
    }
    let limit = limit
    let entry = hosts.withLock { hosts -> Entry in
      var state = hosts[host] ?? Host()
      defer { hosts[host] = state }
      if state.active < limit {
        state.active += 1
        return .admitted
      }
      guard state.waiting.count < Self.maximumWaiters else { return .full }
      let place = OneShot<Void>()
      state.waiting.append(place)
      return .wait(place)
    }
    switch entry {
    case .admitted: return
    case .full:
      throw RegistryError(
        .registryUnavailable, "\(host): \(Self.maximumWaiters) requests wait for this registry already")
    case .wait(let place):
      switch await place.wait(until: deadline) {
      case .value: return
      case .timedOut:
        abandon(host, place)
        throw RegistryError(
          .deadlineExceeded, "\(host): time ran out waiting for one of \(limit) requests at a time to end")
      case .cancelled:
        abandon(host, place)
        throw RegistryError(.deadlineExceeded, "\(host): cancelled while waiting for a request to end")
      }
    }
  }

  /// Gives the place to the next.
  func leave(_ host: String) {
    hosts.withLock { hosts in
      guard var state = hosts[host] else { return }
      while !state.waiting.isEmpty {
        if state.waiting.removeFirst().settle(.value(())) {
          hosts[host] = state
          return
        }
      }
      state.active -= 1
      hosts[host] = state.active == 0 ? nil : state
    }
  }

  /// How many wait for this host; for tests.
  func waiterCount(_ host: String) -> Int {
    hosts.withLock { $0[host]?.waiting.count ?? 0 }
  }

  private func abandon(_ host: String, _ place: OneShot<Void>) {
    hosts.withLock { hosts in
      hosts[host]?.waiting.removeAll { $0 === place }
    }
  }
}
