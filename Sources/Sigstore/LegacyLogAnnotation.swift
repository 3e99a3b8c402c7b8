import Crypto
import JSON
import Primitives

/// The annotation `dev.sigstore.cosign/bundle` of a simple signing layer: an entry of Rekor v1 with its timestamp.
///
/// `{"SignedEntryTimestamp":B64,"Payload":{"body":B64,"integratedTime":N,"logIndex":N,"logID":HEX}}`: all of it there,
/// exactly so, and nothing else.
struct LegacyLogAnnotation {
  private let timestamp: SignedEntryTimestamp
  private let logID: [UInt8]

  init(parsing json: [UInt8]) throws(CandidateRejection) {
    let root = try Field(parsing: json, context: "its annotation \(MediaType.logAnnotation)")
    try root.allowOnly(["SignedEntryTimestamp", "Payload"])
    let signature = try root.member("SignedEntryTimestamp").standardBytes(atMost: 1024)
    let payload = try root.member("Payload")
    try payload.allowOnly(["body", "integratedTime", "logIndex", "logID"])
    timestamp = SignedEntryTimestamp(
      signature: signature, body: try payload.member("body").standardBytes(),
      integratedTime: try payload.member("integratedTime").number(),
      logIndex: try payload.member("logIndex").number())
    logID = try payload.member("logID").hexadecimal(byteCount: 32)
  }

  func verify(
    entryOf signature: LoggedSignature, logs: [TransparencyLog]
  ) throws(CandidateRejection) -> LogProof {
    guard let log = LogVerifier.log(logID, at: timestamp.integratedTime, among: logs) else {
      throw LogVerifier.unknown(logID, logs)
    }
    // The body is believed, and read, only after this.
    try timestamp.verify(log)
    try RekorEntry(parsing: timestamp.body).requireEntry(of: signature)
    try signature.verifier.requireValid(at: timestamp.integratedTime)
    return LogProof(
      logID: logID, logIndex: timestamp.logIndex, integratedTime: timestamp.integratedTime, logURL: log.baseURL)
  }
}

extension MediaType {
  /// The annotation of a simple signing layer that holds Rekor v1's entry timestamp.
  public static let logAnnotation = "dev.sigstore.cosign/bundle"
}
