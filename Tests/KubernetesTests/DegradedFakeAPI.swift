import HTTPClient
import JSON
import Primitives

@testable import Kubernetes

/// An API server with the StatefulSets of one namespace: stores, counts resource versions, checks what is patched, and
/// shows changes to whoever watches. It can be told to refuse writes.
final class DegradedFakeAPI: Sendable {
  struct Stored: Sendable {
    var uid = "u-1"
    var version = 10
    var generation = 1
    var image = "a:1"
    var condition: Condition?
    var metadata = ""
  }

  struct State: Sendable {
    var version = 10
    var objects: [String: Stored] = [:]
    var requests: [HTTPRequest] = []
    /// Statuses that the next writes get, in order.
    var refusals: [Int] = []
    var watchers: [Int: (id: StatefulSetID, onChange: @Sendable (WatchChange<DegradedObject>) -> Void)] = [:]
    var nextWatcher = 0
    /// Objects a page of a list holds.
    var pageSize = 100
    /// Whether every write is undone at once, as by somebody who will not have it.
    var isUndone = false
    /// Answers of other paths, by method and path.
    var others: [String: (status: Int, body: String)] = [:]
  }

  let state = Locked(State())

  init(_ objects: [String: Stored] = ["db": Stored()]) { state.withLock { $0.objects = objects } }

  var patches: [HTTPRequest] { state.withLock { $0.requests.filter { $0.method == .patch } } }
  var watchers: Int { state.withLock { $0.watchers.count } }
  func condition(_ name: String = "db") -> Condition? { state.withLock { $0.objects[name]?.condition } }

  func writer() throws -> ConditionWriter {
    let http = ScriptedHTTP { request throws(HTTPClientError) in self.answer(request) }
    var connection = Connection(server: try ServerAddress(parsing: "https://api.example:6443"))
    connection.token = .fixed("abc")
    return ConditionWriter(
      client: APIClient(transport: try APITransport(connection) { _ throws(HTTPClientError) in http }))
  }

  func keeper(
    maximumObjects: Int = 256, owners: Set<OwnerKind> = [], pace: DegradedKeeper.Pace = .init(),
    _ change: (inout DegradedTrack.Limits) -> Void = { _ in }
  ) throws -> DegradedKeeper {
    var options = DegradedKeeper.Options()
    options.maximumObjects = maximumObjects
    options.owners = owners
    var limits = DegradedTrack.Limits()
    limits.settling = .milliseconds(20)
    limits.pause = .milliseconds(1)
    limits.firstRetry = .milliseconds(1)
    limits.longestRetry = .milliseconds(5)
    change(&limits)
    return DegradedKeeper(try writer(), options: options, limits: limits, pace: pace) { id, onChange in
      let key = self.state.withLock { state in
        state.nextWatcher += 1
        state.watchers[state.nextWatcher] = (id, onChange)
        return state.nextWatcher
      }
      onChange(.listed(self.object(id.name).map { [$0] } ?? []))
      try? await Task.sleep(for: .seconds(600))
      self.state.withLock { $0.watchers[key] = nil }
    }
  }

  static func id(_ name: String = "db", uid: String = "u-1") -> StatefulSetID {
    DegradedFixture.object(version: 1, uid: uid, name: name).id
  }

  func object(_ name: String) -> DegradedObject? {
    state.withLock { $0.objects[name] }.map { Self.object(name, $0) }
  }

  private static func object(_ name: String, _ stored: Stored) -> DegradedObject {
    DegradedFixture.object(
      version: stored.version, generation: stored.generation, uid: stored.uid, image: stored.image,
      condition: stored.condition, metadata: stored.metadata, name: name)
  }

  /// Changes an object and tells who watches it; nil deletes it.
  func change(_ name: String = "db", _ body: (inout Stored) -> Void) {
    state.withLock { state in
      state.version += 1
      guard var stored = state.objects[name] else { return }
      body(&stored)
      stored.version = state.version
      state.objects[name] = stored
    }
    tell(name)
  }

  /// What the StatefulSet controller does with each status that it writes.
  func dropCondition(_ name: String = "db") { change(name) { $0.condition = nil } }

  private func tell(_ name: String) {
    guard let object = object(name) else { return }
    for watcher in state.withLock({ $0.watchers.values.filter { $0.id.name == name } }) {
      watcher.onChange(.stored(object))
    }
  }

  private func answer(_ request: HTTPRequest) -> HTTPResponse {
    let path = String(request.url.dropFirst("https://api.example:6443".count))
    let other = state.withLock { state in
      state.requests.append(request)
      return state.others["\(request.method.rawValue) \(path)"]
    }
    if let other { return HTTPResponse(status: other.status, body: Array(other.body.utf8)) }
    if path.hasPrefix("/apis/apps/v1/statefulsets?") { return list(path) }
    guard request.method == .patch, path.hasPrefix("/apis/apps/v1/namespaces/shop/statefulsets/") else {
      return Self.refusal(404)
    }
    let name = String(path.split(separator: "/")[6])
    if let status = state.withLock({ $0.refusals.isEmpty ? nil : $0.refusals.removeFirst() }) {
      return Self.refusal(status)
    }
    guard let root = try? JSONDocument(request.body).root,
      let conditions = try? root["status"]?["conditions"]?.elements(),
      let condition = Condition(type: Condition.degraded, in: conditions)
    else { return Self.refusal(400) }
    let status = state.withLock { state in
      guard var stored = state.objects[name] else { return 404 }
      guard root["metadata"]?["uid"]?.isString(stored.uid) == true else { return 409 }
      guard root["metadata"]?["resourceVersion"]?.isString("\(stored.version)") == true else { return 409 }
      if stored.condition != condition {
        state.version += 1
        stored.version = state.version
        stored.condition = condition
        state.objects[name] = stored
      }
      return 200
    }
    guard status == 200, let object = state.withLock({ $0.objects[name] }) else { return Self.refusal(status) }
    let body = DegradedFixture.text(
      version: object.version, generation: object.generation, uid: object.uid, name: name, image: object.image,
      condition: object.condition, metadata: object.metadata)
    tell(name)
    if state.withLock({ $0.isUndone }) { dropCondition(name) }
    return HTTPResponse(status: 200, body: Array(body.utf8))
  }

  private func list(_ path: String) -> HTTPResponse {
    let (objects, pageSize) = state.withLock { ($0.objects.sorted { $0.key < $1.key }, $0.pageSize) }
    var start = 0
    if let range = path.firstRange(of: "&continue=p%2B") { start = Int(path[range.upperBound...]) ?? 0 }
    let page = objects.dropFirst(start).prefix(pageSize)
    let next = start + pageSize < objects.count ? "p+\(start + pageSize)" : ""
    let items = page.map { name, stored in
      DegradedFixture.text(
        version: stored.version, generation: stored.generation, uid: stored.uid, name: name, image: stored.image,
        condition: stored.condition, metadata: stored.metadata)
    }
    let body =
      #"{"kind":"StatefulSetList","metadata":{"continue":"\#(next)"},"items":[\#(items.joined(separator: ","))]}"#
    return HTTPResponse(status: 200, body: Array(body.utf8))
  }

  private static func refusal(_ status: Int) -> HTTPResponse {
    let reason = [404: "NotFound", 403: "Forbidden", 409: "Conflict", 422: "Invalid"][status] ?? "Other"
    let body = #"{"kind":"Status","status":"Failure","reason":"\#(reason)","message":"metadata.uid","code":\#(status)}"#
    return HTTPResponse(status: status, body: Array(body.utf8))
  }
}
