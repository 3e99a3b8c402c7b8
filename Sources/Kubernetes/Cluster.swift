public import Primitives

/// The objects that Pinseal reads, wherever they are kept.
///
/// What is `known` is known without waiting and without asking anybody: these may be called on an event loop.
public protocol Cluster: Sendable {
  /// The namespace as it is known, or nil: it must be read.
  func knownNamespace(_ name: String) -> Namespace?
  /// The Secret as it is known, or nil: it must be read. Throws `notFound` if it is known that there is none.
  func knownSecret(_ name: String, namespace: String) throws(ClusterError) -> Secret?
  /// The ConfigMap as it is known, or nil: it must be read. Throws `notFound` if it is known that there is none.
  func knownConfigMap(_ name: String, namespace: String) throws(ClusterError) -> ConfigMap?
  /// The namespace of this name.
  func namespace(_ name: String, deadline: Deadline) async throws(ClusterError) -> Namespace
  /// The Secret of this name.
  func secret(_ name: String, namespace: String, deadline: Deadline) async throws(ClusterError) -> Secret
  /// The ConfigMap of this name.
  func configMap(_ name: String, namespace: String, deadline: Deadline) async throws(ClusterError) -> ConfigMap
  /// Keeps what is known up to date until the task is cancelled.
  func run() async
  /// Nil when ready to be asked, else why not (for `/readyz`).
  func notReadyReason() -> String?
  /// How well what is known follows what is.
  func status() -> ClusterStatus
}

extension Cluster {
  /// Nothing is known.
  public func knownSecret(_ name: String, namespace: String) throws(ClusterError) -> Secret? { nil }
  /// Nothing is known.
  public func knownConfigMap(_ name: String, namespace: String) throws(ClusterError) -> ConfigMap? { nil }
  /// Nothing is to be done.
  public func run() async {}
  /// Nothing is to be said.
  public func status() -> ClusterStatus { ClusterStatus() }
}

/// Why an object could not be read, or a cluster not be set up. No description holds a value of a Secret or a token.
public struct ClusterError: Error, Sendable, CustomStringConvertible {
  /// What kind of fault it is.
  public enum Code: Sendable, Hashable {
    /// There is no such object.
    case notFound
    /// The API server knows who asks, and does not allow it.
    case forbidden
    /// The API server does not know who asks.
    case unauthorized
    /// No answer, or none that says anything about the object. Asking again may help.
    case unavailable
    /// A name, configuration or answer that cannot be right.
    case invalid
    /// Somebody else changed the object meanwhile. Reading it again and writing again may help.
    case conflict
    /// The state that a watch would go on from is not there, no longer or not yet: list again.
    case expired
  }

  /// What kind of fault it is.
  public let code: Code
  /// What is wrong and what would be right.
  public let description: String

  /// An error of this kind.
  public init(_ code: Code, _ description: String) {
    self.code = code
    self.description = description
  }
}
