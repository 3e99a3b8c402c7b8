import HTTPClient
public import Primitives

/// The Kubernetes API, by the pod's service account or a kubeconfig.
///
/// Objects are read one by one, when asked for. What was read is known for `Options.lifetime`; whoever asks for the same
/// object at the same time shares one request.
public final class APICluster: Cluster {
  /// What may be set.
  public struct Options: Sendable {
    /// Whether a kubeconfig's `insecure-skip-tls-verify: true` and `http://` are done as it says.
    public var allowsInsecureSkipTLSVerify = false
    /// How long a namespace, Secret or ConfigMap that was read is taken for known.
    public var lifetime: Duration = .seconds(1)
    /// The most time that one object takes, retries included.
    public var requestTimeout: Duration = .seconds(5)

    /// The defaults.
    public init() {}
  }

  private typealias Answer = Result<ClusterObject, ClusterError>

  private let reader: APIReader
  private let options: Options
  /// Each with the end of its time.
  private let flights: SingleFlight<ObjectID, Answer, Deadline>
  private let namespaces = Locked(BoundedCache<ObjectID, ClusterObject>(capacity: 4096))
  private let others = Locked(BoundedCache<ObjectID, ClusterObject>(capacity: 512))

  /// Larger objects are read each time, so that the cache cannot fill the memory.
  private static let maximumCachedBytes = 128 << 10

  init(
    _ connection: Connection, options: Options,
    make: @escaping HTTPFactory = { configuration throws(HTTPClientError) in try HTTPClient(configuration) }
  ) throws(ClusterError) {
    reader = APIReader(client: APIClient(transport: try APITransport(connection, make: make)))
    self.options = options
    // What was asked for is of use to the next who asks.
    flights = SingleFlight(unwanted: .finished) { .after(options.requestTimeout) }
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

  /// The namespace, if it was read within the lifetime.
  public func knownNamespace(_ name: String) -> Namespace? {
    guard let id = try? ObjectID(.namespace, namespace: "", name: name), case .namespace(let namespace) = cached(id)
    else {
      return nil
    }
    return namespace
  }

  /// The namespace, known or read.
  public func namespace(_ name: String, deadline: Deadline) async throws(ClusterError) -> Namespace {
    let id = try ObjectID(.namespace, namespace: "", name: name)
    guard case .namespace(let namespace) = try await object(id, deadline: deadline) else { throw mismatch(id) }
    return namespace
  }

  /// The Secret, known or read.
  public func secret(_ name: String, namespace: String, deadline: Deadline) async throws(ClusterError) -> Secret {
    let id = try ObjectID(.secret, namespace: namespace, name: name)
    guard case .secret(let secret) = try await object(id, deadline: deadline) else { throw mismatch(id) }
    return secret
  }

  /// The ConfigMap, known or read.
  public func configMap(_ name: String, namespace: String, deadline: Deadline) async throws(ClusterError) -> ConfigMap {
    let id = try ObjectID(.configMap, namespace: namespace, name: name)
    guard case .configMap(let configMap) = try await object(id, deadline: deadline) else { throw mismatch(id) }
    return configMap
  }

  /// Why nothing can be asked: the token's file is gone or holds none. An API server that is away is no reason: who is
  /// not ready is not asked, and so would not notice that it is back.
  public func notReadyReason() -> String? {
    do throws(ClusterError) {
      if case .file(let file) = reader.client.connection.token, let failure = file.failure { return failure }
      _ = try reader.client.connection.token.current()
      return nil
    } catch {
      return error.description
    }
  }

  private func object(_ id: ObjectID, deadline: Deadline) async throws(ClusterError) -> ClusterObject {
    if let known = cached(id) { return known }
    let outcome = await flights.value(of: id, deadline: deadline) { ends in
      do throws(ClusterError) {
        let object = try await self.reader.object(id, deadline: ends)
        self.remember(object, id)
        return Answer.success(object)
      } catch {
        return Answer.failure(error)
      }
    }
    guard case .value(let answer) = outcome else {
      throw ClusterError(
        .unavailable, "\(id): \(reader.client.connection.server.url) did not answer in the time that was left")
    }
    return try answer.get()
  }

  private func mismatch(_ id: ObjectID) -> ClusterError { ClusterError(.invalid, "\(id) was read as another kind") }

  // MARK: Cache

  private func cached(_ id: ObjectID) -> ClusterObject? {
    (id.kind == .namespace ? namespaces : others).withLock { $0.value(forKey: id) }
  }

  private func remember(_ object: ClusterObject, _ id: ObjectID) {
    guard options.lifetime > .zero else { return }
    let bytes: Int
    switch object {
    case .namespace: bytes = 0
    case .secret(let secret): bytes = secret.data.values.reduce(0) { $0 + $1.count }
    case .configMap(let configMap): bytes = configMap.data.values.reduce(0) { $0 + $1.utf8.count }
    }
    guard bytes <= Self.maximumCachedBytes else { return }
    let expires = Deadline.after(options.lifetime)
    (id.kind == .namespace ? namespaces : others).withLock { $0.insert(object, forKey: id, expires: expires) }
  }
}
