import HTTPClient
import JSON
import Primitives

/// One GET of one object, and what the answer means.
struct APIReader: Sendable {
  let client: APIClient

  /// The object as the API server holds it now.
  func object(_ id: ObjectID, deadline: Deadline) async throws(ClusterError) -> ClusterObject {
    let call = Self.call(id)
    let response = try await client.send(call, deadline: deadline)
    guard response.status == 200 else {
      throw client.failure(status: response.status, body: response.body, of: call)
    }
    return try decode(response.body, id)
  }

  private static func call(_ id: ObjectID) -> APICall {
    let place = id.namespace.isEmpty ? "in the whole cluster" : "in namespace \(id.namespace)"
    return APICall(
      path: id.path, subject: "\(id)", permission: "get on \(id.kind.resource) \(place)",
      maximumResponseBytes: maximumBytes(id.kind))
  }

  /// A namespace holds at most 256 KiB of annotations, a Secret 1 MiB of values; then come base64 and managed fields.
  private static func maximumBytes(_ kind: ObjectKind) -> Int { kind == .namespace ? 2 << 20 : 4 << 20 }

  // MARK: Answers

  private func decode(_ body: [UInt8], _ id: ObjectID) throws(ClusterError) -> ClusterObject {
    let root: Node
    do throws(JSONError) {
      let document = try JSONDocument(body, limits: .init(bytes: Self.maximumBytes(id.kind)))
      root = try Node(document.root)
    } catch {
      throw client.unusable("\(id)", error.description)
    }
    do throws(NodeError) {
      let reader = NodeReader(root)
      let kind = try reader.optionalString("kind") ?? ""
      let version = try reader.optionalString("apiVersion") ?? ""
      guard kind == id.kind.rawValue, version == "v1" else {
        throw reader.error("is of kind \"\(kind)\" (\(version)), expected \(id.kind.rawValue) (v1)")
      }
      let (found, object) = try ObjectReader.object(reader, id.kind)
      guard found == id else { throw reader.error("is \(found)") }
      return object
    } catch {
      throw client.unusable("\(id)", error.description)
    }
  }
}
