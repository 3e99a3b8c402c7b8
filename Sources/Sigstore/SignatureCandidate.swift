/// Something that may be a signature, as it lay in the registry: nothing of it is verified.
public enum SignatureCandidate: Sendable {
  /// A layer of a `.sig` manifest (or of cosign 2's OCI 1.1 referrer): the payload's raw bytes, the layer's media type and annotations.
  case simpleSigning(payload: [UInt8], layerMediaType: String, annotations: [String: String])
  /// A Sigstore bundle (JSON).
  case bundle([UInt8])
}

/// Why a candidate does not count.
public struct CandidateRejection: Error, Sendable, Equatable, CustomStringConvertible {
  /// The kinds of reason.
  public enum Reason: String, Sendable, Hashable {
    /// Not of the form; the description says what.
    case malformed
    /// Signed, but by none of the trusted keys.
    case otherKey
    /// Names another digest.
    case otherDigest
    /// A DSSE or bundle that is no image signature (an attestation, a message signature).
    case notAnImageSignature
    /// The signature scheme cannot be checked here (Ed25519ph before OpenSSL 3.2).
    case unsupported
    /// By a certificate, where only keys are trusted.
    case keyless
    /// No transparency log's proof is with it.
    case logProofMissing
    /// A proof of a trusted transparency log is with it, and does not hold; the description says what.
    case logProofInvalid
    /// Its proof is of a transparency log that is not trusted.
    case logUnknown
    /// The signer's certificate: its path, its time, its timestamps of transparency logs, its names.
    case certificateInvalid
    /// A time-stamp of an authority that does not hold.
    case timestampInvalid
    /// By a certificate of an identity that the policy does not allow.
    case identityMismatch
    /// By a key outside of the time in which it is trusted.
    case keyOutsideValidity
    /// What is signed lacks an annotation that the policy asks for.
    case annotationMismatch
    /// What is signed names another repository, or none.
    case signedIdentityMismatch
  }

  /// The kind of reason.
  public let reason: Reason
  /// The reason in words, as part of a sentence; printable, a few hundred characters at most.
  public let description: String

  /// A rejection of this kind, in these words.
  public init(_ reason: Reason, _ description: String) {
    self.reason = reason
    self.description = description
  }
}
