import Crypto
import OCI
import Primitives
import Sigstore

/// What a search comes to.
enum SearchConclusion: Sendable {
  case signed(VerifiedSignature)
  case refused(Refusal)
}

extension SignatureSearch {
  /// The verdict over all that was found. The first rule that fits decides:
  ///
  /// 1. the registry says that the image is not there, not readable or not what its digest says: that code;
  /// 2. a signature counts: verified, whatever else lay there and whatever failed;
  /// 3. a place, a candidate or a log could not be read now: `REGISTRY_UNAVAILABLE`, `LOG_UNAVAILABLE` or
  ///    `DEADLINE_EXCEEDED`, never "unsigned";
  /// 4. one could not be read with these credentials: `REGISTRY_UNAUTHORIZED`;
  /// 5. one who is trusted signed, but something is lacking; the signature that came nearest decides:
  ///    `ANNOTATION_MISMATCH`, `SIGNED_IDENTITY_MISMATCH`, `KEY_OUTSIDE_VALIDITY`, `LOG_PROOF_MISSING`,
  ///    `LOG_PROOF_INVALID`, in this order;
  /// 6. more lay there than is judged: `SIGNATURE_LIMIT_EXCEEDED`;
  /// 7. a place answered with what is no answer: `REGISTRY_MISBEHAVED`, `DIGEST_MISMATCH`;
  /// 8. every signature is by somebody else: `IDENTITY_MISMATCH` if one is by a certificate that verifies, else
  ///    `SIGNATURE_KEY_MISMATCH`;
  /// 9. there are signatures, one at least malformed, unreadable or over another digest: `SIGNATURE_INVALID`; else one with
  ///    a certificate that does not verify: `CERTIFICATE_INVALID`, or without a time: `TIMESTAMP_INVALID`;
  /// 10. there is nothing, or nothing that is a signature: `SIGNATURE_NOT_FOUND`.
  func conclude(_ findings: Findings) -> SearchConclusion {
    if case .denied(let error) = findings.existence {
      return .refused(Refusal(error.code, bounded(error.description)))
    }
    let reports = findings.places.map(\.report)
    if let signature = reports.lazy.compactMap(\.good).first { return .signed(signature) }
    let (code, message) = refusal(findings.places)
    return .refused(Refusal(code, bounded(message)))
  }

  /// What may be remembered: every signature that verifies, where the registry says that the image exists.
  func facts(_ findings: Findings) -> [VerifiedSignature] {
    guard case .confirmed = findings.existence else { return [] }
    return findings.places.flatMap { _, report in report.verified + (report.good.map { [$0] } ?? []) }
  }

  private func refusal(_ places: [(place: Place, report: PlaceReport)]) -> (RefusalCode, String) {
    let failures = places.flatMap { place, report in report.failures.map { (place: place, error: $0) } }
    let found = summary(places)
    let otherwise = found.isEmpty ? "" : "; apart from that \(found)"

    let transient = failures.first { $0.error.code.isTransient }
    let unauthorized = failures.first { $0.error.code == .registryUnauthorized }
    if let failure = transient ?? unauthorized {
      return (failure.error.code, unreadable(failure.place, failure.error) + otherwise)
    }
    if let lacking = nearest(places) { return lacking }
    if let over = places.first(where: { $0.report.isOverLimit }) {
      let present = over.report.isTruncated ? "more than \(over.report.present)" : "\(over.report.present)"
      return (
        .signatureLimitExceeded,
        "\(present) candidates \(over.place.whereabouts), of which \(over.report.judged) were judged "
          + "and none counts; take away what is not needed there, or raise the limit" + otherwise
      )
    }
    if let failure = failures.first {
      return (failure.error.code, unreadable(failure.place, failure.error) + otherwise)
    }

    guard !found.isEmpty else { return (.signatureNotFound, nothingFound(places)) }
    let reasons = places.flatMap { $0.report.findings.map(\.rejection?.reason) }
    let others = reasons.filter { reason in reason.map { !Self.bySomebodyElse.contains($0) } ?? true }
    if others.isEmpty {
      let code: RefusalCode = reasons.contains(.identityMismatch) ? .identityMismatch : .signatureKeyMismatch
      return (code, "\(found), none by \(signersPhrase): \(details(places))")
    }
    let code: RefusalCode
    if others.contains(where: { $0 != .certificateInvalid && $0 != .timestampInvalid }) {
      code = .signatureInvalid
    } else {
      code = others.contains(.certificateInvalid) ? .certificateInvalid : .timestampInvalid
    }
    return (code, "\(found), none valid by \(signersPhrase): \(details(places))")
  }

  /// Reasons that say that somebody signed who is not trusted here.
  private static let bySomebodyElse: Set<CandidateRejection.Reason> = [.otherKey, .keyless, .identityMismatch]

  /// What a signature lacked that came nearest to counting, among those by whom is trusted.
  private func nearest(_ places: [(place: Place, report: PlaceReport)]) -> (RefusalCode, String)? {
    let findings = places.flatMap { $0.report.findings }
    let ranks: [(CandidateRejection.Reason, RefusalCode)] = [
      (.annotationMismatch, .annotationMismatch), (.signedIdentityMismatch, .signedIdentityMismatch),
      (.keyOutsideValidity, .keyOutsideValidity), (.logProofMissing, .logProofMissing),
      (.logProofInvalid, .logProofInvalid), (.logUnknown, .logProofInvalid),
    ]
    for (reason, code) in ranks {
      guard let rejection = findings.lazy.compactMap(\.rejection).first(where: { $0.reason == reason }) else {
        continue
      }
      return (code, rejection.description + (reason == .logProofMissing ? Self.howToLog : ""))
    }
    return nil
  }

  private static let howToLog =
    "; sign so that one is: cosign sign does by default (cosign 2: not with --tlog-upload=false), skopeo with rekorURL in its "
    + "--sign-by-sigstore file; or set pinseal.dev/ignore-tlog: \"true\" on the namespace to accept signatures without one"

  // MARK: Wording

  /// "2 signatures found (1 at tag sha256-….sig, 1 bundle by the referrers API)", or nothing.
  private func summary(_ places: [(place: Place, report: PlaceReport)]) -> String {
    let total = places.reduce(0) { $0 + $1.report.signatures }
    guard total > 0 else { return "" }
    let parts = places.filter { $0.report.signatures > 0 }.map { place, report in
      let isBundles = report.findings.allSatisfy { $0.kind == .bundle }
      let noun = isBundles ? (report.signatures == 1 ? " bundle" : " bundles") : ""
      return "\(report.signatures)\(noun) \(place.whereabouts)"
    }
    return "\(total) \(total == 1 ? "signature" : "signatures") found (\(parts.joined(separator: ", ")))"
  }

  /// Each candidate with what is wrong with it, five at most.
  private func details(_ places: [(place: Place, report: PlaceReport)]) -> String {
    let findings = places.flatMap { $0.report.findings.sorted { $0.order < $1.order } }
    let shown = findings.prefix(5).map { finding in
      findings.count == 1 ? finding.reason : "\(finding.label): \(finding.reason)"
    }
    let more = findings.count - shown.count
    return shown.joined(separator: "; ") + (more > 0 ? "; and \(more) more" : "")
  }

  private func nothingFound(_ places: [(place: Place, report: PlaceReport)]) -> String {
    let parts = places.map { place, report in
      var there: [String] = []
      if report.others == 1 { there.append("1 thing that is no image signature") }
      if report.others > 1 { there.append("\(report.others) things that are no image signatures") }
      if report.missing == 1 { there.append("1 entry whose manifest is gone") }
      if report.missing > 1 { there.append("\(report.missing) entries whose manifests are gone") }
      let what = (there.isEmpty ? "nothing" : there.joined(separator: " and ")) + " " + place.whereabouts
      let remarks = report.remarks.map { $0.printable(limit: 200) }.joined(separator: "; ")
      return remarks.isEmpty ? what : "\(what) (\(remarks))"
    }
    return "no signature found: " + parts.joined(separator: ", ")
  }

  private func unreadable(_ place: Place, _ error: RegistryError) -> String {
    if error.code == .logUnavailable {
      return "a signature lacks a log proof, and the log could not be asked for it: "
        + error.description.printable(limit: 600)
    }
    return switch place {
    case .signatureTag(let tag): "what lies at tag \(tag) could not be read: \(error.description.printable(limit: 600))"
    case .referrers: "the image's referrers could not be read: \(error.description.printable(limit: 600))"
    }
  }

  private var signersPhrase: String {
    let keys = terms.demand.keys
    let identities = terms.demand.identities
    // Which they are is said with each candidate.
    let keyPhrase =
      keys.count == 1
      ? "the namespace's key \(keys[0].key.fingerprint.short)" : "any of the namespace's \(keys.count) keys"
    guard let identity = identities.first else { return keyPhrase }
    let identityPhrase =
      identities.count == 1
      ? "the namespace's identity \(identity.description.printable(limit: 200))"
      : "any of the namespace's \(identities.count) identities"
    return keys.isEmpty ? identityPhrase : "\(keyPhrase) or \(identityPhrase)"
  }

  private func bounded(_ message: String) -> String { message.printable(limit: 2000) }
}

extension Place {
  /// "at tag sha256-….sig", "by the referrers API".
  var whereabouts: String {
    switch self {
    case .signatureTag(let tag): "at tag \(tag)"
    case .referrers(.api): "by the referrers API"
    case .referrers(.fallbackTag(let tag)): "by the referrers tag \(tag.printable(limit: 140))"
    case .referrers(.some(.none)): "by the referrers API or its fallback tag"
    case .referrers(nil): "among the referrers"
    }
  }
}

extension Finding {
  fileprivate var rejection: CandidateRejection? {
    guard case .rejected(let rejection) = judgement else { return nil }
    return rejection
  }

  /// Why it does not count, bounded.
  var reason: String {
    switch judgement {
    case .rejected(let rejection): rejection.description.printable(limit: 240)
    case .unreadable(let error): error.description.printable(limit: 240)
    }
  }
}
