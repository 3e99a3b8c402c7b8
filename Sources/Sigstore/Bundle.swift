import Crypto
import Primitives

/// A Sigstore bundle of version 0.3 around a DSSE envelope, made with a key (protobuf-specs, sigstore_bundle.proto).
struct Bundle {
  let envelope: Envelope
  private let hint: Signer.Hint?

  /// Entries of transparency logs, and timestamps, that one bundle may hold.
  private static let maximumEntryCount = 32

  init(parsing bytes: [UInt8]) throws(CandidateRejection) {
    let root = try Field(parsing: bytes, context: "the bundle")
    try root.allowOnly(["mediaType", "verificationMaterial", "messageSignature", "dsseEnvelope"])
    let mediaType = try root.member("mediaType").string()
    guard mediaType.isExactly(MediaType.bundleV03) || mediaType.isExactly(MediaType.bundleV03Parameter) else {
      throw root.malformed(
        "its mediaType is \"\(mediaType.printable(limit: 100))\", only \(MediaType.bundleV03) is read")
    }
    let message = try root.optional("messageSignature")
    let envelope = try root.optional("dsseEnvelope")
    guard message == nil || envelope == nil else {
      throw root.malformed("it has both a messageSignature and a dsseEnvelope")
    }
    if message != nil {
      throw CandidateRejection(
        .notAnImageSignature, "a bundle with a messageSignature; an image's signature is a DSSE envelope")
    }
    guard let envelope else { throw root.malformed("it has no dsseEnvelope") }

    let material = try root.member("verificationMaterial")
    try material.allowOnly([
      "publicKey", "certificate", "x509CertificateChain", "tlogEntries", "timestampVerificationData",
    ])
    let key = try material.optional("publicKey")
    let certificate = try material.optional("certificate")
    let chain = try material.optional("x509CertificateChain")
    let isKeyless = certificate != nil || chain != nil
    guard key == nil || !isKeyless else { throw root.malformed("it names both a key and a certificate") }
    if isKeyless {
      throw CandidateRejection(.keyless, "signed with a certificate (keyless), which is not supported yet")
    }
    guard let key else { throw root.malformed("verificationMaterial names neither a key nor a certificate") }
    try key.allowOnly(["hint"])
    hint = try key.optional("hint")?.string(atMost: 1024).nonEmpty.map(Signer.Hint.init)

    for entry in try material.optional("tlogEntries")?.elements(atMost: Self.maximumEntryCount) ?? [] {
      try LogEntry.requireForm(entry)
    }
    if let timestamps = try material.optional("timestampVerificationData") {
      try timestamps.allowOnly(["rfc3161Timestamps"])
      for stamp in try timestamps.optional("rfc3161Timestamps")?.elements(atMost: Self.maximumEntryCount) ?? [] {
        try stamp.allowOnly(["signedTimestamp"])
        _ = try stamp.member("signedTimestamp").bytes(atMost: 65_536)
      }
    }
    self.envelope = try Envelope(envelope)
  }

  /// Which of `keys` signed the envelope.
  func signer(among keys: [PublicKey]) throws(CandidateRejection) -> PublicKey {
    try Signer.find(
      of: envelope.signature, over: envelope.preAuthenticationEncoding, among: keys, format: .bundle, hint: hint)
  }
}

/// A DSSE envelope with one signature over an in-toto statement (secure-systems-lab/dsse, envelope.md).
struct Envelope {
  /// The statement's bytes, as signed.
  let payload: [UInt8]
  let signature: [UInt8]

  init(_ field: Field) throws(CandidateRejection) {
    try field.allowOnly(["payload", "payloadType", "signatures"])
    let type = try field.member("payloadType").string()
    guard type.isExactly(MediaType.inTotoStatement) else {
      throw CandidateRejection(
        .notAnImageSignature,
        "a DSSE envelope around \"\(type.printable(limit: 100))\", not around \(MediaType.inTotoStatement)")
    }
    payload = try field.member("payload").bytes()
    let signatures = try field.member("signatures").elements(atMost: 16)
    guard let only = signatures.first, signatures.count == 1 else {
      throw field.malformed("the envelope has \(signatures.count) signatures, expected one")
    }
    try only.allowOnly(["sig", "keyid"])
    _ = try only.optional("keyid")?.string(atMost: 1024)
    signature = try only.member("sig").bytes(atMost: 1024)
  }

  /// What is signed (protocol.md, "PAE").
  var preAuthenticationEncoding: [UInt8] { Self.preAuthenticationEncoding(of: payload) }

  static func preAuthenticationEncoding(of payload: [UInt8]) -> [UInt8] {
    let type = MediaType.inTotoStatement
    return Array("DSSEv1 \(type.utf8.count) \(type) \(payload.count) ".utf8) + payload
  }
}

/// An entry of a transparency log in a bundle (protobuf-specs, sigstore_rekor.proto). Only its form is looked at.
enum LogEntry {
  static func requireForm(_ entry: Field) throws(CandidateRejection) {
    try entry.allowOnly([
      "logIndex", "logId", "kindVersion", "integratedTime", "inclusionPromise", "inclusionProof", "canonicalizedBody",
    ])
    _ = try entry.optional("logIndex")?.int64()
    _ = try entry.optional("integratedTime")?.int64()
    _ = try entry.optional("canonicalizedBody")?.bytes()
    if let id = try entry.optional("logId") {
      try id.allowOnly(["keyId"])
      _ = try id.optional("keyId")?.bytes(atMost: 64)
    }
    if let version = try entry.optional("kindVersion") {
      try version.allowOnly(["kind", "version"])
      _ = try version.optional("kind")?.string(atMost: 64)
      _ = try version.optional("version")?.string(atMost: 64)
    }
    if let promise = try entry.optional("inclusionPromise") {
      try promise.allowOnly(["signedEntryTimestamp"])
      _ = try promise.optional("signedEntryTimestamp")?.bytes(atMost: 1024)
    }
    if let proof = try entry.optional("inclusionProof") {
      try proof.allowOnly(["logIndex", "rootHash", "treeSize", "hashes", "checkpoint"])
      _ = try proof.optional("logIndex")?.int64()
      _ = try proof.optional("treeSize")?.int64()
      _ = try proof.optional("rootHash")?.bytes(atMost: 64)
      for hash in try proof.optional("hashes")?.elements(atMost: 64) ?? [] { _ = try hash.bytes(atMost: 64) }
      if let checkpoint = try proof.optional("checkpoint") {
        try checkpoint.allowOnly(["envelope"])
        _ = try checkpoint.optional("envelope")?.string(atMost: 16_384)
      }
    }
  }
}

extension String {
  /// Nil for the empty string, which protobuf takes for absent.
  fileprivate var nonEmpty: String? { isEmpty ? nil : self }
}
