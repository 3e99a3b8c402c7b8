public import Crypto
public import Sigstore

/// What becomes of an object with an image that is not verified.
public enum FailurePolicy: String, Sendable, Hashable, CaseIterable {
  /// The object is refused.
  case block = "Block"
  /// The object is let through with a warning.
  case warn = "Warn"
}

/// How a verified image is written back.
public enum PinMode: String, Sendable, Hashable, CaseIterable {
  /// `repo:tag@sha256:…`
  case tagAndDigest = "tag-and-digest"
  /// `repo@sha256:…`
  case digest
  /// As the user wrote it: verified only.
  case none
}

/// A policy that can be applied.
public struct VerificationPolicy: Sendable, Hashable {
  /// What a signature must be to count; made once for the policy, so that a request only passes it on.
  public let demand: SignatureDemand
  /// What becomes of an object with an image that is not verified.
  public let failurePolicy: FailurePolicy
  /// How a verified image is written back.
  public let pin: PinMode
  /// Names of Secrets of the namespace with registry credentials, in order of preference.
  public let imagePullSecrets: [String]
  /// Images that need no verification.
  public let exemptImages: [ImagePattern]

  /// The keys that are trusted; a signature by any of them, or by one of the demand's identities, counts.
  public var keys: [PublicKey] { demand.keys.map(\.key) }
  /// Whether a signature counts without proof that it is in the transparency log.
  public var ignoresLog: Bool { !demand.requiresLog }

  /// Which annotation has no effect, in words for whoever applies an object; nil if all have.
  public var warning: String? {
    guard ignoresLog, !demand.logKeys.isEmpty else { return nil }
    return "\(PolicyAnnotation.logKey.fullName) of the namespace has no effect beside "
      + "\(PolicyAnnotation.ignoreLog.fullName) \"true\": no log is read, so remove one of the two"
  }

  /// A policy of these parts.
  public init(
    demand: SignatureDemand, failurePolicy: FailurePolicy = .block, pin: PinMode = .tagAndDigest,
    imagePullSecrets: [String] = [], exemptImages: [ImagePattern] = []
  ) {
    self.demand = demand
    self.failurePolicy = failurePolicy
    self.pin = pin
    self.imagePullSecrets = imagePullSecrets
    self.exemptImages = exemptImages
  }

  /// A policy that trusts keys, at any time.
  public init(
    keys: [PublicKey], ignoresLog: Bool, failurePolicy: FailurePolicy = .block, pin: PinMode = .tagAndDigest,
    imagePullSecrets: [String] = [], exemptImages: [ImagePattern] = []
  ) {
    self.init(
      demand: SignatureDemand(keys: keys.map { TrustedKey($0) }, requiresLog: !ignoresLog),
      failurePolicy: failurePolicy, pin: pin, imagePullSecrets: imagePullSecrets, exemptImages: exemptImages)
  }
}

/// A namespace's policy, ready for use: what Admission asks for.
public enum NamespacePolicy: Sendable, Hashable {
  /// Verification is off; `warning` if policy annotations stand there without effect.
  case off(warning: String?)
  /// Verification is on.
  case enabled(VerificationPolicy)
  /// Counts as a failed verification of every image, under this failure policy.
  case invalid(message: String, failurePolicy: FailurePolicy)
  /// The namespace exists but something its policy names could not be read now (API server away).
  case unavailable(message: String, failurePolicy: FailurePolicy)
}
