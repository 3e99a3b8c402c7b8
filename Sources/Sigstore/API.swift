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
  }
  public let reason: Reason
  public let description: String
  public init(_ reason: Reason, _ description: String) { self.reason = reason; self.description = description }
}

/// What a candidate was found to prove: the image's digest is signed by `key`.
public struct VerifiedSignature: Sendable, Hashable {
  public enum Format: String, Sendable, Hashable { case simpleSigning = "simple signing", bundle = "bundle" }
  public let key: KeyFingerprint
  public let format: Format
  /// Whether a proof of the transparency log was verified with it. Always false until logs are supported.
  public let isLogged: Bool
  public init(key: KeyFingerprint, format: Format, isLogged: Bool) { self.key = key; self.format = format; self.isLogged = isLogged }
}

public enum ImageSignature {
  /// Judges one candidate against `keys` (each tried; the first that verifies wins). Pure.
  public static func verify(_ candidate: SignatureCandidate, imageDigest: Digest, keys: [PublicKey]) throws(CandidateRejection) -> VerifiedSignature { fatalError("skeleton") }
  /// The default simple signing payload that cosign writes for this repository name and digest.
  public static func defaultPayload(dockerReference: String, digest: Digest) -> [UInt8] { fatalError("skeleton") }
  /// The signature tag: `sha256-HEX.sig`.
  public static func signatureTag(_ digest: Digest) -> String { "\(digest.algorithm.rawValue)-\(digest.hex).sig" }
}

/// Media types and annotation names of the formats.
public enum MediaType {
  public static let simpleSigning = "application/vnd.dev.cosign.simplesigning.v1+json"
  public static let bundleV03 = "application/vnd.dev.sigstore.bundle.v0.3+json"
  public static let bundlePrefix = "application/vnd.dev.sigstore.bundle"
  public static let cosignSignatureArtifact = "application/vnd.dev.cosign.artifact.sig.v1+json"
  public static let signatureAnnotation = "dev.cosignproject.cosign/signature"
}

/// Makes signatures: for the demo and tests, in the exact bytes that cosign 2 and 3 write.
public enum ImageSigner {
  /// A cosign 2 payload with its base64 signature.
  public static func simpleSigning(dockerReference: String, digest: Digest, key: PrivateKey) throws(KeyError) -> (payload: [UInt8], signature: String) { fatalError("skeleton") }
  /// A cosign 3 bundle (DSSE, in-toto statement of this predicate type).
  public static func bundle(digest: Digest, key: PrivateKey, predicateType: String = "https://sigstore.dev/cosign/sign/v1") throws(KeyError) -> [UInt8] { fatalError("skeleton") }
}
