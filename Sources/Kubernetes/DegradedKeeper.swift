import HTTPClient
import Logging
import Primitives

/// Follows one StatefulSet until its task is cancelled.
typealias DegradedWatch =
  @Sendable (StatefulSetID, @escaping @Sendable (WatchChange<DegradedObject>) -> Void) async -> Void

/// Keeps the condition `Degraded` of StatefulSets whose updates were refused: writes it, puts it back when the StatefulSet
/// controller has dropped it, and takes it back when an update is let in.
///
/// `decide` only notes; `run` does the work. Each StatefulSet concerned is watched by itself, for as long as its condition
/// is true and some time after; how many there are is bounded, in all and in each namespace, and so is the pace of all writes
/// together. See `DegradedTrack` for the rules.
public final class DegradedKeeper: Sendable {
  /// What may be set.
  public struct Options: Sendable {
    /// StatefulSets looked after at a time; beyond that the one longest without a verdict is let go.
    public var maximumObjects = 256
    /// The same in one namespace, so that none can take all the places.
    public var maximumObjectsPerNamespace = 64
    /// Kinds of owners that get the condition too.
    public var owners: Set<OwnerKind> = []
    /// How long a condition that is no longer true is kept there.
    public var recoveryLifetime: Duration = .seconds(900)

    /// The defaults.
    public init() {}
  }

  /// What came of writes, and of attempts.
  public enum WriteOutcome: String, Sendable, CaseIterable {
    /// Taken by the API server.
    case written
    /// Another state came between.
    case conflict
    /// RBAC does not allow it.
    case forbidden
    /// No answer, or none that decides anything.
    case unavailable
    /// The object is gone.
    case gone
    /// Refused as wrong.
    case invalid
  }

  /// Counts for metrics.
  public struct Statistics: Sendable {
    /// StatefulSets looked after now.
    public var objects = 0
    /// Writes so far, to StatefulSets and owners.
    public var writes: [WriteOutcome: Int] = [:]
  }

  /// The clock and the sleep; tests give their own.
  struct Pace: Sendable {
    var now: @Sendable () -> Deadline = { .now }
    var seconds: @Sendable () -> Int64 = { WallClock.seconds }
    var sleep: @Sendable (Duration) async -> Void = { try? await Task.sleep(for: $0) }
  }

  /// One StatefulSet that is looked after.
  final class Entry: Sendable {
    let track: Locked<DegradedTrack>
    let wakes: AsyncStream<Void>
    let waker: AsyncStream<Void>.Continuation

    init(_ track: DegradedTrack) {
      self.track = Locked(track)
      (wakes, waker) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
    }
  }

  private struct Complaint: Hashable, Sendable {
    let what: String
    let code: ClusterError.Code
  }

  private struct State: Sendable {
    var roster: DegradedRoster
    /// Of all writes together: fifty at once, then ten a second.
    var calls = KeyedPace<Int>((burst: 50, pace: .milliseconds(100)), capacity: 1)
    var writes: [WriteOutcome: Int] = [:]
    /// What was complained about, so that it is said once.
    var said: Set<Complaint> = []
  }

  let options: Options
  let limits: DegradedTrack.Limits
  let pace: Pace
  let writer: ConditionWriter
  let owners: ConditionOwnerWriter
  let watch: DegradedWatch
  let logger: Logger
  private let state: Locked<State>
  private let wakes: AsyncStream<Void>
  private let waker: AsyncStream<Void>.Continuation

  init(
    _ writer: ConditionWriter, options: Options = Options(), limits: DegradedTrack.Limits? = nil, pace: Pace = Pace(),
    logger: Logger = Logger(label: "pinseal.degraded"), watch: @escaping DegradedWatch
  ) {
    self.options = options
    state = Locked(
      State(
        roster: DegradedRoster(
          maximum: options.maximumObjects, maximumPerNamespace: options.maximumObjectsPerNamespace)))
    var standard = DegradedTrack.Limits()
    standard.recoveryLifetime = options.recoveryLifetime
    self.limits = limits ?? standard
    self.pace = pace
    self.writer = writer
    self.logger = logger
    owners = ConditionOwnerWriter(writer, kinds: options.owners)
    self.watch = watch
    (wakes, waker) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
  }

  /// How it stands.
  public var statistics: Statistics {
    state.withLock { Statistics(objects: $0.roster.entries.count, writes: $0.writes) }
  }

  /// Whether this StatefulSet's condition is held to be true here. Never waits.
  public func holdsDegraded(_ id: StatefulSetID) -> Bool {
    guard let entry = state.withLock({ $0.roster.entries[id] }) else { return false }
    return entry.track.withLock { $0.goal.isTrue && $0.end == nil }
  }

  /// Notes what was found out about an update of the StatefulSet, whose stored state has `generation` (nil: not known). The
  /// last verdict counts; one for which there is no room is forgotten. Never waits.
  public func decide(_ id: StatefulSetID, _ verdict: DegradedVerdict, generation: Int64?) {
    let now = pace.now()
    let (entry, placement): (Entry, DegradedRoster.Placement) = state.withLock { state in
      if let known = state.roster.entries[id] {
        let isAlive = known.track.withLock { track in
          guard track.end == nil else { return false }
          track.decide(verdict, generation: generation, now: now)
          return true
        }
        if isAlive {
          state.roster.touch(id)
          return (known, .placed)
        }
      }
      let made = Entry(DegradedTrack(id, verdict, generation: generation, limits: limits, now: now))
      return (made, state.roster.add(made, id, now: now))
    }
    switch placement {
    case .placed: break
    case .displaced(let other):
      logger.notice(
        "too many StatefulSets are degraded: the condition of this one is no longer kept",
        metadata: ["statefulset": "\(other.namespace)/\(other.name)"])
    case .refused:
      logger.debug(
        "too many StatefulSets are degraded: this one gets no condition",
        metadata: ["statefulset": "\(id.namespace)/\(id.name)"])
      return
    }
    entry.waker.yield()
    waker.yield()
  }

  /// Works until the task is cancelled.
  public func run() async {
    await withDiscardingTaskGroup { group in
      group.addTask { await self.adopt() }
      for await _ in wakes {
        for entry in state.withLock({ $0.roster.takePending() }) { group.addTask { await self.keep(entry) } }
      }
      group.cancelAll()
    }
  }

  // MARK: Entries

  /// Another StatefulSet of the same owner that is degraded, with its condition.
  func otherDegraded(_ owner: ControllingOwner, than id: StatefulSetID) -> (StatefulSetID, Condition)? {
    let others = state.withLock { $0.roster.entries.filter { $0.key != id && $0.key.namespace == id.namespace } }
    for (other, entry) in others {
      let condition = entry.track.withLock { track in
        track.end == nil && track.goal.isTrue && track.object?.owner == owner ? track.goal : nil
      }
      if let condition { return (other, condition) }
    }
    return nil
  }

  // MARK: Work

  /// Takes up what was true before this process was there, so that a restart forgets nobody.
  private func adopt() async {
    var pause = limits.firstRetry
    while !Task.isCancelled {
      do throws(ClusterError) {
        let found = try await writer.degraded(limit: options.maximumObjects)
        let now = pace.now()
        state.withLock { state in
          for object in found where state.roster.entries[object.id] == nil {
            guard let track = DegradedTrack(adopting: object, limits: limits, now: now) else { continue }
            _ = state.roster.add(Entry(track), object.id, displaces: false, now: now)
          }
        }
        if !found.isEmpty {
          logger.info("degraded StatefulSets are looked after again", metadata: ["count": "\(found.count)"])
        }
        waker.yield()
        return
      } catch {
        say(error, about: "StatefulSets that are degraded already cannot be looked for")
        guard error.code == .unavailable || error.code == .unauthorized || error.code == .expired else { return }
        await pace.sleep(pause)
        pause = min(pause * 2, limits.longestRetry)
      }
    }
  }

  /// Looks after one StatefulSet until there is no more to do.
  private func keep(_ entry: Entry) async {
    let id = entry.track.withLock { $0.id }
    await withTaskGroup(of: Void.self) { group in
      group.addTask {
        await self.watch(id) { change in
          let now = self.pace.now()
          entry.track.withLock { $0.see(change, now: now) }
          entry.waker.yield()
        }
      }
      var wakes = entry.wakes.makeAsyncIterator()
      var hasTurn = false
      working: while !Task.isCancelled {
        let now = pace.now()
        let action = entry.track.withLock { $0.next(now: now) }
        if action.isCall {
          // What is to be done may have changed by then.
          if !hasTurn, case let wait = turn(now), wait > .zero {
            hasTurn = true
            await pace.sleep(wait)
            continue
          }
          hasTurn = false
        }
        switch action {
        case .wait(let moment):
          guard let moment else {
            if await wakes.next() == nil { break working }
            continue
          }
          let isOver = await withTaskGroup(of: Void.self) { timer in
            timer.addTask {
              await self.pace.sleep(moment.since(now))
              if !Task.isCancelled { entry.waker.yield() }
            }
            defer { timer.cancelAll() }
            return await wakes.next() == nil
          }
          if isOver { break working }
        case .write(let condition, let version): await write(condition, over: version, entry, id)
        case .writeOwner(let condition, let owner): await writeOwner(condition, owner, entry, id)
        case .end(let end):
          logger.log(
            level: end == .failed ? .warning : .debug, "a StatefulSet's condition is no longer kept",
            metadata: ["statefulset": "\(id.namespace)/\(id.name)", "because": "\(end)"])
          break working
        }
      }
      group.cancelAll()
    }
    state.withLock { $0.roster.remove(entry, id) }
  }

  /// Takes the next turn for a write; how long it is until then.
  private func turn(_ now: Deadline) -> Duration {
    state.withLock { state in
      let moment = max(now, state.calls.next(0, now: now))
      _ = state.calls.take(0, now: moment)
      return moment.since(now)
    }
  }

  private func write(_ goal: Condition, over version: String, _ entry: Entry, _ id: StatefulSetID) async {
    var condition = goal
    if condition.lastTransitionTime.isEmpty { condition.lastTransitionTime = Condition.time(pace.seconds()) }
    let result: Result<DegradedObject, ClusterError>
    do throws(ClusterError) {
      result = .success(try await writer.apply(condition, to: id, resourceVersion: version))
      count(nil)
      logger.info(
        "condition written",
        metadata: [
          "statefulset": "\(id.namespace)/\(id.name)", "Degraded": "\(condition.status)",
          "reason": "\(condition.reason)",
        ])
    } catch {
      result = .failure(error)
      if Task.isCancelled { return }
      count(error)
      say(error, about: "the condition Degraded cannot be written")
    }
    let now = pace.now()
    entry.track.withLock { $0.wrote(condition, result, now: now) }
  }

  private func writeOwner(_ goal: Condition, _ owner: ControllingOwner, _ entry: Entry, _ id: StatefulSetID) async {
    var failure: ClusterError?
    do throws(ClusterError) {
      let time = Condition.time(pace.seconds())
      var outcome = try await owners.write(goal, about: id, to: owner, at: time)
      if !goal.isTrue, outcome == .written, let (other, condition) = otherDegraded(owner, than: id) {
        outcome = try await owners.write(condition, about: other, to: owner, at: time)
      }
      switch outcome {
      case .written: count(nil)
      case .unchanged: break
      case .ignored(let reason):
        if let reason { say(ClusterError(.invalid, reason), about: "an owner gets no condition") }
      }
    } catch {
      if Task.isCancelled { return }
      failure = error
      count(error)
      say(error, about: "the condition Degraded of an owner cannot be written")
    }
    let now = pace.now()
    entry.track.withLock { $0.wroteOwner(goal, failure, now: now) }
  }

  private func count(_ error: ClusterError?) {
    let outcome: WriteOutcome =
      switch error?.code {
      case nil: .written
      case .conflict?: .conflict
      case .forbidden?, .unauthorized?: .forbidden
      case .unavailable?, .expired?: .unavailable
      case .notFound?: .gone
      case .invalid?: .invalid
      }
    state.withLock { state in
      state.writes[outcome, default: 0] += 1
      // What passes and comes again is news again.
      if outcome == .written { state.said = state.said.filter { $0.code != .unavailable } }
    }
  }

  /// Says once what is wrong in the same way for all, and what passes only to whoever looks closely.
  private func say(_ error: ClusterError, about what: String) {
    switch error.code {
    case .conflict, .notFound: logger.debug("\(what)", metadata: ["reason": "\(error.description)"])
    case .unavailable, .expired, .unauthorized, .forbidden, .invalid:
      let isNews = state.withLock { $0.said.insert(Complaint(what: what, code: error.code)).inserted }
      logger.log(level: isNews ? .warning : .debug, "\(what)", metadata: ["reason": "\(error.description)"])
    }
  }
}

extension DegradedTrack {
  /// Told of what a watch has seen.
  mutating func see(_ change: WatchChange<DegradedObject>, now: Deadline) {
    switch change {
    case .listed(let objects):
      guard let object = objects.first else { return seeNothing() }
      see(object, now: now)
    case .stored(let object): see(object, now: now)
    case .deleted: seeNothing()
    }
  }
}
