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
/// A policy that was read is kept as long as the namespace's annotations are the same and, where its keys lie in Secrets
/// or ConfigMaps, as long as these are of the same versions: parsing a key costs more than verifying with it. Where the
/// cluster does not know the objects without asking, it is kept for `keyLifetime`.
public final class ClusterPolicySource: PolicySource {
  private struct Kept: Sendable {
    let annotations: [String: String]
    let policy: NamespacePolicy
    /// What it was made of besides; none if annotations say everything.
    let material: [PolicyMaterial]
    /// Until when it goes without looking at what cannot be looked at; nil if there is nothing of the kind.
    let expires: Deadline?
  }

  /// Of the annotations of all policies that are kept.
  private static let maximumKeptBytes = 32 << 20

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
    kept = Locked(BoundedCache(capacity: capacity, maximumCost: Self.maximumKeptBytes))
  }

  /// The trust root as it is now.
  public var trustedRoot: TrustedRoot { trust() }

  /// The policy if namespace and keys are known without waiting.
  public func knownPolicy(ofNamespace name: String) -> NamespacePolicy? {
    guard let namespace = cluster.knownNamespace(name), case .known(let policy) = state(of: namespace) else {
      return nil
    }
    return policy
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
    switch state(of: namespace) {
    case .known(let policy): return policy
    case .lacksKeys(let draft):
      var annotation = PolicyAnnotation.publicKey
      do {
        let publicKey = try await cluster.material(at: draft.keySource, namespace: name, deadline: deadline)
        annotation = .logKey
        let logKey = try await cluster.material(at: draft.logKeySource, namespace: name, deadline: deadline)
        return try resolve(draft, of: namespace, publicKey, logKey)
      } catch {
        return Self.failed(error, annotation, draft)
      }
    }
  }

  /// A handle that reads the Secrets when a registry asks for credentials, and not before.
  public func credentials(namespace: String, policySecrets: [String], templateSecrets: [String]) -> CredentialsHandle {
    ClusterCredentials(
      cluster: cluster, namespace: namespace, policySecrets: policySecrets, templateSecrets: templateSecrets,
      server: serverCredentials)
  }

  // MARK: Reading

  /// How far a policy is known without asking.
  private enum Known {
    case known(NamespacePolicy)
    /// But for keys that must be read.
    case lacksKeys(PolicyDraft)
  }

  /// The policy, kept or made of what is known.
  private func state(of namespace: Namespace) -> Known {
    let kept = keptPolicy(of: namespace)
    if let kept, kept.material.isEmpty { return .known(kept.policy) }
    if let kept {
      switch isCurrent(kept, in: namespace.name) {
      case true?: return .known(kept.policy)
      case nil: if let expires = kept.expires, !expires.hasPassed { return .known(kept.policy) }
      case false?: break
      }
    }
    let policy: NamespacePolicy
    switch PolicyAnnotations.read(namespace.annotations, enabledByDefault: enabledByDefault) {
    case .off(let warning): policy = .off(warning: warning)
    case .invalid(let error, let failurePolicy):
      policy = .invalid(message: error.description, failurePolicy: failurePolicy)
    case .enabled(let draft): return state(of: draft, in: namespace)
    }
    keep(policy, of: namespace, [])
    return .known(policy)
  }

  private func state(of draft: PolicyDraft, in namespace: Namespace) -> Known {
    var annotation = PolicyAnnotation.publicKey
    do {
      guard let publicKey = try cluster.knownMaterial(at: draft.keySource, namespace: namespace.name) else {
        return .lacksKeys(draft)
      }
      annotation = .logKey
      guard let logKey = try cluster.knownMaterial(at: draft.logKeySource, namespace: namespace.name) else {
        return .lacksKeys(draft)
      }
      return .known(try resolve(draft, of: namespace, publicKey, logKey))
    } catch {
      return .known(Self.failed(error, annotation, draft))
    }
  }

  private func resolve(
    _ draft: PolicyDraft, of namespace: Namespace, _ publicKey: [PolicyMaterial], _ logKey: [PolicyMaterial]
  ) throws -> NamespacePolicy {
    let policy = NamespacePolicy.enabled(
      try draft.resolved(publicKey: publicKey.first?.key, logKey: logKey.first?.key))
    keep(policy, of: namespace, publicKey + logKey)
    return policy
  }

  /// What it means that a policy's keys cannot be had.
  private static func failed(_ error: any Error, _ annotation: PolicyAnnotation, _ draft: PolicyDraft)
    -> NamespacePolicy
  {
    switch error {
    case let error as PolicyError: .invalid(message: error.description, failurePolicy: draft.failurePolicy)
    case let error as ClusterError
    where error.code == .notFound || error.code == .forbidden || error.code == .invalid:
      .invalid(message: "\(annotation.fullName): \(error)", failurePolicy: draft.failurePolicy)
    default: .unavailable(message: "\(annotation.fullName): \(error)", failurePolicy: draft.failurePolicy)
    }
  }

  private func keptPolicy(of namespace: Namespace) -> Kept? {
    let found = kept.withLock { $0.value(forKey: namespace.name) }
    guard let found, Self.areSame(found.annotations, namespace.annotations) else { return nil }
    return found
  }

  /// Whether the objects with the keys are what they were; nil if the cluster does not know without asking.
  private func isCurrent(_ kept: Kept, in namespace: String) -> Bool? {
    for material in kept.material {
      let version: String?
      do throws(ClusterError) {
        version = try cluster.knownVersion(ofObjectAt: material.source, namespace: namespace)
      } catch {
        return false
      }
      guard let version else { return nil }
      // Objects without a version say nothing about being the same.
      if version.isEmpty || !version.utf8.elementsEqual(material.version.utf8) { return false }
    }
    return true
  }

  /// By bytes: dictionaries of strings are equal in Swift where Unicode takes two spellings for one, policies are not.
  private static func areSame(_ left: [String: String], _ right: [String: String]) -> Bool {
    left.count == right.count
      && left.allSatisfy { name, value in
        guard let index = right.index(forKey: name) else { return false }
        return right[index].key.utf8.elementsEqual(name.utf8) && right[index].value.utf8.elementsEqual(value.utf8)
      }
  }

  private func keep(_ policy: NamespacePolicy, of namespace: Namespace, _ material: [PolicyMaterial]) {
    let kept = Kept(
      annotations: namespace.annotations, policy: policy, material: material,
      expires: material.isEmpty ? nil : .after(keyLifetime))
    let bytes = namespace.annotations.reduce(0) { $0 + $1.key.utf8.count + $1.value.utf8.count }
    self.kept.withLock { $0.insert(kept, forKey: namespace.name, cost: bytes) }
  }
}
