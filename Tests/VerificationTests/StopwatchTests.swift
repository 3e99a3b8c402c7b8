import Crypto
import OCI
import Primitives
import Sigstore
import Testing

@testable import Verification

/// What the steps of one verification took, for the log.
@Suite(.timeLimit(.minutes(5)))
struct StopwatchTests {
  let scene = Scene()

  private func watched(_ literal: String) throws -> (VerificationRequest, VerificationStopwatch) {
    let stopwatch = VerificationStopwatch()
    let request = VerificationRequest(
      image: try RequestedImage(parsing: literal),
      demand: SignatureDemand(keys: [Keys.mine.publicKey], requiresLog: false), trust: .nothing,
      credentials: Scope(scope: ""), stopwatch: stopwatch)
    return (request, stopwatch)
  }

  @Test func `the steps that were made have a time, and no others`() async throws {
    let digest = scene.pushImage()
    try scene.sign(digest)
    let (first, all) = try watched("ghcr.io/team/app:v1")
    #expect(await scene.verifier.verify(first, deadline: scene.deadline).image != nil)
    let times = all.times
    let verify = try #require(times.verify)
    #expect(times.resolve != nil && times.find != nil && verify > .zero)

    let (second, cached) = try watched("ghcr.io/team/app:v1")
    #expect(await scene.verifier.verify(second, deadline: scene.deadline).image?.fromCache == true)
    #expect(cached.times.resolve != nil && cached.times.find == nil && cached.times.verify == nil)

    let (third, none) = try watched("ghcr.io/team/app@\(digest)")
    #expect(await scene.verifier.verify(third, deadline: scene.deadline).image?.fromCache == true)
    #expect(none.times == VerificationTimes())
  }

  @Test func `a registry that is slow shows in the step that waited for it`() async throws {
    for kind in [FakeRegistry.Call.Kind.resolve, .manifest] {
      let scene = Scene()
      try scene.sign(scene.pushImage())
      let gate = scene.registry.hold { $0.kind == kind }
      let (request, stopwatch) = try watched("ghcr.io/team/app:v1")
      async let verdict = scene.verifier.verify(request, deadline: scene.deadline)
      await gate.arrivals(1)
      try await Task.sleep(for: .milliseconds(50))
      gate.open()
      #expect(await verdict.image != nil)
      let times = stopwatch.times
      let slow = try #require(kind == .resolve ? times.resolve : times.find)
      #expect(slow >= .milliseconds(45), "\(times)")
    }
  }

  @Test func `a search that was given up has a time, too`() async throws {
    _ = scene.pushImage()
    let gate = scene.registry.hold { $0.kind != .resolve }
    let (request, stopwatch) = try watched("ghcr.io/team/app:v1")
    async let verdict = scene.verifier.verify(request, deadline: scene.deadline)
    await gate.arrivals(2)
    scene.clock.pass(scene.deadline)
    #expect(await verdict.code == .deadlineExceeded)
    #expect(stopwatch.times.find != nil && stopwatch.times.verify == nil)
  }
}
