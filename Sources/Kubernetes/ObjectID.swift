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
      guard DNSName.isLabel(namespace) else {
        throw ClusterError(.invalid, "\"\(namespace.printable(limit: 64))\" cannot be the name of a namespace")
      }
    }
    guard kind == .namespace ? DNSName.isLabel(name) : DNSName.isSubdomain(name) else {
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
}
