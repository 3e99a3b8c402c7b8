import Logging
import Policy
import Primitives
import Testing

@testable import Admission

@Suite struct WaitingTests {
  @Test func `a deadline is the caller's time less two seconds, and shorter for what is unchanged`() async throws {
    var review = TestReview(operation: "UPDATE")
    review.containers = [("a", "registry.example/old:v1"), ("b", "registry.example/new:v1")]
    review.oldContainers = [("a", "registry.example/old:v1")]
    let verifier = FakeVerifier.verifyingAll()
    let before = Deadline.now
    _ = try await ask(review.body, policy: try .test(), verifier: verifier, query: "timeout=7s")
    let after = Deadline.now
    let deadlines = verifier.deadlines.withLock { $0 }
    let new = try #require(deadlines["registry.example/new:v1"])
    #expect(new >= before.advanced(by: .seconds(5)) && new <= after.advanced(by: .seconds(5)))
    let old = try #require(deadlines["registry.example/old:v1"])
    #expect(old >= before.advanced(by: .seconds(3)) && old <= after.advanced(by: .seconds(3)))
  }

  @Test(.timeLimit(.minutes(5)))
  func `when nobody waits any more the verifications are cancelled`() async throws {
    var review = TestReview()
    review.containers = [("a", "registry.example/a:v1"), ("b", "registry.example/b:v1")]
    let verifier = FakeVerifier(otherwise: .hangs)
    let policy = try VerificationPolicy.test()
    let controller = AdmissionController(
      policies: FakePolicies(known: .enabled(policy), read: .enabled(policy)), verifier: verifier,
      logger: Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() }))
    guard case .later(let later) = controller.review(review.body, endpoint: .mutate, query: "") else {
      Issue.record("answered at once")
      return
    }
    let task = Task { await later() }
    while verifier.asked.withLock({ $0.count }) < 2, !Task.isCancelled { await Task.yield() }
    task.cancel()
    let answer = await task.value
    #expect(verifier.cancelled.withLock { $0 } == 2)
    #expect(answer.decision == .refused)
    #expect(answer.codes == [.deadlineExceeded])
  }

  struct Query: Sendable {
    let query: String
    let budget: Duration
  }

  @Test(arguments: [
    Query(query: "timeout=10s", budget: .milliseconds(9500)), Query(query: "", budget: .milliseconds(7500)),
    Query(query: "timeout=1m30s", budget: .milliseconds(29500)),
    Query(query: "timeout=500ms", budget: .milliseconds(250)),
    Query(query: "timeout=1s", budget: .milliseconds(500)), Query(query: "timeout=1.5s", budget: .milliseconds(1000)),
    Query(query: "timeout=0", budget: .milliseconds(50)), Query(query: "timeout=1ns", budget: .milliseconds(50)),
    Query(query: "a=b&timeout=5s&timeout=9s", budget: .milliseconds(4500)),
    Query(query: "timeout=%31%30s", budget: .milliseconds(9500)),
    Query(query: "timeout=2000000%C2%B5s", budget: .milliseconds(1500)),
    Query(query: "timeout=2000000us", budget: .milliseconds(1500)),
    Query(query: "timeout=-5s", budget: .milliseconds(7500)), Query(query: "timeout=", budget: .milliseconds(7500)),
    Query(query: "timeout", budget: .milliseconds(7500)), Query(query: "timeout=5", budget: .milliseconds(7500)),
    Query(query: "timeout=s", budget: .milliseconds(7500)), Query(query: "timeout=.s", budget: .milliseconds(7500)),
    Query(query: "timeout=5x", budget: .milliseconds(7500)), Query(query: "timeout=5s5", budget: .milliseconds(7500)),
    Query(query: "timeout=%3", budget: .milliseconds(7500)), Query(query: "timeout=1e3s", budget: .milliseconds(7500)),
    Query(query: "timeout=99999999999999999999s", budget: .milliseconds(7500)),
    Query(query: "timeout=9999999999999h", budget: .milliseconds(7500)),
    Query(query: "timeout=2562047h2562047h", budget: .milliseconds(7500)),
    Query(query: "xtimeout=1s", budget: .milliseconds(7500)), Query(query: "timeout=.5s", budget: .milliseconds(250)),
  ])
  func `the query's timeout is read as Go writes it`(_ row: Query) {
    #expect(Timeout.budget(query: row.query, fallback: .seconds(8), margin: .milliseconds(500)) == row.budget)
  }
}
