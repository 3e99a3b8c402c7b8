import Policy
import Primitives
import Sigstore
import Verification

extension AdmissionController {
  /// How far a decision gets without waiting.
  enum Stage {
    case decided(Outcome)
    /// Some images must be verified.
    case open(Inquiry)
  }

  /// A judgement that lacks findings, and how to get them.
  struct Inquiry: Sendable {
    var judgement: Judgement
    let credentials: CredentialsHandle
    let trust: TrustedRoot

    /// The question to be put to the verifier about one image; nil where there is nothing to ask.
    func request(_ image: Judgement.Image, stopwatch: VerificationStopwatch? = nil) -> VerificationRequest? {
      guard image.finding == nil, let requested = image.requested else { return nil }
      return VerificationRequest(
        image: requested, demand: judgement.policy.demand, trust: trust, credentials: credentials,
        stopwatch: stopwatch)
    }
  }

  /// Decides from the policy and the facts at hand.
  func begin(_ subject: Case, under policy: NamespacePolicy) -> Stage {
    if case .off(let warning) = policy { return .decided(.skipped(warning: warning)) }
    guard let object = subject.review.object else {
      return .decided(.refused(.internalError, "the review's object is gone"))
    }
    let workload: Workload
    do throws(Workload.Invalid) {
      let old = subject.review.operation == .update ? subject.review.oldObject : nil
      workload = try Workload(object: object, old: old, maximumImages: options.maximumImages)
    } catch {
      return .decided(.refused(.objectInvalid, "the StatefulSet cannot be read: \(error.reason)"))
    }

    let namespace = subject.review.namespace
    switch policy {
    case .off(let warning): return .decided(.skipped(warning: warning))
    case .invalid(let message, let failurePolicy):
      let refusal = Refusal(.policyInvalid, "namespace \(namespace): \(message)")
      return .decided(withoutPolicy(refusal, workload, failurePolicy))
    case .unavailable(let message, let failurePolicy):
      let refusal = Refusal(.policyUnavailable, "namespace \(namespace): \(message)")
      return .decided(withoutPolicy(refusal, workload, failurePolicy))
    case .enabled(let policy):
      var inquiry = Inquiry(
        judgement: Judgement(workload, under: policy, endpoint: subject.endpoint),
        credentials: policies.credentials(
          namespace: namespace, policySecrets: policy.imagePullSecrets, templateSecrets: workload.pullSecrets),
        trust: policies.trustedRoot)
      var isOpen = false
      for index in inquiry.judgement.images.indices {
        guard let request = inquiry.request(inquiry.judgement.images[index]) else { continue }
        if let verdict = verifier.known(request) {
          inquiry.judgement.images[index].finding = .init(verdict)
        } else {
          isOpen = true
        }
      }
      return isOpen ? .open(inquiry) : .decided(inquiry.judgement.outcome())
    }
  }

  /// Verifies what is not known, all images at the same time.
  func finish(_ inquiry: Inquiry, deadline: Deadline) async -> Outcome {
    var judgement = inquiry.judgement
    let short = min(deadline, Deadline.after(options.unchangedTimeout))
    await withTaskGroup(of: (Int, Verdict, VerificationTimes).self) { group in
      for (index, image) in judgement.images.enumerated() {
        let stopwatch = VerificationStopwatch()
        guard let request = inquiry.request(image, stopwatch: stopwatch) else { continue }
        let limit = image.isUnchanged ? short : deadline
        group.addTask { (index, await verifier.verify(request, deadline: limit), stopwatch.times) }
      }
      for await (index, verdict, times) in group {
        judgement.images[index].finding = .init(verdict)
        judgement.images[index].times = times
      }
    }
    return judgement.outcome()
  }

  /// A policy that cannot be applied counts as a failed verification of every image.
  private func withoutPolicy(_ refusal: Refusal, _ workload: Workload, _ failurePolicy: FailurePolicy) -> Outcome {
    let excuse: Outcome.Excuse?
    if failurePolicy == .warn {
      excuse = .warn
    } else if workload.isUnchanged, refusal.code.isTransient || workload.keepsTemplate() {
      excuse = .unchanged
    } else {
      excuse = nil
    }
    var outcome = Outcome(decision: excuse == nil ? .refused : .warned)
    outcome.failures = [.init(places: [], image: "", refusal: refusal, excuse: excuse)]
    outcome.images = workload.places.map { .init($0, state: .failed(refusal.code, excuse)) }
    return outcome
  }
}

extension Judgement.Finding {
  init(_ verdict: Verdict) {
    switch verdict {
    case .verified(let image): self = .verified(image)
    case .refused(let refusal): self = .failed(refusal)
    }
  }
}
