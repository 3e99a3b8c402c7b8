public import Crypto
import JSON
import Primitives

/// Makes signatures: for the demo and tests, in the exact bytes that cosign 2 and 3 write.
public enum ImageSigner {
  /// A cosign 2 payload with its base64 signature.
  public static func simpleSigning(
    dockerReference: String, digest: Digest, key: PrivateKey
  ) throws(KeyError) -> (payload: [UInt8], signature: String) {
    let payload = ImageSignature.defaultPayload(dockerReference: dockerReference, digest: digest)
    let scheme: SignatureScheme =
      switch key.publicKey.kind {
      case .p256, .p384, .p521: .ecdsa(.sha256)
      case .rsa: .rsaPKCS1v15(.sha256)
      case .ed25519: .ed25519
      }
    return (payload, Base64.encode(try key.sign(payload, scheme: scheme)))
  }

  /// A cosign 3 bundle (DSSE, in-toto statement of this predicate type). Ed25519 is signed as Ed25519ph, as cosign does,
  /// where OpenSSL has it, else pure.
  public static func bundle(
    digest: Digest, key: PrivateKey, predicateType: String = "https://sigstore.dev/cosign/sign/v1"
  ) throws(KeyError) -> [UInt8] {
    let statement = statement(digest: digest, predicateType: predicateType)
    let scheme: SignatureScheme =
      switch key.publicKey.kind {
      case .p256: .ecdsa(.sha256)
      case .p384: .ecdsa(.sha384)
      case .p521: .ecdsa(.sha512)
      case .rsa: .rsaPKCS1v15(.sha256)
      case .ed25519: PublicKey.canVerifyEd25519ph ? .ed25519ph : .ed25519
      }
    let signature = try key.sign(Envelope.preAuthenticationEncoding(of: statement), scheme: scheme)
    return bundle(statement: statement, signature: signature, key: key.publicKey)
  }

  /// The statement that cosign 3 writes.
  static func statement(digest: Digest, predicateType: String) -> [UInt8] {
    var writer = JSONWriter()
    writer.object { root in
      root.member("_type", Statement.type)
      root.name("subject")
      root.array { subjects in
        subjects.object { subject in
          subject.name("digest")
          subject.object { $0.member(digest.algorithm.rawValue, digest.hex) }
          subject.name("annotations")
          subject.object { _ in }
        }
      }
      root.member("predicateType", predicateType)
      root.name("predicate")
      root.object { _ in }
    }
    return writer.bytes
  }

  /// The bundle that cosign 3 writes around a signed statement.
  static func bundle(statement: [UInt8], signature: [UInt8], key: PublicKey) -> [UInt8] {
    var writer = JSONWriter(capacity: 1024)
    writer.object { root in
      root.member("mediaType", MediaType.bundleV03)
      root.name("verificationMaterial")
      root.object { material in
        material.name("publicKey")
        material.object { $0.member("hint", Base64.encode(key.fingerprint.bytes)) }
      }
      root.name("dsseEnvelope")
      root.object { envelope in
        envelope.member("payload", Base64.encode(statement))
        envelope.member("payloadType", MediaType.inTotoStatement)
        envelope.name("signatures")
        envelope.array { signatures in
          signatures.object { $0.member("sig", Base64.encode(signature)) }
        }
      }
    }
    return writer.bytes
  }
}
