import HTTPClient
import JSON
import Logging
import Primitives

/// Lists a collection and then follows it, for as long as `run` does.
///
/// What was missed is never guessed: a watch goes on from the last resource version that it saw, and where the server does
/// not have that, said nothing for long or sent something that cannot be read, the whole is listed anew. `onChange` is
/// called by one task, in the order of things; it must not wait.
final class ObjectWatch<Object: Sendable>: Sendable {
  /// Makes what is kept of an object of the API. A listed object for which it throws is left out, as if there were none.
  typealias Decoder = @Sendable (JSONValue) throws -> Object

  let client: APIClient
  let target: WatchTarget
  let pace: WatchPace
  let limits: WatchLimits
  let decode: Decoder
  let onChange: @Sendable (WatchChange<Object>) -> Void
  let logger = Logger(label: "pinseal.kubernetes")
  private let logLevel: Logger.Level
  private let onBreak: @Sendable (ClusterError) -> Void
  private let state = Locked(WatchStatus())

  /// So many may come to nothing: five tries take about ten seconds.
  private static var earlyRefusals: Int { 5 }

  /// A watch that begins with `run`. That it broke is logged once, at `logLevel`, and that it recovered; `onBreak` is told
  /// each time, but not of what may pass by itself.
  init(
    client: APIClient, target: WatchTarget, pace: WatchPace = WatchPace(), limits: WatchLimits = WatchLimits(),
    logLevel: Logger.Level = .warning, decode: @escaping Decoder,
    onChange: @escaping @Sendable (WatchChange<Object>) -> Void,
    onBreak: @escaping @Sendable (ClusterError) -> Void = { _ in }
  ) {
    self.client = client
    self.target = target
    self.pace = pace
    self.limits = limits
    self.logLevel = logLevel
    self.decode = decode
    self.onChange = onChange
    self.onBreak = onBreak
  }

  /// How it stands.
  var status: WatchStatus { state.withLock { $0 } }

  /// Watches until the task is cancelled.
  func run() async {
    var backoff = WatchBackoff()
    // Where to go on from; nil: nowhere, list.
    var version: String?
    // Whether the last failure already had the whole listed anew.
    var listsAnew = false
    // How often in a row it was forbidden.
    var refusals = 0
    while !Task.isCancelled {
      do throws(WatchFailure) {
        if version == nil {
          version = try await list()
          noteSign()
        }
        let start = pace.now()
        try await follow(from: &version, backoff: &backoff)
        listsAnew = false
        // A server that ends watches as soon as they begin is not asked in a circle.
        if pace.now() < start.advanced(by: .seconds(1)) { await pace.sleep(backoff.next(pace)) }
      } catch {
        if Task.isCancelled { return }
        if status.failure == nil { refusals = 0 }
        let isForbidden = error.error.code == .forbidden
        refusals = isForbidden ? refusals + 1 : 0
        // An API server that has just begun refuses everybody until it knows its rules: the first words are asked again
        // soon, and what was allowed before is not taken for forbidden because of them.
        let isEarly = isForbidden && refusals <= Self.earlyRefusals
        let isPassing = isEarly && status.isSynced
        note(error.error, isPassing: isPassing)
        // What is forbidden is forgotten, so that there is nothing to go on from.
        if error.listsAnew || isForbidden && !isPassing { version = nil }
        // The server answers: nothing is gained by listing later, unless the list before led to the same.
        let isAtOnce = error.listsAnew && !listsAnew
        listsAnew = error.listsAnew
        let pause = max(error.leastPause(pace, isEarly: isEarly), isAtOnce ? .zero : backoff.next(pace))
        if pause > .zero { await pace.sleep(pause) }
      }
    }
  }

  // MARK: Status

  /// A whole list, an event, a bookmark.
  func noteSign() {
    let now = pace.now()
    state.withLock {
      $0.isSynced = true
      $0.lastSign = now
    }
  }

  /// A stream is open: from now on nothing is missed.
  func noteOpen() {
    let now = pace.now()
    let since = state.withLock { state in
      defer {
        state.lastSign = now
        state.brokenSince = nil
        state.failure = nil
      }
      return state.brokenSince
    }
    if since != nil { logger.log(level: logLevel, "the watch sees again", metadata: ["watch": "\(target.subject)"]) }
  }

  private func note(_ error: ClusterError, isPassing: Bool) {
    let now = pace.now()
    let isNews = state.withLock { state in
      defer {
        state.brokenSince = state.brokenSince ?? now
        state.failure = error
        state.breaks &+= 1
      }
      return state.failure?.code != error.code
    }
    if !isPassing { onBreak(error) }
    guard isNews else { return }
    logger.log(
      level: logLevel, "the watch broke and is begun again",
      metadata: ["watch": "\(target.subject)", "reason": "\(error.description)"])
  }
}
