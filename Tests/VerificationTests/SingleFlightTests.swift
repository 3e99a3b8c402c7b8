import Crypto
import Primitives
import Sigstore
import Testing

@testable import Verification

@Suite(.timeLimit(.minutes(5)))
struct SingleFlightTests {
  let scene = Scene()
  let tag = "ghcr.io/team/app:v1"

  /// Lets the others run until `condition` holds.
  func settle(_ condition: () -> Bool) async {
    while !condition(), !Task.isCancelled { await Task.yield() }
  }

  @Test func `ten who want the same at once ask once`() async throws {
    let digest = scene.pushImage()
    try scene.sign(digest)
    let gate = scene.registry.hold { $0.kind == .manifest }
    let request = try scene.request("ghcr.io/team/app@\(digest)")
    await withTaskGroup(of: Verdict.self) { group in
      for _ in 0..<10 { group.addTask { await scene.verifier.verify(request, deadline: scene.deadline) } }
      await settle { scene.verifier.statistics.joined == 9 }
      gate.open()
      for await verdict in group { #expect(verdict.image?.digest == digest.description) }
    }
    #expect(scene.registry.calls.count == 3)
    #expect(scene.verifier.statistics.misses == 10)
  }

  @Test func `a tag that ten ask for is looked up once`() async throws {
    let digest = scene.pushImage()
    try scene.sign(digest)
    let gate = scene.registry.hold { $0.kind == .resolve }
    let request = try scene.request(tag)
    await withTaskGroup(of: Verdict.self) { group in
      for _ in 0..<10 { group.addTask { await scene.verifier.verify(request, deadline: scene.deadline) } }
      await settle { scene.verifier.statistics.joined == 9 }
      gate.open()
      for await verdict in group { #expect(verdict.image != nil) }
    }
    #expect(scene.registry.calls(.resolve).count == 1)
  }

  enum Difference: CaseIterable, Sendable { case key, log, scope, repository, digest }

  @Test(arguments: Difference.allCases)
  func `whoever wants something else asks for it`(difference: Difference) async throws {
    let digest = scene.pushImage()
    try scene.sign(digest)
    var other = scene
    other.repository = "ghcr.io/team/copy"
    _ = other.pushImage()
    try other.sign(digest)
    let second = scene.pushImage("two", tag: nil)
    try scene.sign(second)
    let one = "ghcr.io/team/app@\(digest)"
    let another =
      switch difference {
      case .key: try scene.request(one, keys: [Keys.stranger])
      case .log: try scene.request(one, requiresLog: true)
      case .scope: try scene.request(one, scope: "another")
      case .repository: try scene.request("ghcr.io/team/copy@\(digest)")
      case .digest: try scene.request("ghcr.io/team/app@\(second)")
      }
    let requests = [try scene.request(one), another]
    let both = scene.registry.hold(opensAt: 2) { $0.what.hasSuffix(".sig") }
    await withDiscardingTaskGroup { group in
      for request in requests {
        group.addTask { _ = await scene.verifier.verify(request, deadline: scene.deadline) }
      }
    }
    #expect(both.arrived == 2)
    #expect(scene.verifier.statistics.joined == 0)
  }

  @Test func `each who joined keeps an own deadline`() async throws {
    let digest = scene.pushImage()
    try scene.sign(digest)
    let gate = scene.registry.hold { $0.kind == .manifest }
    let request = try scene.request("ghcr.io/team/app@\(digest)")
    let soon = scene.clock.now.advanced(by: .seconds(1))
    async let patient = scene.verifier.verify(request, deadline: scene.deadline)
    await gate.arrivals(1)
    async let hasty = scene.verifier.verify(request, deadline: soon)
    await settle { scene.verifier.statistics.joined == 1 }
    scene.clock.pass(soon)
    #expect(await hasty.code == .deadlineExceeded)
    #expect(scene.registry.cancelled.isEmpty)
    gate.open()
    #expect(await patient.image != nil)
  }

  @Test func `the first who leaves takes nothing from those who joined`() async throws {
    let digest = scene.pushImage()
    try scene.sign(digest)
    let gate = scene.registry.hold { $0.kind == .manifest }
    let request = try scene.request("ghcr.io/team/app@\(digest)")
    let soon = scene.clock.now.advanced(by: .seconds(1))
    async let hasty = scene.verifier.verify(request, deadline: soon)
    await gate.arrivals(1)
    async let patient = scene.verifier.verify(request, deadline: scene.deadline)
    await settle { scene.verifier.statistics.joined == 1 }
    scene.clock.pass(soon)
    #expect(await hasty.code == .deadlineExceeded)
    gate.open()
    #expect(await patient.image != nil)
  }

  @Test func `a caller that is cancelled leaves at once, and the last one ends the work`() async throws {
    let digest = scene.pushImage()
    let gate = scene.registry.hold { $0.kind != .resolve }
    let request = try scene.request("ghcr.io/team/app@\(digest)")
    let first = Task { await scene.verifier.verify(request, deadline: scene.deadline) }
    await gate.arrivals(2)
    let second = Task { await scene.verifier.verify(request, deadline: scene.deadline) }
    await settle { scene.verifier.statistics.joined == 1 }
    first.cancel()
    #expect(await first.value.code == .deadlineExceeded)
    #expect(scene.registry.cancelled.isEmpty)
    second.cancel()
    #expect(await second.value.code == .deadlineExceeded)
    await settle { scene.registry.cancelled.count == 2 }

    // Nothing is left behind: not the cancelled work, nor a refusal that came of it.
    gate.open()
    try scene.sign(digest)
    #expect(await scene.verifier.verify(request, deadline: scene.deadline).image != nil)
  }

  @Test func `a task that is cancelled from the start asks for nothing more`() async throws {
    _ = scene.pushImage()
    let request = try scene.request(tag)
    let gate = scene.registry.hold { _ in true }
    let go = Gate()
    let task = Task {
      await Task.detached { await go.pass() }.value
      return await scene.verifier.verify(request, deadline: scene.deadline)
    }
    task.cancel()
    go.open()
    #expect(await task.value.code == .deadlineExceeded)
    #expect(gate.arrived <= 1)
  }
}
