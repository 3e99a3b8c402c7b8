public import Crypto

public enum FailurePolicy: String, Sendable, Hashable { case block = "Block", warn = "Warn" }
public enum PinMode: String, Sendable, Hashable { case tagAndDigest = "tag-and-digest", digest, none }

/// Where the namespace's public keys are.
public enum KeySource: Sendable, Hashable {
  case inline([PublicKey])
  case secret(name: String, key: String)
  case configMap(name: String, key: String)
}

/// A namespace's policy as its annotations say it; keys that lie elsewhere still to be read.
public struct PolicyDraft: Sendable, Hashable {
  public var keySource: KeySource
  public var ignoresLog: Bool
  public var failurePolicy: FailurePolicy
  public var pin: PinMode
  public var imagePullSecrets: [String]
  public var exemptImages: [ImagePattern]
  /// The policy once the text at `keySource` was read (`text` nil for inline keys).
  public func resolved(keyText: String?) throws(PolicyError) -> VerificationPolicy { fatalError("skeleton") }
}

/// A pattern of `exempt-images`, matched against the normalised name (and tag or digest).
public struct ImagePattern: Sendable, Hashable { 
  public let text: String
  public init(parsing text: String) throws(PolicyError) { fatalError("skeleton") }
  /// `name` is `docker.io/library/nginx`; `tag` and `digest` as given by the user, if any.
  public func matches(name: String, tag: String?, digest: String?) -> Bool { fatalError("skeleton") }
}

/// A policy that can be applied.
public struct VerificationPolicy: Sendable, Hashable {
  public let keys: [PublicKey]
  public let ignoresLog: Bool
  public let failurePolicy: FailurePolicy
  public let pin: PinMode
  public let imagePullSecrets: [String]
  public let exemptImages: [ImagePattern]
  public init(keys: [PublicKey], ignoresLog: Bool, failurePolicy: FailurePolicy = .block, pin: PinMode = .tagAndDigest, imagePullSecrets: [String] = [], exemptImages: [ImagePattern] = []) {
    self.keys = keys; self.ignoresLog = ignoresLog; self.failurePolicy = failurePolicy; self.pin = pin; self.imagePullSecrets = imagePullSecrets; self.exemptImages = exemptImages
  }
}

/// Names the annotation, what is wrong with it and what is allowed.
public struct PolicyError: Error, Sendable, Hashable, CustomStringConvertible {
  public let annotation: String
  public let description: String
  public init(annotation: String, _ description: String) { self.annotation = annotation; self.description = description }
}

/// What the annotations of a namespace come to.
public enum PolicyReading: Sendable, Hashable {
  /// Verification is off; `warning` if policy annotations stand there without effect.
  case off(warning: String?)
  case enabled(PolicyDraft)
  /// Counts as a failed verification of every image, under this failure policy.
  case invalid(PolicyError, failurePolicy: FailurePolicy)
}

public enum PolicyAnnotations {
  public static let prefix = "pinseal.dev/"
  /// Reads all annotations of a namespace. Pure.
  public static func read(_ annotations: [String: String], enabledByDefault: Bool) -> PolicyReading { fatalError("skeleton") }
}

/// A namespace's policy, ready for use: what Admission asks for.
public enum NamespacePolicy: Sendable, Hashable {
  case off(warning: String?)
  case enabled(VerificationPolicy)
  case invalid(message: String, failurePolicy: FailurePolicy)
  /// The namespace exists but something its policy names could not be read now (API server away).
  case unavailable(message: String, failurePolicy: FailurePolicy)
}
