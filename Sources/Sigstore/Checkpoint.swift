import Crypto
import JSON
import Primitives

/// What a log says of its tree at one time (C2SP, tlog-checkpoint.md): origin, size and root. Nothing is verified yet.
struct Checkpoint {
  let origin: String
  let size: Int64
  let rootHash: [UInt8]
  private let note: SignedNote

  private static let maximumLineCount = 64

  init(parsing envelope: String) throws(CandidateRejection) {
    note = try SignedNote(parsing: envelope)
    // The text ends with a newline: what stands behind the last one is nothing.
    let lines = note.text.dropLast().split(separator: 0x0A, omittingEmptySubsequences: false)
    guard lines.count >= 3, lines.count <= Self.maximumLineCount else {
      throw Self.refusal("has \(lines.count) lines of text, expected origin, size, root and perhaps a few more")
    }
    guard lines.allSatisfy({ !$0.isEmpty }) else { throw Self.refusal("has an empty line in its text") }
    origin = String(decoding: lines[0], as: UTF8.self)
    guard let size = JSONValue.exactInteger(lines[1]), size > 0 else {
      throw Self.refusal("has a size that is not a positive decimal number without leading zeros or sign")
    }
    self.size = size
    guard let root = Base64.decode(Array(lines[2])), root.count == HashAlgorithm.sha256.byteCount else {
      throw Self.refusal("has a root that is not base64 of 32 bytes")
    }
    rootHash = root
  }

  /// Throws unless the Rekor v1 log `log` signed this: origin `NAME - TREE`, where NAME is the log's, and every signature
  /// is the log's.
  ///
  /// As Rekor's own client, which ignores the name, this refuses foreign signatures: v1 has no witnesses.
  func requireSigned(byV1 log: TransparencyLog) throws(CandidateRejection) {
    let bytes = Array(origin.utf8)
    guard let dash = bytes.lastIndex(of: UInt8(ascii: "-")), dash > 1, bytes[dash - 1] == 0x20,
      bytes[(dash + 1)...].first == 0x20, let tree = JSONValue.exactInteger(bytes[(dash + 2)...]), tree >= 0
    else { throw Self.refusal("has the origin \"\(shown)\", not one of Rekor v1, which is NAME - TREE") }
    let name = String(decoding: bytes[..<(dash - 1)], as: UTF8.self)
    try requireName(name, of: log)
    let hint = log.key.fingerprint.bytes.prefix(4)
    guard note.signatures.allSatisfy({ $0.name.isExactly(name) && $0.hint.elementsEqual(hint) }) else {
      throw Self.refusal("has a signature that is not by \(log.name), under the name \"\(name.printable(limit: 100))\"")
    }
    try requireOne(note.signatures, of: log)
  }

  /// Throws unless the Rekor v2 log `log` signed this: the origin is the log's name, and of the signatures exactly one is
  /// under that name with the log's hint. Others, by witnesses, are not looked at.
  func requireSigned(byV2 log: TransparencyLog) throws(CandidateRejection) {
    try requireName(origin, of: log)
    let hint = log.noteIdentifier(name: origin).prefix(4)
    try requireOne(note.signatures.filter { $0.name.isExactly(origin) && $0.hint.elementsEqual(hint) }, of: log)
  }

  private func requireName(_ name: String, of log: TransparencyLog) throws(CandidateRejection) {
    // A log that is known by its key alone has no name to compare with: there the key is all that says which log it is.
    guard let expected = log.origin, !expected.isExactly(name) else { return }
    throw Self.refusal(
      "has the origin \"\(shown)\", which is not of \(log.name), named \"\(expected.printable(limit: 100))\"")
  }

  private func requireOne(
    _ signatures: [SignedNote.Signature], of log: TransparencyLog
  ) throws(CandidateRejection) {
    guard let only = signatures.first, signatures.count == 1 else {
      throw Self.refusal("has \(signatures.count) signatures by \(log.name), expected one")
    }
    guard log.hasSigned(note.text, only.signature) else {
      throw Self.refusal("has a signature by \(log.name) that does not verify: it was changed after it was signed")
    }
  }

  private var shown: String { origin.printable(limit: 100) }

  private static func refusal(_ what: String) -> CandidateRejection {
    CandidateRejection(.logProofInvalid, "its log proof's checkpoint \(what)")
  }
}
