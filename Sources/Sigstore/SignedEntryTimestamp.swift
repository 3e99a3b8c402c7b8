import Crypto
import Primitives

/// Rekor v1's promise that it took in an entry, at which place and when: a signature over the four of them.
struct SignedEntryTimestamp {
  let signature: [UInt8]
  /// The entry's body, decoded.
  let body: [UInt8]
  let integratedTime: UnixTime
  /// The place in all of the log, not in a shard.
  let logIndex: Int64

  /// Throws unless `log` signed this, with a key that was in use then.
  func verify(_ log: TransparencyLog) throws(CandidateRejection) {
    guard !log.isV2Only else {
      throw CandidateRejection(
        .logProofInvalid, "its log proof has an entry timestamp, which \(log.name) does not sign")
    }
    guard integratedTime > 0, logIndex >= 0 else {
      throw CandidateRejection(
        .logProofInvalid, "its log proof's integratedTime \(integratedTime) or logIndex \(logIndex) is not possible")
    }
    try log.requireInUse(at: integratedTime)
    guard log.hasSigned(signedText(log.logID), signature) else {
      throw CandidateRejection(
        .logProofInvalid,
        "its log proof's entry timestamp does not verify with the key of \(log.name): entry, place or time was changed")
    }
  }

  /// The RFC 8785 form of the four members, built from their values. None of them holds a character that JSON escapes.
  private func signedText(_ logID: [UInt8]) -> [UInt8] {
    Array(
      (#"{"body":""# + Base64.encode(body) + #"","integratedTime":\#(integratedTime),"logID":""#
        + Hex.encode(logID) + #"","logIndex":\#(logIndex)}"#).utf8)
  }
}

extension TransparencyLog {
  /// Throws unless the log's key was in use at `time`.
  func requireInUse(at time: UnixTime) throws(CandidateRejection) {
    guard !validity.contains(time) else { return }
    let start = validity.start.map { "from \(CalendarTime.text($0))" }
    let end = validity.end.map { "to \(CalendarTime.text($0))" }
    throw CandidateRejection(
      .logProofInvalid,
      "its log proof is of \(CalendarTime.text(time)), but the key of \(name) was in use "
        + [start, end].compactMap(\.self).joined(separator: " "))
  }
}
