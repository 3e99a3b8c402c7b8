/// Why an image was refused: a closed set, leading each message, labelling the metric, listed in the README.
public enum RefusalCode: String, Sendable, Hashable, CaseIterable {
  /// The image reference does not follow the grammar of the distribution specification.
  case imageReferenceInvalid = "IMAGE_REFERENCE_INVALID"
  /// The registry says that there is no such tag or digest.
  case imageNotFound = "IMAGE_NOT_FOUND"
  /// The manifest's bytes do not have the digest that was asked for.
  case digestMismatch = "DIGEST_MISMATCH"
  /// No signature lies at any of the places where one could.
  case signatureNotFound = "SIGNATURE_NOT_FOUND"
  /// There are signatures, none by a trusted key.
  case signatureKeyMismatch = "SIGNATURE_KEY_MISMATCH"
  /// Signed with a certificate, none of whose names and issuer is one that the policy asks for.
  case identityMismatch = "IDENTITY_MISMATCH"
  /// Signed with a certificate that does not verify against the trust root.
  case certificateInvalid = "CERTIFICATE_INVALID"
  /// Nothing that can be trusted says when it was signed, where that matters.
  case timestampInvalid = "TIMESTAMP_INVALID"
  /// A signature is malformed, or names something other than this image.
  case signatureInvalid = "SIGNATURE_INVALID"
  /// More candidates lie there than are looked at, and none of those looked at was good.
  case signatureLimitExceeded = "SIGNATURE_LIMIT_EXCEEDED"
  /// A good signature, but no proof that it is in the transparency log.
  case logProofMissing = "LOG_PROOF_MISSING"
  /// A signature by a trusted key or identity, whose proof of the transparency log does not verify.
  case logProofInvalid = "LOG_PROOF_INVALID"
  /// The transparency log did not answer when it was asked for a proof that was not attached.
  case logUnavailable = "LOG_UNAVAILABLE"
  /// Signed by a trusted key outside of the time in which the policy trusts it.
  case keyOutsideValidity = "KEY_OUTSIDE_VALIDITY"
  /// What is signed names another repository, or none, and the policy wants this one.
  case signedIdentityMismatch = "SIGNED_IDENTITY_MISMATCH"
  /// What is signed lacks an annotation that the policy asks for.
  case annotationMismatch = "ANNOTATION_MISMATCH"
  /// The registry did not answer, or answered with an error that says nothing about the image.
  case registryUnavailable = "REGISTRY_UNAVAILABLE"
  /// The registry refused the credentials that were at hand, or wants some and none matched.
  case registryUnauthorized = "REGISTRY_UNAUTHORIZED"
  /// What the registry sent breaks the protocol or a bound.
  case registryMisbehaved = "REGISTRY_MISBEHAVED"
  /// Time ran out; the message says at which step.
  case deadlineExceeded = "DEADLINE_EXCEEDED"
  /// The namespace's annotations do not make a policy.
  case policyInvalid = "POLICY_INVALID"
  /// The namespace, or a key or Secret that its policy names, could not be read now.
  case policyUnavailable = "POLICY_UNAVAILABLE"
  /// `/validate` met an image that is not pinned to a digest.
  case imageNotPinned = "IMAGE_NOT_PINNED"
  /// The review or the object in it is not of the form that Kubernetes sends.
  case objectInvalid = "OBJECT_INVALID"
  /// A fault of Pinseal itself, noticed before it could do harm.
  case internalError = "INTERNAL_ERROR"

  /// Whether the answer may change without anybody changing the image, its signatures or the policy.
  public var isTransient: Bool {
    switch self {
    case .registryUnavailable, .logUnavailable, .deadlineExceeded, .policyUnavailable, .internalError: true
    default: false
    }
  }
}
