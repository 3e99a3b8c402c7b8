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
  /// The entry that `form` spells, if all is there that an entry must have.
  init(_ form: LogEntryForm) throws(CandidateRejection) {
    let field = form.field
    logIndex = try field.notNegative(form.logIndex ?? 0, "logIndex")
    logID = try field.ofCount(32, form.logID, "logId.keyId")
    kind = try field.required(form.kind, "kindVersion.kind")
    version = try field.required(form.version, "kindVersion.version")
    // 0 is how protobuf says that there is none.
    integratedTime = try field.notNegative(form.integratedTime ?? 0, "integratedTime").nonZero
    signedEntryTimestamp =
      form.hasPromise
      ? try field.required(form.signedEntryTimestamp, "inclusionPromise.signedEntryTimestamp") : nil
    proof = try form.proof.map(Self.proof)
    body = try field.required(form.body, "canonicalizedBody")
  }

  private static func proof(_ form: LogEntryForm.InclusionProof) throws(CandidateRejection) -> InclusionProof {
    let field = form.field
    for (index, hash) in form.path.enumerated() { _ = try field.ofCount(32, hash, "hashes[\(index)]") }
    return InclusionProof(
      logIndex: try field.notNegative(form.logIndex ?? 0, "logIndex"),
      rootHash: try field.ofCount(32, form.rootHash, "rootHash"),
      treeSize: try field.notNegative(form.treeSize ?? 0, "treeSize"), path: form.path,
      checkpoint: form.hasCheckpoint ? try field.required(form.envelope, "checkpoint.envelope") : nil)
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

/// What a form's members must be, each named by its way from this object.
extension Field {
  fileprivate func required<Value>(_ value: Value?, _ name: String) throws(CandidateRejection) -> Value {
    guard let value else { throw malformed("\(way(name)) is missing") }
    return value
  }

  fileprivate func notNegative(_ number: Int64, _ name: String) throws(CandidateRejection) -> Int64 {
    guard number >= 0 else { throw malformed("\(way(name)) is negative") }
    return number
  }

  fileprivate func ofCount(_ count: Int, _ bytes: [UInt8]?, _ name: String) throws(CandidateRejection) -> [UInt8] {
    let bytes = try required(bytes, name)
    guard bytes.count == count else {
      throw malformed("\(way(name)) has \(bytes.count) bytes, expected \(count)")
    }
    return bytes
  }

  private func way(_ name: String) -> String { path.isEmpty ? name : "\(path).\(name)" }
}

extension Int64 {
  fileprivate var nonZero: Int64? { self == 0 ? nil : self }
}
