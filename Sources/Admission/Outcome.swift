import Primitives
import Sigstore
import Verification

/// What a review came to, before it is put into words.
struct Outcome: Sendable {
  /// Why something is let through although it is not verified.
  enum Excuse: Sendable {
    /// The failure policy is Warn.
    case warn
    /// The update leaves the image as it was.
    case unchanged
  }

  /// An image (or, without places, everything) that was not verified.
  struct Failure: Sendable {
    /// `container db`.
    let places: [String]
    let image: String
    let refusal: Refusal
    /// Nil if the failure refuses the request.
    let excuse: Excuse?
  }

  /// What came of one place, for the audit annotations and the log.
  struct ImageRecord: Sendable {
    enum State: Sendable {
      case exempt
      case verified(VerifiedImage, pinned: String)
      case failed(RefusalCode, Excuse?)
    }

    let place: ImagePlace
    let state: State
    /// Of the verification, if somebody had to be asked.
    let times: VerificationTimes?

    init(_ place: ImagePlace, state: State, times: VerificationTimes? = nil) {
      self.place = place
      self.state = state
      self.times = times
    }
  }

  var decision: AdmissionAnswer.Decision
  var failures: [Failure] = []
  var images: [ImageRecord] = []
  /// A warning that is about no failure.
  var warning: String?
  /// JSON Patch text.
  var patch: [UInt8]?

  init(decision: AdmissionAnswer.Decision) { self.decision = decision }

  /// Let through without a look.
  static func skipped(warning: String? = nil) -> Outcome {
    var outcome = Outcome(decision: .skipped)
    outcome.warning = warning
    return outcome
  }

  /// Refused as a whole.
  static func refused(_ code: RefusalCode, _ message: String) -> Outcome {
    var outcome = Outcome(decision: .refused)
    outcome.failures = [Failure(places: [], image: "", refusal: Refusal(code, message), excuse: nil)]
    return outcome
  }

  /// Who signed each place's image, of those that were verified.
  var signers: [VerifiedSignature.Signer] {
    images.compactMap { image in
      guard case .verified(let verified, _) = image.state else { return nil }
      return verified.signature.signer
    }
  }

  /// The codes of all failures, each once.
  var codes: [RefusalCode] {
    var codes: [RefusalCode] = []
    for failure in failures where !codes.contains(failure.refusal.code) { codes.append(failure.refusal.code) }
    return codes
  }
}
