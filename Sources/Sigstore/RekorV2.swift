import Crypto
import JSON
import Primitives

/// Entries of Rekor v2: hashedrekord 0.0.2, built again from the signature rather than read from the bundle.
enum RekorV2 {
  static let kind = "hashedrekord"
  static let version = "0.0.2"

  /// The entry that the log has if it has `signature`: canonical JSON (RFC 8785), to the byte.
  static func entry(of signature: LoggedSignature) throws(CandidateRejection) -> [UInt8] {
    let key = try signature.verifier.key
    guard let scheme = scheme(of: key.kind) else {
      throw CandidateRejection(.logProofInvalid, "its log entry is of Rekor v2, which takes no \(key.kind) keys")
    }
    let digest: [UInt8]
    switch signature.content {
    case .payload(let bytes), .dsse(_, let bytes): digest = scheme.algorithm.hash(bytes)
    case .messageDigest(let algorithm, let bytes):
      // Chosen by the key: what the bundle calls the algorithm may only agree.
      guard algorithm == scheme.algorithm else {
        throw CandidateRejection(
          .logProofInvalid,
          "its digest is of \(algorithm.rawValue), but Rekor v2 logs \(scheme.algorithm.rawValue) for \(key.kind) keys")
      }
      digest = bytes
    }
    var writer = JSONWriter(capacity: 1024)
    writer.object { root in
      root.member("apiVersion", version)
      root.member("kind", kind)
      root.name("spec")
      root.object { spec in
        spec.name("hashedRekordV002")
        spec.object { record in
          record.name("data")
          record.object { data in
            data.member("algorithm", scheme.digest)
            data.member("digest", Base64.encode(digest))
          }
          record.name("signature")
          record.object { content in
            content.member("content", Base64.encode(signature.signature))
            content.name("verifier")
            content.object { write(signature.verifier, scheme.details, &$0) }
          }
        }
      }
    }
    return writer.bytes
  }

  private static func write(_ verifier: LoggedSignature.Verifier, _ details: String, _ writer: inout JSONWriter) {
    writer.member("keyDetails", details)
    switch verifier {
    case .key(let key):
      writer.name("publicKey")
      writer.object { $0.member("rawBytes", Base64.encode(key.subjectPublicKeyInfo)) }
    case .certificate(let certificate):
      writer.name("x509Certificate")
      writer.object { $0.member("rawBytes", Base64.encode(certificate.der)) }
    }
  }

  /// How protobuf-specs (sigstore_common.proto) names what a key of this kind signs with.
  private static func scheme(
    of kind: PublicKey.Kind
  ) -> (details: String, digest: String, algorithm: HashAlgorithm)? {
    switch kind {
    case .p256: ("PKIX_ECDSA_P256_SHA_256", "SHA2_256", .sha256)
    case .p384: ("PKIX_ECDSA_P384_SHA_384", "SHA2_384", .sha384)
    case .p521: ("PKIX_ECDSA_P521_SHA_512", "SHA2_512", .sha512)
    case .ed25519: ("PKIX_ED25519_PH", "SHA2_512", .sha512)
    case .rsa(let bits) where [2048, 3072, 4096].contains(bits):
      ("PKIX_RSA_PKCS1V15_\(bits)_SHA256", "SHA2_256", .sha256)
    case .rsa: nil
    }
  }
}
