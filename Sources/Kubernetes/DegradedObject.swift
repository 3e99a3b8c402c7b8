import JSON
import Primitives

/// A StatefulSet by its name and `metadata.uid`: one that was made anew under the same name is another.
public struct StatefulSetID: Sendable, Hashable, CustomStringConvertible {
  /// Its namespace, a DNS label.
  public let namespace: String
  /// Its name, a DNS subdomain.
  public let name: String
  /// Its `metadata.uid`, at most 128 bytes.
  public let uid: String

  /// Nil if these can be no names or no uid.
  public init?(namespace: String, name: String, uid: String) {
    guard DNSName.isLabel(namespace), DNSName.isSubdomain(name), Self.isUID(uid) else { return nil }
    self.namespace = namespace
    self.name = name
    self.uid = uid
  }

  /// `StatefulSet shop/db`.
  public var description: String { "StatefulSet \(namespace)/\(name)" }

  static func isUID(_ text: String) -> Bool {
    (1...128).contains(text.utf8.count) && text.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7f }
  }
}

/// The object that owns a StatefulSet and controls it.
struct ControllingOwner: Sendable, Hashable {
  let group: String
  let version: String
  let kind: String
  let name: String
  let uid: String

  /// Nil if there is none, or it has parts that cannot be right. Owners of the core group are not looked at.
  init?(in references: JSONValue?) {
    guard let references = try? references?.elements().prefix(64),
      let reference = references.first(where: { (try? $0["controller"]?.bool()) == true }),
      let apiVersion = try? reference["apiVersion"]?.string(), apiVersion.utf8.count <= 317,
      let kind = try? reference["kind"]?.string(), let name = try? reference["name"]?.string(),
      let uid = try? reference["uid"]?.string()
    else { return nil }
    let parts = apiVersion.split(separator: "/", omittingEmptySubsequences: false).map(String.init)
    guard parts.count == 2, DNSName.isSubdomain(parts[0]), DNSName.isLabel(parts[1]),
      (1...63).contains(kind.utf8.count),
      kind.utf8.allSatisfy({ ($0 | 0x20 >= 0x61 && $0 | 0x20 <= 0x7a) || ($0 >= 0x30 && $0 <= 0x39) }),
      DNSName.isSubdomain(name), StatefulSetID.isUID(uid)
    else { return nil }
    group = parts[0]
    version = parts[1]
    self.kind = kind
    self.name = name
    self.uid = uid
  }
}

/// What of a StatefulSet decides about its condition.
struct DegradedObject: Sendable, Hashable {
  let id: StatefulSetID
  let resourceVersion: String
  let generation: Int64
  let isBeingDeleted: Bool
  /// Every image of the Pod template, in order.
  let images: [String]
  /// The condition `Degraded`, whoever wrote it.
  let condition: Condition?
  let owner: ControllingOwner?

  /// Elements of one list that are looked at.
  private static let maximumElements = 4096

  init(_ value: JSONValue) throws(ClusterError) {
    do {
      let metadata = try value.member("metadata")
      let name = try metadata.member("name").string()
      let namespace = try metadata.member("namespace").string()
      guard let id = StatefulSetID(namespace: namespace, name: name, uid: try metadata.member("uid").string()) else {
        throw ClusterError(.invalid, "a StatefulSet has a name or uid that cannot be right")
      }
      self.id = id
      resourceVersion = try metadata.member("resourceVersion").string()
      generation = try metadata.optionalMember("generation")?.integer() ?? 0
      isBeingDeleted = try metadata.optionalMember("deletionTimestamp") != nil
      owner = ControllingOwner(in: metadata["ownerReferences"])
      let conditions = try value["status"]?["conditions"]?.elements() ?? []
      condition = Condition(type: Condition.degraded, in: Array(conditions.prefix(Self.maximumElements)))
      images = Self.images(value["spec"]?["template"]?["spec"])
    } catch let error as JSONError {
      throw ClusterError(.invalid, "a StatefulSet cannot be read: \(error.description)")
    } catch let error as ClusterError {
      throw error
    } catch {
      throw ClusterError(.invalid, "a StatefulSet cannot be read")
    }
  }

  private static func images(_ specification: JSONValue?) -> [String] {
    var images: [String] = []
    for list in ["initContainers", "containers", "ephemeralContainers", "volumes"] {
      for element in ((try? specification?[list]?.elements()) ?? []).prefix(maximumElements) {
        let value = list == "volumes" ? element["image"]?["reference"] : element["image"]
        if let image = try? value?.string() { images.append(image) }
      }
    }
    return images
  }

  /// The state as a number that grows with every change, where it is one: what is older than a write of one's own is known
  /// by it.
  var version: Int64? { JSONValue.exactInteger(resourceVersion.utf8) }
}
