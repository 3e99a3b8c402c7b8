import Crypto
import Primitives

/// What lies beside a signature as evidence of when and where it was made. Read only after the signature was verified.
struct SignatureEvidence {
  /// What says that a transparency log has it.
  enum Log {
    case none
    /// The annotation of a simple signing layer.
    case annotation([UInt8])
    /// Entries of a bundle, of which the form was read with the bundle.
    case entries([LogEntryForm], BundleVersion)
  }

  let log: Log
  /// Time-stamps of RFC 3161 over the signature's bytes.
  let timestamps: [[UInt8]]

  /// What was found: the proof of a log, and every trusted time.
  struct Finding {
    let log: LogProof?
    let times: [UnixTime]
  }

  /// The evidence for a signature by a trusted key. Logs are read only where the demand wants a proof, time-stamps only
  /// where the time matters for a key; with no proof attached there is none, which is for the demand to judge.
  func finding(
    for signature: LoggedSignature, demand: SignatureDemand, trust: TrustedRoot,
    observer: (any CandidateCheckObserver)?
  ) throws(CandidateRejection) -> Finding {
    let times = demand.readsTimestampsForKeys ? try times(of: signature, trust, observer) : []
    guard demand.requiresLog else { return Finding(log: nil, times: times) }
    let proofs = try proofs(of: signature, logs: demand.logs(trust), times: times, observer)
    return Finding(log: proofs.first, times: Self.distinct(proofs.compactMap(\.integratedTime) + times))
  }

  /// Who signed with `certificate`, and the evidence for it: a log proof where the demand wants one, and at least one
  /// trusted time, of a log or of a time-stamp authority.
  func identity(
    of certificate: KeylessCertificate, signature: LoggedSignature, demand: SignatureDemand, trust: TrustedRoot,
    observer: (any CandidateCheckObserver)?
  ) throws(CandidateRejection) -> (identity: SignerIdentity, finding: Finding) {
    var times = try times(of: signature, trust, observer)
    var proofs: [LogProof] = []
    if demand.requiresLog {
      proofs = try self.proofs(of: signature, logs: demand.logs(trust), times: times, observer)
      guard !proofs.isEmpty else {
        throw CandidateRejection(
          .logProofMissing, "signed with a certificate, but no proof of a transparency log is attached")
      }
      times = Self.distinct(proofs.compactMap(\.integratedTime) + times)
    }
    guard !times.isEmpty else {
      let missing =
        demand.requiresLog
        ? "neither a signed entry timestamp of a log nor a time-stamp of a trusted authority is attached"
        : "no time-stamp of a trusted authority is attached, and logs are not read (pinseal.dev/ignore-tlog)"
      throw CandidateRejection(
        .timestampInvalid, "signed with a certificate, but nothing trusted says when: \(missing)")
    }
    let identity = try observer.during(.certificate) { () throws(CandidateRejection) in
      try certificate.verify(signedTimes: times, root: trust)
    }
    return (identity, Finding(log: proofs.first, times: times))
  }

  /// The times of time-stamps that are attached and by trusted authorities, each verified; empty if none is.
  private func times(
    of signature: LoggedSignature, _ trust: TrustedRoot, _ observer: (any CandidateCheckObserver)?
  ) throws(CandidateRejection) -> [UnixTime] {
    guard !timestamps.isEmpty else { return [] }
    return try observer.during(.timestamps) { () throws(CandidateRejection) in
      try SignedTimes.verify(timestamps, over: signature.signature, root: trust)
    }
  }

  /// The proofs that are attached, each verified; empty if none is.
  private func proofs(
    of signature: LoggedSignature, logs: [TransparencyLog], times: [UnixTime],
    _ observer: (any CandidateCheckObserver)?
  ) throws(CandidateRejection) -> [LogProof] {
    try observer.duringIfAny(.log) { () throws(CandidateRejection) -> [LogProof]? in
      let proofs = try proofs(of: signature, logs: logs, times: times)
      return proofs.isEmpty ? nil : proofs
    } ?? []
  }

  private func proofs(
    of signature: LoggedSignature, logs: [TransparencyLog], times: [UnixTime]
  ) throws(CandidateRejection) -> [LogProof] {
    switch log {
    case .none: return []
    case .annotation(let json): return [try LogVerifier.verifyAnnotation(json, entryOf: signature, logs: logs)]
    case .entries(let forms, let version):
      guard !forms.isEmpty else { return [] }
      let entries = try forms.map { form throws(CandidateRejection) in try BundleLogEntry(form) }
      return try LogVerifier.verify(entries, entryOf: signature, logs: logs, version: version, times: times)
    }
  }

  private static func distinct(_ times: [UnixTime]) -> [UnixTime] { Set(times).sorted() }
}

extension SignatureDemand {
  /// The certificate with the names in it, of which nothing is verified yet; throws unless they are asked for: whatever
  /// else it says, it could not count, and nothing dear need be done for it.
  func requireAskedFor(
    _ certificate: X509Certificate, observer: (any CandidateCheckObserver)?
  ) throws(CandidateRejection) -> KeylessCertificate {
    try observer.beforehand(.policy) { () throws(CandidateRejection) in
      let read = try KeylessCertificate(certificate)
      guard identities.contains(where: { $0.matches(read.claimed) }) else {
        throw CandidateRejection(
          .identityMismatch, "signed with a certificate for \(read.claimed.short), who is not asked for")
      }
      return read
    }
  }
}

extension X509Certificate {
  /// The key, or why there is none.
  func signingKey() throws(CandidateRejection) -> PublicKey {
    do { return try publicKey } catch {
      throw CandidateRejection(.certificateInvalid, "its certificate cannot be used: \(error.description.printable())")
    }
  }
}
