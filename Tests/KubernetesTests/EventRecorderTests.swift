import HTTPClient
import JSON
import Logging
import Primitives
import Testing

@testable import Kubernetes

@Suite(.timeLimit(.minutes(5))) struct EventRecorderTests {
  private func text(_ value: JSONValue?) -> String? { try? value?.string() }

  @Test func `an Event is created as events.k8s.io has it`() async throws {
    let stage = try EventStage.willing()
    stage.recorder.record(failure())
    await stage.recorder.settle()
    #expect(stage.requests == ["POST /apis/events.k8s.io/v1/namespaces/shop/events"])
    let request = try #require(stage.http.requests.first)
    #expect(request.headers.contains { $0.name == "Content-Type" && $0.value == "application/json" })
    let body = try #require(try stage.bodies(.post).first)
    let expected = [
      "apiVersion": "events.k8s.io/v1", "kind": "Event", "eventTime": "2026-11-18T11:06:40.123456Z", "type": "Warning",
      "reason": "ImageVerificationFailed", "action": "Verify", "note": "SIGNATURE_NOT_FOUND: no signature found",
      "reportingController": "pinseal.dev/webhook", "reportingInstance": "pinseal-0",
    ]
    for (name, value) in expected { #expect(text(body[name]) == value, "\(name)") }
    let name = try #require(text(body["metadata"]?["name"]))
    #expect(name == "db." + String(1_795_000_000_123_456_789, radix: 16))
    #expect(text(body["metadata"]?["namespace"]) == "shop")
    let regarding = ["apiVersion": "apps/v1", "kind": "StatefulSet", "namespace": "shop", "name": "db", "uid": "u-1"]
    for (name, value) in regarding { #expect(text(body["regarding"]?[name]) == value, "\(name)") }
    #expect(body["series"] == nil)
    #expect(
      stage.recorder.statistics
        == {
          var one = EventRecorder.Statistics(); one.created = 1; return one
        }())
  }

  @Test func `where there is no StatefulSet the Event hangs on the namespace and names it`() async throws {
    let stage = try EventStage.willing()
    stage.recorder.record(failure(subject: .namespace(mentioning: "db")))
    stage.recorder.record(failure(subject: .namespace(mentioning: "")))
    stage.recorder.record(failure(subject: .statefulSet(name: "../x\u{1b}", uid: "u")))
    await stage.recorder.settle()
    let bodies = try stage.bodies(.post)
    #expect(
      bodies.map { text($0["note"])?.components(before: ": SIG") } == [
        "StatefulSet db", "a new StatefulSet", "StatefulSet ../x\\u{1b}",
      ])
    for body in bodies {
      #expect(text(body["regarding"]?["kind"]) == "Namespace" && text(body["regarding"]?["apiVersion"]) == "v1")
      #expect(text(body["regarding"]?["name"]) == "shop" && text(body["regarding"]?["namespace"]) == "shop")
      #expect(text(body["metadata"]?["namespace"]) == "shop")
    }
  }

  // MARK: Series

  @Test func `what is seen again is counted in the same Event, at most once a minute`() async throws {
    let stage = try EventStage.willing()
    stage.recorder.record(failure())
    await stage.recorder.settle()
    stage.pass(.seconds(10))
    stage.recorder.record(failure())
    var due = await stage.recorder.settle()
    #expect(due == nil)
    let name = try #require(text(try stage.bodies(.post).first?["metadata"]?["name"]))
    #expect(
      stage.requests.dropFirst() == ["PATCH /apis/events.k8s.io/v1/namespaces/shop/events/\(name)"])
    let patch = try #require(stage.http.requests.last)
    #expect(patch.headers.contains { $0.name == "Content-Type" && $0.value == "application/merge-patch+json" })
    #expect(
      String(decoding: patch.body, as: UTF8.self)
        == #"{"series":{"count":2,"lastObservedTime":"2026-11-18T11:06:50.123456Z"}}"#)

    for _ in 0..<100 { stage.recorder.record(failure()) }
    due = await stage.recorder.settle()
    #expect(stage.requests.count == 2 && due != nil)
    stage.pass(.seconds(60))
    await stage.recorder.settle()
    #expect(stage.requests.count == 3)
    #expect(try stage.bodies(.patch).last?["series"]?["count"]?.integer() == 102)
    #expect(stage.recorder.statistics.repeated == 101 && stage.recorder.statistics.created == 1)

    // Quiet for as long as a series lasts: the next is an Event of its own.
    stage.pass(.seconds(361))
    stage.recorder.record(failure())
    await stage.recorder.settle()
    #expect(try stage.bodies(.post).count == 2)
  }

  @Test func `other texts, reasons and StatefulSets are other Events`() async throws {
    let stage = try EventStage.willing()
    stage.recorder.record(failure())
    stage.recorder.record(failure("other"))
    stage.recorder.record(failure(subject: .statefulSet(name: "db", uid: "u-2")))
    stage.recorder.record(failure(namespace: "hk"))
    await stage.recorder.settle()
    #expect(try stage.bodies(.post).count == 4)
    #expect(stage.recorder.statistics.repeated == 0)
    // The same seen while doing something else.
    stage.recorder.record(failure().doing("Pin"))
    await stage.recorder.settle()
    #expect(stage.recorder.statistics.repeated == 1)
  }

  @Test func `an Event that has expired is made anew`() async throws {
    let stage = try EventStage { request in
      request.method == .patch ? (404, APIClusterTests.status(404, "NotFound", "gone")) : (201, "{}")
    }
    for _ in 0..<2 { stage.recorder.record(failure()) }
    await stage.recorder.settle()
    #expect(stage.requests.count == 2)
    stage.recorder.record(failure())
    await stage.recorder.settle()
    #expect(try stage.bodies(.post).count == 2)
  }

  // MARK: Limits

  @Test func `Events about one StatefulSet are limited, and others are not hindered`() async throws {
    let stage = try EventStage.willing()
    for number in 0..<30 { stage.recorder.record(failure("text \(number)")) }
    stage.recorder.record(failure(subject: .statefulSet(name: "other", uid: "u-2")))
    await stage.recorder.settle()
    #expect(try stage.bodies(.post).count == 11)
    #expect(stage.recorder.statistics.limited == 20)
    stage.pass(.seconds(60))
    for number in 30..<35 { stage.recorder.record(failure("text \(number)")) }
    await stage.recorder.settle()
    #expect(try stage.bodies(.post).count == 12)
  }

  @Test func `Events in one namespace are limited whatever names are made up`() async throws {
    var bounds = EventBounds()
    bounds.calls = (burst: 10_000, pace: .milliseconds(1))
    let stage = try EventStage.willing(bounds: bounds)
    for number in 0..<200 { stage.recorder.record(failure(subject: .namespace(mentioning: "s\(number)"))) }
    stage.recorder.record(failure(namespace: "hk"))
    await stage.recorder.settle()
    #expect(stage.recorder.statistics.created == 61 && stage.recorder.statistics.limited == 140)
  }

  @Test func `calls wait for their turn, and what waits is bounded`() async throws {
    var bounds = EventBounds()
    bounds.calls = (burst: 5, pace: .milliseconds(100))
    bounds.queued = 20
    let stage = try EventStage.willing(bounds: bounds)
    for number in 0..<30 { stage.recorder.record(failure(subject: .statefulSet(name: "s\(number)", uid: "u"))) }
    #expect(stage.recorder.statistics.dropped == 10)
    let due = await stage.recorder.settle()
    #expect(stage.requests.count == 5 && due != nil)
    stage.pass(.milliseconds(1000))
    await stage.recorder.settle()
    #expect(stage.requests.count == 10)
    stage.pass(.milliseconds(300))
    await stage.recorder.settle()
    #expect(stage.requests.count == 13)
    // The oldest made room.
    #expect(try text(stage.bodies(.post).first?["regarding"]?["name"]) == "s10")
  }

  @Test func `what waits of one namespace does not push out what waits of others`() async throws {
    var bounds = EventBounds()
    bounds.queued = 20
    bounds.queuedPerNamespace = 10
    let stage = try EventStage.willing(bounds: bounds)
    stage.recorder.record(failure(namespace: "quiet"))
    for number in 0..<100 {
      stage.recorder.record(failure(subject: .statefulSet(name: "s\(number)", uid: "u"), namespace: "loud"))
    }
    await stage.recorder.settle()
    let bodies = try stage.bodies(.post)
    #expect(stage.recorder.statistics.dropped == 90 && bodies.count == 11)
    #expect(text(bodies.first?["metadata"]?["namespace"]) == "quiet")
    #expect(text(bodies.last?["regarding"]?["name"]) == "s99")
  }

  // MARK: New StatefulSets

  @Test func `an Event about a StatefulSet that is being created waits for it to appear`() async throws {
    let asked = Locked(0)
    let stage = try EventStage { request in
      guard request.method == .get else { return (201, "{}") }
      let count = asked.withLock { count in
        count += 1
        return count
      }
      return count < 3
        ? (404, APIClusterTests.status(404, "NotFound", "none")) : (200, #"{"metadata":{"uid":"u-new"}}"#)
    }
    stage.recorder.record(failure(subject: .newStatefulSet(name: "db")))
    await stage.recorder.settle()
    #expect(stage.requests.isEmpty)
    for wait in [Duration.milliseconds(500), .seconds(1), .seconds(2)] {
      stage.pass(wait)
      await stage.recorder.settle()
    }
    let path = "GET /apis/apps/v1/namespaces/shop/statefulsets/db"
    #expect(stage.requests == [path, path, path, "POST /apis/events.k8s.io/v1/namespaces/shop/events"])
    let body = try #require(try stage.bodies(.post).first)
    #expect(text(body["regarding"]?["uid"]) == "u-new" && text(body["regarding"]?["kind"]) == "StatefulSet")
    // The moment is that of the decision.
    #expect(text(body["eventTime"]) == "2026-11-18T11:06:40.123456Z")
  }

  @Test(arguments: [404, 403]) func `if it does not appear or may not be looked at the namespace gets the Event`(
    status: Int
  ) async throws {
    let stage = try EventStage { request in
      request.method == .get
        ? (status, APIClusterTests.status(status, status == 404 ? "NotFound" : "Forbidden", "no")) : (201, "{}")
    }
    stage.recorder.record(failure(subject: .newStatefulSet(name: "db")))
    for _ in 0..<10 {
      stage.pass(.seconds(4))
      await stage.recorder.settle()
    }
    #expect(stage.requests.count == (status == 404 ? 5 : 2))
    let body = try #require(try stage.bodies(.post).first)
    #expect(text(body["regarding"]?["kind"]) == "Namespace")
    #expect(text(body["note"])?.hasPrefix("StatefulSet db: ") == true)
    let lines = stage.log.withLock { $0 }
    #expect(lines.count == (status == 403 ? 1 : 0))
    #expect(lines.allSatisfy { $0.contains("get on statefulsets.apps in namespace shop") })
  }
}

extension String {
  /// What stands before the first `separator`.
  fileprivate func components(before separator: String) -> String {
    guard let index = utf8.indices.first(where: { self[$0...].hasPrefix(separator) }) else { return self }
    return String(self[..<index])
  }
}
