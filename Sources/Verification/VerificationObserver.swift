import OCI
public import Primitives
public import Sigstore

/// Watches one verification, for people who ask why it ended as it did (`pinseal verify`). Nobody watches where requests
/// are served, and nothing is then put together for it.
///
/// Events come from several tasks, in the order in which things ended.
public protocol VerificationObserver: Sendable {
  /// Something has happened.
  func observe(_ event: VerificationEvent)
}

/// What happens in a verification.
public enum VerificationEvent: Sendable {
  /// Something was fetched, or was not.
  case step(ObservedStep)
  /// The digest is known that is verified from here on.
  case resolved(digest: String)
  /// A candidate was judged.
  case candidate(ObservedCandidate)
  /// A place was looked through, or given up.
  case place(ObservedPlace)
}

/// A span of time on the monotonic clock.
public struct ObservedTime: Sendable, Hashable {
  /// When it began.
  public let start: Deadline
  /// How long it took.
  public let duration: Duration

  init(since start: Deadline) {
    self.start = start
    duration = Deadline.now.since(start)
  }
}

/// A request, or several that belong together.
public struct ObservedStep: Sendable {
  /// What was done, as a phrase: "resolving the tag v1".
  public let name: String
  /// When, and how long.
  public let time: ObservedTime
  /// Why it failed, if it did.
  public let failure: String?
}

/// A check of a candidate.
public struct ObservedCheck: Sendable {
  /// Which one.
  public let check: CandidateCheck
  /// When, and how long.
  public let time: ObservedTime
  /// Why it did not pass, if it did not.
  public let rejection: CandidateRejection?
}

/// The two stores of signatures.
public enum ObservedStore: String, Sendable, Hashable, CaseIterable {
  /// The tag `sha256-HEX.sig`.
  case signatureTag
  /// What refers to the image, by the API or the fallback tag.
  case referrers
}

/// A candidate that was judged.
public struct ObservedCandidate: Sendable {
  /// Where it lay.
  public let store: ObservedStore
  /// The format it would be of.
  public let format: VerifiedSignature.Format
  /// Its name within its place: `layer 1`, `bundle sha256:0123456789ab…`.
  public let label: String
  /// When, and how long it took.
  public let time: ObservedTime
  /// The checks that were made of it, in order; the last may be the one that did not pass.
  public let checks: [ObservedCheck]
  /// The signature, if it counts.
  public let signature: VerifiedSignature?
  /// Why it does not count, if it does not.
  public let rejection: CandidateRejection?
}

/// A place where signatures may lie.
public struct ObservedPlace: Sendable {
  /// Which of the stores it is.
  public let store: ObservedStore
  /// Which one, as a phrase: "at tag sha256-….sig".
  public let name: String
  /// When, and how long.
  public let time: ObservedTime
  /// How many candidates lay there.
  public let present: Int
  /// How many of them were judged.
  public let judged: Int
  /// How many things lay there that are no signatures.
  public let others: Int
  /// How many entries name manifests that are gone.
  public let missing: Int
  /// Candidates that do not count, in order: their labels and why.
  public let rejections: [(label: String, reason: String)]
  /// Why the place, or something there, could not be read.
  public let failures: [String]
  /// Whether a signature that counts was found here.
  public let hasSignature: Bool
  /// Whether more lay there than was read.
  public let isOverLimit: Bool
  /// Whether it was not looked through to its end, since a signature was found elsewhere or time ran out.
  public let isGivenUp: Bool
}

/// Notes the checks of one candidate.
final class CandidateRecorder: CandidateCheckObserver {
  private struct State {
    var begun: [(check: CandidateCheck, at: Deadline)] = []
    var checks: [ObservedCheck] = []
  }

  private let start = Deadline.now
  private let state = Locked(State())

  func began(_ check: CandidateCheck) {
    let now = Deadline.now
    state.withLock { $0.begun.append((check, now)) }
  }

  func ended(_ check: CandidateCheck, _ rejection: CandidateRejection?) {
    let now = Deadline.now
    state.withLock { state in
      let begun = state.begun.lastIndex { $0.check == check }.map { state.begun.remove(at: $0).at } ?? now
      state.checks.append(ObservedCheck(check: check, time: ObservedTime(since: begun), rejection: rejection))
    }
  }

  /// Notes what the policy says of the fact that the other checks came to.
  func noteObjection(_ objection: CandidateRejection?) {
    // That no proof is there is known here, and is about the log.
    let check = objection?.reason == .logProofMissing ? CandidateCheck.log : .policy
    began(check)
    ended(check, objection)
  }

  /// All that was noted, with the outcome.
  func candidate(
    _ format: VerifiedSignature.Format, in store: ObservedStore, label: String, signature: VerifiedSignature?,
    rejection: CandidateRejection?
  ) -> ObservedCandidate {
    ObservedCandidate(
      store: store, format: format, label: label, time: ObservedTime(since: start),
      checks: state.withLock { $0.checks },
      signature: signature, rejection: rejection)
  }
}

extension ObservedPlace {
  init(_ store: ObservedStore, _ place: Place, _ report: PlaceReport, since start: Deadline) {
    self.store = store
    name = place.whereabouts
    time = ObservedTime(since: start)
    present = report.present
    judged = report.judged
    others = report.others
    missing = report.missing
    rejections = report.findings.sorted { $0.order < $1.order }.map { ($0.label, $0.reason) }
    failures = report.failures.map { $0.description.printable(limit: 600) }
    hasSignature = report.good != nil
    isOverLimit = report.isOverLimit
    isGivenUp = Task.isCancelled && report.good == nil
  }
}

extension SignatureSearch {
  /// Looks through a place, and tells whoever watches.
  func observing(
    _ store: ObservedStore, _ look: (SignatureSearch) async -> (Place, PlaceReport)
  ) async -> (Place, PlaceReport) {
    guard let observer = progress.observer else { return await look(self) }
    let start = Deadline.now
    var search = self
    search.observedStore = store
    let (place, report) = await look(search)
    observer.observe(.place(ObservedPlace(store, place, report, since: start)))
    return (place, report)
  }

  /// Tells whoever watches what a candidate came to.
  func note(_ recorder: CandidateRecorder?, _ label: String, _ kind: Finding.Kind, _ report: PlaceReport) {
    guard let recorder, let observer = progress.observer else { return }
    var rejection: CandidateRejection?
    if let remark = report.remarks.first { rejection = CandidateRejection(.notAnImageSignature, remark) }
    if case .rejected(let flaw)? = report.findings.first?.judgement { rejection = flaw }
    observer.observe(
      .candidate(
        recorder.candidate(
          kind == .bundle ? .bundle : .simpleSigning, in: observedStore, label: label, signature: report.good,
          rejection: rejection)))
  }
}
