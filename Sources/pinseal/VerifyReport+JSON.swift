import Crypto
import JSON
import Primitives
import Sigstore
import Verification

/// The report as JSON. Its members are an interface: they may be added to, and are neither renamed nor taken away. All of
/// them are always there; what is unknown or does not apply is null. Times are whole microseconds, starts count from the
/// command's own.
///
/// ```
/// image, digest, verdict ("verified", "refused", "undecided"), code, message, pinned, durationMicroseconds,
/// signature: {signer: {kind ("key", "identity"), fingerprint, subjects, issuer}, format, annotations,
///             dockerReference, times, log: {index, url, integratedTime}}
/// steps:  [{name, startMicroseconds, durationMicroseconds, failure}]
/// places: [{store ("signatureTag", "referrers"), name, startMicroseconds, durationMicroseconds, present, judged, others,
///           missing, isOverLimit, isGivenUp, failures: [text],
///           candidates: [{label, format, counts, code, message, startMicroseconds, durationMicroseconds,
///                         checks: [{check, passed, startMicroseconds, durationMicroseconds}]}]}]
/// ```
///
/// A candidate's `code` is the name of the reason (`otherKey`, `logProofInvalid`, …; null if it counts, or if it was not
/// read far enough to be judged), `check` one of `form`, `signature`, `content`, `timestamps`, `log`, `certificate`,
/// `policy`.
extension VerifyReport {
  var json: String {
    var writer = JSONWriter(capacity: 4096)
    writer.object { root in
      root.member("image", image.literal)
      root.optional("digest", digest)
      root.member("verdict", verdictName)
      root.optional("code", refusal?.code.rawValue)
      root.optional("message", refusal?.message)
      root.optional("pinned", verified?.pinnedKeepingTag)
      root.member("durationMicroseconds", duration.microseconds)
      root.name("signature")
      if let signature = verified?.signature { write(signature, to: &root) } else { root.null() }
      root.name("steps")
      root.array { list in for step in steps { write(step, to: &list) } }
      root.name("places")
      root.array { list in for place in places { write(place, to: &list) } }
    }
    return writer.text
  }

  var refusal: Refusal? { if case .refused(let refusal) = verdict { refusal } else { nil } }
  var verified: VerifiedImage? { if case .verified(let image) = verdict { image } else { nil } }

  private var verdictName: String {
    switch status {
    case VerifyExit.verified: "verified"
    case VerifyExit.refused: "refused"
    default: "undecided"
    }
  }

  private func write(_ signature: VerifiedSignature, to writer: inout JSONWriter) {
    writer.object { member in
      member.name("signer")
      member.object { signer in
        var identity: SignerIdentity?
        if case .identity(let found) = signature.signer { identity = found }
        signer.member("kind", identity == nil ? "key" : "identity")
        signer.optional("fingerprint", signature.key?.description)
        signer.name("subjects")
        signer.array { list in for subject in identity?.subjects ?? [] { list.string(subject) } }
        signer.optional("issuer", identity?.issuer)
      }
      member.member("format", signature.format.rawValue)
      member.name("annotations")
      member.object { annotations in
        for (name, value) in signature.annotations.sorted(by: { $0.key < $1.key }) { annotations.member(name, value) }
      }
      member.optional("dockerReference", signature.dockerReference)
      member.name("times")
      member.array { list in for time in signature.times { list.integer(time) } }
      member.name("log")
      guard let log = signature.log else { return member.null() }
      member.object { proof in
        proof.member("index", log.logIndex)
        proof.optional("url", log.logURL.isEmpty ? nil : log.logURL)
        proof.name("integratedTime")
        if let time = log.integratedTime { proof.integer(time) } else { proof.null() }
      }
    }
  }

  private func write(_ step: ObservedStep, to writer: inout JSONWriter) {
    writer.object { member in
      member.member("name", step.name)
      write(step.time, to: &member)
      member.optional("failure", step.failure)
    }
  }

  private func write(_ place: ObservedPlace, to writer: inout JSONWriter) {
    writer.object { member in
      member.member("store", place.store.rawValue)
      member.member("name", place.name)
      write(place.time, to: &member)
      member.member("present", place.present)
      member.member("judged", place.judged)
      member.member("others", place.others)
      member.member("missing", place.missing)
      member.member("isOverLimit", place.isOverLimit)
      member.member("isGivenUp", place.isGivenUp)
      member.name("failures")
      member.array { list in for failure in place.failures { list.string(failure) } }
      member.name("candidates")
      member.array { list in
        for candidate in candidates(place) { write(candidate, to: &list) }
        for (label, reason) in unjudged(place) {
          list.object { candidate in
            candidate.member("label", label)
            for name in ["format", "code"] { candidate.optional(name, nil) }
            candidate.member("counts", false)
            candidate.member("message", reason)
            for name in ["startMicroseconds", "durationMicroseconds"] { candidate.optional(name, nil) }
            candidate.name("checks")
            candidate.array { _ in }
          }
        }
      }
    }
  }

  private func write(_ candidate: ObservedCandidate, to writer: inout JSONWriter) {
    writer.object { member in
      member.member("label", candidate.label)
      member.member("format", candidate.format.rawValue)
      member.optional("code", candidate.rejection?.reason.rawValue)
      member.member("counts", candidate.signature != nil)
      member.optional("message", candidate.rejection?.description)
      write(candidate.time, to: &member)
      member.name("checks")
      member.array { list in
        for check in candidate.checks {
          list.object { entry in
            entry.member("check", check.check.rawValue)
            entry.member("passed", check.rejection == nil)
            write(check.time, to: &entry)
          }
        }
      }
    }
  }

  private func write(_ time: ObservedTime, to writer: inout JSONWriter) {
    writer.member("startMicroseconds", offset(time))
    writer.member("durationMicroseconds", time.duration.microseconds)
  }
}

extension JSONWriter {
  /// A member that may be null.
  mutating func optional(_ name: String, _ value: String?) {
    self.name(name)
    if let value { string(value) } else { null() }
  }
}
