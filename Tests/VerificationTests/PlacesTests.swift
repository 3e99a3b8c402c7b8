import Crypto
import OCI
import Primitives
import Sigstore
import Testing

@testable import Verification

@Suite(.timeLimit(.minutes(5)))
struct PlacesTests {
  let scene = Scene()
  let tag = "ghcr.io/team/app:v1"

  @Test func `a signature at the tag counts`() async throws {
    let digest = scene.pushImage()
    try scene.sign(digest)
    let image = try #require(try await scene.verify(tag).image)
    #expect(
      image.signature
        == VerifiedSignature(
          signer: .key(Keys.mine.publicKey.fingerprint), format: .simpleSigning, dockerReference: "ghcr.io/team/app"))
    #expect(image.pinnedKeepingTag == "ghcr.io/team/app:v1@\(digest)")
    #expect(image.pinnedByDigest == "ghcr.io/team/app@\(digest)")
  }

  @Test func `a bundle among the referrers counts`() async throws {
    try scene.attach(to: scene.pushImage())
    #expect(try await scene.verify(tag).image?.signature.format == .bundle)
  }

  @Test func `a fallback index that knows nothing of types is read all the same`() async throws {
    let digest = scene.pushImage()
    let bundle = scene.bundleManifest(try ImageSigner.bundle(digest: digest, key: Keys.mine))
    scene.registry.refer(
      [scene.descriptor(bundle.digest, artifactType: "application/vnd.oci.empty.v1+json")], to: digest,
      in: scene.repository)
    scene.registry.listReferrers(at: .fallbackTag("sha256-\(digest.hex)"))
    #expect(try await scene.verify(tag).image?.signature.format == .bundle)
  }

  @Test func `a signature attached as cosign 2 did experimentally counts`() async throws {
    let digest = scene.pushImage()
    let stranger = try scene.layer(over: digest, by: Keys.stranger, dockerReference: "elsewhere")
    let manifest = scene.manifest(
      layers: [stranger, try scene.layer(over: digest)], configType: MediaType.cosignSignatureArtifact)
    scene.registry.refer(
      [scene.descriptor(scene.registry.push(manifest, to: scene.repository))], to: digest, in: scene.repository)
    #expect(try await scene.verify(tag).image?.signature.format == .simpleSigning)
  }

  @Test func `any of several keys counts, and the one that signed is told`() async throws {
    try scene.attach(to: scene.pushImage(), by: Keys.second)
    let image = try await scene.verify(tag, keys: [Keys.mine, Keys.second]).image
    #expect(image?.signature.key == Keys.second.publicKey.fingerprint)
  }

  @Test func `bad ones before the good one hide nothing`() async throws {
    let digest = scene.pushImage()
    var unsigned = try scene.layer(over: digest)
    unsigned.annotations = [:]
    var huge = try scene.layer(over: digest)
    huge.size = 5 << 30
    var garbage = try scene.layer(over: digest)
    garbage.annotations[MediaType.signatureAnnotation] = "AAAA"
    var gone = try scene.layer(over: digest)
    gone.digest = Digest(hashing: [1])
    let foreign = try scene.layer(over: digest, by: Keys.stranger)
    scene.sign(digest, with: [unsigned, huge, garbage, gone, foreign, try scene.layer(over: digest)])
    #expect(try await scene.verify(tag).image != nil)
  }

  @Test func `three signatures over one payload are one blob`() async throws {
    let digest = scene.pushImage()
    let layers = try [Keys.stranger, Keys.second, Keys.mine].map {
      try scene.layer(over: digest, by: $0, dockerReference: "somewhere/else")
    }
    scene.sign(digest, with: layers)
    #expect(try await scene.verify(tag).image != nil)
    #expect(scene.registry.calls(.blob).count == 1)
  }

  /// cosign itself answers no here: conforma/cli#3185.
  @Test func `a foreign bundle does not hide a good signature at the tag`() async throws {
    let digest = scene.pushImage()
    try scene.attach(to: digest, by: Keys.stranger)
    try scene.sign(digest)
    #expect(try await scene.verify(tag).image?.signature.format == .simpleSigning)
  }

  @Test func `a foreign signature at the tag does not hide a good bundle`() async throws {
    let digest = scene.pushImage()
    try scene.sign(digest, by: Keys.stranger)
    try scene.attach(to: digest)
    #expect(try await scene.verify(tag).image?.signature.format == .bundle)
  }

  @Test func `what looks like a signature is fetched first`() async throws {
    let scene = Scene { $0.concurrentFetches = 1 }
    let digest = scene.pushImage()
    let sbom = scene.registry.push(
      scene.manifest(layers: [], artifactType: "application/spdx+json"), to: scene.repository)
    scene.registry.refer(
      [scene.descriptor(sbom, artifactType: "application/spdx+json")], to: digest, in: scene.repository)
    try scene.attach(to: digest, predicateType: "https://slsa.dev/provenance/v1")
    try scene.attach(to: digest)
    #expect(try await scene.verify(tag).image != nil)
    #expect(scene.registry.calls(.manifest).filter { !$0.what.hasSuffix(".sig") }.count == 1)
  }

  @Test(arguments: [FakeRegistry.Call.Kind.referrers, .manifest])
  func `a place that fails does not matter if the other has a good signature`(failing: FakeRegistry.Call.Kind)
    async throws
  {
    let digest = scene.pushImage()
    if failing == .referrers { try scene.sign(digest) } else { try scene.attach(to: digest) }
    scene.registry.fail(.registryUnavailable) {
      $0.kind == failing && ($0.what.hasSuffix(".sig") || failing == .referrers)
    }
    #expect(try await scene.verify(tag).image != nil)
  }

  @Test func `sha512 digests are looked for under their own tag`() async throws {
    let manifest = scene.manifest(layers: [])
    let digest = Digest(hashing: Array(manifest.utf8), algorithm: .sha512)
    #expect(try await scene.verify("ghcr.io/team/app@\(digest)").code == .imageNotFound)
    #expect(scene.registry.calls(.manifest).map(\.what) == ["sha512-\(digest.hex).sig"])
  }
}
