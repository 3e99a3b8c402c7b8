import Crypto
import OCI
import Primitives
import Sigstore
import Testing

@testable import Verification

/// What was done to other verifiers, and what might be done to this one: each by the name that it is known under.
@Suite(.timeLimit(.minutes(5)))
struct AttackTests {
  let scene = Scene()
  let tag = "ghcr.io/team/app:v1"

  // MARK: Resolution

  @Test
  func
    `(1) and Kyverno CVE-2022-47633: a tag that moves between look-ups is looked up once, and what is pinned is what was verified`()
    async throws
  {
    let signed = scene.pushImage("signed")
    let evil = scene.pushImage("evil", tag: nil)
    try scene.sign(signed)
    scene.registry.point("v1", in: scene.repository, to: signed, evil)
    let image = try #require(try await scene.verify(tag).image)
    #expect(image.pinnedKeepingTag == "ghcr.io/team/app:v1@\(signed)")
    #expect(scene.registry.calls(.resolve).count == 1)
    #expect(try await scene.verify(tag).code == .signatureNotFound)
  }

  @Test func `(2) where tag and digest disagree, the digest is verified and pinned, and the tag is not looked up`()
    async throws
  {
    let signed = scene.pushImage("signed", tag: nil)
    _ = scene.pushImage("evil", tag: "v1")
    try scene.sign(signed)
    let literal = "ghcr.io/team/app:v1@\(signed)"
    let image = try #require(try await scene.verify(literal).image)
    #expect(image.digest == signed.description)
    #expect(image.pinnedKeepingTag == literal)
    #expect(!scene.registry.calls.contains { $0.what == "v1" })

    let evil = scene.pushImage("evil", tag: nil)
    try scene.sign(scene.pushImage("signed", tag: "v1"))
    #expect(try await scene.verify("ghcr.io/team/app:v1@\(evil)").code == .signatureNotFound)
  }

  @Test func `(3) and Kyverno CVE-2023-47630: a look-up that lies names only what is then verified`() async throws {
    let signed = scene.pushImage("signed")
    try scene.sign(signed)
    let made = Digest(hashing: Array("of something else".utf8))
    scene.registry.point("v1", in: scene.repository, to: made)
    #expect(try await scene.verify(tag).code == .signatureNotFound)
    #expect(scene.registry.calls.allSatisfy { !$0.what.contains(signed.hex) })
  }

  @Test func `(3) a registry that answers for another digest than was asked is refused`() async throws {
    let signed = scene.pushImage("signed", tag: nil)
    try scene.sign(signed)
    let verifier = ImageVerifier(registry: Liar(honest: scene.registry, lie: Digest(hashing: [1])))
    let verdict = await verifier.verify(
      try scene.request("ghcr.io/team/app@\(signed)"), deadline: .after(.seconds(50)))
    #expect(verdict.code == .digestMismatch)
  }

  @Test func `(4) the image's manifest is never interpreted, so no header can make it mean two things`() async throws {
    let digest = scene.pushImage()
    try scene.sign(digest)
    _ = try await scene.verify(tag)
    _ = try await scene.verify("ghcr.io/team/app@\(digest)", scope: "another")
    #expect(scene.registry.calls(.manifest).allSatisfy { $0.what.hasSuffix(".sig") })
  }

  @Test func `(5) only the digest is handed on, however the registry answers others`() async throws {
    let digest = scene.pushImage()
    try scene.sign(digest)
    for literal in ["ghcr.io/team/app:v1", "ghcr.io/team/app@\(digest)", "ghcr.io/team/app:v1@\(digest)"] {
      let image = try #require(try await scene.verify(literal).image)
      #expect(image.pinnedKeepingTag.hasSuffix("@\(digest)"))
      #expect(image.pinnedByDigest == "ghcr.io/team/app@\(digest)")
    }
  }

  @Test
  func
    `cosign issue 542: a digest that the registry does not have does not count, though a signature over it lies there`()
    async throws
  {
    let never = Digest(hashing: Array("never pushed".utf8))
    try scene.sign(never)
    try scene.attach(to: never)
    let literal = "ghcr.io/team/app@\(never)"
    #expect(try await scene.verify(literal).code == .imageNotFound)
    #expect(scene.verifier.known(try scene.request(literal)) == nil)
    scene.clock.advance(by: .seconds(6))
    #expect(try await scene.verify(literal).code == .imageNotFound)
  }

  // MARK: The cache

  @Test func `Kyverno GHSA-2r43-6962-xcw5, PR 16213: a verdict is not kept by tag`() async throws {
    try scene.sign(scene.pushImage("signed"))
    #expect(try await scene.verify(tag).image != nil)
    _ = scene.pushImage("evil")
    #expect(try await scene.verify(tag).code == .signatureNotFound)
  }

  @Test func `(15) and openbao-operator: a second key is judged anew, though its PEM begins with the same bytes`()
    async throws
  {
    let digest = scene.pushImage()
    try scene.sign(digest)
    #expect(try await scene.verify(tag).image != nil)
    #expect(Keys.mine.publicKey.pem.prefix(40) == Keys.stranger.publicKey.pem.prefix(40))
    #expect(try await scene.verify(tag, keys: [Keys.stranger]).code == .signatureKeyMismatch)
    #expect(scene.verifier.known(try scene.request("ghcr.io/team/app@\(digest)", keys: [Keys.stranger])) == nil)
  }

  @Test func `(15) and openbao-operator: waiving the log once waives it for nobody else`() async throws {
    try scene.sign(scene.pushImage())
    #expect(try await scene.verify(tag, requiresLog: false).image != nil)
    #expect(try await scene.verify(tag, requiresLog: true).code == .logProofMissing)
    #expect(try await scene.verify(tag, requiresLog: false).image != nil)
  }

  @Test func `(15) a refusal answers for no other key, rule, repository or credentials`() async throws {
    let digest = scene.pushImage()
    try scene.sign(digest, by: Keys.stranger)
    #expect(try await scene.verify(tag).code == .signatureKeyMismatch)
    #expect(try await scene.verify(tag, keys: [Keys.stranger]).image != nil)

    var copy = scene
    copy.repository = "ghcr.io/team/copy"
    _ = copy.pushImage()
    try copy.sign(digest)
    #expect(try await scene.verify("ghcr.io/team/copy:v1").image?.pinnedKeepingTag == "ghcr.io/team/copy:v1@\(digest)")
  }

  @Test func `(15) a fact names one digest`() async throws {
    try scene.sign(scene.pushImage())
    #expect(try await scene.verify(tag).image != nil)
    let other = scene.pushImage("two", tag: nil)
    #expect(scene.verifier.known(try scene.request("ghcr.io/team/app@\(other)")) == nil)
  }

  @Test func `(15) an error is never kept as a yes, nor as a no`() async throws {
    let digest = scene.pushImage()
    try scene.sign(digest)
    scene.registry.fail(.registryUnavailable) { _ in true }
    let literal = "ghcr.io/team/app@\(digest)"
    #expect(try await scene.verify(literal).code == .registryUnavailable)
    #expect(scene.verifier.known(try scene.request(literal)) == nil)
    scene.registry.recover()
    #expect(try await scene.verify(literal).image != nil)
  }

  @Test func `(17) what one tenant's secret resolves answers for no other`() async throws {
    let digest = scene.pushImage()
    try scene.sign(digest)
    scene.registry.fail(.registryUnauthorized) { $0.scope == "mallory" }
    #expect(try await scene.verify(tag, scope: "alice").image != nil)
    #expect(try await scene.verify(tag, scope: "mallory").code == .registryUnauthorized)
    #expect(scene.registry.calls(.resolve).map(\.scope) == ["alice", "mallory"])
  }

  @Test func `(17) two tenants at once each ask with their own credentials`() async throws {
    let digest = scene.pushImage()
    try scene.sign(digest)
    scene.registry.fail(.registryUnauthorized) { $0.scope == "mallory" }
    _ = scene.registry.hold(opensAt: 2) { $0.kind == .resolve }
    async let alice = scene.verify(tag, scope: "alice")
    async let mallory = scene.verify(tag, scope: "mallory")
    #expect(try await alice.image != nil)
    #expect(try await mallory.code == .registryUnauthorized)
  }

  @Test func `(17) one tenant's refusal is no other's`() async throws {
    let digest = scene.pushImage()
    try scene.sign(digest)
    scene.registry.fail(.registryUnauthorized) { $0.scope == "mallory" && $0.kind != .resolve }
    #expect(try await scene.verify(tag, scope: "mallory").code == .registryUnauthorized)
    #expect(try await scene.verify(tag, scope: "alice").image != nil)
  }

  // MARK: The registry

  @Test
  func
    `(18), CVE-2023-42813, CVE-2023-42814, CVE-2023-42815, CVE-2023-42816 and CVE-2023-33957: a hundred thousand referrers cost fifty look-ups, and the refusal says so`()
    async throws
  {
    let digest = scene.pushImage()
    let flood = (0..<100_000).map { number in
      scene.descriptor(Digest(hashing: withUnsafeBytes(of: number) { Array($0) }))
    }
    scene.registry.refer(flood, to: digest, in: scene.repository)
    let verdict = try await scene.verify(tag)
    #expect(verdict.code == .signatureLimitExceeded)
    #expect(
      verdict.message.hasPrefix("100000 candidates by the referrers API, of which 50 were judged and none counts"))
    #expect(scene.registry.calls(.manifest).count == 51)
  }

  @Test func `(18) pages that never end are not read to the end, and that is not "unsigned"`() async throws {
    let digest = scene.pushImage()
    try scene.attach(to: digest, by: Keys.stranger)
    scene.registry.listReferrers(at: .api, isTruncated: true)
    let verdict = try await scene.verify(tag)
    #expect(verdict.code == .signatureLimitExceeded)
    #expect(verdict.message.hasPrefix("more than 1 candidates by the referrers API"))
    try scene.attach(to: digest)
    #expect(try await scene.verify(tag, scope: "again").image != nil)
  }

  @Test func `(18) and CVE-2024-29902: what is declared with gigabytes is not fetched`() async throws {
    let digest = scene.pushImage()
    var layer = try scene.layer(over: digest, dockerReference: "other")
    layer.size = 5 << 30
    scene.sign(digest, with: [layer])
    let bundle = Layer(digest: Digest(hashing: [2]), size: 5 << 30, mediaType: MediaType.bundleV03)
    scene.registry.refer(
      [scene.descriptor(scene.registry.push(scene.manifest(layers: [bundle]), to: scene.repository))], to: digest,
      in: scene.repository)
    let verdict = try await scene.verify(tag)
    #expect(verdict.code == .signatureInvalid)
    #expect(verdict.message.contains("5368709120 bytes"))
    #expect(scene.registry.calls(.blob).isEmpty)
  }

  @Test func `(18) what is longer than declared is not looked at`() async throws {
    let digest = scene.pushImage()
    let endless = [UInt8](repeating: 0x20, count: (1 << 20) + 1)
    let blob = scene.registry.push(blob: endless, to: scene.repository)
    let annotations = [MediaType.signatureAnnotation: "AAAA"]
    scene.sign(digest, with: [Layer(digest: blob, size: 10, annotations: annotations)])
    let manifest = scene.manifest(layers: [Layer(digest: blob, size: 10, mediaType: MediaType.bundleV03)])
    scene.registry.refer(
      [scene.descriptor(scene.registry.push(manifest, to: scene.repository))], to: digest, in: scene.repository)
    let verdict = try await scene.verify(tag)
    #expect(verdict.code == .signatureInvalid)
    #expect(verdict.message.contains("1048577 bytes, where at most 1048576 are read"))
  }

  @Test func `CVE-2024-29903: a manifest with 1001 layers is refused unread, and hides nothing`() async throws {
    let digest = scene.pushImage()
    let layer = try scene.layer(over: digest)
    scene.sign(digest, with: Array(repeating: layer, count: 1001))
    #expect(try await scene.verify(tag).code == .registryMisbehaved)
    try scene.attach(to: digest)
    #expect(try await scene.verify(tag, scope: "again").image != nil)
  }

  @Test func `(19) an ordinary image at the signature tag is no signature, and none of its layers is fetched`()
    async throws
  {
    let digest = scene.pushImage()
    let layer = Layer(
      digest: Digest(hashing: [3]), size: 80 << 20, mediaType: "application/vnd.oci.image.layer.v1.tar+gzip")
    scene.sign(digest, with: [layer, layer])
    let verdict = try await scene.verify(tag)
    #expect(verdict.code == .signatureNotFound)
    #expect(verdict.message.contains("2 things that are no image signatures at tag sha256-"))
    #expect(scene.registry.calls(.blob).isEmpty)
  }

  @Test func `(19) an index at the signature tag is not descended into`() async throws {
    let digest = scene.pushImage()
    let inner = scene.registry.push(
      scene.manifest(layers: [try scene.layer(over: digest)]), to: scene.repository)
    scene.registry.push(
      index(of: [inner]), to: scene.repository, tag: ImageSignature.signatureTag(digest),
      mediaType: "application/vnd.oci.image.index.v1+json")
    #expect(try await scene.verify(tag).code == .signatureNotFound)
  }

  @Test func `(19) bytes that do not hash to their digest are no payload`() async throws {
    let digest = scene.pushImage()
    let (payload, signature) = try ImageSigner.simpleSigning(dockerReference: "x", digest: digest, key: Keys.mine)
    let claimed = Digest(hashing: Array("something else".utf8))
    scene.registry.push(blob: payload, to: scene.repository, as: claimed)
    scene.sign(
      digest,
      with: [
        Layer(digest: claimed, size: payload.count, annotations: [MediaType.signatureAnnotation: signature])
      ])
    let verdict = try await scene.verify(tag)
    #expect(verdict.code == .signatureInvalid)
    #expect(verdict.message.contains("has other bytes"))
  }

  @Test func `(20) what the fallback index lists is judged by what is signed, not by the subject it claims`()
    async throws
  {
    let digest = scene.pushImage()
    let other = scene.pushImage("two", tag: nil)
    try scene.attach(to: digest, signing: other)
    scene.registry.listReferrers(at: .fallbackTag("sha256-\(digest.hex)"))
    let verdict = try await scene.verify(tag)
    #expect(verdict.code == .signatureInvalid)
    #expect(verdict.message.contains("1 bundle by the referrers tag sha256-\(digest.hex)"))
  }

  @Test(arguments: [true, false])
  func `(20) an index inside the list is not descended into`(isHonest: Bool) async throws {
    let digest = scene.pushImage()
    let inner = scene.bundleManifest(try ImageSigner.bundle(digest: digest, key: Keys.mine))
    let type = "application/vnd.oci.image.index.v1+json"
    let nested = scene.registry.push(index(of: [inner.digest]), to: scene.repository, mediaType: type)
    let claimed = isHonest ? type : "application/vnd.oci.image.manifest.v1+json"
    scene.registry.refer([scene.descriptor(nested, mediaType: claimed)], to: digest, in: scene.repository)
    #expect(try await scene.verify(tag).code == .signatureNotFound)
    #expect(!scene.registry.calls.contains { $0.what == inner.digest.description })
  }

  @Test func `(21) a stranger who fills the list is told apart from "unsigned"`() async throws {
    let digest = scene.pushImage()
    for _ in 0..<60 { try scene.attach(to: digest, by: Keys.stranger) }
    try scene.attach(to: digest)
    let verdict = try await scene.verify(tag)
    #expect(verdict.code == .signatureLimitExceeded)
    #expect(
      verdict.message.hasPrefix(
        "61 candidates by the referrers API, of which 50 were judged and none counts; take away what is not needed there, "
          + "or raise the limit; apart from that 50 signatures found (50 bundles by the referrers API)"))
    try scene.sign(digest)
    #expect(try await scene.verify(tag, scope: "again").image != nil, "the other store is judged on its own")
  }

  @Test func `(21) what is plainly no signature takes nobody's place`() async throws {
    let digest = scene.pushImage()
    var empty = try scene.layer(over: digest)
    empty.annotations = [:]
    var layers = Array(repeating: empty, count: 100)
    layers.append(try scene.layer(over: digest))
    scene.sign(digest, with: layers)
    #expect(try await scene.verify(tag).image != nil)
  }

  @Test func `(21) dear ones do not keep a cheap one from being judged`() async throws {
    let digest = scene.pushImage()
    var layers = try (0..<60).map { number in
      try scene.layer(over: digest, by: Keys.stranger, dockerReference: "elsewhere/\(number)")
    }
    layers.append(try scene.layer(over: digest))
    scene.sign(digest, with: layers)
    #expect(try await scene.verify(tag).image != nil)
    #expect(scene.registry.calls(.blob).isEmpty)
  }

  @Test func `(21) layers of a referrer are counted with the referrers`() async throws {
    let scene = Scene { $0.candidatesPerStore = 5 }
    let digest = scene.pushImage()
    for referrer in 0..<2 {
      let layers = try (0..<4).map { number in
        try scene.layer(over: digest, by: Keys.stranger, dockerReference: "elsewhere/\(referrer)/\(number)")
      }
      let manifest = scene.manifest(layers: layers, configType: MediaType.cosignSignatureArtifact)
      scene.registry.refer(
        [scene.descriptor(scene.registry.push(manifest, to: scene.repository))], to: digest, in: scene.repository)
    }
    let verdict = try await scene.verify(tag)
    #expect(verdict.code == .signatureLimitExceeded)
    #expect(verdict.message.hasPrefix("8 candidates by the referrers API, of which 5 were judged"))
    #expect(scene.registry.calls(.blob).count == 5)
  }

  // MARK: What is signed

  @Test func `policy-controller CVE-2022-35930, PR 1971: an attestation by a stranger proves nothing`() async throws {
    try scene.attach(to: scene.pushImage(), by: Keys.stranger, predicateType: "https://slsa.dev/provenance/v1")
    #expect(try await scene.verify(tag).image == nil)
  }

  @Test func `(22) an attestation by the very key is no signature`() async throws {
    try scene.attach(to: scene.pushImage(), predicateType: "https://spdx.dev/Document")
    #expect(try await scene.verify(tag).code == .signatureNotFound)
  }

  @Test func `CVE-2023-33959: a signature copied from another image of the same signer is invalid`() async throws {
    let digest = scene.pushImage()
    let other = scene.pushImage("two", tag: nil)
    scene.sign(digest, with: [try scene.layer(over: other)])
    let verdict = try await scene.verify(tag)
    #expect(verdict.code == .signatureInvalid)
    #expect(verdict.message.contains(other.description))
  }

  @Test func `(34) without a key nothing is verified`() async throws {
    try scene.sign(scene.pushImage())
    #expect(try await scene.verify(tag, keys: []).code == .policyInvalid)
    #expect(scene.registry.calls.isEmpty)
  }

  @Test func `(36) text of the registry cannot write lines of its own into a message`() async throws {
    _ = scene.pushImage()
    scene.registry.fail(.registryMisbehaved, "bad\nVERIFIED \u{202E}" + String(repeating: "x", count: 100_000)) {
      $0.kind == .resolve
    }
    let message = try await scene.verify(tag).message
    #expect(!message.contains("\n"))
    #expect(message.contains("bad\\u{a}VERIFIED \\u{202e}"))
    #expect(message.count < 2000)
  }

  func index(of digests: [Digest]) -> String {
    let entries = digests.map {
      #"{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"\#($0)","size":500}"#
    }
    return
      #"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[\#(entries.joined(separator: ","))]}"#
  }
}

/// Answers every look-up of an image with a digest of its own choice.
private struct Liar: RegistryReading {
  let honest: FakeRegistry
  let lie: Digest

  func resolve(
    _ reference: ImageReference, credentials: any CredentialsProviding, deadline: Deadline
  ) async throws(RegistryError) -> Digest { lie }

  func manifest(
    _ repository: ImageReference, at address: ManifestAddress, credentials: any CredentialsProviding,
    deadline: Deadline
  ) async throws(RegistryError) -> FetchedManifest? {
    try await honest.manifest(repository, at: address, credentials: credentials, deadline: deadline)
  }

  func blob(
    _ repository: ImageReference, descriptor: Descriptor, maximumBytes: Int, credentials: any CredentialsProviding,
    deadline: Deadline
  ) async throws(RegistryError) -> [UInt8] {
    try await honest.blob(
      repository, descriptor: descriptor, maximumBytes: maximumBytes, credentials: credentials, deadline: deadline)
  }

  func referrers(
    _ repository: ImageReference, of digest: Digest, credentials: any CredentialsProviding, deadline: Deadline
  ) async throws(RegistryError) -> Referrers {
    try await honest.referrers(repository, of: digest, credentials: credentials, deadline: deadline)
  }
}
