public import Crypto
import JSON

/// Signatures of container images, as cosign, skopeo and Podman make them with a key.
public enum ImageSignature {
  /// The one type of payload that is an image's signature.
  static let payloadType = "cosign container image signature"
  /// The one predicate type whose statement is an image's signature; all others are attestations.
  static let predicateType = "https://sigstore.dev/cosign/sign/v1"
  /// Bytes of a payload or bundle that are looked at.
  static let maximumByteCount = 1 << 20

  /// Judges one candidate against `keys` (each tried; the first that verifies wins). Pure.
  ///
  /// The signature is verified before anything in the payload is believed, and the payload's digest must be
  /// `imageDigest`. What a candidate says about itself (the bundle's hint, algorithms, descriptors) chooses neither the
  /// key nor the scheme. Transparency log entries are read for their form and not evaluated.
  public static func verify(
    _ candidate: SignatureCandidate, imageDigest: Digest, keys: [PublicKey]
  ) throws(CandidateRejection) -> VerifiedSignature {
    guard !keys.isEmpty else { throw CandidateRejection(.otherKey, "no key is trusted, so nobody's signature counts") }
    switch candidate {
    case .simpleSigning(let payload, let layerMediaType, let annotations):
      let signed = try SimpleSigning(payload: payload, layerMediaType: layerMediaType, annotations: annotations)
      let key = try signed.signer(among: keys)
      try signed.requirePayload(naming: imageDigest, signedBy: key)
      return VerifiedSignature(key: key.fingerprint, format: .simpleSigning, isLogged: false)
    case .bundle(let bytes):
      let bundle = try Bundle(parsing: bytes)
      let key = try bundle.signer(among: keys)
      try Statement.require(bundle.envelope.payload, naming: imageDigest, signedBy: key)
      return VerifiedSignature(key: key.fingerprint, format: .bundle, isLogged: false)
    }
  }

  /// The default simple signing payload that cosign writes for this repository name and digest, to the byte.
  public static func defaultPayload(dockerReference: String, digest: Digest) -> [UInt8] {
    var writer = JSONWriter()
    writer.object { root in
      root.name("critical")
      root.object { critical in
        critical.name("identity")
        critical.object { $0.member("docker-reference", dockerReference) }
        critical.name("image")
        critical.object { $0.member("docker-manifest-digest", digest.description) }
        critical.member("type", payloadType)
      }
      root.name("optional")
      root.null()
    }
    return writer.bytes
  }

  /// The signature tag: `sha256-HEX.sig`.
  public static func signatureTag(_ digest: Digest) -> String { "\(digest.algorithm.rawValue)-\(digest.hex).sig" }
}
