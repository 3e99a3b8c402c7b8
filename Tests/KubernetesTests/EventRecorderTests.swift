import HTTPClient
import JSON
import Logging
import Primitives
import Testing

@testable import Kubernetes

/// A recorder whose clock stands still until it is moved, before an API server that answers as it is told.
final class EventStage: Sendable {
  typealias Answer = @Sendable (HTTPRequest) -> (status: Int, body: String)

  let http: ScriptedHTTP
  let recorder: EventRecorder
  let log = Locked<[String]>([])
  private let time = Locked<UInt64>(1_000_000_000_000)

  init(bounds: EventBounds = .init(), instance: String = "pinseal-0", _ answer: @escaping Answer) throws {
    http = ScriptedHTTP { request throws(HTTPClientError) in
      let (status, body) = answer(request)
      return HTTPResponse(status: status, body: Array(body.utf8))
    }
    var connection = Connection(server: try ServerAddress(parsing: "https://api.example:6443"))
    connection.token = .fixed("t0ken")
    let http = http
    let transport = try APITransport(connection) { _ throws(HTTPClientError) in http }
    let (time, log) = (time, log)
    recorder = EventRecorder(
      EventAPI(client: APIClient(transport: transport), instance: instance), bounds: bounds,
      logger: Logger(label: "test") { _ in LineHandler(lines: log) },
      now: { Deadline(nanoseconds: time.withLock { $0 }) },
      clock: { EventTime(nanoseconds: 1_795_000_000_123_456_789 + Int64(time.withLock { $0 }) - 1_000_000_000_000) })
  }

  /// One that takes everything.
  static func willing(bounds: EventBounds = .init()) throws -> EventStage {
    try EventStage(bounds: bounds) { request in (request.method == .post ? 201 : 200, #"{"metadata":{"uid":"u-new"}}"#)
    }
  }

  func pass(_ duration: Duration) {
    let nanoseconds = UInt64(duration.milliseconds) * 1_000_000
    time.withLock { $0 += nanoseconds }
  }

  var requests: [String] { http.requests.map { "\($0.method.rawValue) \($0.url.dropFirst(24))" } }

  func bodies(_ method: HTTPRequest.Method) throws -> [JSONValue] {
    try http.requests.filter { $0.method == method }.map { try JSONDocument($0.body).root }
  }
}

/// Keeps the lines that were logged above debug.
struct LineHandler: LogHandler {
  let lines: Locked<[String]>
  var metadata: Logger.Metadata = [:]
  var metadataProvider: Logger.MetadataProvider?
  var logLevel: Logger.Level = .info

  subscript(metadataKey key: String) -> Logger.Metadata.Value? {
    get { metadata[key] }
    set { metadata[key] = newValue }
  }

  func log(event: LogEvent) { lines.withLock { $0.append("\(event.message) \(event.metadata ?? [:])") } }
}

func failure(
  _ note: String = "SIGNATURE_NOT_FOUND: no signature found",
  subject: ClusterEvent.Subject = .statefulSet(name: "db", uid: "u-1"),
  namespace: String = "shop"
) -> ClusterEvent {
  ClusterEvent(
    kind: .warning, reason: "ImageVerificationFailed", action: "Verify", namespace: namespace, subject: subject,
    note: note)
}

@Suite(.timeLimit(.minutes(1))) struct EventRecorderTests {
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

  // MARK: Bounds

  @Test func `notes are cut to what the API takes, at whole scalars`() throws {
    for character in ["x", "é", "漢", "👍"] {
      let event = failure(String(repeating: character, count: 2000), subject: .namespace(mentioning: "db"))
      let note = event.sentNote
      #expect(note.utf8.count <= 1024 && note.utf8.count > 1015 && note.hasSuffix("…"), "\(character)")
      #expect(!note.unicodeScalars.contains("\u{FFFD}"))
    }
    #expect(failure("short").sentNote == "short")
    #expect(failure("a\nb\u{202E}").sentNote == "a\\u{a}b\\u{202e}")
  }

  @Test func `names of Events are names that Kubernetes allows`() throws {
    let long = String(repeating: "a", count: 229) + "-." + String(repeating: "b", count: 20)
    for name in ["db", "a.b-c", String(repeating: "a", count: 253), long, String(repeating: "a.", count: 126) + "a"] {
      let made = failure(subject: .namespace(mentioning: name)).about(.statefulSet(name: name, uid: "u"))
        .objectName(nanoseconds: .max)
      #expect(ObjectID.isSubdomain(made), "\(made)")
    }
    #expect(failure(subject: .namespace(mentioning: "Ä")).objectName(nanoseconds: 255) == "shop.ff")
  }

  @Test func `the reporting instance is never empty and never too long`() throws {
    for (given, length) in [("", 7), (String(repeating: "x", count: 300), 128), ("pod-1", 5)] {
      let stage = try EventStage(instance: given) { _ in (201, "{}") }
      let transport = try APITransport(Connection(server: try ServerAddress(parsing: "https://a.example"))) {
        _ throws(HTTPClientError) in stage.http
      }
      let instance = EventAPI(client: APIClient(transport: transport), instance: given).instance
      #expect(instance.utf8.count <= 128 && !instance.isEmpty && (instance.utf8.count == length || length == 128))
    }
  }

  @Test func `a pace lets a burst through, then one at a time, and holds no more keys than it may`() {
    var pace = KeyedPace<Int>((burst: 3, pace: .seconds(1)), capacity: 4)
    let start = Deadline(nanoseconds: 1_000_000_000_000)
    func takes(_ count: Int, _ moment: Deadline) -> [Bool] {
      var taken: [Bool] = []
      for _ in 0..<count { taken.append(pace.take(0, now: moment)) }
      return taken
    }
    #expect(takes(5, start) == [true, true, true, false, false])
    #expect(pace.next(0, now: start) == start.advanced(by: .seconds(1)))
    #expect(takes(1, start.advanced(by: .milliseconds(999))) == [false])
    #expect(takes(2, start.advanced(by: .seconds(1))) == [true, false])
    let later = start.advanced(by: .seconds(100))
    #expect(takes(5, later) == [true, true, true, false, false])
    for key in 1..<100 {
      let isTaken = pace.take(key, now: later)
      #expect(isTaken)
    }
  }
}

extension String {
  /// What stands before the first `separator`.
  fileprivate func components(before separator: String) -> String {
    guard let index = utf8.indices.first(where: { self[$0...].hasPrefix(separator) }) else { return self }
    return String(self[..<index])
  }
}
