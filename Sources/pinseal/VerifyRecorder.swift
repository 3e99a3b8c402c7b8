import Primitives
import Verification

/// Keeps what a verification reports of itself.
final class VerifyRecorder: VerificationObserver {
  private struct State: Sendable {
    var digest: String?
    var steps: [ObservedStep] = []
    var candidates: [ObservedCandidate] = []
    var places: [ObservedPlace] = []
  }

  private let start = Deadline.now
  private let state = Locked(State())

  func observe(_ event: VerificationEvent) {
    state.withLock { state in
      switch event {
      case .step(let step): state.steps.append(step)
      case .resolved(let digest): state.digest = digest
      case .candidate(let candidate): state.candidates.append(candidate)
      case .place(let place): state.places.append(place)
      }
    }
  }

  /// All that was reported until now, with the verdict.
  func report(of image: RequestedImage, _ verdict: Verdict) -> VerifyReport {
    let state = state.withLock { $0 }
    return VerifyReport(
      image: image, verdict: verdict, start: start,
      duration: Deadline.now.since(start), digest: state.digest,
      steps: state.steps.sorted { $0.time.start < $1.time.start },
      candidates: state.candidates.sorted { $0.time.start < $1.time.start },
      places: state.places.sorted { $0.store.rawValue > $1.store.rawValue })
  }
}

/// What `pinseal verify` says.
struct VerifyReport: Sendable {
  let image: RequestedImage
  let verdict: Verdict
  let start: Deadline
  let duration: Duration
  let digest: String?
  let steps: [ObservedStep]
  let candidates: [ObservedCandidate]
  let places: [ObservedPlace]

  /// The exit status.
  var status: Int32 {
    switch verdict {
    case .verified: VerifyExit.verified
    // Whoever may not look has not seen that there is none.
    case .refused(let refusal):
      refusal.code.isTransient || refusal.code == .registryUnauthorized ? VerifyExit.undecided : VerifyExit.refused
    }
  }

  /// Candidates of a place that were refused before they were judged: fetched in vain, too large, without a signature.
  func unjudged(_ place: ObservedPlace) -> [(label: String, reason: String)] {
    let judged = candidates(place).map(\.label)
    return place.rejections.filter { rejection in !judged.contains { $0.utf8.elementsEqual(rejection.label.utf8) } }
  }

  func candidates(_ place: ObservedPlace) -> [ObservedCandidate] { candidates.filter { $0.store == place.store } }

  /// Microseconds since the command began.
  func offset(_ time: ObservedTime) -> Int64 {
    Int64(
      clamping: time.start.nanoseconds > start.nanoseconds ? (time.start.nanoseconds - start.nanoseconds) / 1000 : 0)
  }
}
