import Kubernetes
import Policy
import Primitives

/// A key with its times, and the version of the object that they were found in.
struct PolicyMaterial: Sendable {
  let source: KeySource
  let version: String
  let key: KeyMaterial

  fileprivate init(_ source: KeySource, _ name: String, in secret: Secret) throws(ClusterError) {
    self.source = source
    version = secret.resourceVersion
    key = try Self.key(secret.data, name, of: "Secret \(secret.name)")
  }

  fileprivate init(_ source: KeySource, _ name: String, in map: ConfigMap) throws(ClusterError) {
    self.source = source
    version = map.resourceVersion
    // Only the values that matter: a ConfigMap may hold a megabyte of others.
    var data: [String: [UInt8]] = [:]
    for (key, value) in map.data { data[key] = key.hasPrefix(name) ? Array(value.utf8) : [] }
    key = try Self.key(data, name, of: "ConfigMap \(map.name)")
  }

  private static func key(
    _ data: [String: [UInt8]], _ key: String, of object: String
  ) throws(ClusterError) -> KeyMaterial {
    func time(_ suffix: String) throws(ClusterError) -> String? {
      guard let bytes = data[key + suffix] else { return nil }
      return try text(bytes, key: key + suffix, of: object, has: [])
    }
    return KeyMaterial(
      text: try text(data[key], key: key, of: object, has: Array(data.keys)),
      notBefore: try time(KeyMaterial.notBeforeSuffix), notAfter: try time(KeyMaterial.notAfterSuffix))
  }

  private static func text(_ bytes: [UInt8]?, key: String, of object: String, has keys: [String]) throws(ClusterError)
    -> String
  {
    guard let bytes else {
      let names = keys.sorted().prefix(8).map { $0.printable(limit: 64) }.joined(separator: ", ")
      throw ClusterError(.invalid, "\(object) has no key \(key), only: \(names.isEmpty ? "none" : names)")
    }
    guard let text = String(validating: bytes, as: UTF8.self) else {
      throw ClusterError(.invalid, "the value of \(key) in \(object) is not UTF-8")
    }
    return text
  }
}

extension Cluster {
  /// What lies at `source`, if that is known; none where there is nothing to read, nil where it must be read.
  func knownMaterial(at source: KeySource?, namespace: String) throws(ClusterError) -> [PolicyMaterial]? {
    guard let source else { return [] }
    switch source {
    case .inline: return []
    case .secret(let name, let key):
      guard let secret = try knownSecret(name, namespace: namespace) else { return nil }
      return [try PolicyMaterial(source, key, in: secret)]
    case .configMap(let name, let key):
      guard let map = try knownConfigMap(name, namespace: namespace) else { return nil }
      return [try PolicyMaterial(source, key, in: map)]
    }
  }

  /// What lies at `source`; none where there is nothing to read.
  func material(
    at source: KeySource?, namespace: String, deadline: Deadline
  ) async throws(ClusterError) -> [PolicyMaterial] {
    guard let source else { return [] }
    switch source {
    case .inline: return []
    case .secret(let name, let key):
      return [
        try PolicyMaterial(source, key, in: try await secret(name, namespace: namespace, deadline: deadline))
      ]
    case .configMap(let name, let key):
      return [
        try PolicyMaterial(source, key, in: try await configMap(name, namespace: namespace, deadline: deadline))
      ]
    }
  }

  /// The version of the object that `source` lies in; nil if it must be read.
  func knownVersion(ofObjectAt source: KeySource, namespace: String) throws(ClusterError) -> String? {
    switch source {
    case .inline: ""
    case .secret(let name, _): try knownSecret(name, namespace: namespace)?.resourceVersion
    case .configMap(let name, _): try knownConfigMap(name, namespace: namespace)?.resourceVersion
    }
  }
}
