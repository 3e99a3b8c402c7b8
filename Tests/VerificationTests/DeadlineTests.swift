import Crypto
import Primitives
import Sigstore
import Testing

@testable import Verification

/// When time runs out the answer says at which step.
@Suite(.timeLimit(.minutes(5)))
struct DeadlineTests {
  let scene = Scene()

  func verdict(
    of literal: String, heldAt matches: @escaping @Sendable (FakeRegistry.Call) -> Bool, arrivals: Int = 1
  ) async throws -> Verdict {
    let request = try scene.request(literal)
    let gate = scene.registry.hold(matches)
    async let verdict = scene.verifier.verify(request, deadline: scene.deadline)
    await gate.arrivals(arrivals)
    scene.clock.pass(scene.deadline)
    return await verdict
  }

  @Test func `while resolving the tag`() async throws {
    _ = scene.pushImage()
    let verdict = try await verdict(of: "ghcr.io/team/app:v1") { $0.kind == .resolve }
    #expect(verdict.code == .deadlineExceeded)
    #expect(verdict.message == "time ran out while resolving the tag v1 from ghcr.io after 9.5 s")
  }

  @Test func `while fetching the signature manifest and listing the referrers`() async throws {
    let digest = scene.pushImage()
    let verdict = try await verdict(of: "ghcr.io/team/app:v1", heldAt: { $0.kind != .resolve }, arrivals: 2)
    let manifest = "fetching the signature manifest (tag sha256-\(digest.hex).sig)"
    let list = "listing the referrers"
    #expect(
      [
        "time ran out while \(manifest) and \(list) from ghcr.io after 9.5 s",
        "time ran out while \(list) and \(manifest) from ghcr.io after 9.5 s",
      ].contains(verdict.message))
  }

  @Test func `while fetching a bundle`() async throws {
    let digest = scene.pushImage()
    try scene.attach(to: digest)
    let verdict = try await verdict(of: "ghcr.io/team/app:v1") { $0.kind == .blob }
    #expect(verdict.message.contains("fetching a bundle (sha256:"))
    #expect(verdict.message.hasSuffix("from ghcr.io after 9.5 s"))
  }

  @Test func `a deadline that has passed asks nobody`() async throws {
    let digest = scene.pushImage()
    for literal in ["ghcr.io/team/app:v1", "ghcr.io/team/app@\(digest)"] {
      let verdict = await scene.verifier.verify(try scene.request(literal), deadline: scene.clock.now)
      #expect(verdict.code == .deadlineExceeded)
      #expect(verdict.message.hasSuffix("after 0.0 s"))
    }
    #expect(scene.registry.calls.isEmpty)
  }

  @Test func `a cached fact needs no time`() async throws {
    let digest = scene.pushImage()
    try scene.sign(digest)
    _ = try await scene.verify("ghcr.io/team/app:v1")
    let request = try scene.request("ghcr.io/team/app@\(digest)")
    #expect(await scene.verifier.verify(request, deadline: scene.clock.now).image?.fromCache == true)
  }

  @Test func `a late answer is no verdict, and the next try starts afresh`() async throws {
    let digest = scene.pushImage()
    try scene.sign(digest)
    let gate = scene.registry.hold { $0.kind == .manifest }
    let request = try scene.request("ghcr.io/team/app@\(digest)")
    async let late = scene.verifier.verify(request, deadline: scene.deadline)
    await gate.arrivals(1)
    scene.clock.pass(scene.deadline)
    #expect(await late.code == .deadlineExceeded)
    gate.open()
    let next = scene.clock.now.advanced(by: .seconds(5))
    #expect(await scene.verifier.verify(request, deadline: next).image != nil)
  }

  @Test func `the real clock wakes whoever waits for it`() async throws {
    let digest = scene.pushImage()
    _ = scene.registry.hold { _ in true }
    let verifier = ImageVerifier(registry: scene.registry)
    let verdict = await verifier.verify(
      try scene.request("ghcr.io/team/app@\(digest)"), deadline: .after(.milliseconds(20)))
    #expect(verdict.code == .deadlineExceeded)
  }
}
