import Crypto
import Primitives
import Sigstore
import Testing

@testable import Verification

/// What is asked, and what waits for what. A gate that opens only once several have come to it proves that those questions
/// were asked side by side.
@Suite(.timeLimit(.minutes(5)))
struct RoundTripTests {
  let scene = Scene()

  @Test func `a tag signed as cosign 2 does takes two round trips`() async throws {
    let digest = scene.pushImage()
    try scene.sign(digest)
    let side = scene.registry.hold(opensAt: 2) { $0.kind != .resolve }
    let verdict = try await scene.verify("ghcr.io/team/app:v1")
    #expect(verdict.image?.digest == digest.description)
    #expect(side.arrived == 2)
    #expect(scene.registry.calls.first?.kind == .resolve)
    #expect(
      Set(scene.registry.calls.map(\.description)) == [
        "resolve v1", "manifest \(ImageSignature.signatureTag(digest))", "referrers \(digest)",
      ])
  }

  @Test func `a digest signed as cosign 2 does takes one round trip, in which the image is asked for as well`()
    async throws
  {
    let digest = scene.pushImage()
    try scene.sign(digest)
    let side = scene.registry.hold(opensAt: 3) { _ in true }
    let verdict = try await scene.verify("ghcr.io/team/app@\(digest)")
    #expect(verdict.image?.signature.format == .simpleSigning)
    #expect(side.arrived == 3)
    #expect(
      Set(scene.registry.calls.map(\.description)) == [
        "resolve \(digest)", "manifest \(ImageSignature.signatureTag(digest))", "referrers \(digest)",
      ])
  }

  @Test func `a payload that cannot be guessed takes one more`() async throws {
    let digest = scene.pushImage()
    try scene.sign(digest, dockerReference: "ghcr.io/team/app:v1")
    #expect(try await scene.verify("ghcr.io/team/app:v1").image != nil)
    #expect(scene.registry.calls(.blob).count == 1)
    #expect(scene.registry.calls.last?.kind == .blob)
  }

  @Test func `the payload of an image of Docker Hub is guessed under the name that cosign writes`() async throws {
    var hub = Scene()
    hub.repository = "docker.io/library/nginx"
    let digest = hub.pushImage()
    try hub.sign(digest, dockerReference: "index.docker.io/library/nginx")
    let verdict = try await hub.verify("nginx:v1")
    #expect(verdict.image?.pinnedKeepingTag == "nginx:v1@\(digest)")
    #expect(hub.registry.calls(.blob).isEmpty)
  }

  @Test(arguments: [true, false])
  func `a bundle takes four round trips for a tag and three for a digest`(byTag: Bool) async throws {
    let digest = scene.pushImage()
    try scene.attach(to: digest)
    let side = scene.registry.hold(opensAt: byTag ? 2 : 3) {
      $0.kind == .referrers || $0.what.hasSuffix(".sig") || (!byTag && $0.kind == .resolve)
    }
    let verdict = try await scene.verify(byTag ? "ghcr.io/team/app:v1" : "ghcr.io/team/app@\(digest)")
    #expect(verdict.image?.signature.format == .bundle)
    #expect(side.arrived == (byTag ? 2 : 3))
    #expect(scene.registry.calls.count == 5)
    #expect(scene.registry.calls.suffix(2).map(\.kind) == [.manifest, .blob])
    if byTag { #expect(scene.registry.calls.first?.kind == .resolve) }
  }

  @Test func `a cached digest takes none`() async throws {
    let digest = scene.pushImage()
    try scene.sign(digest)
    #expect(try await scene.verify("ghcr.io/team/app@\(digest)").image?.fromCache == false)
    scene.registry.forgetCalls()
    #expect(try await scene.verify("ghcr.io/team/app@\(digest)").image?.fromCache == true)
    #expect(scene.registry.calls.isEmpty)
  }

  @Test func `a tag whose digest is cached takes one`() async throws {
    let digest = scene.pushImage()
    try scene.sign(digest)
    _ = try await scene.verify("ghcr.io/team/app:v1")
    scene.registry.forgetCalls()
    #expect(try await scene.verify("ghcr.io/team/app:v1").image?.fromCache == true)
    #expect(scene.registry.calls.map(\.description) == ["resolve v1"])
  }

  @Test func `the first good signature ends the search`() async throws {
    let digest = scene.pushImage()
    try scene.sign(digest)
    let stuck = scene.registry.hold { $0.kind == .referrers }
    #expect(try await scene.verify("ghcr.io/team/app:v1").image != nil)
    #expect(scene.registry.cancelled.map(\.kind) == [.referrers])
    #expect(stuck.arrived == 1)
  }

  @Test func `ten images at once are asked for independently`() async throws {
    var digests: [Digest] = []
    for number in 0..<10 {
      let digest = scene.pushImage("\(number)", tag: "v\(number)")
      try scene.sign(digest)
      digests.append(digest)
    }
    // Neither the tags nor the signatures of one image wait for those of another.
    _ = scene.registry.hold(opensAt: 10) { $0.kind == .resolve }
    _ = scene.registry.hold(opensAt: 20) { $0.kind != .resolve }
    let requests = try (0..<10).map { try scene.request("ghcr.io/team/app:v\($0)") }
    let verdicts = await withTaskGroup(of: (Int, Verdict).self) { group in
      for (number, request) in requests.enumerated() {
        group.addTask { (number, await scene.verifier.verify(request, deadline: scene.deadline)) }
      }
      return await group.reduce(into: [Int: Verdict]()) { $0[$1.0] = $1.1 }
    }
    for number in 0..<10 { #expect(verdicts[number]?.image?.digest == digests[number].description) }
    #expect(scene.verifier.statistics.joined == 0)
    #expect(scene.verifier.statistics.misses == 10)
    #expect(scene.verifier.statistics.entries == 10)
  }
}
