import Crypto
public import Sigstore

/// What the annotations of a namespace come to.
public enum PolicyReading: Sendable, Hashable {
  /// Verification is off; `warning` if policy annotations stand there without effect.
  case off(warning: String?)
  /// Verification is on; keys that lie elsewhere are still to be read.
  case enabled(PolicyDraft)
  /// Counts as a failed verification of every image, under this failure policy.
  case invalid(PolicyError, failurePolicy: FailurePolicy)
}

/// The text that a `KeySource` leads to, and what stands beside it.
public struct KeyMaterial: Sendable, Hashable {
  /// The value under the data key that the source names.
  public var text: String
  /// The value under that data key with `.not-before` behind it, if there is one.
  public var notBefore: String?
  /// The value under that data key with `.not-after` behind it, if there is one.
  public var notAfter: String?

  /// What was read.
  public init(text: String, notBefore: String? = nil, notAfter: String? = nil) {
    self.text = text
    self.notBefore = notBefore
    self.notAfter = notAfter
  }

  /// What the data key with the beginning of a key's validity has behind the name of the key's own.
  public static let notBeforeSuffix = ".not-before"
  /// The other end.
  public static let notAfterSuffix = ".not-after"
}

/// A namespace's policy as its annotations say it; keys that lie elsewhere still to be read.
public struct PolicyDraft: Sendable, Hashable {
  /// Where the keys are; nil if only identities are trusted.
  public var keySource: KeySource?
  /// The identities that are trusted; one at least if there are no keys.
  public var identities: [IdentityMatcher]
  /// Where the keys of the only logs that count are; nil for the logs of the trust root.
  public var logKeySource: KeySource?
  /// Whether a signature counts without proof that it is in the transparency log.
  public var ignoresLog: Bool
  /// Whether what is signed must name the repository.
  public var signedIdentity: SignedIdentity
  /// What must be signed with it.
  public var signatureAnnotations: [String: String]
  /// What becomes of an object with an image that is not verified.
  public var failurePolicy: FailurePolicy
  /// How a verified image is written back.
  public var pin: PinMode
  /// Names of Secrets of the namespace with registry credentials, in order of preference, none twice.
  public var imagePullSecrets: [String]
  /// Images that need no verification.
  public var exemptImages: [ImagePattern]

  /// The sources that must be read before the draft can be resolved, `public-key` first.
  public var sourcesToRead: [KeySource] {
    [keySource, logKeySource].compactMap { source in
      if case .inline = source { nil } else { source }
    }
  }

  /// The policy with keys that need not be read, or with the text of `public-key`.
  public func resolved(keyText: String?) throws(PolicyError) -> VerificationPolicy {
    try resolved(publicKey: keyText.map { KeyMaterial(text: $0) }, logKey: nil)
  }

  /// The policy once what lies at `keySource` and at `logKeySource` was read (nil for inline keys and absent sources).
  ///
  /// The text is held to the same rules and bounds as keys in the annotation itself. Throws if it holds no usable key;
  /// the message says where the text came from and never quotes it.
  public func resolved(publicKey: KeyMaterial?, logKey: KeyMaterial?) throws(PolicyError) -> VerificationPolicy {
    var keys: [TrustedKey] = []
    if let keySource {
      let validity = try keyValidity(publicKey, at: keySource)
      keys = try Self.keys(at: keySource, material: publicKey, .publicKey).map { TrustedKey($0, validity: validity) }
    }
    var logKeys: [PublicKey] = []
    if let logKeySource {
      if logKey?.notBefore != nil || logKey?.notAfter != nil {
        throw PolicyError(
          .logKey,
          "\(logKeySource) has \(KeyMaterial.notBeforeSuffix) or \(KeyMaterial.notAfterSuffix) beside it, which "
            + "only \(PolicyAnnotation.publicKey.fullName) may have; give a log's times in a trust root file")
      }
      logKeys = try Self.keys(at: logKeySource, material: logKey, .logKey)
    }
    return VerificationPolicy(
      demand: SignatureDemand(
        keys: keys, identities: identities, requiresLog: !ignoresLog, logKeys: logKeys, signedIdentity: signedIdentity,
        annotations: signatureAnnotations),
      failurePolicy: failurePolicy, pin: pin, imagePullSecrets: imagePullSecrets, exemptImages: exemptImages)
  }

  private static func keys(
    at source: KeySource, material: KeyMaterial?, _ annotation: PolicyAnnotation
  ) throws(PolicyError) -> [PublicKey] {
    switch source {
    case .inline(let inline): return inline
    case .secret, .configMap:
      guard let material else { throw PolicyError(annotation, "the key text at \(source) was not read") }
      do throws(KeyTextError) {
        return try parseKeys(material.text)
      } catch {
        throw PolicyError(annotation, "\(source) \(error.problem)")
      }
    }
  }

  private func keyValidity(_ material: KeyMaterial?, at source: KeySource) throws(PolicyError) -> Validity {
    func time(_ text: String?, _ suffix: String) throws(PolicyError) -> UnixTime? {
      guard let text else { return nil }
      // Not quoted: it may be any value of a Secret.
      guard let time = InternetTime.parse(trimmed(text)), !time.hasFraction else {
        throw PolicyError(
          .publicKey, "\(source)\(suffix) is no time in UTC as RFC 3339 has it; write one such as 2026-01-31T00:00:00Z")
      }
      return time.second
    }
    let start = try time(material?.notBefore, KeyMaterial.notBeforeSuffix)
    let end = try time(material?.notAfter, KeyMaterial.notAfterSuffix)
    if let start, let end, start > end {
      throw PolicyError(
        .publicKey,
        "\(source)\(KeyMaterial.notBeforeSuffix) is later than its \(KeyMaterial.notAfterSuffix), so the key "
          + "would never be trusted")
    }
    return Validity(start: start, end: end)
  }
}
