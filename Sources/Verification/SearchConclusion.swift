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
  /// 3. a place or a candidate could not be read now: `REGISTRY_UNAVAILABLE` or `DEADLINE_EXCEEDED`, never "unsigned";
  /// 4. one could not be read with these credentials: `REGISTRY_UNAUTHORIZED`;
  /// 5. a trusted key signed, no log proof came with it: `LOG_PROOF_MISSING`;
  /// 6. more lay there than is judged: `SIGNATURE_LIMIT_EXCEEDED`;
  /// 7. a place answered with what is no answer: `REGISTRY_MISBEHAVED`, `DIGEST_MISMATCH`;
  /// 8. every signature is by other keys or by a certificate: `SIGNATURE_KEY_MISMATCH`;
  /// 9. there are signatures, one at least malformed, unreadable or over another digest: `SIGNATURE_INVALID`;
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

  /// What may be remembered: every signature by a trusted key, where the registry says that the image exists.
  func facts(_ findings: Findings) -> [VerifiedSignature] {
    guard case .confirmed = findings.existence else { return [] }
    return findings.places.flatMap { _, report in report.unlogged + (report.good.map { [$0] } ?? []) }
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
    if let signature = places.lazy.compactMap(\.report.unlogged.first).first {
      return (
        .logProofMissing,
        "signed by the namespace's key \(signature.key.short), but no proof of the transparency log was verified with it; "
          + "sign with a log, or set pinseal.dev/ignore-tlog: \"true\" on the namespace to accept signatures without one"
      )
    }
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
    let isKeyMismatch = places.allSatisfy { $0.report.findings.allSatisfy(\.isByOtherKey) }
    if isKeyMismatch { return (.signatureKeyMismatch, "\(found), none by \(keysPhrase): \(details(places))") }
    return (.signatureInvalid, "\(found), none valid by \(keysPhrase): \(details(places))")
  }

  // MARK: Wording

  /// "2 signatures found (1 at tag sha256-….sig, 1 bundle by the referrers API)", or nothing.
  private func summary(_ places: [(place: Place, report: PlaceReport)]) -> String {
    let total = places.reduce(0) { $0 + $1.report.signatures }
    guard total > 0 else { return "" }
    let parts = places.filter { $0.report.signatures > 0 }.map { place, report in
      let isBundles = report.unlogged.isEmpty && report.findings.allSatisfy { $0.kind == .bundle }
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
    switch place {
    case .signatureTag(let tag): "what lies at tag \(tag) could not be read: \(error.description.printable(limit: 600))"
    case .referrers: "the image's referrers could not be read: \(error.description.printable(limit: 600))"
    }
  }

  private var keysPhrase: String {
    if keys.count == 1, let key = keys.first { return "the namespace's key \(key.fingerprint.short)" }
    // Which they are is said with each candidate.
    return "any of the namespace's \(keys.count) keys"
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
  fileprivate var isByOtherKey: Bool {
    guard case .rejected(let rejection) = judgement else { return false }
    return rejection.reason == .otherKey || rejection.reason == .keyless
  }

  /// Why it does not count, bounded.
  var reason: String {
    switch judgement {
    case .rejected(let rejection): rejection.description.printable(limit: 240)
    case .unreadable(let error): error.description.printable(limit: 240)
    }
  }
}
