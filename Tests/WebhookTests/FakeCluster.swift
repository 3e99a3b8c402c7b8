import Kubernetes
import Primitives

/// A cluster in memory that can be told to fail, and that counts what it is asked.
final class FakeCluster: Cluster {
  struct State: Sendable {
    var namespaces: [String: Namespace] = [:]
    var secrets: [String: Secret] = [:]
    var configMaps: [String: ConfigMap] = [:]
    var failure: ClusterError?
    var isWarm = true
    var asked: [String] = []
  }

  let state = Locked(State())

  init(_ namespaces: [Namespace] = [], secrets: [Secret] = [], configMaps: [ConfigMap] = []) {
    state.withLock {
      for namespace in namespaces { $0.namespaces[namespace.name] = namespace }
      for secret in secrets { $0.secrets["\(secret.namespace)/\(secret.name)"] = secret }
      for map in configMaps { $0.configMaps["\(map.namespace)/\(map.name)"] = map }
    }
  }

  func set(_ namespace: Namespace) { state.withLock { $0.namespaces[namespace.name] = namespace } }

  var asked: [String] { state.withLock { $0.asked } }

  func knownNamespace(_ name: String) -> Namespace? {
    state.withLock { $0.isWarm && $0.failure == nil ? $0.namespaces[name] : nil }
  }

  func namespace(_ name: String, deadline: Deadline) async throws(ClusterError) -> Namespace {
    try find("namespace \(name)") { $0.namespaces[name] }
  }

  func secret(_ name: String, namespace: String, deadline: Deadline) async throws(ClusterError) -> Secret {
    try find("Secret \(name)") { $0.secrets["\(namespace)/\(name)"] }
  }

  func configMap(_ name: String, namespace: String, deadline: Deadline) async throws(ClusterError) -> ConfigMap {
    try find("ConfigMap \(name)") { $0.configMaps["\(namespace)/\(name)"] }
  }

  func notReadyReason() -> String? { state.withLock { $0.failure?.description } }

  private func find<Object: Sendable>(
    _ what: String, _ look: @Sendable (State) -> Object?
  ) throws(ClusterError) -> Object {
    let (failure, object) = state.withLock { state in
      state.asked.append(what)
      return (state.failure, look(state))
    }
    if let failure { throw failure }
    guard let object else { throw ClusterError(.notFound, "\(what) was not found") }
    return object
  }
}
