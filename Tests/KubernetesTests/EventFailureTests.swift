import HTTPClient
import JSON
import Logging
import Primitives
import Testing

@testable import Kubernetes

@Suite(.timeLimit(.minutes(5))) struct EventFailureTests {
  private func text(_ value: JSONValue?) -> String? { try? value?.string() }

  // MARK: Failures

  @Test func `an API server that is away is asked again, with longer waits and not for ever`() async throws {
    let stage = try EventStage { _ in (503, "") }
    stage.recorder.record(failure())
    var waits: [Int] = []
    var last: Deadline?
    while let due = await stage.recorder.settle() {
      if let last { waits.append(Int((due.nanoseconds - last.nanoseconds) / 1_000_000)) }
      last = due
      stage.pass(.seconds(30))
      if waits.count > 20 { break }
    }
    #expect(stage.requests.count == 6)
    // Each wait is counted from the moment of the attempt, thirty seconds after the one before.
    #expect(waits == [30_500, 31_000, 32_000, 34_000])
    #expect(stage.recorder.statistics.failed == 1)
    #expect(stage.log.withLock { $0 }.count == 1)
    #expect(!stage.log.withLock { $0 }.joined().contains("t0ken"))
  }

  @Test func `a name that is taken is replaced by another`() async throws {
    let asked = Locked(0)
    let stage = try EventStage { _ in
      let isFirst = asked.withLock { count in
        count += 1
        return count == 1
      }
      return isFirst ? (409, APIClusterTests.status(409, "AlreadyExists", "exists")) : (201, "{}")
    }
    stage.recorder.record(failure())
    await stage.recorder.settle()
    let names = try stage.bodies(.post).map { text($0["metadata"]?["name"]) }
    #expect(names.count == 2 && names[0] != names[1])
    #expect(stage.recorder.statistics.created == 1)
  }

  @Test func `an Event whose answer was lost is not written twice`() async throws {
    let asked = Locked(0)
    let stage = try EventStage { _ in
      let count = asked.withLock { count in
        count += 1
        return count
      }
      return count == 1 ? (504, "") : (409, APIClusterTests.status(409, "AlreadyExists", "exists"))
    }
    stage.recorder.record(failure())
    await stage.recorder.settle()
    stage.pass(.seconds(1))
    #expect(await stage.recorder.settle() == nil)
    let names = try stage.bodies(.post).map { text($0["metadata"]?["name"]) }
    #expect(names.count == 2 && names[0] == names[1])
    #expect(stage.recorder.statistics.created == 1)
  }

  @Test func `what RBAC does not allow is said once, with the rule that is missing`() async throws {
    let stage = try EventStage { _ in (403, APIClusterTests.status(403, "Forbidden", "cannot create")) }
    for number in 0..<5 { stage.recorder.record(failure("text \(number)")) }
    await stage.recorder.settle()
    #expect(stage.requests.count == 5)
    let lines = stage.log.withLock { $0 }
    #expect(lines.count == 1)
    #expect(lines.first?.contains("create on events.events.k8s.io in namespace shop") == true)
    #expect(stage.recorder.statistics.failed == 5)
  }

  @Test func `what is invalid is not tried again`() async throws {
    let stage = try EventStage { _ in (422, APIClusterTests.status(422, "Invalid", "note too long")) }
    stage.recorder.record(failure())
    await stage.recorder.settle()
    stage.pass(.seconds(600))
    await stage.recorder.settle()
    #expect(stage.requests.count == 1 && stage.recorder.statistics.failed == 1)
  }

  @Test func `a namespace that is going or gone is nothing to complain about`() async throws {
    let terminating =
      #"{"kind":"Status","apiVersion":"v1","status":"Failure","message":"being terminated","reason":"Forbidden","details":{"causes":[{"reason":"NamespaceTerminating","message":"x"}]},"code":403}"#
    for (status, body) in [(403, terminating), (404, APIClusterTests.status(404, "NotFound", "namespace"))] {
      let stage = try EventStage { _ in (status, body) }
      stage.recorder.record(failure())
      await stage.recorder.settle()
      #expect(stage.requests.count == 1 && stage.recorder.statistics.failed == 1)
      #expect(stage.log.withLock { $0 }.isEmpty)
    }
  }

  // MARK: The end

  @Test func `what is queued is written at the end, and nothing is taken after it`() async throws {
    let stage = try EventStage { request in
      request.method == .get ? (404, APIClusterTests.status(404, "NotFound", "none")) : (201, "{}")
    }
    stage.recorder.record(failure())
    stage.recorder.record(failure(subject: .newStatefulSet(name: "new")))
    stage.recorder.stop()
    stage.recorder.record(failure("late"))
    await stage.recorder.run()
    #expect(try stage.bodies(.post).count == 2)
    #expect(stage.recorder.statistics.dropped == 1)
  }

  @Test func `an API server that is away does not hold up the end`() async throws {
    let stage = try EventStage { _ in (503, "") }
    for number in 0..<3 { stage.recorder.record(failure("text \(number)")) }
    await stage.recorder.settle()
    stage.recorder.stop()
    stage.pass(.seconds(2))
    await stage.recorder.run()
    #expect(stage.recorder.statistics.dropped == 3)
  }

  @Test func `a running recorder writes what is recorded, and ends when its task is cancelled`() async throws {
    let stage = try EventStage.willing()
    let task = Task { await stage.recorder.run() }
    stage.recorder.record(failure())
    while stage.recorder.statistics.created == 0 { try await Task.sleep(for: .milliseconds(5)) }
    task.cancel()
    await task.value
  }
}
