import Crypto
import JSON
import Primitives
import Testing

@testable import Sigstore

@Suite struct RekorV2Tests {
  var log: ForgeLog
  let signature: ForgeSignature

  init() throws {
    log = try ForgeLog(.ed25519)
    signature = try ForgeSignature(dsse: true)
    log.log(Array(signature.hashedRekordV2("PKIX_ECDSA_P256_SHA_256", "SHA2_256", .sha256).utf8))
  }

  private func entry(edit: (inout ForgeLog.Entry) throws -> Void = { _ in }) throws -> String {
    try log.entry(3, v2: true, edit: edit)
  }

  private func proofs(
    _ text: String, logs: [TransparencyLog]? = nil, signature: LoggedSignature? = nil, version: BundleVersion = .v03,
    times: [UnixTime] = []
  ) throws -> [LogProof] {
    try LoggedSample(
      signature: signature ?? self.signature.signature, proof: .bundle(ForgeLog.bundle(text)), version: version
    ).verify(logs ?? [log.trusted(v2: true)], times: times)
  }

  static let artifacts = ["x_c31-rekor2", "dr_x_c31-rekor2"]

  @Test(arguments: artifacts) func `what cosign 3 gets of Rekor v2 is verified`(_ name: String) throws {
    let sample = try Artifacts.logged(name)
    let logs = try Artifacts.root("rekor2").transparencyLogs
    let proof = try #require(try sample.verify(logs).first)
    #expect(proof.logURL == "http://127.0.0.1:3003")
    #expect(proof.integratedTime == nil)
    // The log's key alone will do, under whatever name it signs.
    let key = try #require(PublicKey.parsePEM(String(decoding: Artifacts.bytes("rekor2/log.pub"), as: UTF8.self)).first)
    let byKey = try sample.verify(TrustedRoot(transparencyLogKeys: [key]).transparencyLogs)
    #expect(byKey.map(\.logID) == [logs[0].logID])
    #expect(
      try refusal { try sample.verify(Artifacts.root("rekor1").transparencyLogs) }.names(.logUnknown, "not trusted"))
  }

  @Test(arguments: artifacts) func `the rebuilt entry is the log's, to the byte`(_ name: String) throws {
    let sample = try Artifacts.logged(name)
    guard case .bundle(let json) = sample.proof else { return }
    #expect(try RekorV2.entry(of: sample.signature) == LoggedSample.entries(json)[0].body)
  }

  @Test(
    arguments: [
      (.p256, "PKIX_ECDSA_P256_SHA_256", "SHA2_256", .sha256), (.p384, "PKIX_ECDSA_P384_SHA_384", "SHA2_384", .sha384),
      (.p521, "PKIX_ECDSA_P521_SHA_512", "SHA2_512", .sha512), (.ed25519, "PKIX_ED25519_PH", "SHA2_512", .sha512),
      (.rsa(bits: 2048), "PKIX_RSA_PKCS1V15_2048_SHA256", "SHA2_256", .sha256),
      (.rsa(bits: 3072), "PKIX_RSA_PKCS1V15_3072_SHA256", "SHA2_256", .sha256),
    ] as [(PublicKey.Kind, String, String, HashAlgorithm)])
  func `the entry is built by the kind of key`(
    _ kind: PublicKey.Kind, _ details: String, _ name: String, _ hash: HashAlgorithm
  ) throws {
    for isDSSE in [true, false] {
      let signature = try ForgeSignature(kind, dsse: isDSSE)
      let expected = signature.hashedRekordV2(details, name, hash)
      #expect(String(decoding: try RekorV2.entry(of: signature.signature), as: UTF8.self) == expected)
      var log = log
      log.log(Array(expected.utf8), before: 6, after: 0)
      let proof = try proofs(log.entry(6, v2: true), signature: signature.signature)
      #expect(
        proof == [
          LogProof(logID: log.noteID(log.host), logIndex: 6, integratedTime: nil, logURL: "https://log.example.com")
        ])
    }
  }

  @Test func `a key that Rekor v2 does not take is refused`() throws {
    let signature = try ForgeSignature(.rsa(bits: 2560))
    #expect(
      try refusal { try RekorV2.entry(of: signature.signature) }
        .names(.logProofInvalid, "of Rekor v2, which takes no RSA 2560 keys"))
  }

  @Test func `attack 30: the digest's algorithm is the key's, not the bundle's`() throws {
    let digest = HashAlgorithm.sha512.hash(signature.payload)
    let sha512 = LoggedSignature(
      signature: signature.bytes, verifier: signature.signature.verifier, content: .messageDigest(.sha512, digest))
    #expect(
      try refusal { try RekorV2.entry(of: sha512) }
        .names(.logProofInvalid, "its digest is of sha512, but Rekor v2 logs sha256 for ECDSA P-256 keys"))
    let sha256 = LoggedSignature(
      signature: signature.bytes, verifier: signature.signature.verifier,
      content: .messageDigest(.sha256, HashAlgorithm.sha256.hash(signature.payload)))
    #expect(String(decoding: try RekorV2.entry(of: sha256), as: UTF8.self).contains("SHA2_256"))
  }

  @Test func `an entry of a certificate has it in it`() throws {
    let certificate = try DevelopmentCertificate()
    let signed = LoggedSignature(
      signature: signature.bytes, verifier: .certificate(certificate.certificate), content: signature.signature.content)
    let text = String(decoding: try RekorV2.entry(of: signed), as: UTF8.self)
    let rawBytes = Base64.encode(certificate.certificate.der)
    #expect(
      text.contains(
        #""verifier":{"keyDetails":"PKIX_ECDSA_P256_SHA_256","x509Certificate":{"rawBytes":"\#(rawBytes)"}}"#))
    // Its key alone is another entry.
    let bare = try entry()
    #expect(
      try refusal { try proofs(bare, signature: signed) }.names(.logProofInvalid, "is not the one of this signature"))
  }

  @Test func `the entry of another signature, key or content is refused`() throws {
    let other = try ForgeSignature(dsse: true)
    let signature = signature.signature
    guard case .dsse(let payload, let pae) = signature.content else { return }
    let others = [
      LoggedSignature(signature: other.bytes, verifier: signature.verifier, content: signature.content),
      LoggedSignature(signature: signature.signature, verifier: .key(other.key.publicKey), content: signature.content),
      LoggedSignature(
        signature: signature.signature, verifier: signature.verifier, content: .dsse(payload: payload, pae: pae + [1])),
    ]
    for other in others {
      #expect(
        try refusal { try proofs(entry(), signature: other) }.names(
          .logProofInvalid, "is not the one of this signature"))
    }
    // Also where the body that is not trusted is made to fit.
    for other in others {
      let body = try RekorV2.entry(of: other)
      let text = try entry().replacing(Base64.encode(log.leaves[3]), with: Base64.encode(body))
      #expect(try refusal { try proofs(text, signature: other) }.names(.logProofInvalid, "does not lead to the root"))
    }
  }

  @Test func `what proof and checkpoint say must agree, unlike in cosign`() throws {
    let good = try entry()
    let root = Base64.encode(ForgeLog.root(log.leaves[...]))
    let edits: [(String, String, String)] = [
      (#""treeSize":"6""#, #""treeSize":"7""#, "is in a tree of 7, its checkpoint of one of 6"),
      (#""rootHash":"\#(root)""#, #""rootHash":"\#(Base64.encode(log.spkiID))""#, "for another root"),
      (
        #""inclusionProof":{"logIndex":"3""#, #""inclusionProof":{"logIndex":"2""#,
        "logIndex is 3, but 2 in the inclusion"
      ),
      (#"{"logIndex":"3","logId""#, #"{"logIndex":"2","logId""#, "logIndex is 2, but 3 in the inclusion"),
      (#""logIndex":"3""#, #""logIndex":"2""#, "does not lead to the root"),
      (#""logIndex":"3""#, #""logIndex":"6""#, "for the index 6 in a tree of 6"),
    ]
    for (from, to, check) in edits {
      try #require(good.contains(from))
      let refusal = try refusal { try proofs(good.replacing(from, with: to)) }
      #expect(refusal.names(.logProofInvalid, check), "\(to): \(refusal?.description ?? "accepted")")
    }
  }

  @Test func `version 2 has neither timestamp nor time`() throws {
    for edit in [
      { $0.integratedTime = 1_700_000_000 }, { $0.timestamp = [0x30, 0] },
    ] as [(inout ForgeLog.Entry) -> Void] {
      #expect(try refusal { try proofs(entry(edit: edit)) }.names(.logProofInvalid, "which v2 has not"))
    }
    // Protobuf's 0 says that there is none.
    #expect(try proofs(entry { $0.integratedTime = 0 }).count == 1)
    #expect(try refusal { try proofs(entry { $0.hasProof = false }) }.names(.logProofInvalid, "has no inclusion proof"))
    #expect(try refusal { try proofs(entry { $0.hasCheckpoint = false }) }.names(.logProofInvalid, "has no checkpoint"))
    #expect(
      try refusal { try proofs(entry(), version: .v01) }.names(.logProofInvalid, "has no signed entry timestamp"))
  }

  @Test(arguments: [("dsse", "0.0.2"), ("dsse", "0.0.1"), ("hashedrekord", "0.0.1"), ("intoto", "0.0.2"), ("", "")])
  func `of Rekor v2 one kind is read`(_ kind: String, _ version: String) throws {
    let text = try entry { ($0.kind, $0.version) = (kind, version) }
    #expect(try refusal { try proofs(text) }.names(.logProofInvalid, "of Rekor v2 only hashedrekord 0.0.2 is read"))
  }

  @Test func `a checkpoint of Rekor v1 is none of v2, and the other way round`() throws {
    // With ECDSA both versions have one identifier and one hint.
    var both = try ForgeLog()
    both.leaves = log.leaves
    let good = try both.entry(3, v2: true)
    #expect(try proofs(good, logs: [both.trusted()]).count == 1)
    let v1 = try both.entry(3, v2: true) { $0.checkpoint = try both.checkpoint(v2: false) }
    #expect(
      try refusal { try proofs(v1, logs: [both.trusted()]) }.names(
        .logProofInvalid, #"the origin "log.example.com - 42""#))
    let simple = try ForgeSignature()
    both.log(Array(simple.hashedRekord.utf8))
    let v2 = try both.entry(3, v2: false) { $0.checkpoint = try both.checkpoint(v2: true) }
    #expect(
      try refusal { try proofs(v2, logs: [both.trusted()], signature: simple.signature) }
        .names(.logProofInvalid, "not one of Rekor v1"))
  }

  @Test func `a log that is known by its key alone signs under the name that its identifier has`() throws {
    let alone = [TransparencyLog(key: log.key.publicKey)]
    #expect(try proofs(entry(), logs: alone).first?.logID == log.noteID(log.host))
    // The identifier of another name, and a checkpoint of another name.
    let other = try entry { $0.logID = log.noteID("other.example.com") }
    #expect(try refusal { try proofs(other, logs: alone) }.names(.logUnknown, "which is not trusted"))
    let renamed = try entry {
      $0.checkpoint = try log.checkpoint(
        v2: true, whole: { $0.replacing("log.example.com", with: "other.example.com") })
      $0.logID = log.noteID("other.example.com")
    }
    #expect(
      try refusal { try proofs(renamed, logs: alone) }.names(
        .logProofInvalid, "has 0 signatures by the log with the key"))
    let stranger = try PrivateKey(generating: .ed25519).publicKey
    #expect(try refusal { try proofs(entry(), logs: [TransparencyLog(key: stranger)]) }?.reason == .logUnknown)
  }

  @Test func `times of timestamp authorities are held against the key's validity`() throws {
    let window = [try log.trusted(v2: true, validity: Validity(start: 1_000, end: 2_000))]
    for (times, isGood) in [
      ([], true), ([1_000], true), ([2_000], true), ([1_000, 2_000], true), ([999], false), ([1_500, 2_001], false),
    ] as [([UnixTime], Bool)] {
      let refusal = try refusal { try proofs(entry(), logs: window, times: times) }
      #expect(isGood ? refusal == nil : refusal.names(.logProofInvalid, "was in use from"))
    }
  }
}
