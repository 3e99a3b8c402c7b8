import Primitives

/// An entry of a log in a bundle, decoded as far as protobuf's JSON gives its form (protobuf-specs, sigstore_rekor.proto,
/// `TransparencyLogEntry`): every member may be absent.
///
/// The form is required also where the log is not read. Where it is, a `BundleLogEntry` is made of what was decoded here,
/// so that nothing is decoded a second time.
struct LogEntryForm {
  struct InclusionProof {
    let field: Field
    let logIndex: Int64?
    let rootHash: [UInt8]?
    let treeSize: Int64?
    let path: [[UInt8]]
    /// The checkpoint's envelope; nil both without checkpoint and for one without envelope.
    let envelope: String?
    let hasCheckpoint: Bool
  }

  /// Where it lies, for messages.
  let field: Field
  let logIndex: Int64?
  let logID: [UInt8]?
  let kind: String?
  let version: String?
  let integratedTime: Int64?
  let hasPromise: Bool
  let signedEntryTimestamp: [UInt8]?
  let proof: InclusionProof?
  /// The entry's canonicalised body.
  let body: [UInt8]?

  init(_ field: Field) throws(CandidateRejection) {
    self.field = field
    try field.allowOnly([
      "logIndex", "logId", "kindVersion", "integratedTime", "inclusionPromise", "inclusionProof", "canonicalizedBody",
    ])
    logIndex = try field.optional("logIndex")?.int64()
    integratedTime = try field.optional("integratedTime")?.int64()
    body = try field.optional("canonicalizedBody")?.bytes()
    let id = try field.optional("logId")
    try id?.allowOnly(["keyId"])
    logID = try id?.optional("keyId")?.bytes(atMost: 64)
    let kindVersion = try field.optional("kindVersion")
    try kindVersion?.allowOnly(["kind", "version"])
    kind = try kindVersion?.optional("kind")?.string(atMost: 64)
    version = try kindVersion?.optional("version")?.string(atMost: 64)
    let promise = try field.optional("inclusionPromise")
    try promise?.allowOnly(["signedEntryTimestamp"])
    hasPromise = promise != nil
    signedEntryTimestamp = try promise?.optional("signedEntryTimestamp")?.bytes(atMost: 1024)
    proof = try field.optional("inclusionProof").map(InclusionProof.init)
  }
}

extension LogEntryForm.InclusionProof {
  init(_ field: Field) throws(CandidateRejection) {
    self.field = field
    try field.allowOnly(["logIndex", "rootHash", "treeSize", "hashes", "checkpoint"])
    logIndex = try field.optional("logIndex")?.int64()
    treeSize = try field.optional("treeSize")?.int64()
    rootHash = try field.optional("rootHash")?.bytes(atMost: 64)
    var path: [[UInt8]] = []
    for hash in try field.optional("hashes")?.elements(atMost: MerkleProof.maximumPathCount) ?? [] {
      path.append(try hash.bytes(atMost: 64))
    }
    self.path = path
    let checkpoint = try field.optional("checkpoint")
    try checkpoint?.allowOnly(["envelope"])
    hasCheckpoint = checkpoint != nil
    envelope = try checkpoint?.optional("envelope")?.string(atMost: SignedNote.maximumByteCount)
  }
}
