public import Logging
import Primitives

/// Writes Events, without anybody waiting for it: what is recorded is queued, and `run` writes it.
///
/// The same thing seen again within six minutes counts one Event up (`series`), at most once a minute. New Events are
/// limited for each StatefulSet (ten, then one a minute) and each namespace (sixty, then one in five seconds), calls to the
/// API server for all together (fifty, then ten a second). An API server that is away is asked again for a while; what
/// waits is bounded, in all and of each namespace, and the oldest makes room.
public final class EventRecorder: Sendable {
  /// Counts since the start, of Events recorded.
  public struct Statistics: Sendable, Equatable {
    /// Written as Events of their own.
    public var created = 0
    /// Counted up in an Event that was there.
    public var repeated = 0
    /// Not written, since there were too many about one StatefulSet or in one namespace.
    public var limited = 0
    /// Not written, since too many waited, or at the end.
    public var dropped = 0
    /// Not written, since the API server refused them or was away for too long.
    public var failed = 0
  }

  private struct Item: Sendable {
    var event: ClusterEvent
    let time: EventTime
    let seen: Deadline
    var due: Deadline
    var lookups = 0
    var attempts = 0
    /// Names that somebody else had taken.
    var takenNames = 0
    /// Whether an attempt with this name got no answer: it may have been written.
    var mayBeWritten = false
  }

  private struct State: Sendable {
    var queue: [Item] = []
    var series: EventSeries
    var objects: KeyedPace<[String]>
    var namespaces: KeyedPace<String>
    var calls: KeyedPace<Int>
    var pausedUntil = Deadline(nanoseconds: 0)
    var failuresInRow = 0
    /// Verbs that RBAC does not allow, and that was said.
    var complained: Set<String> = []
    var stopsAt: Deadline?
    var statistics = Statistics()

    /// Where the item is that must make room for one more of this namespace; nil if there is room.
    func oldest(tooManyWith namespace: String, _ bounds: EventBounds) -> Int? {
      if queue.count >= bounds.queuedPerNamespace {
        let own = queue.indices.lazy.filter { queue[$0].event.namespace == namespace }
        if own.count >= bounds.queuedPerNamespace { return own.first }
      }
      return queue.count >= bounds.queued ? queue.startIndex : nil
    }
  }

  /// What there is to do now.
  private enum Work: Sendable {
    case write(Item)
    case update(ClusterEvent, EventSeries.Entry)
    case wait(until: Deadline?)
    case done
  }

  private let api: EventAPI
  private let bounds: EventBounds
  private let logger: Logger
  private let now: @Sendable () -> Deadline
  private let clock: @Sendable () -> EventTime
  private let state: Locked<State>
  private let bell = Bell()

  init(
    _ api: EventAPI, bounds: EventBounds = .init(), logger: Logger, now: @escaping @Sendable () -> Deadline = { .now },
    clock: @escaping @Sendable () -> EventTime = { .now }
  ) {
    self.api = api
    self.bounds = bounds
    self.logger = logger
    self.now = now
    self.clock = clock
    state = Locked(
      State(
        series: EventSeries(bounds), objects: KeyedPace(bounds.object), namespaces: KeyedPace(bounds.namespace),
        calls: KeyedPace(bounds.calls, capacity: 1)))
  }

  /// How it does.
  public var statistics: Statistics { state.withLock { $0.statistics } }

  /// Queues an event; waits for nothing.
  public func record(_ event: ClusterEvent) {
    let seen = now()
    var item = Item(event: event, time: clock(), seen: seen, due: seen)
    if case .newStatefulSet = event.subject { item.due = seen.advanced(by: bounds.lookups.first ?? .zero) }
    state.withLock { state in
      if state.stopsAt != nil {
        state.statistics.dropped += 1
        return
      }
      if let oldest = state.oldest(tooManyWith: event.namespace, bounds) {
        state.queue.remove(at: oldest)
        state.statistics.dropped += 1
      }
      state.queue.append(item)
    }
    bell.ring()
  }

  /// Takes no more; `run` writes what is queued, for two seconds at most after the call under way, and ends.
  public func stop() {
    let end = now().advanced(by: bounds.flushTime)
    state.withLock { state in
      state.stopsAt = state.stopsAt ?? end
      // Whatever it waits for, there is no time for it.
      state.pausedUntil = Deadline(nanoseconds: 0)
      for index in state.queue.indices { state.queue[index].due = Deadline(nanoseconds: 0) }
    }
    bell.ring()
  }

  /// Writes until it is stopped, or its task cancelled.
  public func run() async {
    while !Task.isCancelled {
      switch await step() {
      case .done: return
      case .wait(let until): await bell.wait(until: until)
      case .write, .update: continue
      }
    }
  }

  /// Does all that is to be done by now, and says when there will be more. For tests, which move the clock.
  @discardableResult
  func settle() async -> Deadline? {
    while true {
      switch await step() {
      case .done: return nil
      case .wait(let until): return until
      case .write, .update: continue
      }
    }
  }

  private func step() async -> Work {
    let work = next()
    switch work {
    case .write(let item): await write(item)
    case .update(let event, let entry): await update(event, entry)
    case .wait, .done: break
    }
    return work
  }

  private func next() -> Work {
    let now = now()
    return state.withLock { state in
      state.series.prune(now: now)
      let isStopping = state.stopsAt != nil
      if let end = state.stopsAt, now >= end {
        state.statistics.dropped += state.queue.count
        state.queue = []
        return .done
      }
      if state.pausedUntil > now { return .wait(until: state.pausedUntil) }
      let mayCall = state.calls.next(0, now: now)
      if mayCall > now { return .wait(until: mayCall) }
      if let index = state.queue.firstIndex(where: { $0.due <= now }) { return .write(state.queue.remove(at: index)) }
      if let (event, entry) = state.series.next(now: now, all: isStopping) { return .update(event, entry) }
      if isStopping { return .done }
      let due = (state.queue.map(\.due) + [state.series.nextDue].compactMap { $0 }).min()
      return .wait(until: due)
    }
  }

  // MARK: Writing

  private func write(_ item: Item) async {
    var item = item
    do throws(ClusterError) {
      guard try await settleSubject(&item) else { return }
      let now = now()
      let isNew = state.withLock { [item] state in
        if state.series.repeated(item.event, at: item.time, seen: item.seen) {
          state.statistics.repeated += 1
          return false
        }
        // A second attempt was counted before.
        if item.attempts > 0 { return true }
        let object = [item.event.namespace, item.event.subject.name]
        guard state.objects.take(object, now: now), state.namespaces.take(item.event.namespace, now: now) else {
          state.statistics.limited += 1
          return false
        }
        return true
      }
      guard isNew else { return }
      let name = item.event.objectName(nanoseconds: item.time.nanoseconds &+ Int64(item.takenNames))
      do throws(ClusterError) {
        try await call { api, deadline throws(ClusterError) in
          try await api.create(item.event, name: name, at: item.time, deadline: deadline)
        }
      } catch {
        // It is there since the attempt whose answer was lost.
        guard error.code == .conflict, item.mayBeWritten else { throw error }
      }
      state.withLock { [item] state in
        state.statistics.created += 1
        state.series.insert(item.event, name: name, at: item.time, now: item.seen)
      }
    } catch {
      failed(item, error)
    }
  }

  /// Finds out what the event hangs on; false if it goes back into the queue until that can be known.
  private func settleSubject(_ item: inout Item) async throws(ClusterError) -> Bool {
    guard case .newStatefulSet(let name) = item.event.subject else { return true }
    let event = item.event
    do throws(ClusterError) {
      let uid = try await call { api, deadline throws(ClusterError) in
        try await api.uid(ofStatefulSet: name, namespace: event.namespace, deadline: deadline)
      }
      item.event = event.about(.statefulSet(name: name, uid: uid))
      return true
    } catch {
      switch error.code {
      case .notFound:
        item.lookups += 1
        if item.lookups < bounds.lookups.count, state.withLock({ $0.stopsAt == nil }) {
          item.due = now().advanced(by: bounds.lookups[item.lookups])
          let item = item
          state.withLock { $0.queue.append(item) }
          return false
        }
      case .forbidden: complain(error, about: "get")
      case .invalid: break
      case .unavailable, .unauthorized, .conflict, .expired: throw error
      }
      item.event = event.about(.namespace(mentioning: name))
      return true
    }
  }

  private func update(_ event: ClusterEvent, _ entry: EventSeries.Entry) async {
    do throws(ClusterError) {
      try await call { api, deadline throws(ClusterError) in
        try await api.update(
          entry.name, namespace: event.namespace, count: entry.count, last: entry.last, deadline: deadline)
      }
      let now = now()
      state.withLock { $0.series.written(event, count: entry.count, now: now) }
    } catch {
      let due = now().advanced(by: bounds.seriesPace)
      switch error.code {
      case .unavailable, .unauthorized, .conflict, .expired:
        pause()
        state.withLock { state in
          if state.stopsAt == nil { state.series.postpone(event, until: due) } else { state.series.remove(event) }
        }
      case .notFound: state.withLock { $0.series.remove(event) }
      case .forbidden, .invalid:
        complain(error, about: "patch")
        let now = now()
        // Given up, but known: what is seen again must not become a new Event each time.
        state.withLock { $0.series.written(event, count: entry.count, now: now) }
      }
    }
  }

  /// One call, within its time and that which is left.
  private func call<Value: Sendable>(
    _ body: (EventAPI, Deadline) async throws(ClusterError) -> Value
  ) async throws(ClusterError) -> Value {
    let now = now()
    let stopsAt = state.withLock { state in
      _ = state.calls.take(0, now: now)
      return state.stopsAt
    }
    let deadline = min(now.advanced(by: bounds.callTime), stopsAt ?? Deadline(nanoseconds: .max))
    let value = try await body(api, deadline)
    state.withLock { $0.failuresInRow = 0 }
    return value
  }

  // MARK: Failures

  private func failed(_ item: Item, _ error: ClusterError) {
    var item = item
    item.attempts += 1
    switch error.code {
    case .unavailable, .unauthorized, .conflict, .expired:
      if item.attempts < bounds.attempts {
        // A name that is taken is no reason to wait.
        if error.code == .conflict {
          item.takenNames += 1
        } else {
          item.mayBeWritten = true
          pause()
        }
        state.withLock { [item] state in state.queue.insert(item, at: 0) }
        return
      }
      logger.warning(
        "Event not written", metadata: ["namespace": "\(item.event.namespace)", "reason": "\(error.description)"])
    case .forbidden, .invalid: complain(error, about: "create")
    case .notFound:
      logger.debug(
        "Event not written", metadata: ["namespace": "\(item.event.namespace)", "reason": "\(error.description)"])
    }
    state.withLock { $0.statistics.failed += 1 }
  }

  /// Waits before the next call, longer each time.
  private func pause() {
    let now = now()
    state.withLock { state in
      guard state.stopsAt == nil else { return }
      let factor = 1 << min(state.failuresInRow, 10)
      state.failuresInRow += 1
      state.pausedUntil = now.advanced(by: min(bounds.retry * factor, bounds.longestRetry))
    }
  }

  /// Says once what must be changed for it to work.
  private func complain(_ error: ClusterError, about verb: String) {
    let isNew = state.withLock { $0.complained.insert(verb).inserted }
    logger.log(
      level: isNew ? .warning : .debug, "Events cannot be written", metadata: ["reason": "\(error.description)"])
  }
}

extension APICluster {
  /// Writes Events into this cluster, as the replica `instance` (the Pod's name).
  public func eventRecorder(instance: String, logger: Logger) -> EventRecorder {
    EventRecorder(EventAPI(client: client, instance: instance), logger: logger)
  }
}
