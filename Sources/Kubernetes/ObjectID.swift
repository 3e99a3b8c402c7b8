import Primitives

/// What kinds of object are read.
enum ObjectKind: String, Sendable, Hashable, CaseIterable {
  case namespace = "Namespace"
  case secret = "Secret"
  case configMap = "ConfigMap"

  /// As it stands in paths and RBAC rules.
  var resource: String {
    switch self {
    case .namespace: "namespaces"
    case .secret: "secrets"
    case .configMap: "configmaps"
    }
  }
}

/// Which object. Its parts are names that Kubernetes allows, so they are safe in a path.
struct ObjectID: Sendable, Hashable, CustomStringConvertible {
  let kind: ObjectKind
  /// Empty for a namespace.
  let namespace: String
  let name: String

  /// Refuses what can be no name.
  init(_ kind: ObjectKind, namespace: String, name: String) throws(ClusterError) {
    if kind != .namespace {
      guard Self.isLabel(namespace) else {
        throw ClusterError(.invalid, "\"\(namespace.printable(limit: 64))\" cannot be the name of a namespace")
      }
    }
    guard kind == .namespace ? Self.isLabel(name) : Self.isSubdomain(name) else {
      throw ClusterError(.invalid, "\"\(name.printable(limit: 64))\" cannot be the name of a \(kind.rawValue)")
    }
    self.kind = kind
    self.namespace = kind == .namespace ? "" : namespace
    self.name = name
  }

  /// `Secret db/registry`, `Namespace db`.
  var description: String { "\(kind.rawValue) \(namespace.isEmpty ? "" : namespace + "/")\(name)" }

  /// The path of a GET.
  var path: String {
    namespace.isEmpty ? "/api/v1/namespaces/\(name)" : "/api/v1/namespaces/\(namespace)/\(kind.resource)/\(name)"
  }

  /// A DNS-1123 label: lower-case letters, digits and inner hyphens, at most 63.
  static func isLabel(_ name: String) -> Bool { isLabel(name.utf8[...], limit: 63) }

  /// A DNS-1123 subdomain: labels with dots between, at most 253 bytes.
  static func isSubdomain(_ name: String) -> Bool {
    guard name.utf8.count <= 253 else { return false }
    return name.utf8.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
      .allSatisfy { isLabel($0, limit: 253) }
  }

  private static func isLabel(_ label: Substring.UTF8View, limit: Int) -> Bool {
    guard label.count <= limit, let first = label.first, let last = label.last, first != 0x2d, last != 0x2d else {
      return false
    }
    return label.allSatisfy { ($0 >= 0x61 && $0 <= 0x7a) || ($0 >= 0x30 && $0 <= 0x39) || $0 == 0x2d }
  }
}
