public import Kubernetes
import Primitives
public import ServiceLifecycle
public import Sigstore
public import TrustRoot

extension TrustRootStore: TrustSource {
  /// The root of the present snapshot.
  public var trustedRoot: TrustedRoot { current.root }

  /// Source, age, end and lines of the present state.
  public func status(at now: Int64) -> TrustStatus {
    let status = status
    return TrustStatus(
      source: status.label, lines: status.lines(at: now), age: status.age(at: now),
      expiresAt: status.snapshot.validUntil)
  }
}

/// A trusted root under a key of a ConfigMap, as `--trusted-root configmap://NAMESPACE/NAME/KEY` names it.
public struct ConfigMapTrustRoot: TrustRootSource {
  private let cluster: any Cluster
  private let namespace: String
  private let name: String
  private let key: String

  /// `configmap`.
  public var kind: TrustRootKind { .configMap }
  /// `configmap://NAMESPACE/NAME/KEY`.
  public var place: String { "configmap://\(namespace)/\(name)/\(key)" }

  /// The value under `key` of the ConfigMap `name`.
  public init(cluster: any Cluster, namespace: String, name: String, key: String) {
    self.cluster = cluster
    self.namespace = namespace
    self.name = name
    self.key = key
  }

  /// Reads the ConfigMap; its content is given if the resource version is another one than `known`.
  public func read(unless known: TrustRootRevision?) async throws(TrustRootError) -> TrustRootContent? {
    let map: ConfigMap
    do throws(ClusterError) {
      map = try await cluster.configMap(name, namespace: namespace, deadline: .after(.seconds(10)))
    } catch {
      throw TrustRootError("\(place): \(error.description)")
    }
    guard let text = map.data[key] else { throw TrustRootError("\(place): the ConfigMap has no key \(key)") }
    guard text.utf8.count <= TrustRootFile.maximumByteCount else {
      throw TrustRootError(
        "\(place): it has \(text.utf8.count) bytes, at most \(TrustRootFile.maximumByteCount) are read")
    }
    // A cluster of files has no resource versions; then the content is compared behind this.
    let revision = TrustRootRevision.mark(map.resourceVersion)
    if !map.resourceVersion.isEmpty, known == revision { return nil }
    return TrustRootContent(bytes: Array(text.utf8), revision: revision)
  }
}

/// Looks after the trust root in the background: takes up changes of the user's source and, if asked to, refreshes the
/// public-good root through TUF.
public struct TrustRootService: Service {
  private let store: TrustRootStore
  private let refresher: TUFRefresher?

  /// For `store`, with a refresher if there is one.
  public init(store: TrustRootStore, refresher: TUFRefresher? = nil) {
    self.store = store
    self.refresher = refresher
  }

  /// Runs until the shutdown.
  public func run() async {
    await withTaskGroup(of: Void.self) { group in
      group.addTask { await store.run(clock: { WallClock.seconds }) }
      if let refresher { group.addTask { await refresher.run() } }
      group.addTask { try? await gracefulShutdown() }
      // Only the shutdown ends; the others go on until they are cancelled, or had nothing to do.
      _ = await group.next()
      group.cancelAll()
    }
  }
}
