import Crypto
import OCI
import Primitives
import Sigstore
import Testing

@testable import Verification

/// What a request may demand, varied one thing at a time: nothing that was found or refused for one demand may answer
/// another (cosign.md 6.3, openbao-operator; 6.4 (15)).
@Suite(.timeLimit(.minutes(5)))
struct DemandTests {
  let scene = Scene()
  let tag = "ghcr.io/team/app:v1"
  let log: MemoryLog
  let otherLog: MemoryLog

  init() throws {
    log = MemoryLog(key: try PrivateKey(generating: .p256))
    otherLog = MemoryLog(key: try PrivateKey(generating: .p256), url: "https://other.example")
  }

  /// A demand, whom to trust, and what comes of it for an image that is signed and logged with one annotation.
  struct Variation: Sendable {
    let name: String
    let demand: SignatureDemand
    let trust: TrustedRoot
    let code: RefusalCode?
  }

  func variations() throws -> [Variation] {
    let mine = TrustedKey(Keys.mine.publicKey)
    let trust = try log.trustedRoot()
    func variation(
      _ name: String, keys: [TrustedKey] = [mine], identities: [IdentityMatcher] = [], requiresLog: Bool = true,
      logKeys: [PublicKey] = [], signedIdentity: SignedIdentity = .any, annotations: [String: String] = [:],
      trust other: TrustedRoot? = nil, _ code: RefusalCode?
    ) -> Variation {
      Variation(
        name: name,
        demand: SignatureDemand(
          keys: keys, identities: identities, requiresLog: requiresLog, logKeys: logKeys,
          signedIdentity: signedIdentity, annotations: annotations), trust: other ?? trust, code: code)
    }
    let stranger = IdentityMatcher(identity: .exact("jane@example.com"), issuer: .exact("https://issuer.example"))
    return [
      variation("the key", nil),
      variation("another key", keys: [TrustedKey(Keys.stranger.publicKey)], .signatureKeyMismatch),
      variation("identities only", keys: [], identities: [stranger], .signatureKeyMismatch),
      variation("an identity beside the key", identities: [stranger], nil),
      variation("no log", requiresLog: false, nil),
      variation("no log, and none trusted", requiresLog: false, trust: .nothing, nil),
      variation("no log trusted", trust: .nothing, .logProofInvalid),
      variation("another log trusted", trust: try otherLog.trustedRoot(), .logProofInvalid),
      variation("the log by its key", logKeys: [log.key.publicKey], trust: .nothing, nil),
      variation("another log by its key", logKeys: [otherLog.key.publicKey], .logProofInvalid),
      variation(
        "a key that was trusted earlier",
        keys: [TrustedKey(Keys.mine.publicKey, validity: Validity(start: nil, end: 1_767_225_599))],
        .keyOutsideValidity),
      variation(
        "a key that is trusted later",
        keys: [TrustedKey(Keys.mine.publicKey, validity: Validity(start: 1_767_225_601, end: nil))],
        .keyOutsideValidity),
      variation(
        "a key that was trusted then",
        keys: [TrustedKey(Keys.mine.publicKey, validity: Validity(start: 1_767_225_600, end: 1_767_225_600))], nil),
      variation("this repository", signedIdentity: .repository, nil),
      variation("an annotation that is signed", annotations: ["env": "prod"], nil),
      variation("another value", annotations: ["env": "test"], .annotationMismatch),
      variation("another annotation", annotations: ["team": "prod"], .annotationMismatch),
    ]
  }

  func request(_ variation: Variation, _ literal: String) throws -> VerificationRequest {
    VerificationRequest(
      image: try RequestedImage(parsing: literal), demand: variation.demand, trust: variation.trust,
      credentials: Scope(scope: ""))
  }

  func signedImage() throws -> Digest {
    let digest = scene.pushImage()
    let layer = try ImageSigner.layer(
      dockerReference: scene.repository, digest: digest, key: Keys.mine, annotations: ["env": "prod"], log: log)
    scene.sign(
      digest,
      with: [
        Layer(
          digest: scene.registry.push(blob: layer.payload, to: scene.repository), size: layer.payload.count,
          annotations: layer.annotations)
      ])
    return digest
  }

  @Test func `each demand comes to its own verdict, whichever was judged just before`() async throws {
    let digest = try signedImage()
    let variations = try variations()
    // Every pair in both orders, with one cache of facts and of refusals for all.
    for first in variations {
      for second in variations {
        let one = await scene.verifier.verify(try request(first, tag), deadline: scene.deadline)
        #expect(one.code == first.code, "\(first.name)")
        let byDigest = try request(second, "ghcr.io/team/app@\(digest)")
        let known = scene.verifier.known(byDigest)
        #expect(known == nil || second.code == nil, "\(second.name), known after \(first.name)")
        let two = await scene.verifier.verify(byDigest, deadline: scene.deadline)
        #expect(two.code == second.code, "\(second.name) after \(first.name)")
      }
    }
  }

  @Test func `no two demands share a flight`() async throws {
    _ = try signedImage()
    let variations = try variations()
    let gate = scene.registry.hold { $0.kind == .manifest }
    await withTaskGroup(of: (Int, RefusalCode?).self) { group in
      for (index, variation) in variations.enumerated() {
        group.addTask {
          guard let request = try? request(variation, tag) else { return (index, .internalError) }
          return (index, await scene.verifier.verify(request, deadline: scene.deadline).code)
        }
      }
      await gate.arrivals(variations.count)
      gate.open()
      for await (index, code) in group { #expect(code == variations[index].code, "\(variations[index].name)") }
    }
  }

  @Test func `a fact rests on the trust root that it was found under`() async throws {
    let digest = try signedImage()
    let variations = try variations()
    _ = await scene.verifier.verify(try request(variations[0], tag), deadline: scene.deadline)
    let literal = "ghcr.io/team/app@\(digest)"
    #expect(scene.verifier.known(try request(variations[0], literal)) != nil)
    let elsewhere = Variation(name: "", demand: variations[0].demand, trust: try otherLog.trustedRoot(), code: nil)
    #expect(scene.verifier.known(try request(elsewhere, literal)) == nil)
    // What rests on nothing but the key holds under any.
    let lax = SignatureDemand(keys: [Keys.mine.publicKey], requiresLog: false)
    let anywhere = Variation(name: "", demand: lax, trust: try otherLog.trustedRoot(), code: nil)
    let known = try #require(scene.verifier.known(try request(anywhere, literal))?.image)
    #expect(known.signature.log == nil, "no more is claimed than was read for this demand")
  }

  @Test func `several signatures by one key are several facts`() async throws {
    let digest = scene.pushImage()
    var layers: [Layer] = []
    for environment in ["test", "prod"] {
      let layer = try ImageSigner.layer(
        dockerReference: scene.repository, digest: digest, key: Keys.mine, annotations: ["env": environment], log: log)
      layers.append(
        Layer(
          digest: scene.registry.push(blob: layer.payload, to: scene.repository), size: layer.payload.count,
          annotations: layer.annotations))
    }
    scene.sign(digest, with: layers)
    func wanted(_ environment: String) throws -> VerificationRequest {
      let demand = SignatureDemand(
        keys: [TrustedKey(Keys.mine.publicKey)], requiresLog: true, annotations: ["env": environment])
      return try request(
        Variation(name: "", demand: demand, trust: try log.trustedRoot(), code: nil), "ghcr.io/team/app@\(digest)")
    }
    for environment in ["test", "prod"] {
      #expect(await scene.verifier.verify(try wanted(environment), deadline: scene.deadline).image != nil)
    }
    #expect(scene.verifier.known(try wanted("test")) != nil)
    #expect(scene.verifier.known(try wanted("prod")) != nil)
    let neither = await scene.verifier.verify(try wanted("live"), deadline: scene.deadline)
    #expect(neither.code == .annotationMismatch)
    #expect(neither.message.contains("not live"))
  }

  @Test func `annotations of two signatures do not add up`() async throws {
    let digest = scene.pushImage()
    var layers: [Layer] = []
    for pair in [["a": "1"], ["b": "2"]] {
      let layer = try ImageSigner.layer(
        dockerReference: scene.repository, digest: digest, key: Keys.mine, annotations: pair)
      layers.append(
        Layer(
          digest: scene.registry.push(blob: layer.payload, to: scene.repository), size: layer.payload.count,
          annotations: layer.annotations))
    }
    scene.sign(digest, with: layers)
    let both = SignatureDemand(
      keys: [TrustedKey(Keys.mine.publicKey)], requiresLog: false, annotations: ["a": "1", "b": "2"])
    let verdict = await scene.verifier.verify(
      try request(Variation(name: "", demand: both, trust: .nothing, code: nil), tag), deadline: scene.deadline)
    #expect(verdict.code == .annotationMismatch)
  }

  // MARK: The repository

  func verdict(dockerReference: String, asked literal: String? = nil) async throws -> Verdict {
    let digest = scene.pushImage()
    try scene.sign(digest, dockerReference: dockerReference)
    let demand = SignatureDemand(
      keys: [TrustedKey(Keys.mine.publicKey)], requiresLog: false, signedIdentity: .repository)
    return await scene.verifier.verify(
      try request(Variation(name: "", demand: demand, trust: .nothing, code: nil), literal ?? tag),
      deadline: scene.deadline)
  }

  @Test(arguments: [
    "ghcr.io/team/app", "ghcr.io/team/app:v7", "ghcr.io/team/app:v1@sha256:" + String(repeating: "0", count: 64),
  ])
  func `a signature for this repository counts, whatever tag it names`(reference: String) async throws {
    #expect(try await verdict(dockerReference: reference).image != nil)
  }

  @Test(arguments: [
    "ghcr.io/team/other", "ghcr.io/team/app/sub", "ghcr.io/team", "GHCR.io/team/app", "team/app", "app", "", "??",
    "ghcr.io/team/app ", "docker.io/ghcr.io/team/app",
  ])
  func `a signature for another repository does not (23)`(reference: String) async throws {
    let verdict = try await verdict(dockerReference: reference)
    #expect(verdict.code == .signedIdentityMismatch)
    #expect(verdict.message.contains("ghcr.io/team/app"))
  }

  @Test func `Docker Hub's names are compared as what they mean`() async throws {
    var hub = DemandTests.Hub()
    for reference in ["index.docker.io/library/nginx", "docker.io/library/nginx:1", "nginx", "library/nginx"] {
      #expect(try await hub.verdict(reference).image != nil, "\(reference)")
    }
    #expect(try await hub.verdict("team/nginx").code == .signedIdentityMismatch)
  }

  struct Hub {
    mutating func verdict(_ reference: String) async throws -> Verdict {
      var scene = Scene()
      scene.repository = "docker.io/library/nginx"
      let digest = scene.pushImage()
      try scene.sign(digest, dockerReference: reference)
      let demand = SignatureDemand(
        keys: [TrustedKey(Keys.mine.publicKey)], requiresLog: false, signedIdentity: .repository)
      return await scene.verifier.verify(
        VerificationRequest(
          image: try RequestedImage(parsing: "nginx:v1"), demand: demand, trust: .nothing,
          credentials: Scope(scope: "")), deadline: scene.deadline)
    }
  }

  @Test func `a bundle names no repository, and the message says what to do`() async throws {
    let digest = scene.pushImage()
    try scene.attach(to: digest)
    let demand = SignatureDemand(
      keys: [TrustedKey(Keys.mine.publicKey)], requiresLog: false, signedIdentity: .repository)
    let strict = try request(Variation(name: "", demand: demand, trust: .nothing, code: nil), tag)
    let verdict = await scene.verifier.verify(strict, deadline: scene.deadline)
    #expect(verdict.code == .signedIdentityMismatch)
    #expect(verdict.message.contains("a bundle names no repository"))
    #expect(verdict.message.contains("--new-bundle-format=false"))
    // The fact is one, whatever this demand thinks of it.
    #expect(scene.verifier.known(try scene.request("ghcr.io/team/app@\(digest)")) != nil)
  }

  // MARK: Precedence

  @Test func `the signature that came nearest decides which code it is`() async throws {
    let digest = scene.pushImage()
    func layer(_ key: PrivateKey, _ annotations: [String: String], log: MemoryLog?) throws -> Layer {
      let layer = try ImageSigner.layer(
        dockerReference: scene.repository, digest: digest, key: key, annotations: annotations, log: log)
      return Layer(
        digest: scene.registry.push(blob: layer.payload, to: scene.repository), size: layer.payload.count,
        annotations: layer.annotations)
    }
    let stranger = try layer(Keys.stranger, [:], log: log)
    let foreign = try layer(Keys.mine, ["env": "prod"], log: otherLog)
    let missing = try layer(Keys.mine, ["env": "prod"], log: nil)
    let lacking = try layer(Keys.mine, [:], log: log)
    let demand = SignatureDemand(
      keys: [TrustedKey(Keys.mine.publicKey)], requiresLog: true, annotations: ["env": "prod"])
    let wanted = try request(Variation(name: "", demand: demand, trust: try log.trustedRoot(), code: nil), tag)
    let expected: [([Layer], RefusalCode)] = [
      ([stranger], .signatureKeyMismatch), ([stranger, foreign], .logProofInvalid),
      ([stranger, foreign, missing], .logProofMissing), ([stranger, foreign, missing, lacking], .annotationMismatch),
    ]
    for (layers, code) in expected {
      scene.sign(digest, with: layers)
      scene.clock.advance(by: .seconds(6))
      let deadline = scene.clock.now.advanced(by: .seconds(9))
      #expect(await scene.verifier.verify(wanted, deadline: deadline).code == code)
    }
  }
}
