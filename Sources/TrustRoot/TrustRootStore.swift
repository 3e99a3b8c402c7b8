public import Crypto
public import Logging
import Primitives

/// Which trusted root is to be used. Nothing but this choice decides: no failure of one brings in the other.
public enum TrustRootSelection: Sendable {
  /// The public-good one that Pinseal was built with, or what TUF brought in its place.
  case bundled
  /// A user's, and nothing else.
  case user(any TrustRootSource)
  /// A user's, and the public-good one beside it.
  case userBesideBundled(any TrustRootSource)

  var source: (any TrustRootSource)? {
    switch self {
    case .bundled: nil
    case .user(let source), .userBesideBundled(let source): source
    }
  }

  /// Whether the public-good root is part of it.
  public var includesBundled: Bool {
    if case .user = self { false } else { true }
  }
}

/// The trusted root that is in use now, taken anew when its source changes.
///
/// At start a user's root that is missing or broken is an error. Later it is not used, and the one before it stays in use,
/// with a message in the log, in `status` and so on `/readyz?verbose`, until the source is mended.
public final class TrustRootStore: Sendable {
  private struct Writing: Sendable {
    var user: TrustRootSnapshot.Part?
    var bundled: TrustRootSnapshot.Part?
    /// The last revision that was read, good or not.
    var revision: TrustRootRevision?
    /// When the user's source was last seen to be as it is in use.
    var checked: UnixTime
    var failure: String?
    var reloads = 0
    var failures = 0
    var tuf: TUFStatus?
  }

  /// Which root was asked for.
  public let selection: TrustRootSelection
  private let logger: Logger
  /// Held while a root is put together; readers do not wait for it.
  private let writing: Locked<Writing>
  private let published: Locked<TrustRootSnapshot>

  /// Reads what `selection` names; throws if that cannot be used.
  public static func open(
    _ selection: TrustRootSelection, at now: UnixTime, logger: Logger
  ) async throws(TrustRootError) -> TrustRootStore {
    var writing = Writing(checked: now)
    if selection.includesBundled {
      writing.bundled = try TrustRootSnapshot.Part(
        kind: .bundled, place: "this build", bytes: BundledTrustRoot.trustedRoot, asOf: BundledTrustRoot.asOf)
    }
    if let source = selection.source {
      guard let content = try await source.read(unless: nil) else {
        throw TrustRootError("\(source.place): nothing to be read")
      }
      writing.revision = content.revision
      writing.user = try TrustRootSnapshot.Part(
        kind: source.kind, place: source.place, bytes: content.bytes, asOf: now)
    }
    let snapshot = TrustRootSnapshot(parts: [writing.user, writing.bundled].compactMap(\.self), since: now)
    return TrustRootStore(selection, logger, writing, snapshot)
  }

  private init(
    _ selection: TrustRootSelection, _ logger: Logger, _ writing: Writing, _ snapshot: TrustRootSnapshot
  ) {
    self.selection = selection
    self.logger = logger
    self.writing = Locked(writing)
    published = Locked(snapshot)
  }

  /// The root in use. Costs a lock and a reference.
  public var current: TrustRootSnapshot { published.withLock { $0 } }

  // MARK: The user's root

  /// Looks at the user's source, and takes up its content if that has changed; true if another root is in use now.
  @discardableResult
  public func reload(at now: UnixTime) async -> Bool {
    guard let source = selection.source else { return false }
    let known = writing.withLock { $0.revision }
    let content: TrustRootContent?
    do throws(TrustRootError) {
      content = try await source.read(unless: known)
    } catch {
      note(failure: error.description, revision: nil, source: source)
      return false
    }
    guard let content else {
      writing.withLock { if $0.failure == nil { $0.checked = now } }
      return false
    }
    do throws(TrustRootError) {
      let part = try TrustRootSnapshot.Part(
        kind: source.kind, place: source.place, bytes: content.bytes, asOf: now)
      let changed = replace(at: now) { writing in
        writing.user = part
        writing.revision = content.revision
        writing.failure = nil
        writing.checked = now
      }
      if changed { announce() }
      return changed
    } catch {
      note(failure: error.description, revision: content.revision, source: source)
      return false
    }
  }

  /// Looks at the user's source every `interval` until the task is cancelled. That costs no more than to ask for a file's
  /// identity, or what a watch knows of a ConfigMap; one request where the ConfigMap may be read but not watched.
  public func run(
    every interval: Duration = .seconds(1), clock: @Sendable () -> UnixTime,
    sleep: @Sendable (Duration) async throws -> Void = { try await Task.sleep(for: $0) }
  ) async {
    while !Task.isCancelled {
      do { try await sleep(interval) } catch { return }
      await reload(at: clock())
    }
  }

  private func note(failure: String, revision: TrustRootRevision?, source: any TrustRootSource) {
    let isNew = writing.withLock { writing in
      // A file that goes and comes back as it was must be read again, or the failure would stay: no revision then.
      writing.revision = revision
      guard writing.failure != failure else { return false }
      writing.failure = failure
      writing.failures += 1
      return true
    }
    guard isNew else { return }
    logger.error(
      "the changed trusted root is not used, the one before it stays in use",
      metadata: ["place": "\(source.place.printable())", "reason": "\(failure)"])
  }

  // MARK: The public-good root

  /// Takes what TUF brought in place of the bundled root; true if another root is in use now.
  func replaceBundled(with bytes: [UInt8], place: String, at now: UnixTime) throws(TrustRootError) -> Bool {
    guard selection.includesBundled else {
      throw TrustRootError("the public-good root is not in use: a user's trusted root takes its place")
    }
    let part = try TrustRootSnapshot.Part(kind: .tuf, place: place, bytes: bytes, asOf: now)
    let changed = replace(at: now) { $0.bundled = part }
    if changed { announce() }
    return changed
  }

  /// Changes the parts and puts the root together from them; true if it is another one.
  private func replace(at now: UnixTime, _ change: (inout Writing) -> Void) -> Bool {
    writing.withLock { writing in
      change(&writing)
      let old = published.withLock { $0 }
      let parts = [writing.user, writing.bundled].compactMap(\.self)
      let isSame = parts.map(\.digest) == old.parts.map(\.digest)
      let snapshot = TrustRootSnapshot(parts: parts, since: isSame ? old.since : now)
      if !isSame { writing.reloads += 1 }
      published.withLock { $0 = snapshot }
      return !isSame
    }
  }

  private func announce() {
    let snapshot = current
    logger.notice(
      "another trusted root is in use",
      metadata: [
        "places": "\(snapshot.parts.map { $0.place.printable() }.joined(separator: ", "))",
        "sha256": "\(Hex.encode(snapshot.fingerprint))",
      ])
  }

  // MARK: Its state

  /// What `/metrics` and `/readyz?verbose` say.
  public var status: TrustRootStatus {
    writing.withLock { writing in
      TrustRootStatus(
        snapshot: published.withLock { $0 }, checked: writing.user == nil ? nil : writing.checked,
        failure: writing.failure, reloads: writing.reloads, failures: writing.failures, tuf: writing.tuf)
    }
  }

  func note(tuf status: TUFStatus) { writing.withLock { $0.tuf = status } }
}
