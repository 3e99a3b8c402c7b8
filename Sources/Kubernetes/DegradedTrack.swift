import Primitives

/// What was found out about the images of a StatefulSet's update.
public enum DegradedVerdict: Sendable, Hashable {
  /// The update was refused, with this text.
  case refused(String)
  /// The update was let in; in words, what was verified.
  case verified(String)
  /// The update was let in although its images were not verified; in words, why.
  case notEnforced(String)

  /// The condition that says so, without a time; its message printable and bounded.
  var condition: Condition {
    func made(_ status: String, _ reason: String, _ message: String) -> Condition {
      let text = message.printable(limit: Condition.maximumMessageBytes).cut(toBytes: Condition.maximumMessageBytes)
      return Condition(status: status, reason: reason, message: text)
    }
    return switch self {
    case .refused(let message): made("True", Condition.failed, message)
    case .verified(let message): made("False", Condition.succeeded, message)
    case .notEnforced(let message): made("False", Condition.notEnforced, message)
    }
  }
}

/// How one StatefulSet's condition is kept: told of verdicts, of the object as it is, and of what came of writes, it says
/// what to do next. Holds no clock and waits for nobody.
///
/// The StatefulSet controller forgets the condition with each status that it writes, so it is put back. Replicas do not
/// fight: what says the same in other words is taken over, and where another replica says the opposite later, this one ends.
/// Every write is bound to the state that was looked at, so that none goes over what nobody here has seen.
struct DegradedTrack: Sendable {
  struct Limits: Sendable {
    /// How long a condition that is no longer true is kept there, for whoever waits for it.
    var recoveryLifetime: Duration = .seconds(900)
    /// After an admission that passed: the update that it belongs to must not meet a write of ours on its way.
    var settling: Duration = .seconds(1)
    /// Between two writes to one object.
    var pause: Duration = .milliseconds(500)
    /// So many in a row, then each pause is twice the one before.
    var quickWrites = 10
    var longestPause: Duration = .seconds(15)
    /// A row ends after so much time without a write.
    var calm: Duration = .seconds(60)
    /// After the first failure; each further one doubles it.
    var firstRetry: Duration = .seconds(1)
    var longestRetry: Duration = .seconds(60)
    /// Failures in a row after which nothing more is tried.
    var maximumFailures = 20
  }

  enum Action: Sendable, Equatable {
    /// Nothing until something is seen, or until then.
    case wait(until: Deadline?)
    /// Write this condition over the state `resourceVersion`.
    case write(Condition, resourceVersion: String)
    /// Write this condition to the owner.
    case writeOwner(Condition, ControllingOwner)
    case end(End)

    /// Whether the API server is asked for it.
    var isCall: Bool {
      switch self {
      case .write, .writeOwner: true
      case .wait, .end: false
      }
    }
  }

  enum End: Sendable, Equatable {
    /// Deleted, being deleted, or made anew under the same name.
    case gone
    /// Another replica decided later.
    case elsewhere
    /// It is not true, and was kept there for long enough.
    case recovered
    /// Writing failed too often.
    case failed
    /// There is no room.
    case letGo
  }

  let id: StatefulSetID
  let limits: Limits
  /// What shall be there; its time is empty until it is written or found.
  private(set) var goal: Condition
  private(set) var object: DegradedObject?
  private(set) var end: End?
  /// Whether the verdict is newer than what was last written or found.
  private(set) var isFresh = true
  /// Whether another replica knows better why the condition is no longer true.
  private var isInferred = false
  private var keepUntil: Deadline?
  /// The generation that was refused a change, and the images that it has.
  private var refusedGeneration: Int64?
  private var refusedImages: [String]?
  /// Older states are no news.
  private var oldestVersion: Int64?
  private var mayWrite: Deadline
  private var lastWrite: Deadline?
  private var writes = 0
  private var failures = 0
  private var owesOwner: Bool
  private var ownerFailures = 0
  private var mayWriteOwner: Deadline

  /// Begins with a verdict about an update of the object, whose stored state had `generation`.
  init(_ id: StatefulSetID, _ verdict: DegradedVerdict, generation: Int64?, limits: Limits, now: Deadline) {
    self.id = id
    self.limits = limits
    goal = verdict.condition
    mayWrite = now
    owesOwner = true
    mayWriteOwner = now
    decide(verdict, generation: generation, now: now)
  }

  /// Begins with an object whose condition is true already, by another's word.
  init?(adopting object: DegradedObject, limits: Limits, now: Deadline) {
    guard let condition = object.condition, condition.isOwn, condition.isTrue, !object.isBeingDeleted else {
      return nil
    }
    id = object.id
    self.limits = limits
    goal = condition
    isFresh = false
    mayWrite = now
    owesOwner = true
    mayWriteOwner = now
    see(object, now: now)
  }

  /// Another verdict.
  mutating func decide(_ verdict: DegradedVerdict, generation: Int64?, now: Deadline) {
    set(verdict.condition, now: now)
    isInferred = false
    refusedGeneration = goal.isTrue ? generation : nil
    refusedImages = nil
    if let object {
      learnImages(of: object)
      if let found = object.condition { confirm(found) }
    }
    if !goal.isTrue { settle(now) }
  }

  /// Told that there is no room.
  mutating func letGo() { end = end ?? .letGo }

  /// Told of the object as it is.
  mutating func see(_ seen: DegradedObject, now: Deadline) {
    guard end == nil else { return }
    if seen.id != id || seen.isBeingDeleted {
      end = .gone
      return
    }
    if let version = seen.version, let oldestVersion, version < oldestVersion { return }
    object = seen
    oldestVersion = seen.version
    learnImages(of: seen)
    if goal.isTrue, let refusedImages, refusedImages != seen.images {
      // Admitted at another replica, which knows better what to say: it is left a moment to say it.
      isInferred = true
      set(DegradedVerdict.verified("an update with other images was admitted after the refusal").condition, now: now)
      settle(now)
    }
    guard let found = seen.condition, !confirm(found) else { return }
    if found.isOwn, !found.agrees(with: goal), !isFresh { end = .elsewhere }
  }

  /// Told that the object is not there.
  mutating func seeNothing() { end = end ?? .gone }

  /// What to do now.
  mutating func next(now: Deadline) -> Action {
    if let end { return .end(end) }
    if let keepUntil, keepUntil <= now {
      end = .recovered
      return .end(.recovered)
    }
    guard let object else { return .wait(until: nil) }
    let isThere = object.condition.map { found in !isFresh && found.agrees(with: goal) } ?? false
    var moments: [Deadline] = keepUntil.map { [$0] } ?? []
    if !isThere {
      if mayWrite <= now {
        var condition = goal
        if let found = object.condition, found.status.utf8.elementsEqual(goal.status.utf8),
          !found.lastTransitionTime.isEmpty
        {
          condition.lastTransitionTime = found.lastTransitionTime
        }
        return .write(condition, resourceVersion: object.resourceVersion)
      }
      moments.append(mayWrite)
    }
    // After the StatefulSet's own: whoever serves the owner's kind may keep us waiting.
    if owesOwner {
      guard let owner = object.owner else {
        owesOwner = false
        return next(now: now)
      }
      if mayWriteOwner <= now { return .writeOwner(goal, owner) }
      moments.append(mayWriteOwner)
    }
    return .wait(until: moments.min())
  }

  /// What came of a write of `condition`.
  mutating func wrote(
    _ condition: Condition, _ result: Result<DegradedObject, ClusterError>, now: Deadline
  ) {
    guard end == nil else { return }
    switch result {
    case .success(let object):
      if isSame(condition, goal) {
        goal.lastTransitionTime = condition.lastTransitionTime
        isFresh = false
      }
      failures = 0
      pace(now: now)
      see(object, now: now)
    case .failure(let error):
      switch error.code {
      case .notFound: end = .gone
      case .conflict:
        // What came between is on its way here.
        pace(now: now)
      case .forbidden, .unauthorized, .unavailable, .invalid, .expired:
        failures += 1
        if failures >= limits.maximumFailures { end = .failed }
        mayWrite = now.advanced(by: retry(after: failures))
      }
    }
  }

  /// What came of a write of `condition` to the owner; nil if there was nothing to write.
  mutating func wroteOwner(_ condition: Condition, _ failure: ClusterError?, now: Deadline) {
    guard let failure, [.unavailable, .conflict].contains(failure.code), ownerFailures < limits.maximumFailures else {
      ownerFailures = 0
      // A verdict that came meanwhile is still owed.
      if isSame(condition, goal) { owesOwner = false }
      return
    }
    ownerFailures += 1
    mayWriteOwner = now.advanced(by: retry(after: ownerFailures))
  }

  // MARK: Parts

  /// Takes over what is found, if it says what shall be there; whether it does.
  @discardableResult private mutating func confirm(_ found: Condition) -> Bool {
    guard found.agrees(with: goal), !isFresh || isInferred || found.message.utf8.elementsEqual(goal.message.utf8) else {
      return false
    }
    isFresh = false
    goal = found
    return true
  }

  private mutating func set(_ condition: Condition, now: Deadline) {
    let isOther = condition.status != goal.status
    let time = isOther ? "" : goal.lastTransitionTime
    if !isSame(condition, goal) || object == nil {
      isFresh = true
      owesOwner = true
      ownerFailures = 0
      mayWriteOwner = now
    }
    goal = condition
    goal.lastTransitionTime = time
    keepUntil = goal.isTrue ? nil : now.advanced(by: limits.recoveryLifetime)
  }

  /// Lets the update that was let in arrive before anything is written.
  private mutating func settle(_ now: Deadline) {
    mayWrite = max(mayWrite, now.advanced(by: limits.settling))
    mayWriteOwner = max(mayWriteOwner, now.advanced(by: limits.settling))
  }

  private func isSame(_ one: Condition, _ other: Condition) -> Bool {
    one.status == other.status && one.reason == other.reason && one.message.utf8.elementsEqual(other.message.utf8)
  }

  private mutating func learnImages(of seen: DegradedObject) {
    guard goal.isTrue, refusedImages == nil, seen.generation >= refusedGeneration ?? 0 else { return }
    refusedImages = seen.images
  }

  private mutating func pace(now: Deadline) {
    if let lastWrite, lastWrite.advanced(by: limits.calm) <= now { writes = 0 }
    writes += 1
    lastWrite = now
    let doublings = min(max(0, writes - limits.quickWrites), 16)
    mayWrite = now.advanced(by: min(limits.pause * (1 << doublings), limits.longestPause))
  }

  private func retry(after failures: Int) -> Duration {
    min(limits.firstRetry * (1 << min(max(0, failures - 1), 16)), limits.longestRetry)
  }
}
