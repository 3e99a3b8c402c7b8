import Glibc
import HTTPClient
import JSON
import Primitives

/// Writes Events of events.k8s.io/v1, and finds the StatefulSets that they hang on.
struct EventAPI: Sendable {
  /// The name of who reports, as the API has it: a qualified name.
  static let controller = "pinseal.dev/webhook"

  let client: APIClient
  /// Which of several replicas reports: the Pod's name.
  let instance: String

  init(client: APIClient, instance: String) {
    self.client = client
    let name = instance.printable(limit: ClusterEvent.maximumLabelBytes).cut(toBytes: ClusterEvent.maximumLabelBytes)
    self.instance = name.isEmpty ? "pinseal" : name
  }

  /// Makes an Event of this name; `conflict` if there is one.
  func create(
    _ event: ClusterEvent, name: String, at time: EventTime, deadline: Deadline
  ) async throws(ClusterError) {
    var call = call(event.namespace, "create", subject: "an Event in namespace \(event.namespace)")
    call.method = .post
    call.body = body(event, name: name, at: time)
    try await send(call, success: [200, 201, 202], deadline: deadline)
  }

  /// Says of an Event that it was seen `count` times (two or more), the last time at `time`.
  func update(
    _ name: String, namespace: String, count: Int, last time: EventTime, deadline: Deadline
  ) async throws(ClusterError) {
    var call = call(namespace, "patch", subject: "Event \(namespace)/\(name)")
    call.method = .patch
    call.path += "/" + name
    call.contentType = "application/merge-patch+json"
    var writer = JSONWriter()
    writer.object { writer in
      writer.name("series")
      writer.object { writer in
        writer.name("count")
        writer.integer(Int32(clamping: count))
        writer.member("lastObservedTime", time.text)
      }
    }
    call.body = writer.bytes
    try await send(call, success: [200], deadline: deadline)
  }

  /// The uid of a StatefulSet; `notFound` if there is none.
  func uid(ofStatefulSet name: String, namespace: String, deadline: Deadline) async throws(ClusterError) -> String {
    guard DNSName.isLabel(namespace), DNSName.isSubdomain(name) else {
      throw ClusterError(.invalid, "\"\(name.printable(limit: 64))\" cannot be the name of a StatefulSet")
    }
    let call = APICall(
      path: "/apis/apps/v1/namespaces/\(namespace)/statefulsets/\(name)", subject: "StatefulSet \(namespace)/\(name)",
      permission: "get on statefulsets.apps in namespace \(namespace)")
    let response = try await send(call, success: [200], deadline: deadline)
    let uid: String
    do throws(JSONError) {
      let root = try JSONDocument(response.body, limits: .init(bytes: call.maximumResponseBytes)).root
      uid = try root.member("metadata").member("uid").string()
    } catch {
      throw ClusterError(.invalid, "\(call.subject) cannot be read: \(error.description.printable(limit: 300))")
    }
    guard (1...128).contains(uid.utf8.count) else {
      throw ClusterError(.invalid, "\(call.subject) has a uid of \(uid.utf8.count) bytes, expected 1 to 128")
    }
    return uid
  }

  private func call(_ namespace: String, _ verb: String, subject: String) -> APICall {
    APICall(
      path: "/apis/events.k8s.io/v1/namespaces/\(namespace)/events", subject: subject,
      permission: "\(verb) on events.events.k8s.io in namespace \(namespace)", maximumResponseBytes: 64 << 10)
  }

  @discardableResult
  private func send(_ call: APICall, success: [Int], deadline: Deadline) async throws(ClusterError) -> HTTPResponse {
    let response = try await client.send(call, deadline: deadline)
    guard success.contains(response.status) else {
      // What ends with its namespace is nothing to complain about, though the API server says "forbidden".
      if response.status == 403, APIClient.Status(response.body)?.causes.contains("NamespaceTerminating") == true {
        throw ClusterError(.notFound, "\(call.subject): the namespace is being deleted")
      }
      throw client.failure(status: response.status, body: response.body, of: call)
    }
    return response
  }

  private func body(_ event: ClusterEvent, name: String, at time: EventTime) -> [UInt8] {
    var writer = JSONWriter(capacity: 2048)
    writer.object { writer in
      writer.member("apiVersion", "events.k8s.io/v1")
      writer.member("kind", "Event")
      writer.name("metadata")
      writer.object {
        $0.member("name", name)
        $0.member("namespace", event.namespace)
      }
      writer.member("eventTime", time.text)
      writer.member("type", event.kind.rawValue)
      writer.member("reason", event.reason.cut(toBytes: ClusterEvent.maximumLabelBytes))
      writer.member("action", event.action.cut(toBytes: ClusterEvent.maximumLabelBytes))
      writer.member("note", event.sentNote)
      writer.member("reportingController", Self.controller)
      writer.member("reportingInstance", instance)
      writer.name("regarding")
      writer.object { writer in
        // `kubectl get events -n` shows what lies in the namespace; that an Event about the namespace itself may lie there
        // too, the API allows if the reference names it.
        writer.member("namespace", event.namespace)
        switch event.subject {
        case .statefulSet(let name, let uid):
          writer.member("apiVersion", "apps/v1")
          writer.member("kind", "StatefulSet")
          writer.member("name", name)
          writer.member("uid", uid)
        case .newStatefulSet, .namespace:
          writer.member("apiVersion", "v1")
          writer.member("kind", "Namespace")
          writer.member("name", event.namespace)
        }
      }
    }
    return writer.bytes
  }
}

/// A moment of the wall clock, as `MicroTime` of the Kubernetes API has it.
struct EventTime: Sendable, Hashable {
  /// Since the beginning of 1970.
  let nanoseconds: Int64

  static var now: EventTime {
    var time = timespec()
    clock_gettime(CLOCK_REALTIME, &time)
    return EventTime(nanoseconds: Int64(time.tv_sec) &* 1_000_000_000 &+ Int64(time.tv_nsec))
  }

  /// `2026-11-23T23:16:57.123456Z`; of times before 1970 only that they are.
  var text: String {
    let nanoseconds = max(0, nanoseconds)
    return CalendarTime.text(
      nanoseconds / 1_000_000_000, fraction: nanoseconds % 1_000_000_000 / 1000, digits: 6)
  }
}
