public import Crypto

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
    /// By a certificate; identities are not supported yet.
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

/// What a candidate was found to prove: the image's digest is signed by `key`.
public struct VerifiedSignature: Sendable, Hashable {
  /// The formats that signatures have.
  public enum Format: String, Sendable, Hashable {
    /// A payload with its signature in an annotation: cosign 1 and 2, skopeo, Podman.
    case simpleSigning = "simple signing"
    /// A Sigstore bundle: cosign 3.
    case bundle = "bundle"
  }

  /// The key that signed.
  public let key: KeyFingerprint
  /// The format it was found in.
  public let format: Format
  /// Whether a proof of the transparency log was verified with it. Always false until logs are supported.
  public let isLogged: Bool

  /// A finding.
  public init(key: KeyFingerprint, format: Format, isLogged: Bool) {
    self.key = key
    self.format = format
    self.isLogged = isLogged
  }
}
