import Crypto
import Primitives
import Sigstore
import Testing

/// What real signers wrote.
@Suite struct ArtifactTests {
  struct Case: CustomTestStringConvertible {
    let repository: String
    let key: String
    var format = VerifiedSignature.Format.simpleSigning
    var testDescription: String { repository }
  }

  static let keys = [
    ("ed25519", "imp31-ed25519"), ("ed25519by25", "imp25-ed25519"), ("p256", "p256"), ("p256imp", "imp31-p256imp"),
    ("p384", "imp31-p384"), ("p521", "imp31-p521"), ("rsa2048", "imp31-rsa2048"), ("rsa3072", "imp31-rsa3072"),
    ("rsa4096", "imp31-rsa4096"),
  ]
  static let cases: [Case] =
    keys.map { Case(repository: "m_cosign25-\($0)", key: $1) }
    + keys.filter { !$0.0.hasPrefix("ed25519") }.map {
      Case(repository: "m_cosign31-\($0)", key: $1, format: .bundle)
    } + [
      Case(repository: "sk_ed25519", key: "imp31-ed25519"), Case(repository: "sk_p256", key: "p256"),
      Case(repository: "sk_p384", key: "imp31-p384"), Case(repository: "sk_p521", key: "imp31-p521"),
      Case(repository: "sk_rsa2048", key: "imp31-rsa2048"), Case(repository: "sk_rsa4096", key: "imp31-rsa4096"),
      Case(repository: "sk_rekor", key: "p256"), Case(repository: "x_c25-annot", key: "p256"),
      Case(repository: "x_c25-docker", key: "p256"), Case(repository: "x_c25-identity", key: "p256"),
      Case(repository: "x_c25-oci11", key: "p256"), Case(repository: "x_c25-rekor1", key: "p256"),
      Case(repository: "x_c25-tagref", key: "p256"), Case(repository: "x_c31-legacy", key: "p256"),
      Case(repository: "x_c31-annot", key: "p256", format: .bundle),
      Case(repository: "x_c31-docker", key: "p256", format: .bundle),
      Case(repository: "x_c31-multi", key: "p256", format: .bundle),
      Case(repository: "x_c31-rekor1", key: "p256", format: .bundle),
      Case(repository: "x_c31-rekor2", key: "p256", format: .bundle),
    ]

  @Test(arguments: cases) func `a signature by the trusted key is verified`(_ example: Case) throws {
    let sample = try Artifacts.sample(example.repository)
    let key = try Artifacts.key(example.key)
    let verified = try sample.verify([key])
    #expect(verified.key == key.fingerprint)
    #expect(verified.format == example.format)
    #expect(!verified.isLogged && verified.times.isEmpty, "nothing about logs is read where no log is wanted")
  }

  @Test(arguments: [
    ("x_c25-rekor1", "rekor1"), ("sk_rekor", "rekor1"), ("x_c31-rekor1", "rekor1"), ("x_c31-rekor2", "rekor2"),
  ])
  func `a signature that a real log took in is verified with its proof`(repository: String, log: String) throws {
    let sample = try Artifacts.sample(repository)
    let key = try Artifacts.key("p256")
    let logKey = try #require(
      PublicKey.parsePEM(String(decoding: Artifacts.bytes("\(log)/log.pub"), as: UTF8.self)).first)
    let trust = try TrustedRoot(parsing: Artifacts.bytes("\(log)/tr.json"))
    let byRoot = SignatureDemand(keys: [key], requiresLog: true)
    let byKey = SignatureDemand(keys: [TrustedKey(key)], requiresLog: true, logKeys: [logKey])
    for (demand, trust) in [(byRoot, trust), (byKey, .nothing)] {
      let found = try ImageSignature.verify(
        sample.candidate, imageDigest: sample.imageDigest, demand: demand, trust: trust)
      #expect(found.key == key.fingerprint)
      #expect(found.isLogged)
      #expect(found.times.isEmpty == (log == "rekor2"))
      #expect(demand.objection(to: found, now: 0) == nil)
    }
    let verdict = try Verdict {
      try ImageSignature.verify(
        sample.candidate, imageDigest: sample.imageDigest, demand: byRoot, trust: .nothing)
    }
    #expect(verdict.reason == .logUnknown)
  }

  @Test(arguments: cases) func `a signature by another key than the trusted one says so`(_ example: Case) throws {
    let sample = try Artifacts.sample(example.repository)
    let key = try Artifacts.key(example.key)
    for (_, name) in Self.keys {
      let other = try Artifacts.key(name)
      guard other != key else { continue }
      let verdict = try Verdict { try sample.verify([other]) }
      #expect(verdict.isRefused(.otherKey, "signed by another key than \(other.fingerprint.short)"), "\(verdict)")
      if example.format == .bundle {
        #expect(verdict.description.hasSuffix("(its hint names \(key.fingerprint.short))"))
      }
    }
  }

  @Test(arguments: cases) func `a good signature is none of another image`(_ example: Case) throws {
    let sample = try Artifacts.sample(example.repository)
    let key = try Artifacts.key(example.key)
    let other = Digest(hashing: Array("another image".utf8))
    let verdict = try Verdict { try ImageSignature.verify(sample.candidate, imageDigest: other, keys: [key]) }
    #expect(
      verdict.isRefused(.otherDigest, "for \(sample.imageDigest), not for this image's \(other)"), "\(verdict)")
  }

  @Test func `any of the trusted keys will do, wherever it stands`() throws {
    let keys = try Self.keys.map { try Artifacts.key($0.1) }
    for example in Self.cases {
      let verified = try Artifacts.sample(example.repository).verify(keys)
      #expect(verified.key == (try Artifacts.key(example.key).fingerprint))
    }
    let verdict = try Verdict { try Artifacts.sample("m_cosign25-p256").verify(keys.filter { $0.kind != .p256 }) }
    #expect(verdict.isRefused(.otherKey, "signed by none of the 6 trusted keys (SHA256:"), "\(verdict)")
    #expect(verdict.description.contains(", …)"))
  }

  @Test(arguments: ["m_cosign31-ed25519", "m_cosign31-ed25519by25"])
  func `Ed25519ph as cosign 3 writes it is verified from OpenSSL 3.2 on`(_ repository: String) throws {
    let key = try Artifacts.key("imp31-ed25519")
    let sample = try Artifacts.sample(repository)
    let verdict = try Verdict { try sample.verify([key]) }
    if PublicKey.canVerifyEd25519ph {
      #expect(verdict.reason == nil, "\(verdict)")
    } else {
      #expect(verdict.isRefused(.unsupported, "Ed25519ph needs OpenSSL 3.2 or later, here is 3."), "\(verdict)")
      #expect(verdict.description.contains(key.fingerprint.short))
      // The hint names this key: another Ed25519 key is not said to be the one.
      let other = try PrivateKey(generating: .ed25519).publicKey
      #expect(try Verdict { try sample.verify([other]) }.isRefused(.otherKey, "signed by another key"))
    }
  }

  @Test func `two signers of one payload are told apart`() throws {
    for repository in ["x_c25-two", "x_c31-two"] {
      let samples = try Artifacts.samples(repository)
      try #require(samples.count == 2)
      let keys = try Self.keys.map { try Artifacts.key($0.1) }
      let signers = try samples.map { try $0.verify(keys).key }
      #expect(Set(signers).count == 2)
      for (sample, signer) in zip(samples, signers) {
        let others = keys.filter { $0.fingerprint != signer }
        #expect(try Verdict { try sample.verify(others) }.reason == .otherKey)
      }
    }
  }

  @Test func `both formats of one image are verified`() throws {
    let key = try Artifacts.key("p256")
    let formats = try Artifacts.samples("x_both").map { try $0.verify([key]).format }
    #expect(Set(formats) == [.bundle, .simpleSigning])
  }

  @Test func `attestations by the trusted key are no signatures`() throws {
    let key = try Artifacts.key("p256")
    let old = try Verdict { try Artifacts.sample("x_c25-attest").verify([key]) }
    #expect(old.isRefused(.notAnImageSignature, "an attestation (DSSE envelope)"), "\(old)")
    let new = try Verdict { try Artifacts.sample("x_c31-attest").verify([key]) }
    #expect(
      new.isRefused(
        .notAnImageSignature, #"an attestation (predicate type "https://cosign.sigstore.dev/attestation/v1")"#),
      "\(new)")
  }

  @Test func `the default payload is what cosign writes`() throws {
    for (name, key) in Self.keys {
      let sample = try Artifacts.sample("m_cosign25-\(name)")
      guard case .simpleSigning(let payload, _, _) = sample.candidate else { continue }
      let reference = "127.0.0.1:5002/m/cosign25-\(name)"
      #expect(payload == ImageSignature.defaultPayload(dockerReference: reference, digest: sample.imageDigest))
      #expect(try sample.verify([Artifacts.key(key)]).format == .simpleSigning)
    }
  }

  @Test func `a bundle made here differs from cosign's in nothing but key and signature`() throws {
    let sample = try Artifacts.sample("m_cosign31-p256")
    guard case .bundle(let theirs) = sample.candidate else { return }
    let key = try PrivateKey(generating: .p256)
    let ours = try ImageSigner.bundle(digest: sample.imageDigest, key: key)
    func withoutSignature(_ bytes: [UInt8], _ key: PublicKey) throws -> String {
      let text = String(decoding: bytes, as: UTF8.self)
        .replacing(Base64.encode(key.fingerprint.bytes), with: "HINT")
      let start = try #require(text.firstRange(of: #""sig":""#)).upperBound
      let end = try #require(text[start...].firstIndex(of: "\""))
      return text[..<start] + "SIG" + text[end...]
    }
    #expect(try withoutSignature(ours, key.publicKey) == withoutSignature(theirs, Artifacts.key("p256")))
  }

  @Test(arguments: [PublicKey.Kind.p256, .p384, .p521, .ed25519, .rsa(bits: 2048)])
  func `what is signed here is verified here`(_ kind: PublicKey.Kind) throws {
    let key = try PrivateKey(generating: kind)
    let digest = Digest(hashing: [1, 2, 3])
    let (payload, signature) = try ImageSigner.simpleSigning(
      dockerReference: "example.com/app", digest: digest, key: key)
    let layer = SignatureCandidate.simpleSigning(
      payload: payload, layerMediaType: MediaType.simpleSigning,
      annotations: [MediaType.signatureAnnotation: signature])
    #expect(
      try ImageSignature.verify(layer, imageDigest: digest, keys: [key.publicKey]).format == .simpleSigning)
    let bundle = SignatureCandidate.bundle(try ImageSigner.bundle(digest: digest, key: key))
    #expect(
      try ImageSignature.verify(bundle, imageDigest: digest, keys: [key.publicKey])
        == VerifiedSignature(key: key.publicKey.fingerprint, format: .bundle))
    let attestation = SignatureCandidate.bundle(
      try ImageSigner.bundle(digest: digest, key: key, predicateType: "https://slsa.dev/provenance/v1"))
    let verdict = try Verdict { try ImageSignature.verify(attestation, imageDigest: digest, keys: [key.publicKey]) }
    #expect(verdict.isRefused(.notAnImageSignature, "https://slsa.dev/provenance/v1"))
  }

  @Test func `the signature tag has the digest in it`() throws {
    let digest = Digest(hashing: [])
    #expect(
      ImageSignature.signatureTag(digest)
        == "sha256-e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855.sig")
  }
}
