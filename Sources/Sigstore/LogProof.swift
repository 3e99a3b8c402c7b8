public import Crypto
import Primitives

/// What a log was found to say of a signature. Only made by verification, in this module.
public struct LogProof: Sendable, Hashable {
  /// The log's identifier, 32 bytes.
  public let logID: [UInt8]
  /// The entry's place, as the log signed it: in all of the log where it signed an entry timestamp, else in the tree
  /// (of Rekor v1, the shard's) that its checkpoint is of.
  public let logIndex: Int64
  /// When the log took the entry in. Only there if the log signed it: in a Rekor v1 entry timestamp that was verified.
  public let integratedTime: UnixTime?
  /// Where the log is, by the trust root; empty for a log that is known by its key alone.
  public let logURL: String

  package init(logID: [UInt8], logIndex: Int64, integratedTime: UnixTime?, logURL: String) {
    self.logID = logID
    self.logIndex = logIndex
    self.integratedTime = integratedTime
    self.logURL = logURL
  }
}

/// What an entry of a log must be equal to: a signature that was verified, by whom, over what.
public struct LoggedSignature: Sendable {
  /// What the signature was verified with.
  public enum Verifier: Sendable {
    /// A trusted key.
    case key(PublicKey)
    /// A certificate.
    case certificate(X509Certificate)

    /// The key that the signature was verified with.
    var key: PublicKey {
      get throws(CandidateRejection) {
        switch self {
        case .key(let key): return key
        case .certificate(let certificate):
          do throws(CertificateError) { return try certificate.publicKey } catch {
            throw CandidateRejection(.certificateInvalid, "it is signed with a certificate: \(error.description)")
          }
        }
      }
    }

    /// Throws if this is a certificate that was not valid at `time`, at which a log says it took the entry in.
    func requireValid(at time: UnixTime) throws(CandidateRejection) {
      guard case .certificate(let certificate) = self, !certificate.validity.contains(time) else { return }
      throw CandidateRejection(
        .logProofInvalid,
        "its log entry says it was taken in at \(CalendarTime.text(time)), when its certificate was not valid")
    }
  }

  /// What was signed.
  public enum Content: Sendable {
    /// A simple signing payload's bytes.
    case payload([UInt8])
    /// A DSSE envelope: the decoded payload, and the pre-authentication encoding that the signature is over.
    case dsse(payload: [UInt8], pae: [UInt8])
    /// A message, of which the bundle gives the digest. That it is the artifact's digest is for the caller to check.
    case messageDigest(HashAlgorithm, [UInt8])
  }

  /// The signature's bytes.
  public let signature: [UInt8]
  /// What it was verified with.
  public let verifier: Verifier
  /// What it is over.
  public let content: Content

  /// A signature.
  public init(signature: [UInt8], verifier: Verifier, content: Content) {
    self.signature = signature
    self.verifier = verifier
    self.content = content
  }
}

/// Checks what transparency logs say of signatures. Pure.
///
/// Which log, by which key, is the trust root's choice. What cosign 3 lets pass and is refused here:
/// - a proof whose tree size or root (v2: both) is not the checkpoint's, a v2 index that is another in the proof,
///   a `canonicalizedBody` that is not the v2 entry, times and timestamps in a v2 entry;
/// - a checkpoint whose origin is not named after the log (v1: `NAME - TREE`) or that the log signed twice;
/// - an entry timestamp that does not verify, also beside an entry that does;
/// - a time outside of the signer's certificate or of the log key's validity, also where it is not signed;
/// - an entry of other than one signature, of another payload type, or with members that its kind does not have;
/// - JSON with members unknown, doubled, or in other capitals, integers and base64 in other spellings.
public enum LogVerifier {
  /// Entries of logs that one bundle may have.
  public static let maximumEntryCount = 32

  /// Verifies the annotation `dev.sigstore.cosign/bundle` of a simple signing layer: Rekor v1's signed entry timestamp, and
  /// that the entry is of exactly this signature.
  public static func verifyAnnotation(
    _ json: [UInt8], entryOf signature: LoggedSignature, logs: [TransparencyLog]
  ) throws(CandidateRejection) -> LogProof {
    try LegacyLogAnnotation(parsing: json).verify(entryOf: signature, logs: logs)
  }

  /// Verifies the entries of a bundle. At least one must be of a log that is trusted, and all such must hold; entries of
  /// other logs are passed over.
  ///
  /// Stricter than cosign, which passes over entries whose entry timestamp does not verify. `times` are times that
  /// timestamp authorities signed for this signature: where a log signs no time of its own, they must lie in the validity
  /// of its key. Without either the validity is not checked, as there is nothing to check it with.
  static func verify(
    _ entries: [BundleLogEntry], entryOf signature: LoggedSignature, logs: [TransparencyLog], version: BundleVersion,
    times: [UnixTime] = []
  ) throws(CandidateRejection) -> [LogProof] {
    guard !entries.isEmpty else { throw CandidateRejection(.logProofMissing, "it has no entry of a transparency log") }
    guard entries.count <= maximumEntryCount else {
      throw CandidateRejection(
        .logProofInvalid, "it has \(entries.count) log entries, at most \(maximumEntryCount) are read")
    }
    guard Set(entries.map(\.place)).count == entries.count else {
      throw CandidateRejection(.logProofInvalid, "it has one log entry twice")
    }
    var proofs: [LogProof] = []
    for entry in entries {
      guard let log = entry.log(among: logs) else { continue }
      proofs.append(try entry.verify(entryOf: signature, log: log, version: version, times: times))
    }
    guard !proofs.isEmpty else { throw unknown(entries[0].logID, logs) }
    return proofs
  }

  /// The trusted log with this identifier; of several, which differ in nothing but their validity, one whose key was in
  /// use at `time`.
  static func log(_ identifier: [UInt8], at time: UnixTime?, among logs: [TransparencyLog]) -> TransparencyLog? {
    let known = logs.filter { $0.logID == identifier }
    guard let time else { return known.first }
    return known.first { $0.validity.contains(time) } ?? known.first
  }

  /// The refusal of a proof of a log that nobody here trusts.
  static func unknown(_ identifier: [UInt8], _ logs: [TransparencyLog]) -> CandidateRejection {
    let trusted =
      logs.isEmpty ? "none is trusted" : "trusted: " + logs.prefix(3).map(\.name).joined(separator: ", ")
    return CandidateRejection(
      .logUnknown,
      "its log proof is of the log \(Hex.encode(identifier.prefix(32))), which is not trusted (\(trusted)"
        + (logs.count > 3 ? ", …)" : ")"))
  }
}
