/// Media types and annotation names of the formats.
public enum MediaType {
  /// A layer that is a simple signing payload.
  public static let simpleSigning = "application/vnd.dev.cosign.simplesigning.v1+json"
  /// A Sigstore bundle of version 0.3, the only one that is read.
  public static let bundleV03 = "application/vnd.dev.sigstore.bundle.v0.3+json"
  /// How the media types of bundles of all versions begin.
  public static let bundlePrefix = "application/vnd.dev.sigstore.bundle"
  /// The config media type (artifact type) of the referrer that cosign 2 writes for simple signing layers.
  public static let cosignSignatureArtifact = "application/vnd.dev.cosign.artifact.sig.v1+json"
  /// The layer's annotation that holds the base64 signature.
  public static let signatureAnnotation = "dev.cosignproject.cosign/signature"

  /// The other spelling of `bundleV03` in the bundle's own `mediaType`.
  static let bundleV03Parameter = "application/vnd.dev.sigstore.bundle+json;version=0.3"
  /// A layer that is an attestation of cosign 1 and 2.
  static let envelope = "application/vnd.dsse.envelope.v1+json"
  /// The payload type of a DSSE envelope around an in-toto statement.
  static let inTotoStatement = "application/vnd.in-toto+json"
  /// The layer's annotation that holds the signer's certificate, if it was signed without a key.
  static let certificateAnnotation = "dev.sigstore.cosign/certificate"
  /// The layer's annotation that holds a time-stamp of RFC 3161.
  static let timestampAnnotation = "dev.sigstore.cosign/rfc3161timestamp"
}
