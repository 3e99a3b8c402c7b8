import CertificateForge
import Crypto
import Primitives
import Testing

@testable import Sigstore

/// Whole signatures, with all that they rest on, and one thing changed: judged as the webhook judges them, against a
/// demand and a trust root. What is still accepted is listed, and the lists are exact.
@Suite struct BundleMutationTests {
  /// A good signature, and the verdict on what was made of it.
  struct Sample {
    let tree: Tree
    let verify: (Tree) throws -> VerifiedSignature

    init(
      _ candidate: SignatureCandidate, _ digest: Digest, _ demand: SignatureDemand, _ trust: TrustedRoot
    ) throws {
      let remade: (Tree) throws -> SignatureCandidate
      switch candidate {
      case .bundle(let bytes):
        tree = try Tree(bytes)
        remade = { .bundle(Array($0.text.utf8)) }
      case .simpleSigning(let payload, let mediaType, let annotations):
        tree = try Tree(annotations: annotations)
        remade = {
          .simpleSigning(payload: payload, layerMediaType: mediaType, annotations: try $0.annotations())
        }
      }
      verify = { tree in
        let found = try ImageSignature.verify(try remade(tree), imageDigest: digest, demand: demand, trust: trust)
        if let objection = demand.objection(to: found, now: ForgedSigstore.now) { throw objection }
        return found
      }
    }
  }

  /// Changes that are accepted: with the very same fact as a result, or with one that rests on less.
  struct Accepted: Equatable, CustomStringConvertible {
    var same: Set<String> = []
    var less: Set<String> = []

    var description: String { "same: \(same.sorted()), less: \(less.sorted())" }
  }

  /// Judges every change. Where a bit of any byte of a string may change, that is said once; where it is one of a part of
  /// a time-stamp, the part's name.
  private func accepted(
    _ sample: Sample, parts: [(name: String, bytes: Range<Int>)] = []
  ) async throws -> Accepted {
    let original = try sample.verify(sample.tree)
    var accepted = Accepted()
    func judge(_ name: String, _ tree: Tree) throws -> Bool {
      var found: VerifiedSignature?
      let refusal = try refusal { found = try sample.verify(tree) }
      guard let found, refusal == nil else { return false }
      if found == original {
        accepted.same.insert(name)
      } else {
        #expect(found.signer == original.signer && Set(found.times).isStrictSubset(of: original.times), "\(name)")
        accepted.less.insert(name)
      }
      return true
    }
    let mutations = sample.tree.mutations() + sample.tree.caseFolds() + sample.tree.nudges()
    #expect(mutations.count > 100)
    for mutation in mutations {
      _ = try judge(mutation.name, mutation.tree)
      // Other tests, which wait for answers in time, share the threads.
      await Task.yield()
    }
    for flips in sample.tree.flips(limit: 64, limitDER: parts.isEmpty ? 64 : .max) {
      let before = accepted
      var count = 0
      for flip in flips.trees {
        let isStamp = flips.path.lowercased().hasSuffix("timestamp")
        let part = isStamp ? parts.first { $0.bytes.contains(flip.byte) }?.name : nil
        if try judge("\(flips.path) \(part ?? "byte \(flip.byte)")", flip.tree) { count += 1 }
        await Task.yield()
      }
      guard count == flips.trees.count else { continue }
      let isSame = accepted.less == before.less
      accepted = before
      if isSame {
        accepted.same.insert("\(flips.path) any byte")
      } else {
        accepted.less.insert("\(flips.path) any byte")
      }
    }
    return accepted
  }

  /// The parts of a time-stamp that no signature is over, or that say whose it is.
  private func parts(_ stamp: [UInt8], by stamper: [UInt8]) throws -> [(name: String, bytes: Range<Int>)] {
    let sha256 = DERText.identifier("2.16.840.1.101.3.4.2.1")
    let hash = HashAlgorithm.sha256.hash(stamper)
    return [
      // The first of several: the list in SignedData, which is there to be known before the content is read.
      ("digest algorithms", try #require(stamp.firstRange(of: DERText.sequence(sha256)))),
      ("signer", try #require(stamp.firstRange(of: DERText.name("root") + DERText.integer(4711)))),
      ("certificate's hash", try #require(stamp.firstRange(of: hash))),
    ]
  }

  /// The time-stamp in a candidate.
  private func stamp(_ tree: Tree) throws -> [UInt8] {
    let text = try #require(
      tree.text.firstMatch(of: /"(?:signedTimestamp|SignedRFC3161Timestamp)":"([^"]+)"/))
    return try #require(Base64.decode(String(text.1)))
  }

  // MARK: By a key

  /// The hint decides nothing. Without the entry timestamp the proof of inclusion suffices, and no time is known.
  @Test(arguments: ["rekor1", "rekor2"]) func `of a bundle by a key and its log proof nothing may change`(
    _ log: String
  ) async throws {
    let artifact = try Artifacts.sample("x_c31-\(log)")
    let demand = SignatureDemand(keys: [try Artifacts.key("p256")], requiresLog: true)
    let sample = try Sample(artifact.candidate, artifact.imageDigest, demand, Artifacts.root(log))
    let hint = [
      "removed", "→ null", "any byte", "cut", "padded more", "with a line feed", "with a space", "with more",
      "with odd bits",
    ]
    let promise = "verificationMaterial.tlogEntries[0].inclusionPromise"
    let expected = Accepted(
      same: Set(hint.map { "verificationMaterial.publicKey.hint \($0)" }),
      less: log == "rekor1" ? ["\(promise) removed", "\(promise) → null"] : [])
    let found = try await accepted(sample)
    #expect(found == expected, "\(found)")
    try requireRespellings(sample)
  }

  /// Other annotations may lie beside them.
  @Test func `of a layer's signature by a key and its log proof nothing may change`() async throws {
    let artifact = try Artifacts.sample("x_c25-rekor1")
    let demand = SignatureDemand(keys: [try Artifacts.key("p256")], requiresLog: true)
    let sample = try Sample(artifact.candidate, artifact.imageDigest, demand, Artifacts.root("rekor1"))
    let found = try await accepted(sample)
    #expect(
      found
        == Accepted(same: [MediaType.signatureAnnotation + " and folded", MediaType.logAnnotation + " and folded"]),
      "\(found)")
    for respelling in sample.tree.respellings() { #expect(try refusal { try sample.verify(respelling.tree) } != nil) }
  }

  /// In bundles, base64 may be spelt in all the ways that protobuf's JSON has.
  private func requireRespellings(_ sample: Sample) throws {
    let original = try sample.verify(sample.tree)
    let respellings = sample.tree.respellings()
    #expect(respellings.count > 5)
    for respelling in respellings { #expect(try sample.verify(respelling.tree) == original, "\(respelling.name)") }
  }

  // MARK: By an identity

  /// Two time-stamps of one time say what one says. A time-stamp that is missing, or names another authority, is no
  /// evidence; the log's time suffices. Without the log's time, the time-stamp's does.
  @Test func `of a bundle with a certificate, log proof and time-stamp nothing may change`() async throws {
    let scene = try KeylessSignatureTests()
    let candidate = try scene.candidate(.bundle, stampedAt: ForgedSigstore.now + 1)
    let sample = try Sample(candidate, scene.digest, scene.demand(), scene.trust())
    let data = "verificationMaterial.timestampVerificationData"
    let stamp = "\(data).rfc3161Timestamps[0]"
    let promise = "verificationMaterial.tlogEntries[0].inclusionPromise"
    let expected = Accepted(
      same: ["\(stamp) doubled", "\(stamp).signedTimestamp digest algorithms"],
      less: [
        "\(data) removed", "\(data) → null", "\(data).rfc3161Timestamps removed", "\(data).rfc3161Timestamps → null",
        "\(stamp) removed", "\(stamp).signedTimestamp signer", "\(stamp).signedTimestamp certificate's hash",
        "\(promise) removed", "\(promise) → null",
      ])
    let found = try await accepted(sample, parts: parts(self.stamp(sample.tree), by: scene.sigstore.stamper))
    #expect(found == expected, "\(found)")
    try requireRespellings(sample)
  }

  /// As above; annotations of other names may lie beside them.
  @Test func `of a layer's signature with a certificate, log proof and time-stamp nothing may change`() async throws {
    let scene = try KeylessSignatureTests()
    let candidate = try scene.candidate(.legacy, stampedAt: ForgedSigstore.now + 1)
    let sample = try Sample(candidate, scene.digest, scene.demand(), scene.trust())
    let stamp = "dev.sigstore.cosign/rfc3161timestamp"
    let names = [
      MediaType.signatureAnnotation, MediaType.logAnnotation, "dev.sigstore.cosign/certificate", stamp,
    ]
    let expected = Accepted(
      same: Set(names.map { "\($0) and folded" } + ["\(stamp).SignedRFC3161Timestamp digest algorithms"]),
      less: [
        "\(stamp) removed", "\(stamp) folded", "\(stamp) → string", "\(stamp).SignedRFC3161Timestamp signer",
        "\(stamp).SignedRFC3161Timestamp certificate's hash",
      ])
    let found = try await accepted(sample, parts: parts(self.stamp(sample.tree), by: scene.sigstore.stamper))
    #expect(found == expected, "\(found)")
    for respelling in sample.tree.respellings() {
      #expect(try refusal { try sample.verify(respelling.tree) } != nil, "\(respelling.name)")
    }
  }

  /// Rekor v2 signs no time: here all of it rests on the time-stamp.
  @Test func `of a signature with a certificate in a log without times nothing may change`() async throws {
    let scene = try KeylessSignatureTests()
    let statement = ImageSigner.statement(digest: scene.digest, predicateType: ImageSignature.predicateType)
    let encoding = Envelope.preAuthenticationEncoding(of: statement)
    let signature = try scene.signer.sign(encoding, scheme: .ecdsa(.sha256))
    var log = try ForgeLog(.ed25519)
    log.log(
      try RekorV2.entry(
        of: LoggedSignature(
          signature: signature, verifier: .certificate(try X509Certificate(der: scene.certificate)),
          content: .dsse(payload: statement, pae: encoding))))
    let entry = try log.entry(3, v2: true)
    let stamp = Base64.encode(try scene.sigstore.stamp(signature, at: ForgedSigstore.now))
    let bundle =
      #"{"mediaType":"\#(MediaType.bundleV03)","verificationMaterial":{"certificate":{"rawBytes":""#
      + Base64.encode(scene.certificate)
      + #""},"tlogEntries":[\#(entry)],"timestampVerificationData":{"rfc3161Timestamps":[{"signedTimestamp":""#
      + stamp + #""}]}},"dsseEnvelope":{"payload":"\#(Base64.encode(statement))","payloadType":""#
      + #"application/vnd.in-toto+json","signatures":[{"sig":"\#(Base64.encode(signature))","keyid":"a hint"}]}}"#
    let root = try scene.trust()
    let trust = TrustedRoot(
      fingerprint: root.fingerprint, transparencyLogs: [try log.trusted(v2: true)],
      certificateAuthorities: root.certificateAuthorities, certificateLogs: root.certificateLogs,
      timestampAuthorities: root.timestampAuthorities)
    let sample = try Sample(.bundle(Array(bundle.utf8)), scene.digest, scene.demand(), trust)
    let keyid = ["removed", "→ null", "any byte"].map { "dsseEnvelope.signatures[0].keyid \($0)" }
    let timestamps = "verificationMaterial.timestampVerificationData.rfc3161Timestamps[0]"
    let expected = Accepted(
      same: Set(keyid + ["\(timestamps) doubled", "\(timestamps).signedTimestamp digest algorithms"]))
    let found = try await accepted(sample, parts: parts(self.stamp(sample.tree), by: scene.sigstore.stamper))
    #expect(found == expected, "\(found)")
    try requireRespellings(sample)
  }

  /// Nothing but the authority's signature, the certificate log's and the rules of form stand against these.
  @Test func `a certificate with a bit changed is refused, though the log took it in with that`() async throws {
    let scene = try KeylessSignatureTests()
    let trust = try scene.trust()
    #expect(try scene.verdict(scene.candidate(.bundle), trust: trust).reason == nil)
    for index in scene.certificate.indices {
      var changed = scene.certificate
      changed[index] ^= 1 << UInt8(index % 8)
      let verdict = try scene.verdict(
        scene.candidate(.bundle, certificate: changed, loggedVerifier: changed), trust: trust)
      #expect(verdict.reason != nil, "bit \(index % 8) of byte \(index)")
      await Task.yield()
    }
  }
}
