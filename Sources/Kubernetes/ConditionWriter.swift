import HTTPClient
import JSON
import Primitives

/// Lists StatefulSets and writes their conditions.
struct ConditionWriter: Sendable {
  let client: APIClient
  /// The most time that one request takes.
  var requestTimeout: Duration = .seconds(10)

  /// A page of a list.
  private static let pageSize = 100
  private static let maximumPages = 200
  private static let maximumPageBytes = 32 << 20
  private static let maximumObjectBytes = 4 << 20

  /// Applies the condition `Degraded` to the status of a StatefulSet, over the state `resourceVersion` and no other; the
  /// object as it then is. Server-side apply: whatever else the status holds is left alone. Throws `conflict` if there is
  /// another state by now, or another object of this name.
  func apply(
    _ condition: Condition, to id: StatefulSetID, resourceVersion: String
  ) async throws(ClusterError) -> DegradedObject {
    var writer = JSONWriter(capacity: 1024)
    writer.object { writer in
      writer.member("apiVersion", "apps/v1")
      writer.member("kind", "StatefulSet")
      writer.name("metadata")
      writer.object {
        $0.member("name", id.name)
        $0.member("namespace", id.namespace)
        $0.member("uid", id.uid)
        $0.member("resourceVersion", resourceVersion)
      }
      writer.name("status")
      writer.object { writer in
        writer.name("conditions")
        writer.array { condition.write(type: Condition.degraded, to: &$0) }
      }
    }
    let call = APICall(
      method: .patch,
      path: "/apis/apps/v1/namespaces/\(id.namespace)/statefulsets/\(id.name)/status"
        + "?fieldManager=\(APIClient.fieldManager)&force=true",
      subject: "the status of \(id)", permission: "patch on statefulsets/status in namespace \(id.namespace)",
      contentType: "application/apply-patch+yaml", body: writer.bytes,
      maximumResponseBytes: Self.maximumObjectBytes)
    let response = try await client.send(call, deadline: .after(requestTimeout))
    guard response.status == 200 || response.status == 201 else {
      let failure = client.failure(status: response.status, body: response.body, of: call)
      // Another uid is 409 or, before Kubernetes 1.24, an invalid change of an immutable field.
      guard response.status == 422, failure.description.contains("metadata.uid") else { throw failure }
      throw ClusterError(.conflict, failure.description)
    }
    return try DegradedObject(root(of: response.body, call, limit: Self.maximumObjectBytes))
  }

  /// Every StatefulSet of the cluster whose condition is Pinseal's and true, at most `limit`; page by page.
  func degraded(limit: Int) async throws(ClusterError) -> [DegradedObject] {
    var found: [DegradedObject] = []
    var token = ""
    for _ in 0..<Self.maximumPages {
      let call = APICall(
        path: "/apis/apps/v1/statefulsets?limit=\(Self.pageSize)"
          + (token.isEmpty ? "" : "&continue=" + WatchTarget.escaped(token)),
        subject: "the StatefulSets", permission: "list on statefulsets in the whole cluster",
        maximumResponseBytes: Self.maximumPageBytes)
      let response = try await client.send(call, deadline: .after(requestTimeout * 3))
      guard response.status == 200 else {
        throw client.failure(status: response.status, body: response.body, of: call)
      }
      let root = try root(of: response.body, call, limit: Self.maximumPageBytes)
      do throws(JSONError) {
        for item in try root.optionalMember("items")?.elements() ?? [] {
          // One that cannot be read says nothing about the others.
          guard let object = try? DegradedObject(item), let condition = object.condition, condition.isOwn,
            condition.isTrue, !object.isBeingDeleted
          else { continue }
          found.append(object)
          if found.count >= limit { return found }
        }
        token = try root.optionalMember("metadata")?.optionalMember("continue")?.string() ?? ""
      } catch {
        throw client.unusable(call.subject, error.description)
      }
      if token.isEmpty || token.utf8.count > 4096 { break }
    }
    return found
  }

  func root(of body: [UInt8], _ call: APICall, limit: Int) throws(ClusterError) -> JSONValue {
    do throws(JSONError) {
      return try JSONDocument(body, limits: .init(bytes: limit, depth: 128, values: 4_194_304)).root
    } catch {
      throw client.unusable(call.subject, error.description)
    }
  }
}
