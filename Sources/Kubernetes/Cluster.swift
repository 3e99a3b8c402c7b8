public import Primitives

/// The objects that Pinseal reads, wherever they are kept.
public protocol Cluster: Sendable {
  /// Known without waiting (always, for files; within a short lifetime, for an API server), or nil.
  func knownNamespace(_ name: String) -> Namespace?
  /// The namespace of this name.
  func namespace(_ name: String, deadline: Deadline) async throws(ClusterError) -> Namespace
  /// The Secret of this name.
  func secret(_ name: String, namespace: String, deadline: Deadline) async throws(ClusterError) -> Secret
  /// The ConfigMap of this name.
  func configMap(_ name: String, namespace: String, deadline: Deadline) async throws(ClusterError) -> ConfigMap
  /// Nil when ready to be asked, else why not (for `/readyz`).
  func notReadyReason() -> String?
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
    /// The state that a watch would go on from is no longer kept: list again.
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
