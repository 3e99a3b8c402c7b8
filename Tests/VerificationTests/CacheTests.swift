import Crypto
import OCI
import Primitives
import Sigstore
import Testing

@testable import Verification

@Suite(.timeLimit(.minutes(5)))
struct CacheTests {
  let scene = Scene()
  let tag = "ghcr.io/team/app:v1"

  @Test func `only a digest whose fact is cached is known`() async throws {
    let digest = scene.pushImage()
    try scene.sign(digest)
    let byDigest = try scene.request("ghcr.io/team/app@\(digest)")
    let byTag = try scene.request(tag)
    #expect(scene.verifier.known(byDigest) == nil)
    _ = await scene.verifier.verify(byTag, deadline: scene.deadline)
    #expect(scene.verifier.known(byTag) == nil)
    #expect(scene.verifier.known(byDigest)?.image?.fromCache == true)
    let both = try scene.request("ghcr.io/team/app:moved@\(digest)")
    #expect(scene.verifier.known(both)?.image?.pinnedKeepingTag == "ghcr.io/team/app:moved@\(digest)")
    #expect(scene.verifier.known(both)?.image?.pinnedByDigest == "ghcr.io/team/app@\(digest)")
  }

  @Test func `a refusal is never known`() async throws {
    let digest = scene.pushImage()
    let request = try scene.request("ghcr.io/team/app@\(digest)")
    #expect(await scene.verifier.verify(request, deadline: scene.deadline).code == .signatureNotFound)
    #expect(scene.verifier.known(request) == nil)
  }

  @Test func `a fact by any of the keys will do`() async throws {
    let digest = scene.pushImage()
    try scene.sign(digest)
    _ = try await scene.verify(tag)
    let request = try scene.request("ghcr.io/team/app@\(digest)", keys: [Keys.stranger, Keys.mine])
    #expect(scene.verifier.known(request)?.image?.signature.key == Keys.mine.publicKey.fingerprint)
  }

  @Test func `a fact without a log proof does not do where one is wanted`() async throws {
    let digest = scene.pushImage()
    try scene.sign(digest)
    #expect(try await scene.verify(tag).image != nil)
    let strict = try scene.request("ghcr.io/team/app@\(digest)", requiresLog: true)
    #expect(scene.verifier.known(strict) == nil)
    #expect(await scene.verifier.verify(strict, deadline: scene.deadline).code == .logProofMissing)
  }

  @Test func `what was proven on the way to a refusal is remembered as what it is`() async throws {
    let digest = scene.pushImage()
    try scene.sign(digest)
    #expect(try await scene.verify(tag, requiresLog: true).code == .logProofMissing)
    #expect(scene.verifier.known(try scene.request("ghcr.io/team/app@\(digest)"))?.image != nil)
  }

  @Test func `a fact with a log proof is not given up for one without`() throws {
    let cache = FactCache(limits: VerifierLimits(), now: { Deadline(nanoseconds: 1) })
    let digest = Digest(hashing: [1])
    let key = Keys.mine.publicKey
    let proof = LogProof(logID: [UInt8](repeating: 1, count: 32), logIndex: 7, integratedTime: 8, logURL: "")
    let logged = VerifiedSignature(signer: .key(key.fingerprint), format: .bundle, log: proof)
    let plain = VerifiedSignature(key: key.fingerprint, format: .simpleSigning)
    let strict = try terms(SignatureDemand(keys: [key], requiresLog: true))
    let lax = try terms(SignatureDemand(keys: [key], requiresLog: false))
    cache.remember(plain, of: digest, under: strict)
    cache.remember(logged, of: digest, under: strict)
    cache.remember(plain, of: digest, under: lax)
    #expect(cache.fact(of: digest, meeting: strict) == logged)
    #expect(cache.fact(of: digest, meeting: lax) == plain)
  }

  private func terms(_ demand: SignatureDemand, trust: TrustedRoot = .nothing) throws -> Terms {
    Terms(
      VerificationRequest(
        image: try RequestedImage(parsing: tag), demand: demand, trust: trust, credentials: Scope(scope: "")),
      clock: { 0 })
  }

  @Test func `facts do not age unless that is asked for`() async throws {
    for lifetime in [nil, Duration.seconds(60)] {
      let scene = Scene { $0.factLifetime = lifetime }
      let digest = scene.pushImage()
      try scene.sign(digest)
      _ = try await scene.verify(tag)
      let request = try scene.request("ghcr.io/team/app@\(digest)")
      scene.clock.advance(by: .seconds(59))
      #expect(scene.verifier.known(request) != nil)
      scene.clock.advance(by: .seconds(2))
      #expect((scene.verifier.known(request) == nil) == (lifetime != nil))
    }
  }

  @Test func `the least recently used fact is forgotten first`() async throws {
    let scene = Scene { $0.cachedFacts = 2 }
    var requests: [VerificationRequest] = []
    for number in 0..<3 {
      let digest = scene.pushImage("\(number)", tag: nil)
      try scene.sign(digest)
      requests.append(try scene.request("ghcr.io/team/app@\(digest)"))
    }
    _ = await scene.verifier.verify(requests[0], deadline: scene.deadline)
    _ = await scene.verifier.verify(requests[1], deadline: scene.deadline)
    #expect(scene.verifier.known(requests[0]) != nil)
    _ = await scene.verifier.verify(requests[2], deadline: scene.deadline)
    #expect(requests.map { scene.verifier.known($0) != nil } == [true, false, true])
    #expect(scene.verifier.statistics.entries == 2)
  }

  /// However much signers sign beside their digests: what is kept has a bound in bytes.
  @Test func `facts that are large are forgotten sooner`() throws {
    let key = Keys.mine.publicKey.fingerprint
    let terms = try terms(SignatureDemand(keys: [Keys.mine.publicKey], requiresLog: false))
    let digests = (0..<100).map { Digest(hashing: Array("\($0)".utf8)) }
    func kept(_ annotations: [String: String], limit: Int = 100_000) -> Int {
      var limits = VerifierLimits()
      limits.cachedFactBytes = limit
      let cache = FactCache(limits: limits, now: { Deadline(nanoseconds: 1) })
      for digest in digests {
        // Eight of one signer about one digest count as eight.
        for number in 0..<8 {
          cache.remember(
            VerifiedSignature(
              signer: .key(key), format: .bundle, dockerReference: "r/\(number)", annotations: annotations),
            of: digest, under: terms)
        }
      }
      let known = digests.map { cache.fact(of: $0, meeting: terms) != nil }
      // The latest are kept, and no others.
      #expect(known == known.sorted { !$0 && $1 })
      #expect(known.count { $0 } == cache.statistics.entries)
      return cache.statistics.entries
    }
    #expect(kept(["a": String(repeating: "x", count: 8000)]) == 1)
    #expect((10...40).contains(kept([:])))
    #expect(kept([:], limit: VerifierLimits().cachedFactBytes) == 100)
    // A fact that alone is larger is not kept, and is no harm.
    #expect(kept([:], limit: 100) == 0)
  }

  /// The bound in bytes is not the one that ordinary facts meet first.
  @Test func `as many ordinary facts as may be kept have room`() {
    let limits = VerifierLimits()
    let fact = VerifiedSignature(
      signer: .key(Keys.mine.publicKey.fingerprint), format: .simpleSigning,
      log: LogProof(
        logID: [UInt8](repeating: 7, count: 32), logIndex: 1 << 40, integratedTime: 1_700_000_000,
        logURL: "https://rekor.sigstore.dev"),
      times: [1_700_000_000], dockerReference: "registry.example.com/team/database/operator")
    #expect((FactCache.keyByteCount + fact.approximateByteCount) * limits.cachedFacts <= limits.cachedFactBytes)
  }

  @Test func `a definitive no is remembered for five seconds`() async throws {
    let digest = scene.pushImage()
    #expect(try await scene.verify(tag).code == .signatureNotFound)
    try scene.sign(digest)
    scene.registry.forgetCalls()
    scene.clock.advance(by: .milliseconds(4900))
    #expect(try await scene.verify(tag).code == .signatureNotFound)
    #expect(scene.registry.calls.map(\.description) == ["resolve v1"])
    scene.clock.advance(by: .milliseconds(200))
    #expect(try await scene.verify(tag).image != nil)
  }

  @Test func `what may be otherwise in a moment is not remembered`() async throws {
    let digest = scene.pushImage()
    scene.registry.fail(.registryUnavailable) { $0.kind == .referrers }
    #expect(try await scene.verify(tag).code == .registryUnavailable)
    scene.registry.recover()
    try scene.attach(to: digest)
    #expect(try await scene.verify(tag).image != nil)
  }

  @Test func `hits and misses are counted`() async throws {
    let digest = scene.pushImage()
    try scene.sign(digest)
    _ = try await scene.verify(tag)
    _ = try await scene.verify(tag)
    _ = scene.verifier.known(try scene.request("ghcr.io/team/app@\(digest)"))
    _ = scene.verifier.known(try scene.request("ghcr.io/team/app@\(digest)", keys: [Keys.stranger]))
    let statistics = scene.verifier.statistics
    #expect(statistics.hits == 2)
    #expect(statistics.misses == 1)
    #expect(statistics.entries == 1)
    #expect(statistics.joined == 0)
  }
}
