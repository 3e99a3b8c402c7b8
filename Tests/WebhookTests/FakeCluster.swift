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
    /// Whether Secrets and ConfigMaps are known without asking.
    var isWatched = false
    var status = ClusterStatus()
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

  func knownSecret(_ name: String, namespace: String) throws(ClusterError) -> Secret? {
    guard state.withLock({ $0.isWatched }) else { return nil }
    guard let secret = state.withLock({ $0.secrets["\(namespace)/\(name)"] }) else {
      throw ClusterError(.notFound, "Secret \(name) was not found")
    }
    return secret
  }

  func knownConfigMap(_ name: String, namespace: String) throws(ClusterError) -> ConfigMap? {
    guard state.withLock({ $0.isWatched }) else { return nil }
    guard let map = state.withLock({ $0.configMaps["\(namespace)/\(name)"] }) else {
      throw ClusterError(.notFound, "ConfigMap \(name) was not found")
    }
    return map
  }

  func status() -> ClusterStatus { state.withLock { $0.status } }

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
