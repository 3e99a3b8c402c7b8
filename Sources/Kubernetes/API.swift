public import Primitives
import HTTPClient

public struct Namespace: Sendable, Hashable {
  public let name: String
  public let annotations: [String: String]
  public let labels: [String: String]
  public let resourceVersion: String
  public init(name: String, annotations: [String: String], labels: [String: String] = [:], resourceVersion: String = "") { self.name = name; self.annotations = annotations; self.labels = labels; self.resourceVersion = resourceVersion }
}

/// A Secret. Its values appear in no description.
public struct Secret: Sendable {
  public let namespace: String, name: String, type: String, resourceVersion: String
  public let data: [String: [UInt8]]
  public init(namespace: String, name: String, type: String, data: [String: [UInt8]], resourceVersion: String = "") { self.namespace = namespace; self.name = name; self.type = type; self.data = data; self.resourceVersion = resourceVersion }
}

public struct ConfigMap: Sendable, Hashable {
  public let namespace: String, name: String, resourceVersion: String
  public let data: [String: String]
  public init(namespace: String, name: String, data: [String: String], resourceVersion: String = "") { self.namespace = namespace; self.name = name; self.data = data; self.resourceVersion = resourceVersion }
}

public struct ClusterError: Error, Sendable, CustomStringConvertible {
  public enum Code: Sendable, Hashable { case notFound, forbidden, unauthorized, unavailable, invalid }
  public let code: Code
  public let description: String
  public init(_ code: Code, _ description: String) { self.code = code; self.description = description }
}

/// The objects that Pinseal reads, wherever they are kept.
public protocol Cluster: Sendable {
  /// Known without waiting (always, for files; within a short lifetime, for an API server), or nil.
  func knownNamespace(_ name: String) -> Namespace?
  func namespace(_ name: String, deadline: Deadline) async throws(ClusterError) -> Namespace
  func secret(_ name: String, namespace: String, deadline: Deadline) async throws(ClusterError) -> Secret
  func configMap(_ name: String, namespace: String, deadline: Deadline) async throws(ClusterError) -> ConfigMap
  /// Nil when ready to be asked, else why not (for `/readyz`).
  func notReadyReason() -> String?
}

/// Objects from YAML or JSON files: a file or a folder, read anew when they change.
public final class FileCluster: Cluster {
  public init(path: String, reloadInterval: Duration = .seconds(1)) throws(ClusterError) { fatalError("skeleton") }
  /// From YAML text, for the demo and tests.
  public init(yaml: String) throws(ClusterError) { fatalError("skeleton") }
  public func knownNamespace(_ name: String) -> Namespace? { fatalError("skeleton") }
  public func namespace(_ name: String, deadline: Deadline) async throws(ClusterError) -> Namespace { fatalError("skeleton") }
  public func secret(_ name: String, namespace: String, deadline: Deadline) async throws(ClusterError) -> Secret { fatalError("skeleton") }
  public func configMap(_ name: String, namespace: String, deadline: Deadline) async throws(ClusterError) -> ConfigMap { fatalError("skeleton") }
  public func notReadyReason() -> String? { nil }
}

/// The Kubernetes API, by the pod's service account or a kubeconfig.
public final class APICluster: Cluster {
  public struct Options: Sendable {
    public var allowsInsecureSkipTLSVerify = false
    /// How long a namespace, Secret or ConfigMap that was read is taken for known.
    public var lifetime: Duration = .seconds(1)
    public var requestTimeout: Duration = .seconds(5)
    public init() {}
  }
  /// KUBERNETES_SERVICE_HOST/PORT and /var/run/secrets/kubernetes.io/serviceaccount.
  public static func inCluster(options: Options = .init()) throws(ClusterError) -> APICluster { fatalError("skeleton") }
  /// A kubeconfig file (nil: $KUBECONFIG, else ~/.kube/config) and its current context.
  public static func kubeconfig(path: String?, options: Options = .init()) throws(ClusterError) -> APICluster { fatalError("skeleton") }
  public func knownNamespace(_ name: String) -> Namespace? { fatalError("skeleton") }
  public func namespace(_ name: String, deadline: Deadline) async throws(ClusterError) -> Namespace { fatalError("skeleton") }
  public func secret(_ name: String, namespace: String, deadline: Deadline) async throws(ClusterError) -> Secret { fatalError("skeleton") }
  public func configMap(_ name: String, namespace: String, deadline: Deadline) async throws(ClusterError) -> ConfigMap { fatalError("skeleton") }
  public func notReadyReason() -> String? { nil }
}
