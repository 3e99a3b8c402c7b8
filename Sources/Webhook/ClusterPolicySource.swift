public import Admission
import Crypto
public import Kubernetes
public import OCI
public import Policy
public import Primitives
public import Sigstore
public import Verification

/// Policies from the annotations of a cluster's namespaces, with the keys and credentials that they name.
///
/// Beside a key in a Secret or ConfigMap, under the same name with `.not-before` or `.not-after` behind it, may stand the
/// times between which it is trusted.
///
/// A policy that was read is kept as long as the namespace's annotations are the same and, where its keys lie in a Secret
/// or ConfigMap, for `keyLifetime`: parsing a key costs more than verifying with it.
public final class ClusterPolicySource: PolicySource {
  private struct Kept: Sendable {
    let annotations: [String: String]
    let policy: NamespacePolicy
    let expires: Deadline?
  }

  private let cluster: any Cluster
  private let enabledByDefault: Bool
  private let serverCredentials: ServerCredentials
  private let keyLifetime: Duration
  private let trust: @Sendable () -> TrustedRoot
  private let kept: Locked<BoundedCache<String, Kept>>

  /// Reads `cluster`; `enabledByDefault` is what a namespace without `image-verification` gets, `trust` the present trust
  /// root, asked at every review.
  public init(
    cluster: any Cluster, enabledByDefault: Bool, serverCredentials: ServerCredentials = ServerCredentials(),
    keyLifetime: Duration = .seconds(1), capacity: Int = 4096,
    trust: @escaping @Sendable () -> TrustedRoot = { .nothing }
  ) {
    self.cluster = cluster
    self.enabledByDefault = enabledByDefault
    self.serverCredentials = serverCredentials
    self.keyLifetime = keyLifetime
    self.trust = trust
    kept = Locked(BoundedCache(capacity: capacity))
  }

  /// The trust root as it is now.
  public var trustedRoot: TrustedRoot { trust() }

  /// The policy if namespace and keys are known without waiting.
  public func knownPolicy(ofNamespace name: String) -> NamespacePolicy? {
    guard let namespace = cluster.knownNamespace(name) else { return nil }
    if let policy = keptPolicy(of: namespace) { return policy }
    return resolvedWithoutWaiting(namespace)
  }

  /// The policy, read now if it must be; a cluster that cannot be asked makes it `unavailable`.
  public func policy(ofNamespace name: String, deadline: Deadline) async -> NamespacePolicy {
    let namespace: Namespace
    do {
      namespace = try await cluster.namespace(name, deadline: deadline)
    } catch {
      return .unavailable(
        message: "the annotations of namespace \(name.printable()) could not be read: \(error)", failurePolicy: .block)
    }
    if let policy = keptPolicy(of: namespace) { return policy }
    if let policy = resolvedWithoutWaiting(namespace) { return policy }
    guard case .enabled(let draft) = reading(of: namespace) else {
      return .unavailable(
        message: "the policy of namespace \(name.printable()) changed while it was read", failurePolicy: .block)
    }
    var annotation = PolicyAnnotation.publicKey
    do {
      let publicKey = try await keyMaterial(at: draft.keySource, namespace: name, deadline: deadline)
      annotation = .logKey
      let logKey = try await keyMaterial(at: draft.logKeySource, namespace: name, deadline: deadline)
      let policy = NamespacePolicy.enabled(try draft.resolved(publicKey: publicKey, logKey: logKey))
      keep(policy, of: namespace, expires: .after(keyLifetime))
      return policy
    } catch let error as PolicyError {
      return .invalid(message: error.description, failurePolicy: draft.failurePolicy)
    } catch let error as ClusterError
      where error.code == .notFound || error.code == .forbidden || error.code == .invalid
    {
      return .invalid(
        message: "\(annotation.fullName): \(error)", failurePolicy: draft.failurePolicy)
    } catch {
      return .unavailable(
        message: "\(annotation.fullName): \(error)", failurePolicy: draft.failurePolicy)
    }
  }

  /// A handle that reads the Secrets when a registry asks for credentials, and not before.
  public func credentials(namespace: String, policySecrets: [String], templateSecrets: [String]) -> CredentialsHandle {
    ClusterCredentials(
      cluster: cluster, namespace: namespace, policySecrets: policySecrets, templateSecrets: templateSecrets,
      server: serverCredentials)
  }

  // MARK: Reading

  private func reading(of namespace: Namespace) -> PolicyReading {
    PolicyAnnotations.read(namespace.annotations, enabledByDefault: enabledByDefault)
  }

  private func resolvedWithoutWaiting(_ namespace: Namespace) -> NamespacePolicy? {
    let policy: NamespacePolicy
    switch reading(of: namespace) {
    case .off(let warning): policy = .off(warning: warning)
    case .invalid(let error, let failurePolicy):
      policy = .invalid(message: error.description, failurePolicy: failurePolicy)
    case .enabled(let draft):
      guard draft.sourcesToRead.isEmpty else { return nil }
      do {
        policy = .enabled(try draft.resolved(keyText: nil))
      } catch {
        policy = .invalid(message: error.description, failurePolicy: draft.failurePolicy)
      }
    }
    keep(policy, of: namespace, expires: nil)
    return policy
  }

  private func keptPolicy(of namespace: Namespace) -> NamespacePolicy? {
    let found = kept.withLock { $0.value(forKey: namespace.name) }
    guard let found, Self.areSame(found.annotations, namespace.annotations), !(found.expires?.hasPassed ?? false)
    else { return nil }
    return found.policy
  }

  /// By bytes: dictionaries of strings are equal in Swift where Unicode takes two spellings for one, policies are not.
  private static func areSame(_ left: [String: String], _ right: [String: String]) -> Bool {
    left.count == right.count
      && left.allSatisfy { name, value in
        guard let index = right.index(forKey: name) else { return false }
        return right[index].key.utf8.elementsEqual(name.utf8) && right[index].value.utf8.elementsEqual(value.utf8)
      }
  }

  private func keep(_ policy: NamespacePolicy, of namespace: Namespace, expires: Deadline?) {
    kept.withLock {
      $0.insert(Kept(annotations: namespace.annotations, policy: policy, expires: expires), forKey: namespace.name)
    }
  }

  private func keyMaterial(
    at source: KeySource?, namespace: String, deadline: Deadline
  ) async throws -> KeyMaterial? {
    switch source {
    case nil, .inline: return nil
    case .secret(let name, let key):
      let secret = try await cluster.secret(name, namespace: namespace, deadline: deadline)
      return try Self.material(secret.data, key: key, of: "Secret \(name)")
    case .configMap(let name, let key):
      let map = try await cluster.configMap(name, namespace: namespace, deadline: deadline)
      // Only the values that matter: a ConfigMap may hold a megabyte of others.
      var data: [String: [UInt8]] = [:]
      for (name, value) in map.data { data[name] = name.hasPrefix(key) ? Array(value.utf8) : [] }
      return try Self.material(data, key: key, of: "ConfigMap \(name)")
    }
  }

  private static func material(
    _ data: [String: [UInt8]], key: String, of object: String
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
