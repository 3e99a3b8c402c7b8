import Crypto
import Foundation
import JSON
import Primitives
import Testing

@testable import Sigstore

/// Why something was refused; nil if it was not.
func refusal(_ body: () throws -> some Any) throws -> CandidateRejection? {
  do {
    _ = try body()
    return nil
  } catch let rejection as CandidateRejection {
    #expect(rejection.description == rejection.description.printable(limit: 2000), "a message must be printable")
    #expect(rejection.description.utf8.count < 900)
    return rejection
  }
}

extension CandidateRejection? {
  /// Whether it is a refusal of this kind whose words name this check.
  func names(_ reason: CandidateRejection.Reason, _ check: String) -> Bool {
    self?.reason == reason && self?.description.contains(check) == true
  }
}

/// A signature that is in a log: what was signed, and what the signer attached of the log.
struct LoggedSample {
  enum Proof {
    case annotation([UInt8])
    case bundle([UInt8])
  }

  var signature: LoggedSignature
  var proof: Proof
  var version = BundleVersion.v03

  func verify(_ logs: [TransparencyLog], times: [UnixTime] = []) throws -> [LogProof] {
    switch proof {
    case .annotation(let json): [try LogVerifier.verifyAnnotation(json, entryOf: signature, logs: logs)]
    case .bundle(let json):
      try LogVerifier.verify(
        LoggedSample.entries(json), entryOf: signature, logs: logs, version: version, times: times)
    }
  }

  /// The log entries of a bundle.
  static func entries(_ json: [UInt8]) throws -> [BundleLogEntry] {
    let root = try Field(parsing: json, context: "the bundle")
    let entries = try root.member("verificationMaterial").optional("tlogEntries")
    return try entries?.elements(atMost: 64).map { try BundleLogEntry(LogEntryForm($0)) } ?? []
  }

  /// As it was, with its text changed; the text must have what is replaced.
  func editing(_ edits: (String, String)...) throws -> LoggedSample {
    var result = self
    func edited(_ json: [UInt8]) throws -> [UInt8] {
      var text = String(decoding: json, as: UTF8.self)
      for (from, to) in edits {
        try #require(text.contains(from), "\(from)")
        text = text.replacing(from, with: to)
      }
      return Array(text.utf8)
    }
    switch proof {
    case .annotation(let json): result.proof = .annotation(try edited(json))
    case .bundle(let json): result.proof = .bundle(try edited(json))
    }
    return result
  }
}

extension Artifacts {
  /// The logs that the artifacts' signers used.
  static func root(_ name: String) throws -> TrustedRoot { try TrustedRoot(parsing: bytes("\(name)/tr.json")) }

  /// A sample that was signed with a log. The signer's key is `p256`.
  static func logged(_ repository: String) throws -> LoggedSample {
    let key = try key("p256")
    switch try sample(repository).candidate {
    case .simpleSigning(let payload, _, let annotations):
      let signature = try #require(Base64.decode(annotations[MediaType.signatureAnnotation] ?? ""))
      return LoggedSample(
        signature: LoggedSignature(signature: signature, verifier: .key(key), content: .payload(payload)),
        proof: .annotation(Array(try #require(annotations[MediaType.logAnnotation]).utf8)))
    case .bundle(let bytes):
      return LoggedSample(
        signature: try LoggedSignature(bundle: JSONDocument(bytes).root, verifier: .key(key)), proof: .bundle(bytes))
    }
  }
}

extension LoggedSignature {
  /// The signature of a bundle, envelope or message signature.
  init(bundle: JSONValue, verifier: Verifier) throws {
    func bytes(_ value: JSONValue) throws -> [UInt8] {
      try #require(Base64.decode(value.string(), dialect: .protobuf))
    }
    if let envelope = bundle["dsseEnvelope"] {
      let payload = try bytes(envelope.member("payload"))
      let type = try envelope.member("payloadType").string()
      let signature = try #require(envelope.member("signatures").elements().first).member("sig")
      self.init(
        signature: try bytes(signature), verifier: verifier,
        content: .dsse(payload: payload, pae: Envelope.preAuthenticationEncoding(of: payload, type: type)))
    } else {
      let message = try bundle.member("messageSignature")
      let digest = try message.member("messageDigest")
      let algorithm = try digest.member("algorithm").string().replacing("SHA2_", with: "sha")
      self.init(
        signature: try bytes(message.member("signature")), verifier: verifier,
        content: .messageDigest(try #require(HashAlgorithm(rawValue: algorithm)), try bytes(digest.member("digest"))))
    }
  }
}

/// A log of its own, made after the specifications and not after the module: signs entries, checkpoints and timestamps,
/// also wrong ones.
struct ForgeLog {
  let key: PrivateKey
  var host = "log.example.com"
  var tree = "42"
  var leaves: [[UInt8]] = []

  init(_ kind: PublicKey.Kind = .p256) throws { key = try PrivateKey(generating: kind) }

  // MARK: Trust

  func trusted(v2: Bool = false, validity: Validity = Validity(start: 1_600_000_000, end: nil)) throws
    -> TransparencyLog
  {
    try TransparencyLog(
      baseURL: "https://\(host)", key: key.publicKey, logID: v2 ? noteID(host) : spkiID, validity: validity)
  }

  var spkiID: [UInt8] { HashAlgorithm.sha256.hash(key.publicKey.subjectPublicKeyInfo) }

  func noteID(_ name: String) -> [UInt8] {
    let spki = key.publicKey.subjectPublicKeyInfo
    return switch key.publicKey.kind {
    case .ed25519: HashAlgorithm.sha256.hash(Array(name.utf8) + [10, 1] + spki[12...])
    case .rsa:
      HashAlgorithm.sha256.hash(
        Array("\(name)\n\u{FF}".unicodeScalars.map { UInt8($0.value) })
          + Array("PKIX-RSA-PKCS#1v1.5".utf8) + spki)
    default: spkiID
    }
  }

  func sign(_ text: String) throws -> [UInt8] {
    let scheme: SignatureScheme =
      switch key.publicKey.kind {
      case .p256: .ecdsa(.sha256)
      case .p384: .ecdsa(.sha384)
      case .p521: .ecdsa(.sha512)
      case .rsa: .rsaPKCS1v15(.sha256)
      case .ed25519: .ed25519
      }
    return try key.sign(Array(text.utf8), scheme: scheme)
  }

  // MARK: Tree (RFC 6962 §2.1, as it defines it)

  static func root(_ leaves: ArraySlice<[UInt8]>) -> [UInt8] {
    if leaves.isEmpty { return HashAlgorithm.sha256.hash([]) }
    if leaves.count == 1, let only = leaves.first { return HashAlgorithm.sha256.hash([0] + only) }
    let split = leaves.startIndex + self.split(leaves.count)
    return HashAlgorithm.sha256.hash([1] + root(leaves[..<split]) + root(leaves[split...]))
  }

  static func path(_ index: Int, _ leaves: ArraySlice<[UInt8]>) -> [[UInt8]] {
    if leaves.count <= 1 { return [] }
    let half = split(leaves.count)
    let split = leaves.startIndex + half
    return index < half
      ? path(index, leaves[..<split]) + [root(leaves[split...])]
      : path(index - half, leaves[split...]) + [root(leaves[..<split])]
  }

  /// The largest power of two below `count`.
  private static func split(_ count: Int) -> Int {
    var power = 1
    while power * 2 < count { power *= 2 }
    return power
  }

  // MARK: What it signs

  /// An entry timestamp over the four, in the text that RFC 8785 makes of them.
  func timestamp(_ body: [UInt8], time: Int64, index: Int64, id: [UInt8]? = nil) throws -> [UInt8] {
    try sign(
      #"{"body":"\#(Base64.encode(body))","integratedTime":\#(time),"logID":"\#(Hex.encode(id ?? spkiID))","logIndex":"#
        + "\(index)}")
  }

  func annotation(_ body: [UInt8], time: Int64 = 1_700_000_000, index: Int64 = 7, id: [UInt8]? = nil) throws -> [UInt8]
  {
    let set = Base64.encode(try timestamp(body, time: time, index: index, id: id))
    let payload =
      #"{"body":"\#(Base64.encode(body))","integratedTime":\#(time),"logIndex":\#(index),"logID":""#
      + Hex.encode(id ?? spkiID) + #""}"#
    return Array(#"{"SignedEntryTimestamp":"\#(set)","Payload":\#(payload)}"#.utf8)
  }

  var originV1: String { "\(host) - \(tree)" }

  func line(_ text: String, name: String? = nil, hint: [UInt8]) throws -> String {
    "— \(name ?? host) \(Base64.encode(hint.prefix(4) + (try sign(text))))\n"
  }

  /// A checkpoint of the tree as it is; the text and the lines may be changed before and after it is signed.
  func checkpoint(
    v2: Bool, text edit: (String) -> String = { $0 }, lines: (String) throws -> String = { $0 },
    whole: (String) -> String = { $0 }
  ) throws -> String {
    let root = Base64.encode(Self.root(leaves[...]))
    let text = edit("\(v2 ? host : originV1)\n\(leaves.count)\n\(root)\n")
    return whole(text + "\n" + (try lines(line(text, hint: v2 ? noteID(host) : spkiID))))
  }

  struct Entry {
    var logIndex: String? = nil
    var logID: [UInt8]? = nil
    var kind = "hashedrekord"
    var version = "0.0.1"
    var integratedTime: Int64? = 1_700_000_000
    var timestamp: [UInt8]? = nil
    var hasProof = true
    var checkpoint: String? = nil
    var hasCheckpoint = true
  }

  /// The bundle's text of the entry at `index` of the tree, which in v1 is number `index + 1000` of all of the log.
  func entry(_ index: Int, v2: Bool, edit: (inout Entry) throws -> Void = { _ in }) throws -> String {
    var entry = Entry()
    if v2 { (entry.version, entry.integratedTime) = ("0.0.2", nil) }
    let body = leaves[index]
    let global = v2 ? index : index + 1000
    if !v2 { entry.timestamp = try timestamp(body, time: 1_700_000_000, index: Int64(global)) }
    try edit(&entry)
    var members = [
      #""logIndex":"\#(entry.logIndex ?? String(global))""#,
      #""logId":{"keyId":"\#(Base64.encode(entry.logID ?? (v2 ? noteID(host) : spkiID)))"}"#,
      #""kindVersion":{"kind":"\#(entry.kind)","version":"\#(entry.version)"}"#,
    ]
    if let time = entry.integratedTime { members.append(#""integratedTime":"\#(time)""#) }
    if let set = entry.timestamp {
      members.append(#""inclusionPromise":{"signedEntryTimestamp":"\#(Base64.encode(set))"}"#)
    }
    if entry.hasProof {
      let path = Self.path(index, leaves[...]).map { "\"\(Base64.encode($0))\"" }.joined(separator: ",")
      var proof =
        #""logIndex":"\#(index)","rootHash":"\#(Base64.encode(Self.root(leaves[...])))","#
        + #""treeSize":"\#(leaves.count)","hashes":[\#(path)]"#
      if entry.hasCheckpoint {
        var writer = JSONWriter()
        writer.string(try entry.checkpoint ?? checkpoint(v2: v2))
        proof += #","checkpoint":{"envelope":\#(writer.text)}"#
      }
      members.append(#""inclusionProof":{\#(proof)}"#)
    }
    members.append(#""canonicalizedBody":"\#(Base64.encode(body))""#)
    return "{" + members.joined(separator: ",") + "}"
  }

  static func bundle(_ entries: String...) -> [UInt8] {
    Array(#"{"verificationMaterial":{"tlogEntries":[\#(entries.joined(separator: ","))]}}"#.utf8)
  }

  /// Puts leaves around one, so that its proof has a path.
  mutating func log(_ leaf: [UInt8], before: Int = 3, after: Int = 2) {
    leaves = (0..<before).map { Array("before \($0)".utf8) } + [leaf] + (0..<after).map { Array("after \($0)".utf8) }
  }
}

/// A signature for the forged log, and the bodies that it may have there.
struct ForgeSignature {
  let key: PrivateKey
  let payload = Array("what is signed".utf8)
  let type = "application/vnd.in-toto+json"
  let bytes: [UInt8]
  let signature: LoggedSignature

  init(_ kind: PublicKey.Kind = .p256, dsse: Bool = false) throws {
    key = try PrivateKey(generating: kind)
    let scheme: SignatureScheme =
      switch kind {
      case .p256: .ecdsa(.sha256)
      case .p384: .ecdsa(.sha384)
      case .p521: .ecdsa(.sha512)
      case .rsa: .rsaPKCS1v15(.sha256)
      case .ed25519: .ed25519
      }
    let pae = Array("DSSEv1 \(type.utf8.count) \(type) \(payload.count) ".utf8) + payload
    bytes = try key.sign(dsse ? pae : payload, scheme: scheme)
    signature = LoggedSignature(
      signature: bytes, verifier: .key(key.publicKey),
      content: dsse ? .dsse(payload: payload, pae: pae) : .payload(payload))
  }

  var hash: String { Hex.encode(HashAlgorithm.sha256.hash(payload)) }
  var sig: String { Base64.encode(bytes) }
  var pem: String { Base64.encode(Array(key.publicKey.pem.utf8)) }

  var hashedRekord: String {
    #"{"apiVersion":"0.0.1","kind":"hashedrekord","spec":{"data":{"hash":{"algorithm":"sha256","value":"\#(hash)"}},"#
      + #""signature":{"content":"\#(sig)","publicKey":{"content":"\#(pem)"}}}}"#
  }

  var rekord: String {
    #"{"apiVersion":"0.0.1","kind":"rekord","spec":{"data":{"hash":{"algorithm":"sha256","value":"\#(hash)"}},"#
      + #""signature":{"content":"\#(sig)","format":"x509","publicKey":{"content":"\#(pem)"}}}}"#
  }

  var dsse: String {
    #"{"apiVersion":"0.0.1","kind":"dsse","spec":{"envelopeHash":{"algorithm":"sha256","value":""#
      + String(repeating: "5a", count: 32)
      + #""},"payloadHash":{"algorithm":"sha256","value":"\#(hash)"},"signatures":["#
      + #"{"signature":"\#(sig)","verifier":"\#(pem)"}]}}"#
  }

  var inToto: String {
    #"{"apiVersion":"0.0.2","kind":"intoto","spec":{"content":{"envelope":{"payloadType":"\#(type)","signatures":["#
      + #"{"publicKey":"\#(pem)","sig":"\#(Base64.encode(Array(sig.utf8)))"}]},"hash":{"algorithm":"sha256","value":""#
      + String(repeating: "a5", count: 32) + #""},"payloadHash":{"algorithm":"sha256","value":"\#(hash)"}}}}"#
  }

  /// The Rekor v2 entry, written out.
  func hashedRekordV2(_ details: String, _ algorithm: String, _ hash: HashAlgorithm) -> String {
    let digest =
      switch signature.content {
      case .payload(let bytes), .dsse(_, let bytes): hash.hash(bytes)
      case .messageDigest(_, let bytes): bytes
      }
    return
      #"{"apiVersion":"0.0.2","kind":"hashedrekord","spec":{"hashedRekordV002":{"data":{"algorithm":"\#(algorithm)","#
      + #""digest":"\#(Base64.encode(digest))"},"signature":{"content":"\#(sig)","verifier":{"keyDetails":"\#(details)","#
      + #""publicKey":{"rawBytes":"\#(Base64.encode(key.publicKey.subjectPublicKeyInfo))"}}}}}}"#
  }
}

/// A certificate of nobody in particular.
struct DevelopmentCertificate {
  let certificate: X509Certificate
  var pem: String { certificate.pem }

  init() throws {
    let issued = try IssuedCertificate.authority(commonName: "somebody")
    certificate = try #require(X509Certificate.parsePEM(issued.certificatePEM).first)
  }
}
