import Crypto
import JSON
import Primitives
import Testing

@testable import Sigstore

/// Signatures by keys where a log is wanted.
@Suite struct LoggedSignatureTests {
  enum Form: String, CaseIterable, Sendable { case legacy, bundleV1, bundleV2, bundleV2Ed25519 }

  let key: PrivateKey
  let digest = Digest(hashing: Array("an image".utf8))
  let rekor1: MemoryLog
  let rekor2: MemoryLog
  let rekor2Ed25519: MemoryLog
  static let time: UnixTime = 1_767_225_600

  init() throws {
    key = try PrivateKey(generating: .p256)
    rekor1 = MemoryLog(key: try PrivateKey(generating: .p256))
    rekor2 = MemoryLog(key: try PrivateKey(generating: .p256), url: "https://log2.example", version: .rekor2)
    rekor2Ed25519 = MemoryLog(key: try PrivateKey(generating: .ed25519), url: "https://log3.example", version: .rekor2)
  }

  func log(_ form: Form) -> MemoryLog {
    switch form {
    case .legacy, .bundleV1: rekor1
    case .bundleV2: rekor2
    case .bundleV2Ed25519: rekor2Ed25519
    }
  }

  func candidate(
    _ form: Form, by key: PrivateKey? = nil, of digest: Digest? = nil, annotations: [String: String] = [:],
    isLogged: Bool = true, at time: UnixTime = LoggedSignatureTests.time
  ) throws -> SignatureCandidate {
    let log = isLogged ? log(form) : nil
    if form == .legacy {
      let layer = try ImageSigner.layer(
        dockerReference: "registry.example/team/app", digest: digest ?? self.digest, key: key ?? self.key,
        annotations: annotations, log: log, at: time)
      return .simpleSigning(
        payload: layer.payload, layerMediaType: MediaType.simpleSigning, annotations: layer.annotations)
    }
    return .bundle(
      try ImageSigner.bundle(
        digest: digest ?? self.digest, key: key ?? self.key, annotations: annotations, log: log, at: time))
  }

  func verify(
    _ candidate: SignatureCandidate, demand: SignatureDemand? = nil, trust: TrustedRoot
  ) throws(CandidateRejection) -> VerifiedSignature {
    try ImageSignature.verify(
      candidate, imageDigest: digest,
      demand: demand ?? SignatureDemand(keys: [key.publicKey], requiresLog: true), trust: trust)
  }

  func verdict(
    _ candidate: SignatureCandidate, demand: SignatureDemand? = nil, trust: TrustedRoot
  ) throws -> Verdict {
    try Verdict { try verify(candidate, demand: demand, trust: trust) }
  }

  @Test(arguments: Form.allCases) func `a logged signature is a fact with its log's proof`(_ form: Form) throws {
    let log = log(form)
    let found = try verify(candidate(form), trust: log.trustedRoot())
    #expect(found.key == key.publicKey.fingerprint)
    #expect(found.log?.logURL == log.url)
    #expect(found.log?.logIndex == 6)
    #expect(found.times == (log.version == .rekor1 ? [Self.time] : []))
    #expect(found.dockerReference == (form == .legacy ? "registry.example/team/app" : nil))
    #expect(SignatureDemand(keys: [key.publicKey], requiresLog: true).objection(to: found, now: 0) == nil)
  }

  @Test(arguments: Form.allCases)
  func `without a proof it is a fact that lacks one, which the demand objects to`(_ form: Form) throws {
    let found = try verify(candidate(form, isLogged: false), trust: log(form).trustedRoot())
    #expect(found.log == nil)
    let strict = SignatureDemand(keys: [key.publicKey], requiresLog: true)
    #expect(strict.objection(to: found, now: 0)?.reason == .logProofMissing)
    #expect(SignatureDemand(keys: [key.publicKey], requiresLog: false).objection(to: found, now: 0) == nil)
  }

  @Test(arguments: Form.allCases) func `a log that is not trusted proves nothing`(_ form: Form) throws {
    let other = MemoryLog(key: try PrivateKey(generating: .p256))
    #expect(try verdict(candidate(form), trust: other.trustedRoot()).isRefused(.logUnknown, "is not trusted"))
    #expect(try verdict(candidate(form), trust: .nothing).isRefused(.logUnknown, "none is trusted"))
  }

  @Test(arguments: Form.allCases)
  func `a key of a private log is trusted in place of the trust root's logs, and no other`(_ form: Form) throws {
    let log = log(form)
    let mine = SignatureDemand(
      keys: [TrustedKey(key.publicKey)], requiresLog: true, logKeys: [log.key.publicKey])
    #expect(try verify(candidate(form), demand: mine, trust: .nothing).isLogged)
    let another = SignatureDemand(
      keys: [TrustedKey(key.publicKey)], requiresLog: true, logKeys: [try PrivateKey(generating: .p256).publicKey])
    #expect(
      try verdict(candidate(form), demand: another, trust: log.trustedRoot()).isRefused(.logUnknown, "is not trusted"))
  }

  @Test(arguments: Form.allCases)
  func `where no log is wanted nothing about logs is read, however wrong (5.2)`(_ form: Form) throws {
    let lax = SignatureDemand(keys: [key.publicKey], requiresLog: false)
    let found = try verify(
      swapped(form, with: candidate(form, annotations: ["other": "one"])), demand: lax, trust: .nothing)
    #expect(found.log == nil && found.times.isEmpty)
  }

  @Test(arguments: Form.allCases)
  func `two signed names that Unicode takes for one lend each other no value`(_ form: Form) throws {
    let forge = try Forge()
    let pairs = #"{"\u00e9":"test","e\u0301":"prod"}"#
    let candidate =
      form == .legacy
      ? try forge.simpleSigning(
        Array(forge.payload.replacing(#""optional":null"#, with: #""optional":\#(pairs)"#).utf8))
      : try forge.bundle(Array(forge.statement.replacing(#""annotations":{}"#, with: #""annotations":\#(pairs)"#).utf8))
    let found = try forge.verify(candidate)
    for name in ["\u{e9}", "e\u{301}"] {
      let demand = SignatureDemand(
        keys: [TrustedKey(forge.key.publicKey)], requiresLog: false, annotations: [name: "prod"])
      #expect(demand.objection(to: found, now: 0)?.reason == .annotationMismatch)
    }
  }

  // MARK: CVE-2022-23649, CVE-2026-22703, CVE-2022-36056

  /// The candidate with the proof of another.
  func swapped(_ form: Form, with other: SignatureCandidate) throws -> SignatureCandidate {
    switch (try candidate(form), other) {
    case (.simpleSigning(let payload, let type, var annotations), .simpleSigning(_, _, let others)):
      annotations[MediaType.logAnnotation] = others[MediaType.logAnnotation]
      return .simpleSigning(payload: payload, layerMediaType: type, annotations: annotations)
    case (.bundle(let one), .bundle(let two)):
      func entry(_ bytes: [UInt8]) throws -> String {
        let value = try JSONDocument(bytes).root.member("verificationMaterial").member("tlogEntries")
        return String(decoding: value.bytes, as: UTF8.self)
      }
      let text = String(decoding: one, as: UTF8.self)
      return .bundle(Array(text.replacing(try entry(one), with: try entry(two)).utf8))
    default: throw KeyError("two kinds")
    }
  }

  @Test(arguments: Form.allCases)
  func `CVE-2022-23649, CVE-2026-22703: the genuine proof of another signature by the same key is refused`(
    _ form: Form
  ) throws {
    let mixed = try swapped(form, with: candidate(form, annotations: ["other": "one"]))
    let verdict = try verdict(mixed, trust: log(form).trustedRoot())
    #expect(verdict.reason == .logProofInvalid, "\(verdict)")
    #expect(verdict.description.hasPrefix("signed by \(key.publicKey.fingerprint.short), but its log entry"))
  }

  @Test(arguments: Form.allCases)
  func `CVE-2022-36056: the genuine proof of another key's signature is refused`(_ form: Form) throws {
    let mixed = try swapped(form, with: candidate(form, by: try PrivateKey(generating: .p256)))
    #expect(try verdict(mixed, trust: log(form).trustedRoot()).reason == .logProofInvalid)
  }

  @Test(arguments: Form.allCases) func `a proof of another image's signature is refused`(_ form: Form) throws {
    let mixed = try swapped(form, with: candidate(form, of: Digest(hashing: [1])))
    #expect(try verdict(mixed, trust: log(form).trustedRoot()).reason == .logProofInvalid)
  }

  @Test func `a certificate beside a key's signature must be of that key, and is what the log must have`() throws {
    guard case .simpleSigning(let payload, let type, var annotations) = try candidate(.legacy) else { return }
    let stranger = try IssuedCertificate.authority(commonName: "stranger")
    annotations[MediaType.certificateAnnotation] = stranger.certificatePEM
    let mixed = SignatureCandidate.simpleSigning(payload: payload, layerMediaType: type, annotations: annotations)
    let verdict = try verdict(mixed, trust: rekor1.trustedRoot())
    #expect(verdict.isRefused(.logProofInvalid, "the certificate beside it is of another key"), "\(verdict)")
  }

  @Test func `the signature is judged before any log: a stranger's is a stranger's, proof or not`() throws {
    for form in Form.allCases {
      let candidate = try candidate(form, by: try PrivateKey(generating: .p256))
      #expect(try verdict(candidate, trust: log(form).trustedRoot()).reason == .otherKey)
    }
  }

  // MARK: CVE-2026-54787

  @Test(arguments: [
    (nil as Int64?, nil as Int64?, true), (-1, 1, true), (0, 0, true), (1, nil, false), (nil, -1, false),
    (-9, -1, false), (1, 9, false),
  ])
  func `CVE-2026-54787: a key's validity is asked of the signed time, both ends included`(
    start: Int64?, end: Int64?, isInside: Bool
  ) throws {
    let validity = Validity(start: start.map { Self.time + $0 }, end: end.map { Self.time + $0 })
    let demand = SignatureDemand(keys: [TrustedKey(key.publicKey, validity: validity)], requiresLog: true)
    for form in [Form.legacy, .bundleV1] {
      let found = try verify(candidate(form), demand: demand, trust: rekor1.trustedRoot())
      // Whatever the clock says.
      for now: UnixTime in [0, Self.time, .max] {
        #expect((demand.objection(to: found, now: now) == nil) == isInside)
      }
      if !isInside { #expect(demand.objection(to: found, now: 0)?.reason == .keyOutsideValidity) }
    }
  }

  @Test func `CVE-2026-54787: of several signed times none may lie outside, and two validities do not add up`() throws {
    let early = Validity(start: Self.time, end: Self.time + 10)
    let late = Validity(start: Self.time + 11, end: Self.time + 20)
    func reason(_ times: [UnixTime], _ validities: [Validity]) -> CandidateRejection.Reason? {
      let keys = validities.map { TrustedKey(key.publicKey, validity: $0) }
      let found = VerifiedSignature(signer: .key(key.publicKey.fingerprint), format: .bundle, times: times)
      return SignatureDemand(keys: keys, requiresLog: false).objection(to: found, now: times[0])?.reason
    }
    #expect(reason([Self.time, Self.time + 10], [early]) == nil)
    #expect(reason([Self.time, Self.time + 11], [early]) == .keyOutsideValidity)
    #expect(reason([Self.time - 1, Self.time], [early]) == .keyOutsideValidity)
    #expect(reason([Self.time + 30], [early, Validity()]) == nil, "also trusted without bounds")
    #expect(reason([Self.time + 15], [early, late]) == nil)
    #expect(reason([Self.time, Self.time + 15], [early, late]) == .keyOutsideValidity)
  }

  @Test func `without a signed time a key's validity is asked of the clock`() throws {
    let validity = Validity(start: Self.time, end: Self.time + 10)
    let demand = SignatureDemand(keys: [TrustedKey(key.publicKey, validity: validity)], requiresLog: false)
    let found = try verify(candidate(.legacy), demand: demand, trust: rekor1.trustedRoot())
    #expect(found.times.isEmpty, "an entry timestamp that was not verified is no time")
    #expect(demand.objection(to: found, now: Self.time + 10) == nil)
    let objection = try #require(demand.objection(to: found, now: Self.time + 11))
    #expect(objection.reason == .keyOutsideValidity)
    #expect(objection.description.contains("which is trusted from 2026-01-01T00:00:00Z to 2026-01-01T00:00:10Z only"))
    #expect(demand.objection(to: found, now: Self.time - 1)?.reason == .keyOutsideValidity)
  }

  @Test func `Rekor v2 signs no time, so the clock decides there too`() throws {
    let validity = Validity(start: Self.time, end: Self.time + 10)
    let demand = SignatureDemand(keys: [TrustedKey(key.publicKey, validity: validity)], requiresLog: true)
    let found = try verify(candidate(.bundleV2), demand: demand, trust: rekor2.trustedRoot())
    #expect(demand.objection(to: found, now: Self.time) == nil)
    #expect(demand.objection(to: found, now: Self.time + 11)?.reason == .keyOutsideValidity)
  }

  // MARK: Signed annotations

  @Test(arguments: Form.allCases) func `what is signed with it is part of the fact`(_ form: Form) throws {
    let found = try verify(
      candidate(form, annotations: ["env": "prod", "team": "a"]), trust: log(form).trustedRoot())
    #expect(found.annotations == ["env": "prod", "team": "a"])
    func objection(_ wanted: [String: String]) -> CandidateRejection? {
      SignatureDemand(keys: [TrustedKey(key.publicKey)], requiresLog: true, annotations: wanted)
        .objection(to: found, now: 0)
    }
    #expect(objection(["env": "prod"]) == nil)
    #expect(objection(["env": "prod", "team": "a"]) == nil)
    #expect(objection(["env": "Prod"])?.reason == .annotationMismatch)
    #expect(objection(["env": "prod", "team": "b"])?.description.contains("with the annotation team=a, not b") == true)
    #expect(objection(["Env": "prod"])?.description.contains("without the annotation Env") == true)
    // Equal for Swift, and not the same.
    #expect(objection(["env": "prod\u{37e}"])?.reason == .annotationMismatch)
  }

  @Test func `annotations of the layer, which nobody signed, do not count`() throws {
    guard case .simpleSigning(let payload, let type, var annotations) = try candidate(.legacy) else { return }
    annotations["env"] = "prod"
    let found = try verify(
      .simpleSigning(payload: payload, layerMediaType: type, annotations: annotations), trust: rekor1.trustedRoot())
    #expect(found.annotations.isEmpty)
  }

  @Test func `no fact keeps more annotations than fit`() throws {
    let many = Dictionary(uniqueKeysWithValues: (0..<65).map { ("n\($0)", "v") })
    let long = ["n": String(repeating: "v", count: 9000)]
    for annotations in [many, long] {
      for form in [Form.legacy, .bundleV1] {
        let found = try verify(candidate(form, annotations: annotations), trust: rekor1.trustedRoot())
        #expect(found.annotations.isEmpty)
      }
    }
  }

  // MARK: Demands

  @Test func `demands differ in their fingerprint as soon as one part differs`() throws {
    let other = try PrivateKey(generating: .p256).publicKey
    let identity = IdentityMatcher(identity: .exact("a"), issuer: .exact("b"))
    let trusted = TrustedKey(key.publicKey)
    let demands = [
      SignatureDemand(keys: [trusted], requiresLog: true),
      SignatureDemand(keys: [TrustedKey(other)], requiresLog: true),
      SignatureDemand(keys: [trusted, TrustedKey(other)], requiresLog: true),
      SignatureDemand(keys: [TrustedKey(key.publicKey, validity: Validity(start: 1, end: nil))], requiresLog: true),
      SignatureDemand(keys: [TrustedKey(key.publicKey, validity: Validity(start: nil, end: 1))], requiresLog: true),
      SignatureDemand(keys: [trusted], requiresLog: false),
      SignatureDemand(keys: [trusted], identities: [identity], requiresLog: true),
      SignatureDemand(
        keys: [trusted], identities: [IdentityMatcher(identity: .exact("a"), issuer: .exact("c"))], requiresLog: true),
      SignatureDemand(
        keys: [trusted], identities: [IdentityMatcher(identity: .exact("b"), issuer: .exact("a"))], requiresLog: true),
      SignatureDemand(
        keys: [trusted],
        identities: [IdentityMatcher(identity: .pattern(try AnchoredPattern("a")), issuer: .exact("b"))],
        requiresLog: true),
      SignatureDemand(keys: [], identities: [identity], requiresLog: true),
      SignatureDemand(keys: [trusted], requiresLog: true, logKeys: [other]),
      SignatureDemand(keys: [trusted], requiresLog: true, signedIdentity: .repository),
      SignatureDemand(keys: [trusted], requiresLog: true, annotations: ["a": "b"]),
      SignatureDemand(keys: [trusted], requiresLog: true, annotations: ["b": "a"]),
      SignatureDemand(keys: [trusted], requiresLog: true, annotations: ["a": "b", "b": "a"]),
      // Equal for Swift, and not the same.
      SignatureDemand(keys: [trusted], requiresLog: true, annotations: ["K": "b"]),
      SignatureDemand(keys: [trusted], requiresLog: true, annotations: ["\u{212a}": "b"]),
    ]
    #expect(Set(demands.map(\.fingerprint)).count == demands.count)
    let twice = SignatureDemand(keys: [TrustedKey(other), trusted, trusted], requiresLog: true)
    #expect(twice == demands[2], "neither order nor repetition is a difference")
  }

  // MARK: Online look-up

  @Test func `a log is asked for what lacks a proof, and its answer attached as a signer would have`() throws {
    let trust = try rekor1.trustedRoot()
    let demand = SignatureDemand(keys: [key.publicKey], requiresLog: true)
    let bare = try candidate(.legacy, isLogged: false)
    let proposal = try #require(LogProposal(bare, demand: demand, trust: trust))
    #expect(proposal.logURLs == ["https://rekor.example"])
    guard case .simpleSigning(let payload, _, let annotations) = bare else { return }
    let signature = try #require(Base64.decode(annotations[MediaType.signatureAnnotation] ?? ""))
    let answer = try rekor1.logPayload(
      payload, signature: signature, verifierPEM: key.publicKey.pem, at: Self.time
    ).answer
    let completed = try proposal.completed(answer: Array("[\(answer)]".utf8), maximumCount: 16)
    #expect(completed.count == 1)
    #expect(try verify(completed[0], trust: trust).times == [Self.time])
    let query = String(decoding: proposal.query, as: UTF8.self)
    #expect(query.hasPrefix(#"{"entries":[{"apiVersion":"0.0.1","kind":"hashedrekord","spec":{"data":{"hash":{"#))
  }

  @Test func `CVE-2024-51746: a log's genuine answer about something else is refused like an attached proof`() throws {
    let trust = try rekor1.trustedRoot()
    let demand = SignatureDemand(keys: [key.publicKey], requiresLog: true)
    let proposal = try #require(LogProposal(candidate(.legacy, isLogged: false), demand: demand, trust: trust))
    let other = try rekor1.logPayload(
      [1, 2, 3], signature: try key.sign([1, 2, 3], scheme: .ecdsa(.sha256)), verifierPEM: key.publicKey.pem,
      at: Self.time
    ).answer
    let completed = try proposal.completed(answer: Array("[\(other)]".utf8), maximumCount: 16)
    #expect(try verdict(completed[0], trust: trust).reason == .logProofInvalid)
  }

  @Test func `nobody is asked about bundles, strangers, proofs that are there, or where no log can be searched`() throws
  {
    let trust = try rekor1.trustedRoot()
    let demand = SignatureDemand(keys: [key.publicKey], requiresLog: true)
    #expect(LogProposal(try candidate(.bundleV1, isLogged: false), demand: demand, trust: trust) == nil)
    #expect(LogProposal(try candidate(.legacy), demand: demand, trust: trust) == nil)
    let stranger = try candidate(.legacy, by: try PrivateKey(generating: .p256), isLogged: false)
    #expect(LogProposal(stranger, demand: demand, trust: trust) == nil)
    let bare = try candidate(.legacy, isLogged: false)
    #expect(LogProposal(bare, demand: demand, trust: .nothing) == nil)
    #expect(LogProposal(bare, demand: demand, trust: try rekor2Ed25519.trustedRoot()) == nil)
    let elsewhere = SignatureDemand(
      keys: [TrustedKey(key.publicKey)], requiresLog: true, logKeys: [try PrivateKey(generating: .p256).publicKey])
    #expect(LogProposal(bare, demand: elsewhere, trust: trust) == nil)
  }

  @Test(arguments: [
    "", "{}", "null", "[1]", "[{\"a\":1}]", "[{\"a\":{}}]", "[{\"a\":{\"body\":1}}]",
    "[" + String(repeating: "{},", count: 20) + "{}]",
  ])
  func `an answer that is none is an error, not a crash`(answer: String) throws {
    let proposal = try #require(
      LogProposal(
        candidate(.legacy, isLogged: false), demand: SignatureDemand(keys: [key.publicKey], requiresLog: true),
        trust: rekor1.trustedRoot()))
    #expect(throws: CandidateRejection.self) {
      try proposal.completed(answer: Array(answer.utf8), maximumCount: 16)
    }
  }
}
