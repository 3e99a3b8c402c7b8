import HTTPClient
import JSON
import Primitives

/// A kind of owner whose objects get the condition too: `openbaoclusters.openbao.org`.
public struct OwnerKind: Sendable, Hashable, CustomStringConvertible {
  /// As it stands in paths and RBAC rules: `openbaoclusters`.
  public let plural: String
  /// Its API group, never the core one.
  public let group: String

  /// Parses `PLURAL.GROUP`.
  public init(parsing text: String) throws(ClusterError) {
    let parts = text.split(separator: ".", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
    guard parts.count == 2, DNSName.isLabel(parts[0]), DNSName.isSubdomain(parts[1]) else {
      throw ClusterError(
        .invalid,
        "\"\(text.printable(limit: 128))\" names no kind: PLURAL.GROUP is expected, as in openbaoclusters.openbao.org")
    }
    plural = parts[0]
    group = parts[1]
  }

  /// `PLURAL.GROUP`.
  public var description: String { "\(plural).\(group)" }
}

/// Writes conditions to the owners of StatefulSets, of the kinds that are listed.
///
/// The list of conditions of a custom resource may be atomic, so the whole list is read and written: others' conditions go
/// back byte for byte, and only over the very state that was read.
final class ConditionOwnerWriter: Sendable {
  /// What came of it.
  enum Outcome: Sendable, Equatable {
    case written
    /// It said so already.
    case unchanged
    /// There is nothing to write to; the text says why, if that is worth a line in the log.
    case ignored(String?)
  }

  private struct APIGroupVersion: Hashable { let group, version: String }
  /// By kind: the plural of namespaced ones, and whether they have a status of their own.
  private struct Resources: Sendable {
    var kinds: [String: (plural: String, hasStatus: Bool)] = [:]
  }

  private let writer: ConditionWriter
  private let kinds: Set<OwnerKind>
  private let discoveryLifetime: Duration
  private let known = Locked(BoundedCache<APIGroupVersion, Resources>(capacity: 32))

  private static let maximumBytes = 4 << 20
  private static let maximumConditions = 256
  private static let maximumConflicts = 5

  init(_ writer: ConditionWriter, kinds: Set<OwnerKind>, discoveryLifetime: Duration = .seconds(300)) {
    self.writer = writer
    self.kinds = kinds
    self.discoveryLifetime = discoveryLifetime
  }

  /// Writes the condition about the StatefulSet `subject`, whose name leads the message.
  ///
  /// A condition that is no longer true takes the place only of one about the same StatefulSet: an owner of several is
  /// degraded while one of them is. Throws `conflict` if others kept changing the object.
  func write(
    _ condition: Condition, about subject: StatefulSetID, to owner: ControllingOwner, at time: String
  ) async throws(ClusterError) -> Outcome {
    guard kinds.contains(where: { $0.group == owner.group }) else { return .ignored(nil) }
    guard let resource = try await resources(owner.group, owner.version).kinds[owner.kind] else { return .ignored(nil) }
    guard let kind = kinds.first(where: { $0.group == owner.group && $0.plural == resource.plural }) else {
      return .ignored(nil)
    }
    guard resource.hasStatus else {
      return .ignored("\(kind) has no status subresource, so its objects cannot have the condition Degraded")
    }
    var condition = condition
    condition.message = (Self.lead(subject) + condition.message).cut(toBytes: Condition.maximumMessageBytes)
    var conflicts = 0
    while true {
      do throws(ClusterError) {
        return try await write(condition, about: subject, to: owner, kind, at: time)
      } catch {
        conflicts += 1
        guard error.code == .conflict, conflicts < Self.maximumConflicts else { throw error }
      }
    }
  }

  static func lead(_ subject: StatefulSetID) -> String { "StatefulSet \(subject.name): " }

  private func write(
    _ condition: Condition, about subject: StatefulSetID, to owner: ControllingOwner, _ kind: OwnerKind, at time: String
  ) async throws(ClusterError) -> Outcome {
    let path =
      "/apis/\(owner.group)/\(owner.version)/namespaces/\(subject.namespace)/\(kind.plural)/\(owner.name)/status"
    let place = "\(kind.plural)/status of \(kind.group) in namespace \(subject.namespace)"
    var call = APICall(
      path: path, subject: "the status of \(owner.kind) \(subject.namespace)/\(owner.name)",
      permission: "get on \(place)",
      maximumResponseBytes: Self.maximumBytes)
    let response = try await writer.client.send(call, deadline: .after(writer.requestTimeout))
    guard response.status == 200 else {
      throw writer.client.failure(status: response.status, body: response.body, of: call)
    }
    let root = try writer.root(of: response.body, call, limit: Self.maximumBytes)
    do throws(JSONError) {
      guard let body = try Self.patch(root, condition, about: subject, owner, at: time) else { return .unchanged }
      call.method = .patch
      call.permission = "patch on \(place)"
      call.contentType = "application/merge-patch+json"
      call.body = body
      call.path += "?fieldManager=\(APIClient.fieldManager)"
    } catch {
      throw writer.client.unusable(call.subject, error.description)
    }
    let answer = try await writer.client.send(call, deadline: .after(writer.requestTimeout))
    guard answer.status == 200 else {
      throw writer.client.failure(status: answer.status, body: answer.body, of: call)
    }
    return .written
  }

  /// The merge patch that brings the condition; nil if nothing is to be written, for it is there, the object is another one
  /// or on its way out, or there is nothing to take back.
  private static func patch(
    _ root: JSONValue, _ condition: Condition, about subject: StatefulSetID, _ owner: ControllingOwner, at time: String
  ) throws(JSONError) -> [UInt8]? {
    let metadata = try root.member("metadata")
    guard metadata["uid"]?.isString(owner.uid) == true, try metadata.optionalMember("deletionTimestamp") == nil else {
      return nil
    }
    let resourceVersion = try metadata.member("resourceVersion").string()
    let conditions = try root.optionalMember("status")?.optionalMember("conditions")?.elements() ?? []
    guard conditions.count <= maximumConditions else { return nil }
    let present = Condition(type: Condition.degraded, in: conditions)
    var condition = condition
    condition.lastTransitionTime = time
    if condition.isTrue {
      if let present, present.isOwn, present.isTrue, present.message.utf8.elementsEqual(condition.message.utf8) {
        return nil
      }
    } else {
      guard let present, present.isOwn, present.isTrue,
        present.message.utf8.starts(with: lead(subject).utf8)
      else { return nil }
    }
    if let present, present.status.utf8.elementsEqual(condition.status.utf8), !present.lastTransitionTime.isEmpty {
      condition.lastTransitionTime = present.lastTransitionTime
    }
    let isGenerationUsual = conditions.contains {
      $0["type"]?.isString(Condition.degraded) != true && $0["observedGeneration"]?.kind == .number
    }
    let generation = isGenerationUsual ? try metadata.optionalMember("generation")?.integer() : nil

    var writer = JSONWriter(capacity: 2048)
    writer.object { writer in
      writer.name("metadata")
      writer.object {
        $0.member("uid", owner.uid)
        $0.member("resourceVersion", resourceVersion)
      }
      writer.name("status")
      writer.object { writer in
        writer.name("conditions")
        writer.array { writer in
          var isWritten = false
          for other in conditions {
            if other["type"]?.isString(Condition.degraded) != true {
              writer.raw(other.bytes)
            } else if !isWritten {
              condition.write(type: Condition.degraded, observedGeneration: generation, to: &writer)
              isWritten = true
            }
          }
          if !isWritten { condition.write(type: Condition.degraded, observedGeneration: generation, to: &writer) }
        }
      }
    }
    return writer.bytes
  }

  // MARK: Discovery

  /// What kinds a version of a group has, known for some minutes.
  private func resources(_ group: String, _ version: String) async throws(ClusterError) -> Resources {
    let key = APIGroupVersion(group: group, version: version)
    if let known = known.withLock({ $0.value(forKey: key) }) { return known }
    let call = APICall(
      path: "/apis/\(group)/\(version)", subject: "the resources of \(group)/\(version)",
      permission: "get on the non-resource URL /apis/\(group)/\(version)", maximumResponseBytes: Self.maximumBytes)
    let response = try await writer.client.send(call, deadline: .after(writer.requestTimeout))
    guard response.status == 200 else {
      throw writer.client.failure(status: response.status, body: response.body, of: call)
    }
    var resources = Resources()
    let root = try writer.root(of: response.body, call, limit: Self.maximumBytes)
    do throws(JSONError) {
      let list = try root.member("resources").elements().prefix(4096)
      let names = Set(list.compactMap { try? $0["name"]?.string() })
      for resource in list {
        let name = try resource.member("name").string()
        guard try resource.optionalMember("namespaced")?.bool() == true, DNSName.isLabel(name) else { continue }
        let kind = try resource.member("kind").string()
        if resources.kinds[kind] == nil { resources.kinds[kind] = (name, names.contains(name + "/status")) }
      }
    } catch {
      throw writer.client.unusable(call.subject, error.description)
    }
    let result = resources
    known.withLock { $0.insert(result, forKey: key, expires: .after(discoveryLifetime)) }
    return result
  }
}
