import Crypto
import JSON
import Primitives
import Testing

@testable import Sigstore

/// Bundles of all versions over any artifact: what `pinseal verify-bundle` does.
@Suite struct VerifyBundleTests {
  let key: PrivateKey
  let log: MemoryLog
  let artifact = Array("hello, world!".utf8)

  init() throws {
    key = try PrivateKey(generating: .p256)
    log = MemoryLog(key: try PrivateKey(generating: .p256))
  }

  static let mediaTypes = [
    "application/vnd.dev.sigstore.bundle+json;version=0.1", "application/vnd.dev.sigstore.bundle+json;version=0.2",
    "application/vnd.dev.sigstore.bundle+json;version=0.3", "application/vnd.dev.sigstore.bundle.v0.3+json",
  ]

  func message(
    _ mediaType: String = mediaTypes[3], by key: PrivateKey? = nil, algorithm: HashAlgorithm = .sha256,
    name: String = "SHA2_256", digestOf bytes: [UInt8]? = nil
  ) throws -> [UInt8] {
    let key = key ?? self.key
    let signature = Base64.encode(try key.sign(artifact, scheme: .ecdsa(algorithm)))
    let digest = Base64.encode(algorithm.hash(bytes ?? artifact))
    return Array(
      (#"{"mediaType":"\#(mediaType)","verificationMaterial":{"publicKey":{"hint":"x"}},"messageSignature":{"#
        + #""messageDigest":{"algorithm":"\#(name)","digest":"\#(digest)"},"signature":"\#(signature)"}}"#).utf8)
  }

  func verify(
    _ json: [UInt8], _ artifact: SignedArtifact? = nil, requiresLog: Bool = false, keys: [PublicKey]? = nil
  ) throws -> VerifiedSignature {
    try ImageSignature.verifyBundle(
      json, artifact: artifact ?? SignedArtifact(bytes: self.artifact),
      demand: SignatureDemand(keys: keys ?? [key.publicKey], requiresLog: requiresLog), trust: log.trustedRoot(), now: 0
    )
  }

  func verdict(
    _ json: [UInt8], _ artifact: SignedArtifact? = nil, requiresLog: Bool = false, keys: [PublicKey]? = nil
  ) throws -> Verdict {
    try Verdict { try verify(json, artifact, requiresLog: requiresLog, keys: keys) }
  }

  @Test(arguments: mediaTypes) func `a message signature holds for the bytes and for their digest`(type: String) throws
  {
    #expect(try verify(message(type)).key == key.publicKey.fingerprint)
    #expect(
      try verify(message(type), SignedArtifact(digest: Digest(hashing: artifact))).key == key.publicKey.fingerprint)
  }

  @Test(arguments: [
    ("application/vnd.dev.sigstore.bundle+json;version=0.4", "versions 0.1 to 0.3 are read"),
    ("application/vnd.dev.sigstore.bundle.v0.4+json", "versions 0.1 to 0.3 are read"),
    ("application/vnd.dev.sigstore.bundle.v0.1+json", "versions 0.1 to 0.3 are read"),
    ("application/json", "versions 0.1 to 0.3 are read"), ("", "versions 0.1 to 0.3 are read"),
  ])
  func `other versions are refused`(type: String, says: String) throws {
    #expect(try verdict(message(type)).isRefused(.malformed, says))
  }

  @Test(arguments: mediaTypes.prefix(2)) func `an older version is none for a registry`(type: String) throws {
    let bundle = String(
      decoding: try ImageSigner.bundle(digest: Digest(hashing: artifact), key: key, log: log), as: UTF8.self)
    let older = Array(bundle.replacing(Self.mediaTypes[3], with: type).utf8)
    let verdict = try Verdict {
      try ImageSignature.verify(.bundle(older), imageDigest: Digest(hashing: artifact), keys: [key.publicKey])
    }
    #expect(verdict.isRefused(.malformed, "only application/vnd.dev.sigstore.bundle.v0.3+json is read"))
    #expect(try verify(older, requiresLog: true).isLogged, "though it is a good bundle elsewhere")
  }

  @Test func `another artifact, another digest, another key`() throws {
    let other = SignedArtifact(bytes: Array("hello, World!".utf8))
    #expect(try verdict(message(), other).isRefused(.otherDigest, "is not the artifact's"))
    #expect(try verdict(message(), SignedArtifact(digest: Digest(hashing: [1]))).reason == .otherDigest)
    // The digest that the bundle claims is the artifact's, the signature is of something else.
    #expect(
      try verdict(message(digestOf: Array("hello, World!".utf8)), other).reason == .otherKey)
    let stranger = try PrivateKey(generating: .p256)
    #expect(try verdict(message(by: stranger)).reason == .otherKey)
    #expect(try verdict(message(by: stranger), SignedArtifact(digest: Digest(hashing: artifact))).reason == .otherKey)
  }

  @Test func `what the bundle calls its algorithm chooses nothing (30)`() throws {
    #expect(try verdict(message(algorithm: .sha512, name: "SHA2_512")).reason == .otherKey)
    let digest = SignedArtifact(digest: Digest(hashing: artifact, algorithm: .sha512))
    #expect(try verdict(message(algorithm: .sha512, name: "SHA2_512"), digest).reason == .otherKey)
    #expect(try verdict(message(name: "SHA2_512")).isRefused(.malformed, "SHA2_512 has 64"))
    #expect(try verdict(message(name: "SHA3_256")).reason == .malformed)
    #expect(
      try verdict(message(algorithm: .sha512, name: "SHA2_512"), SignedArtifact(digest: Digest(hashing: artifact)))
        .reason == .unsupported)
  }

  @Test func `larger curves are taken with their own hash, and with SHA-256`() throws {
    for (kind, algorithm, name) in [
      (PublicKey.Kind.p384, HashAlgorithm.sha384, "SHA2_384"), (.p521, .sha512, "SHA2_512"),
    ] {
      let key = try PrivateKey(generating: kind)
      for (algorithm, name) in [(algorithm, name), (.sha256, "SHA2_256")] {
        let bundle = try message(by: key, algorithm: algorithm, name: name)
        #expect(try verify(bundle, keys: [key.publicKey]).key == key.publicKey.fingerprint)
        let digest = SignedArtifact(digest: Digest(hashing: artifact, algorithm: algorithm))
        #expect(try verify(bundle, digest, keys: [key.publicKey]).key == key.publicKey.fingerprint)
      }
    }
  }

  @Test func `a statement of any predicate holds if a subject is the artifact`() throws {
    for predicate in ["https://slsa.dev/provenance/v1", "https://sigstore.dev/cosign/sign/v1"] {
      let bundle = try ImageSigner.bundle(
        digest: Digest(hashing: artifact), key: key, predicateType: predicate, log: log)
      #expect(try verify(bundle, requiresLog: true).isLogged)
      #expect(try verdict(bundle, SignedArtifact(bytes: [1])).isRefused(.otherDigest, "no subject of its statement"))
    }
  }

  @Test func `the whole demand must be met`() throws {
    #expect(try verdict(message(), requiresLog: true).reason == .logProofMissing)
    let late = SignatureDemand(
      keys: [TrustedKey(key.publicKey, validity: Validity(start: 1, end: nil))], requiresLog: false)
    let verdict = try Verdict {
      try ImageSignature.verifyBundle(
        message(), artifact: SignedArtifact(bytes: artifact), demand: late, trust: .nothing, now: 0)
    }
    #expect(verdict.reason == .keyOutsideValidity)
  }

  @Test func `0_1 needs an entry timestamp, later ones a proof with checkpoint`() throws {
    let bundle = String(
      decoding: try ImageSigner.bundle(digest: Digest(hashing: artifact), key: key, log: log), as: UTF8.self)
    func cut(_ member: String, _ type: String) throws -> Verdict {
      let document = try JSONDocument(Array(bundle.utf8)).root
      let entry = try document.member("verificationMaterial").member("tlogEntries").elements()[0]
      let value = String(decoding: try entry.member(member).bytes, as: UTF8.self)
      let changed = bundle.replacing("\"\(member)\":\(value),", with: "").replacing(Self.mediaTypes[3], with: type)
      try #require(changed != bundle)
      return try verdict(Array(changed.utf8), requiresLog: true)
    }
    #expect(try cut("inclusionProof", Self.mediaTypes[0]).reason == nil)
    #expect(try cut("inclusionProof", Self.mediaTypes[1]).isRefused(.logProofInvalid, "no inclusion proof"))
    #expect(try cut("inclusionProof", Self.mediaTypes[3]).isRefused(.logProofInvalid, "no inclusion proof"))
    #expect(try cut("inclusionPromise", Self.mediaTypes[0]).isRefused(.logProofInvalid, "no signed entry timestamp"))
    #expect(try cut("inclusionPromise", Self.mediaTypes[3]).reason == nil)
  }
}
