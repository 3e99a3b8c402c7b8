import Crypto

/// What the annotations of a namespace come to.
public enum PolicyReading: Sendable, Hashable {
  /// Verification is off; `warning` if policy annotations stand there without effect.
  case off(warning: String?)
  /// Verification is on; keys that lie elsewhere are still to be read.
  case enabled(PolicyDraft)
  /// Counts as a failed verification of every image, under this failure policy.
  case invalid(PolicyError, failurePolicy: FailurePolicy)
}

/// A namespace's policy as its annotations say it; keys that lie elsewhere still to be read.
public struct PolicyDraft: Sendable, Hashable {
  /// Where the keys are.
  public var keySource: KeySource
  /// Whether a signature counts without proof that it is in the transparency log.
  public var ignoresLog: Bool
  /// What becomes of an object with an image that is not verified.
  public var failurePolicy: FailurePolicy
  /// How a verified image is written back.
  public var pin: PinMode
  /// Names of Secrets of the namespace with registry credentials, in order of preference, none twice.
  public var imagePullSecrets: [String]
  /// Images that need no verification.
  public var exemptImages: [ImagePattern]

  /// The policy once the text at `keySource` was read (`text` nil for inline keys).
  ///
  /// The text is held to the same rules and bounds as keys in the annotation itself. Throws if it holds no usable key;
  /// the message says where the text came from and never quotes it.
  public func resolved(keyText: String?) throws(PolicyError) -> VerificationPolicy {
    let keys: [PublicKey]
    switch keySource {
    case .inline(let inline): keys = inline
    case .secret, .configMap:
      guard let keyText else {
        throw PolicyError(.publicKey, "the key text at \(keySource) was not read")
      }
      do throws(KeyTextError) {
        keys = try parseKeys(keyText)
      } catch {
        throw PolicyError(.publicKey, "\(keySource) \(error.problem)")
      }
    }
    return VerificationPolicy(
      keys: keys, ignoresLog: ignoresLog, failurePolicy: failurePolicy, pin: pin, imagePullSecrets: imagePullSecrets,
      exemptImages: exemptImages)
  }
}
