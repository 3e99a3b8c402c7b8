import CertificateForge
import Crypto
import OCI
import Primitives
import Testing

@testable import Sigstore
@testable import Verification

/// What a request may demand of identities, varied one thing at a time: facts about certificates rest on the trust root and
/// its logs, and answer nobody who trusts others or asks for somebody else (cosign.md 6.4 (15)).
@Suite(.timeLimit(.minutes(5)))
struct IdentityDemandTests {
  let scene = Scene()
  let sigstore: ForgedSigstore
  let otherSigstore: ForgedSigstore
  let log: MemoryLog
  let otherLog: MemoryLog

  init() throws {
    sigstore = try ForgedSigstore()
    otherSigstore = try ForgedSigstore()
    log = MemoryLog(key: try PrivateKey(generating: .p256))
    otherLog = MemoryLog(key: try PrivateKey(generating: .p256), url: "https://other.example")
  }

  struct Variation: Sendable {
    let name: String
    let demand: SignatureDemand
    let trust: TrustedRoot
    let code: RefusalCode?

    func request(_ literal: String) throws -> VerificationRequest {
      VerificationRequest(
        image: try RequestedImage(parsing: literal), demand: demand, trust: trust, credentials: Scope(scope: ""))
    }
  }

  /// Demands on an image that jane@example.com signed, in the log and with a time-stamp.
  func variations() throws -> [Variation] {
    func root(
      _ sigstore: ForgedSigstore, _ logs: [MemoryLog], authorityValidity: Validity? = nil
    ) throws -> TrustedRoot {
      try TrustedRoot(
        parsing: sigstore.trustedRoot(logs: logs.map(\.trustRootElement), authorityValidity: authorityValidity))
    }
    let trust = try root(sigstore, [log])
    func variation(
      _ name: String, keys: [PublicKey] = [], identity: TextMatcher? = .exact("jane@example.com"),
      issuer: String = "https://issuer.example.com", requiresLog: Bool = true, logKeys: [PublicKey] = [],
      annotations: [String: String] = [:], trust other: TrustedRoot? = nil, _ code: RefusalCode?
    ) -> Variation {
      Variation(
        name: name,
        demand: SignatureDemand(
          keys: keys.map { TrustedKey($0) },
          identities: identity.map { [IdentityMatcher(identity: $0, issuer: .exact(issuer))] } ?? [],
          requiresLog: requiresLog, logKeys: logKeys, annotations: annotations), trust: other ?? trust, code: code)
    }
    let before = Validity(start: ForgedSigstore.start, end: ForgedSigstore.now - 1)
    return [
      variation("jane", nil),
      variation("jane, by a pattern", identity: .pattern(try AnchoredPattern(".*@example\\.com")), nil),
      variation("joe", identity: .exact("joe@example.com"), .identityMismatch),
      variation("jane of another issuer", issuer: "https://other.example.com", .identityMismatch),
      variation("a key", keys: [Keys.mine.publicKey], identity: nil, .signatureKeyMismatch),
      variation("a key or jane", keys: [Keys.mine.publicKey], nil),
      variation("no log", requiresLog: false, nil),
      variation("no log, nobody trusted", requiresLog: false, trust: .nothing, .timestampInvalid),
      variation(
        "no log, other authorities", requiresLog: false, trust: try root(otherSigstore, [log]), .timestampInvalid),
      variation("other authorities", trust: try root(otherSigstore, [log]), .certificateInvalid),
      variation(
        "an authority out of service", trust: try root(sigstore, [log], authorityValidity: before), .certificateInvalid),
      variation("another log", trust: try root(sigstore, [otherLog]), .logProofInvalid),
      variation("the log by its key", logKeys: [log.key.publicKey], trust: try root(sigstore, []), nil),
      variation("another log by its key", logKeys: [otherLog.key.publicKey], .logProofInvalid),
      variation("an annotation that is not signed", annotations: ["env": "prod"], .annotationMismatch),
    ]
  }

  /// An image with a signature that is logged and, a little later, stamped.
  func signedImage(
    in scene: Scene, by signer: PrivateKey, verifierPEM: String, annotations: [String: String] = [:]
  ) throws -> Digest {
    let digest = scene.pushImage()
    let payload = ImageSignature.defaultPayload(dockerReference: scene.repository, digest: digest)
    let signature = try signer.sign(payload, scheme: .ecdsa(.sha256))
    let stamp = Base64.encode(try sigstore.stamp(signature, at: ForgedSigstore.now + 100))
    let evidence = [
      MediaType.signatureAnnotation: Base64.encode(signature),
      MediaType.logAnnotation: try log.logPayload(
        payload, signature: signature, verifierPEM: verifierPEM, at: ForgedSigstore.now
      ).annotation,
      MediaType.timestampAnnotation: #"{"SignedRFC3161Timestamp":"\#(stamp)"}"#,
    ]
    scene.sign(
      digest,
      with: [
        Layer(
          digest: scene.registry.push(blob: payload, to: scene.repository), size: payload.count,
          annotations: evidence.merging(annotations) { $1 })
      ])
    return digest
  }

  func signedImage(in scene: Scene) throws -> Digest {
    let signer = try PrivateKey(generating: .p256)
    let pem = try X509Certificate(der: sigstore.issue(sigstore.leaf(key: signer))).pem
    return try signedImage(in: scene, by: signer, verifierPEM: pem, annotations: [MediaType.certificateAnnotation: pem])
  }

  @Test func `each demand comes to its own verdict, whichever was judged just before`() async throws {
    let variations = try variations()
    for first in variations {
      for second in variations {
        // Afresh for each pair, so that it is the first one's facts and refusals that the second one meets.
        let scene = Scene()
        let literal = "ghcr.io/team/app@\(try signedImage(in: scene))"
        let one = await scene.verifier.verify(try first.request(literal), deadline: scene.deadline)
        #expect(one.code == first.code, "\(first.name)")
        let known = scene.verifier.known(try second.request(literal))
        #expect(known == nil || second.code == nil, "\(second.name), known after \(first.name)")
        let two = await scene.verifier.verify(try second.request(literal), deadline: scene.deadline)
        #expect(two.code == second.code, "\(second.name) after \(first.name)")
      }
    }
  }

  @Test func `a fact about a certificate is known to whoever trusts the same, and to nobody else`() async throws {
    let digest = try signedImage(in: scene)
    let variations = try variations()
    _ = await scene.verifier.verify(try variations[0].request("ghcr.io/team/app:v1"), deadline: scene.deadline)
    let known = try variations.filter { try scene.verifier.known($0.request("ghcr.io/team/app@\(digest)")) != nil }
    #expect(known.map(\.name) == ["jane", "jane, by a pattern", "a key or jane"])
  }

  @Test(arguments: [true, false])
  func `times of a key's signature rest on the trust root, also where the log is known by its key`(
    isStampTrustedFirst: Bool
  ) async throws {
    let digest = try signedImage(in: scene, by: Keys.mine, verifierPEM: Keys.mine.publicKey.pem)
    let key = TrustedKey(Keys.mine.publicKey, validity: Validity(start: nil, end: ForgedSigstore.now + 50))
    let demand = SignatureDemand(keys: [key], requiresLog: true, logKeys: [log.key.publicKey])
    let trusting = Variation(
      name: "the stamp's authority", demand: demand, trust: try TrustedRoot(parsing: sigstore.trustedRoot()),
      code: .keyOutsideValidity)
    let other = Variation(
      name: "no authority", demand: demand, trust: try TrustedRoot(parsing: otherSigstore.trustedRoot()), code: nil)
    for variation in isStampTrustedFirst ? [trusting, other, trusting] : [other, trusting, other] {
      let verdict = await scene.verifier.verify(
        try variation.request("ghcr.io/team/app@\(digest)"), deadline: scene.deadline)
      #expect(verdict.code == variation.code, "\(variation.name)")
    }
  }
}
