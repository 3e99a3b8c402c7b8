import Crypto
import Primitives

extension BundleLogEntry {
  /// Verifies that `log` has this entry, and that it is the entry of exactly `signature`.
  func verify(
    entryOf signature: LoggedSignature, log: TransparencyLog, version bundle: BundleVersion, times: [UnixTime]
  ) throws(CandidateRejection) -> LogProof {
    switch bundle {
    case .v01:
      guard signedEntryTimestamp != nil else { throw missing("signed entry timestamp", bundle) }
    case .v02, .v03:
      guard proof != nil else { throw missing("inclusion proof", bundle) }
    }
    // Also where the time is not signed, and so not used: it contradicts.
    if let integratedTime { try signature.verifier.requireValid(at: integratedTime) }
    return log.isV2Only || isV2Kind
      ? try verifyV2(entryOf: signature, log: log, times: times)
      : try verifyV1(entryOf: signature, log: log, times: times)
  }

  /// Kinds that only Rekor v2 has, or had.
  private var isV2Kind: Bool {
    (kind.isExactly(RekorV2.kind) || kind.isExactly("dsse")) && version.isExactly(RekorV2.version)
  }

  // MARK: Rekor v1

  private func verifyV1(
    entryOf signature: LoggedSignature, log: TransparencyLog, times: [UnixTime]
  ) throws(CandidateRejection) -> LogProof {
    if let signedEntryTimestamp {
      guard let integratedTime else {
        throw CandidateRejection(.logProofInvalid, "its log entry has an entry timestamp without integratedTime")
      }
      let timestamp = SignedEntryTimestamp(
        signature: signedEntryTimestamp, body: body, integratedTime: integratedTime, logIndex: logIndex)
      try timestamp.verify(log)
    } else {
      for time in (integratedTime.map { [$0] } ?? []) + times { try log.requireInUse(at: time) }
    }
    if let proof {
      let checkpoint = try checkpoint(of: proof)
      try checkpoint.requireSigned(byV1: log)
      try requireIncluded(body, proof, checkpoint, log)
    }
    // Now the body is known to be the log's.
    let entry = try RekorEntry(parsing: body)
    guard entry.kind.isExactly(kind), entry.version.isExactly(version) else {
      throw CandidateRejection(
        .logProofInvalid,
        "its log entry is called \(kind.printable(limit: 64)) \(version.printable(limit: 64)), but is"
          + " \(entry.kind.printable(limit: 64)) \(entry.version.printable(limit: 64))")
    }
    try entry.requireEntry(of: signature)
    let isTimed = signedEntryTimestamp != nil
    return LogProof(
      logID: logID, logIndex: isTimed ? logIndex : proof?.logIndex ?? logIndex,
      integratedTime: isTimed ? integratedTime : nil, logURL: log.baseURL)
  }

  // MARK: Rekor v2

  private func verifyV2(
    entryOf signature: LoggedSignature, log: TransparencyLog, times: [UnixTime]
  ) throws(CandidateRejection) -> LogProof {
    guard kind.isExactly(RekorV2.kind), version.isExactly(RekorV2.version) else {
      throw CandidateRejection(
        .logProofInvalid,
        "its log entry is of kind \"\(kind.printable(limit: 64))\" \"\(version.printable(limit: 64))\", of Rekor v2 only"
          + " \(RekorV2.kind) \(RekorV2.version) is read")
    }
    guard signedEntryTimestamp == nil, integratedTime == nil else {
      throw CandidateRejection(
        .logProofInvalid, "its log entry is of Rekor v2, but has an entry timestamp or integratedTime, which v2 has not"
      )
    }
    guard let proof else { throw CandidateRejection(.logProofInvalid, "its log entry has no inclusion proof") }
    let rebuilt = try RekorV2.entry(of: signature)
    guard body == rebuilt else {
      throw CandidateRejection(
        .logProofInvalid,
        "its log entry is not the one of this signature: signature, key or content in canonicalizedBody is another")
    }
    guard proof.logIndex == logIndex else {
      throw CandidateRejection(
        .logProofInvalid, "its log entry's logIndex is \(logIndex), but \(proof.logIndex) in the inclusion proof")
    }
    let checkpoint = try checkpoint(of: proof)
    try checkpoint.requireSigned(byV2: log)
    try requireIncluded(rebuilt, proof, checkpoint, log)
    for time in times { try log.requireInUse(at: time) }
    return LogProof(logID: logID, logIndex: logIndex, integratedTime: nil, logURL: log.baseURL)
  }

  // MARK: Both

  private func checkpoint(of proof: InclusionProof) throws(CandidateRejection) -> Checkpoint {
    guard let envelope = proof.checkpoint else {
      throw CandidateRejection(.logProofInvalid, "its log entry's inclusion proof has no checkpoint")
    }
    return try Checkpoint(parsing: envelope)
  }

  /// Throws unless the proof leads from `leaf` to the root that the (verified) checkpoint is of, and says the same of the
  /// tree as the checkpoint. cosign compares the root only, and with v2 neither.
  private func requireIncluded(
    _ leaf: [UInt8], _ proof: InclusionProof, _ checkpoint: Checkpoint, _ log: TransparencyLog
  ) throws(CandidateRejection) {
    guard proof.treeSize == checkpoint.size else {
      throw CandidateRejection(
        .logProofInvalid,
        "its log entry's inclusion proof is in a tree of \(proof.treeSize), its checkpoint of one of \(checkpoint.size)"
      )
    }
    guard proof.rootHash == checkpoint.rootHash else {
      throw CandidateRejection(
        .logProofInvalid, "its log entry's inclusion proof is for another root than its checkpoint's")
    }
    guard proof.logIndex < checkpoint.size else {
      throw CandidateRejection(
        .logProofInvalid,
        "its log entry's inclusion proof is for the index \(proof.logIndex) in a tree of \(checkpoint.size)")
    }
    let root = MerkleProof.root(
      leafHash: MerkleProof.leafHash(leaf), index: proof.logIndex, size: checkpoint.size, path: proof.path)
    guard root == checkpoint.rootHash else {
      throw CandidateRejection(
        .logProofInvalid, "its log entry's inclusion proof does not lead to the root that \(log.name) signed")
    }
  }

  private func missing(_ what: String, _ version: BundleVersion) -> CandidateRejection {
    CandidateRejection(
      .logProofInvalid, "its log entry has no \(what), which a bundle of version \(version.rawValue) must have")
  }
}
