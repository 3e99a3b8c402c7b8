import Crypto
import Primitives

/// What is trusted of a repository, and the rules by which that changes (TUF 1.0, section 5). No input, no output, no clock.
///
/// Each update verifies first and changes afterwards, so one that throws leaves everything as it was. With `now` nil,
/// content that was verified once (a cache's) is taken up again: neither dates nor what other files say of it is looked at,
/// as the rules against going back need old content too. Whether anything may be used, `content(of:at:)` decides.
struct TUFTrust: Sendable {
  private(set) var root: TUFRoot
  private(set) var timestamp: TUFTimestamp?
  private(set) var snapshot: TUFSnapshot?
  private(set) var targets: TUFTargets?

  /// Begins with a root that is trusted because it came with the program. It must be signed by its own keys.
  init(root bytes: [UInt8]) throws(TUFError) {
    root = try TUFRoot(bytes)
    try root.verify(root.envelope)
  }

  /// Section 5.3: the next root, signed by a threshold of the present one's keys and by one of its own.
  mutating func update(root bytes: [UInt8]) throws(TUFError) {
    let next = try TUFRoot(bytes)
    try root.verify(next.envelope)
    try next.verify(next.envelope)
    guard next.version > root.version else {
      throw TUFError(.rollback, "\(next.envelope.name): version \(root.version) is already trusted")
    }
    guard next.version - root.version == 1 else {
      throw TUFError(.versionMismatch, "\(next.envelope.name): it does not follow version \(root.version)")
    }
    root = next
    dropWhatIsNoLongerSigned()
  }

  /// Section 5.3.11: who holds a key that was taken away cannot keep us at versions that nobody will reach.
  private mutating func dropWhatIsNoLongerSigned() {
    do {
      if let timestamp { try root.verify(timestamp.envelope) }
    } catch {
      timestamp = nil
      snapshot = nil
      targets = nil
    }
    do {
      if let snapshot { try root.verify(snapshot.envelope) }
    } catch {
      snapshot = nil
      targets = nil
    }
    do {
      if let targets { try root.verify(targets.envelope) }
    } catch {
      targets = nil
    }
  }

  /// Section 5.4: the timestamp. One of the version that is trusted already changes nothing.
  mutating func update(timestamp bytes: [UInt8], at now: UnixTime?) throws(TUFError) {
    let next = try TUFTimestamp(bytes)
    try root.verify(next.envelope)
    if let timestamp {
      guard next.envelope.version >= timestamp.envelope.version else {
        throw TUFError(
          .rollback, "\(next.envelope.name): version \(timestamp.envelope.version) is already trusted")
      }
      guard next.envelope.version > timestamp.envelope.version else { return }
      guard next.snapshot.version >= timestamp.snapshot.version else {
        throw TUFError(
          .rollback,
          "\(next.envelope.name): it goes back to snapshot \(next.snapshot.version) from \(timestamp.snapshot.version)")
      }
    }
    if let now { try next.envelope.requireFresh(at: now) }
    timestamp = next
  }

  /// Whether the snapshot that the timestamp names is not yet at hand.
  var needsSnapshot: Bool {
    guard let timestamp, let snapshot else { return true }
    return !timestamp.snapshot.matches(snapshot.envelope)
  }

  /// Section 5.5: the snapshot that the timestamp names, which may leave out or go back for no file.
  mutating func update(snapshot bytes: [UInt8], at now: UnixTime?) throws(TUFError) {
    guard let timestamp else { throw TUFError(.versionMismatch, "snapshot.json: no timestamp names one") }
    if now != nil { try timestamp.snapshot.content.verify(bytes, name: "snapshot.json") }
    let next = try TUFSnapshot(bytes)
    try root.verify(next.envelope)
    guard now == nil || next.envelope.version == timestamp.snapshot.version else {
      throw TUFError(
        .versionMismatch, "\(next.envelope.name): the timestamp names version \(timestamp.snapshot.version)")
    }
    if let snapshot {
      for (name, version) in snapshot.versions {
        guard let found = next.versions[name] else {
          throw TUFError(
            .rollback,
            "\(next.envelope.name): it leaves out \(String(decoding: name, as: UTF8.self).printable(limit: 64))")
        }
        guard found >= version else {
          throw TUFError(
            .rollback,
            "\(next.envelope.name): it goes back to version \(found) of"
              + " \(String(decoding: name, as: UTF8.self).printable(limit: 64)) from \(version)")
        }
      }
    }
    if let now { try next.envelope.requireFresh(at: now) }
    snapshot = next
  }

  /// Whether the targets that the snapshot names are not yet at hand.
  var needsTargets: Bool {
    guard let snapshot, let targets else { return true }
    return !snapshot.targets.matches(targets.envelope)
  }

  /// Section 5.6: the targets that the snapshot names.
  mutating func update(targets bytes: [UInt8], at now: UnixTime?) throws(TUFError) {
    guard let snapshot, now == nil || !needsSnapshot else {
      throw TUFError(.versionMismatch, "targets.json: no present snapshot names one")
    }
    if now != nil { try snapshot.targets.content.verify(bytes, name: "targets.json") }
    let next = try TUFTargets(bytes)
    try root.verify(next.envelope)
    guard now == nil || next.envelope.version == snapshot.targets.version else {
      throw TUFError(
        .versionMismatch, "\(next.envelope.name): the snapshot names version \(snapshot.targets.version)")
    }
    if let now { try next.envelope.requireFresh(at: now) }
    targets = next
  }

  /// What is signed of the target of this name, if all four files belong together and none is out of date at `now`.
  func content(of name: TUFTargetName, at now: UnixTime) throws(TUFError) -> TUFContent {
    guard let timestamp, let snapshot, let targets, !needsSnapshot, !needsTargets else {
      throw TUFError(.versionMismatch, "the repository's files at hand do not belong together")
    }
    for envelope in [root.envelope, timestamp.envelope, snapshot.envelope, targets.envelope] {
      try envelope.requireFresh(at: now)
    }
    return try targets.content(of: name)
  }

  /// When the first of the files at hand goes out of date.
  var expires: UnixTime {
    [timestamp?.envelope.expires, snapshot?.envelope.expires, targets?.envelope.expires].compactMap(\.self)
      .reduce(root.envelope.expires, min)
  }
}
