import Crypto
import JSON
import Logging
import Primitives
import Sigstore
import Verification

extension AdmissionController {
  /// Puts an outcome into an answer, and into the log.
  func conclude(_ outcome: Outcome, of subject: Case) -> AdmissionAnswer {
    log(outcome, of: subject)
    return AdmissionAnswer(
      status: 200, body: Self.response(outcome, uid: subject.review.uid), decision: outcome.decision,
      codes: outcome.codes, signers: outcome.signers)
  }

  /// The answer to what is no AdmissionReview.
  func malformed(_ reason: String, endpoint: Endpoint) -> AdmissionAnswer {
    let text = "not an AdmissionReview of admission.k8s.io/v1: \(reason.printable(limit: 1024))"
    if let suppressed = malformedLines.admit(at: .now) {
      var metadata: Logger.Metadata = [
        "endpoint": "\(endpoint.rawValue)", "reason": "\(reason.printable(limit: 1024))",
      ]
      // Of the time since the line before.
      if suppressed > 0 { metadata["suppressed"] = "\(suppressed)" }
      logger.warning("review malformed", metadata: metadata)
    }
    return AdmissionAnswer(status: 400, body: Array((text + "\n").utf8), decision: .malformed, codes: [], signers: [])
  }

  private static func response(_ outcome: Outcome, uid: String) -> [UInt8] {
    var writer = JSONWriter(capacity: 1024 + (outcome.patch?.count ?? 0) * 2)
    writer.object { writer in
      writer.member("apiVersion", "admission.k8s.io/v1")
      writer.member("kind", "AdmissionReview")
      writer.name("response")
      writer.object { writer in
        writer.member("uid", uid)
        writer.member("allowed", outcome.decision != .refused)
        if let patch = outcome.patch {
          writer.member("patchType", "JSONPatch")
          writer.member("patch", Base64.encode(patch))
        }
        if outcome.decision == .refused { writeStatus(outcome, &writer) }
        writeWarnings(outcome, &writer)
        writeAuditAnnotations(outcome, &writer)
      }
    }
    return writer.bytes
  }

  private static func writeStatus(_ outcome: Outcome, _ writer: inout JSONWriter) {
    let isFault = outcome.codes == [.internalError]
    writer.name("status")
    writer.object {
      $0.member("status", "Failure")
      $0.member("code", isFault ? 500 : 403)
      $0.member("reason", isFault ? "InternalError" : "Forbidden")
      $0.member("message", outcome.message)
    }
  }

  private static func writeWarnings(_ outcome: Outcome, _ writer: inout JSONWriter) {
    let warnings = outcome.warnings
    if warnings.isEmpty { return }
    writer.name("warnings")
    writer.array { writer in
      for warning in warnings { writer.string(warning) }
    }
  }

  private static func writeAuditAnnotations(_ outcome: Outcome, _ writer: inout JSONWriter) {
    let annotations = outcome.auditAnnotations
    if annotations.isEmpty { return }
    writer.name("auditAnnotations")
    writer.object { writer in
      for (key, value) in annotations { writer.member(key, value) }
    }
  }

  // MARK: The log

  private func log(_ outcome: Outcome, of subject: Case) {
    let level: Logger.Level
    switch outcome.decision {
    case .pinned, .passed: level = .info
    case .skipped: level = .debug
    case .refused, .malformed: level = .warning
    case .warned: level = outcome.failures.contains { $0.excuse == .warn } ? .error : .warning
    }
    logger.log(
      level: level, "review \(outcome.decision.rawValue)", metadata: Self.metadata(outcome, subject))
  }

  private static func metadata(_ outcome: Outcome, _ subject: Case) -> Logger.Metadata {
    let review = subject.review
    let operation =
      switch review.operation {
      case .create: "CREATE"
      case .update: "UPDATE"
      case .delete: "DELETE"
      case .connect: "CONNECT"
      case .unknown(let name): name.printable(limit: 64)
      }
    var metadata: Logger.Metadata = [
      "endpoint": "\(subject.endpoint.rawValue)",
      "uid": "\(review.uid.printable(limit: 64))",
      "operation": "\(operation)",
      "namespace": "\(review.namespace.printable(limit: 64))",
      "name": "\(review.name.printable(limit: 253))",
      "took-us": "\((Deadline.now.nanoseconds &- subject.started.nanoseconds) / 1000)",
    ]
    if let time = subject.policyTime { metadata["policy-us"] = "\(time / 1000)" }
    if review.isDryRun { metadata["dry-run"] = "true" }
    if !review.subResource.isEmpty { metadata["subresource"] = "\(review.subResource.printable(limit: 64))" }
    if !outcome.codes.isEmpty { metadata["codes"] = .array(outcome.codes.map { "\($0.rawValue)" }) }
    if outcome.decision == .refused {
      metadata["message"] = "\(outcome.message)"
    } else if !outcome.failures.isEmpty {
      metadata["failures"] = .array(
        outcome.failures.prefix(Outcome.maximumWarnings).map { "\($0.text(imageLimit: 300, messageLimit: 1200))" })
    }
    if !outcome.images.isEmpty {
      metadata["images"] = .array(
        outcome.images.prefix(Outcome.maximumAuditAnnotations).map { .dictionary(imageMetadata($0)) })
    }
    return metadata
  }

  private static func imageMetadata(_ image: Outcome.ImageRecord) -> Logger.Metadata {
    var metadata: Logger.Metadata = [
      "place": "\(image.place.description)", "from": "\(image.place.image.printable(limit: 300))",
    ]
    switch image.state {
    case .exempt: metadata["state"] = "exempt"
    case .verified(let verified, let pinned):
      metadata["state"] = "verified"
      metadata["to"] = "\(pinned.printable(limit: 500))"
      metadata["digest"] = "\(verified.digest.printable(limit: 160))"
      if let key = verified.signature.key {
        metadata["key"] = "\(key)"
      } else {
        metadata["signer"] = "\(verified.signature.signer.description)"
      }
      if let log = verified.signature.log { metadata["log-index"] = "\(log.logIndex)" }
      metadata["cached"] = "\(verified.fromCache)"
    case .failed(let code, let excuse):
      metadata["state"] = excuse == nil ? "refused" : "unverified"
      metadata["code"] = "\(code.rawValue)"
    }
    if let times = image.times {
      if let resolve = times.resolve { metadata["resolve-us"] = "\(resolve.microseconds)" }
      if let find = times.find { metadata["find-us"] = "\(find.microseconds)" }
      if let verify = times.verify { metadata["verify-us"] = "\(verify.microseconds)" }
    }
    return metadata
  }
}
