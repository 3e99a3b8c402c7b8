import Crypto
import Primitives

/// The versions of Sigstore's bundle, which differ in what an entry of a log must bring along.
enum BundleVersion: String, Sendable, Hashable {
  /// A signed entry timestamp.
  case v01 = "0.1"
  /// An inclusion proof with checkpoint.
  case v02 = "0.2"
  /// As 0.2.
  case v03 = "0.3"
}

/// An entry of a transparency log in a bundle (protobuf-specs, sigstore_rekor.proto, `TransparencyLogEntry`), read and not
/// verified.
///
/// Integers that protobuf's JSON leaves out are 0. All of them are verified to be what the log signed, so an integer that
/// was taken away is no way around a check.
struct BundleLogEntry: Sendable {
  /// What distinguishes entries.
  struct Place: Hashable {
    let logID: [UInt8]
    let logIndex: Int64
  }

  struct InclusionProof: Sendable {
    /// In Rekor v1 the place in a shard's tree, not in all of the log.
    let logIndex: Int64
    let rootHash: [UInt8]
    let treeSize: Int64
    let path: [[UInt8]]
    let checkpoint: String?
  }

  let logIndex: Int64
  let logID: [UInt8]
  let kind: String
  let version: String
  let integratedTime: UnixTime?
  let signedEntryTimestamp: [UInt8]?
  let proof: InclusionProof?
  let body: [UInt8]

  var place: Place { Place(logID: logID, logIndex: logIndex) }
}

extension BundleLogEntry {
  init(_ field: Field) throws(CandidateRejection) {
    try field.allowOnly([
      "logIndex", "logId", "kindVersion", "integratedTime", "inclusionPromise", "inclusionProof", "canonicalizedBody",
    ])
    logIndex = try field.optional("logIndex")?.notNegative() ?? 0
    let id = try field.member("logId")
    try id.allowOnly(["keyId"])
    logID = try id.member("keyId").bytes(count: 32)
    let kindVersion = try field.member("kindVersion")
    try kindVersion.allowOnly(["kind", "version"])
    kind = try kindVersion.member("kind").string(atMost: 64)
    version = try kindVersion.member("version").string(atMost: 64)
    // 0 is how protobuf says that there is none.
    integratedTime = try field.optional("integratedTime")?.notNegative().nonZero
    if let promise = try field.optional("inclusionPromise") {
      try promise.allowOnly(["signedEntryTimestamp"])
      signedEntryTimestamp = try promise.member("signedEntryTimestamp").bytes(atMost: 1024)
    } else {
      signedEntryTimestamp = nil
    }
    proof = try field.optional("inclusionProof").map(Self.proof)
    body = try field.member("canonicalizedBody").bytes()
  }

  private static func proof(_ field: Field) throws(CandidateRejection) -> InclusionProof {
    try field.allowOnly(["logIndex", "rootHash", "treeSize", "hashes", "checkpoint"])
    var path: [[UInt8]] = []
    for hash in try field.optional("hashes")?.elements(atMost: MerkleProof.maximumPathCount) ?? [] {
      path.append(try hash.bytes(count: 32))
    }
    var envelope: String?
    if let checkpoint = try field.optional("checkpoint") {
      try checkpoint.allowOnly(["envelope"])
      envelope = try checkpoint.member("envelope").string(atMost: SignedNote.maximumByteCount)
    }
    return InclusionProof(
      logIndex: try field.optional("logIndex")?.notNegative() ?? 0,
      rootHash: try field.member("rootHash").bytes(count: 32),
      treeSize: try field.optional("treeSize")?.notNegative() ?? 0, path: path, checkpoint: envelope)
  }

  /// The trusted log that this is an entry of, if it is of one.
  func log(among logs: [TransparencyLog]) -> TransparencyLog? {
    if let log = LogVerifier.log(logID, at: integratedTime, among: logs) { return log }
    // A log that is known by its key alone may be a Rekor v2 log, whose identifier has its name in it. The name is the
    // bundle's to say, as the key decides: it must have signed a checkpoint under that name.
    guard let name = proof?.checkpoint?.utf8.prefix(while: { $0 != 0x0A }) else { return nil }
    return logs.first { $0.origin == nil && $0.noteIdentifier(name: String(decoding: name, as: UTF8.self)) == logID }
  }
}

extension Field {
  fileprivate func notNegative() throws(CandidateRejection) -> Int64 {
    let number = try int64()
    guard number >= 0 else { throw malformed("\(path) is negative") }
    return number
  }

  fileprivate func bytes(count: Int) throws(CandidateRejection) -> [UInt8] {
    let bytes = try bytes(atMost: count)
    guard bytes.count == count else { throw malformed("\(path) has \(bytes.count) bytes, expected \(count)") }
    return bytes
  }
}

extension Int64 {
  fileprivate var nonZero: Int64? { self == 0 ? nil : self }
}
