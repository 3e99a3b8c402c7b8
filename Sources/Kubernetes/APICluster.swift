import HTTPClient
public import Primitives

/// The Kubernetes API, by the pod's service account or a kubeconfig.
///
/// While `run` does, all namespaces are watched, and the Secrets and ConfigMaps that somebody asks for, each by name: of
/// those everything is known. Others are read when asked for; what was read is known for `Options.lifetime`, and whoever
/// asks for the same object at the same time shares one request.
public final class APICluster: Cluster {
  /// What may be set.
  public struct Options: Sendable {
    /// Whether a kubeconfig's `insecure-skip-tls-verify: true` and `http://` are done as it says.
    public var allowsInsecureSkipTLSVerify = false
    /// How long a namespace, Secret or ConfigMap that was read is taken for known.
    public var lifetime: Duration = .seconds(1)
    /// How long it is taken for known that RBAC does not allow to read a Secret or ConfigMap: names in Pod templates are
    /// anybody's, and no admission need ask for each of them anew.
    public var refusalLifetime: Duration = .seconds(5)
    /// The most time that one object takes, retries included.
    public var requestTimeout: Duration = .seconds(5)

    /// The defaults.
    public init() {}
  }

  typealias Answer = Result<ClusterObject, ClusterError>

  private let reader: APIReader
  private let options: Options
  /// Each with the end of its time.
  let flights: SingleFlight<ObjectID, Answer, Deadline>
  private let read = Locked(BoundedCache<ObjectID, ClusterObject>(capacity: 512, maximumCost: maximumCacheBytes))
  private let refused = Locked(BoundedCache<ObjectID, ClusterError>(capacity: 512))
  let pace: WatchPace
  let namespaceStore: NamespaceStore
  let namespaceWatch: ObjectWatch<Namespace>
  let objects: WatchedObjects

  /// For other calls by the same connection.
  var client: APIClient { reader.client }

  /// Of objects that were read: others than the latest are read again.
  private static let maximumCacheBytes = 16 << 20
  /// Larger objects are read each time, so that the cache cannot fill the memory.
  private static let maximumCachedBytes = 128 << 10

  init(
    _ connection: Connection, options: Options, pace: WatchPace = WatchPace(), limits: WatchLimits = WatchLimits(),
    bounds: WatchedObjects.Bounds = WatchedObjects.Bounds(),
    make: @escaping HTTPFactory = { configuration throws(HTTPClientError) in try HTTPClient(configuration) },
    makeStreaming: @escaping StreamingFactory = { configuration throws(HTTPClientError) in
      try HTTPClient(configuration)
    }
  ) throws(ClusterError) {
    let client = APIClient(transport: try APITransport(connection, make: make, makeStreaming: makeStreaming))
    reader = APIReader(client: client)
    self.options = options
    // What was asked for is of use to the next who asks.
    flights = SingleFlight(unwanted: .finished) { .after(options.requestTimeout) }
    self.pace = pace
    let store = NamespaceStore()
    namespaceStore = store
    namespaceWatch = ObjectWatch(
      client: client, target: .namespaces, pace: pace, limits: limits, decode: { try Namespace(watched: $0) },
      onChange: { store.take($0) }, onBreak: { if $0.code == .forbidden { store.forget() } })
    objects = WatchedObjects(client: client, pace: pace, limits: limits, bounds: bounds)
  }

  /// By the pod's service account: `KUBERNETES_SERVICE_HOST` and `_PORT`, and the token and authority in
  /// `/var/run/secrets/kubernetes.io/serviceaccount`, both read again when they change.
  public static func inCluster(options: Options = .init()) throws(ClusterError) -> APICluster {
    try APICluster(.inCluster(), options: options)
  }

  /// By a kubeconfig file (nil: `$KUBECONFIG`, else `~/.kube/config`) and its current context.
  public static func kubeconfig(path: String?, options: Options = .init()) throws(ClusterError) -> APICluster {
    let path = try Kubeconfig.path(path)
    let connection = try Kubeconfig.connection(path: path, allowsInsecure: options.allowsInsecureSkipTLSVerify)
    return try APICluster(connection, options: options)
  }

  /// Watches until the task is cancelled.
  public func run() async {
    await withTaskGroup(of: Void.self) { group in
      group.addTask { await self.namespaceWatch.run() }
      group.addTask { await self.objects.run() }
    }
  }

  /// The namespace, if it was seen by the watch, or read within the lifetime.
  public func knownNamespace(_ name: String) -> Namespace? {
    if let namespace = namespaceStore.namespace(name) { return namespace }
    guard let id = try? ObjectID(.namespace, namespace: "", name: name), case .namespace(let namespace) = cached(id)
    else { return nil }
    return namespace
  }

  /// The Secret, if it is watched, or was read within the lifetime.
  public func knownSecret(_ name: String, namespace: String) throws(ClusterError) -> Secret? {
    let id = try ObjectID(.secret, namespace: namespace, name: name)
    guard let object = try known(id) else { return nil }
    guard case .secret(let secret) = object else { throw mismatch(id) }
    return secret
  }

  /// The ConfigMap, if it is watched, or was read within the lifetime.
  public func knownConfigMap(_ name: String, namespace: String) throws(ClusterError) -> ConfigMap? {
    let id = try ObjectID(.configMap, namespace: namespace, name: name)
    guard let object = try known(id) else { return nil }
    guard case .configMap(let configMap) = object else { throw mismatch(id) }
    return configMap
  }

  /// The namespace, known or read.
  public func namespace(_ name: String, deadline: Deadline) async throws(ClusterError) -> Namespace {
    if let namespace = knownNamespace(name) { return namespace }
    let id = try ObjectID(.namespace, namespace: "", name: name)
    guard case .namespace(let namespace) = try await object(id, deadline: deadline) else { throw mismatch(id) }
    return namespace
  }

  /// The Secret, known or read.
  public func secret(_ name: String, namespace: String, deadline: Deadline) async throws(ClusterError) -> Secret {
    if let secret = try knownSecret(name, namespace: namespace) { return secret }
    let id = try ObjectID(.secret, namespace: namespace, name: name)
    guard case .secret(let secret) = try await object(id, deadline: deadline) else { throw mismatch(id) }
    return secret
  }

  /// The ConfigMap, known or read.
  public func configMap(_ name: String, namespace: String, deadline: Deadline) async throws(ClusterError) -> ConfigMap {
    if let configMap = try knownConfigMap(name, namespace: namespace) { return configMap }
    let id = try ObjectID(.configMap, namespace: namespace, name: name)
    guard case .configMap(let configMap) = try await object(id, deadline: deadline) else { throw mismatch(id) }
    return configMap
  }

  /// Why nothing can be decided yet: the token's file is gone or holds none, or the namespaces were not listed yet. That
  /// the API server is away later on is no reason: decisions go on with what is known.
  public func notReadyReason() -> String? {
    do throws(ClusterError) {
      if case .file(let file) = client.connection.token, let failure = file.failure { return failure }
      _ = try client.connection.token.current()
    } catch {
      return error.description
    }
    guard !namespaceStore.isSynced else { return nil }
    return namespaceWatch.status.failure?.description ?? "the namespaces are not listed yet"
  }

  /// Throws if it is known that there is none.
  private func known(_ id: ObjectID) throws(ClusterError) -> ClusterObject? {
    switch objects.known(id) {
    case .found(let object): return object
    case .absent: throw ClusterError(.notFound, "\(id) does not exist")
    case .unknown: return cached(id)
    }
  }

  /// Reads, together with whoever else does.
  private func object(_ id: ObjectID, deadline: Deadline) async throws(ClusterError) -> ClusterObject {
    let outcome = await flights.value(of: id, deadline: deadline) { ends in
      // Somebody else may have read it since it was found unknown.
      if let known = self.cached(id) { return Answer.success(known) }
      if let refusal = self.refused.withLock({ $0.value(forKey: id) }) { return Answer.failure(refusal) }
      do throws(ClusterError) {
        var object = try await self.reader.object(id, deadline: ends)
        if case .namespace(let namespace) = object { object = .namespace(namespace.policyOnly) }
        self.remember(object, id)
        return Answer.success(object)
      } catch {
        if error.code == .forbidden, id.kind != .namespace {
          self.refused.withLock { $0.insert(error, forKey: id, expires: .after(self.options.refusalLifetime)) }
        }
        return Answer.failure(error)
      }
    }
    guard case .value(let answer) = outcome else {
      throw ClusterError(
        .unavailable, "\(id): \(client.connection.server.url) did not answer in the time that was left")
    }
    return try answer.get()
  }

  private func mismatch(_ id: ObjectID) -> ClusterError { ClusterError(.invalid, "\(id) was read as another kind") }

  // MARK: Cache

  private func cached(_ id: ObjectID) -> ClusterObject? { read.withLock { $0.value(forKey: id) } }

  private func remember(_ object: ClusterObject, _ id: ObjectID) {
    guard options.lifetime > .zero, object.bytes <= Self.maximumCachedBytes else { return }
    let expires = Deadline.after(options.lifetime)
    read.withLock { $0.insert(object, forKey: id, cost: object.bytes, expires: expires) }
  }
}
