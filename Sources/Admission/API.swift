public import Logging
public import Policy
public import Primitives
public import Verification

/// Where policies come from; the wiring gives one that reads the cluster.
public protocol PolicySource: Sendable {
  /// The namespace's policy if it is known without waiting.
  func knownPolicy(ofNamespace name: String) -> NamespacePolicy?
  func policy(ofNamespace name: String, deadline: Deadline) async -> NamespacePolicy
  /// Credentials of the policy's Secrets, then of the Pod template's, then the server's own; read only when asked.
  func credentials(namespace: String, policySecrets: [String], templateSecrets: [String]) -> CredentialsHandle
}

/// Which endpoint was asked.
public enum Endpoint: String, Sendable { case mutate, validate }

public enum AdmissionReply: Sendable {
  case now(AdmissionAnswer)
  case later(@Sendable () async -> AdmissionAnswer)
}

/// The HTTP answer and what it came to, for metrics and the log.
public struct AdmissionAnswer: Sendable {
  public enum Decision: String, Sendable, CaseIterable { case pinned, passed, warned, refused, skipped, malformed }
  public let status: Int
  public let body: [UInt8]
  public let decision: Decision
  /// Codes of the images refused or warned about.
  public let codes: [RefusalCode]
}

public struct AdmissionController: Sendable {
  public struct Options: Sendable {
    /// Used where the request brings no `timeout`.
    public var defaultTimeout: Duration = .seconds(10)
    /// Taken off the caller's time, for the way back.
    public var margin: Duration = .milliseconds(500)
    public var maximumImages = 256
    public init() {}
  }
  public init(policies: any PolicySource, verifier: any ImageVerifying, options: Options = .init(), logger: Logger) { fatalError("skeleton") }
  /// Judges one review. Answered at once where everything is known.
  public func review(_ body: [UInt8], endpoint: Endpoint, query: String) -> AdmissionReply { fatalError("skeleton") }
}
