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
    return (payload, Base64.encode(try key.sign(payload, scheme: payloadScheme(key))))
  }

  /// A cosign 2 payload with the annotations of its layer: the signature and, with `log`, the proof of that log.
  public static func layer(
    dockerReference: String, digest: Digest, key: PrivateKey, annotations: [String: String] = [:],
    log: MemoryLog? = nil, at time: UnixTime = 1_767_225_600
  ) throws(KeyError) -> (payload: [UInt8], annotations: [String: String]) {
    let payload = ImageSignature.payload(dockerReference: dockerReference, digest: digest, annotations: annotations)
    let signature = try key.sign(payload, scheme: payloadScheme(key))
    var layer = [MediaType.signatureAnnotation: Base64.encode(signature)]
    if let log {
      layer[MediaType.logAnnotation] =
        try log.logPayload(payload, signature: signature, verifierPEM: key.publicKey.pem, at: time).annotation
    }
    return (payload, layer)
  }

  private static func payloadScheme(_ key: PrivateKey) -> SignatureScheme {
    switch key.publicKey.kind {
    case .p256, .p384, .p521: .ecdsa(.sha256)
    case .rsa: .rsaPKCS1v15(.sha256)
    case .ed25519: .ed25519
    }
  }

  /// A cosign 3 bundle (DSSE, in-toto statement of this predicate type), with `log` the entry of that log. Ed25519 is
  /// signed as Ed25519ph, as cosign does, where OpenSSL has it, else pure.
  public static func bundle(
    digest: Digest, key: PrivateKey, predicateType: String = "https://sigstore.dev/cosign/sign/v1",
    annotations: [String: String] = [:], log: MemoryLog? = nil, at time: UnixTime = 1_767_225_600
  ) throws(KeyError) -> [UInt8] {
    let statement = statement(digest: digest, predicateType: predicateType, annotations: annotations)
    let scheme: SignatureScheme =
      switch key.publicKey.kind {
      case .p256: .ecdsa(.sha256)
      case .p384: .ecdsa(.sha384)
      case .p521: .ecdsa(.sha512)
      case .rsa: .rsaPKCS1v15(.sha256)
      case .ed25519: PublicKey.canVerifyEd25519ph ? .ed25519ph : .ed25519
      }
    let encoding = Envelope.preAuthenticationEncoding(of: statement)
    let signature = try key.sign(encoding, scheme: scheme)
    let entry = try log?.logEnvelope(
      payload: statement, preAuthenticationEncoding: encoding, signature: signature, key: key.publicKey, at: time)
    return bundle(statement: statement, signature: signature, key: key.publicKey, logEntry: entry)
  }

  /// The statement that cosign 3 writes.
  static func statement(
    digest: Digest, predicateType: String, annotations: [String: String] = [:]
  ) -> [UInt8] {
    var writer = JSONWriter()
    writer.object { root in
      root.member("_type", Statement.type)
      root.name("subject")
      root.array { subjects in
        subjects.object { subject in
          subject.name("digest")
          subject.object { $0.member(digest.algorithm.rawValue, digest.hex) }
          subject.name("annotations")
          subject.object { members in
            for (name, value) in annotations.sorted(by: { $0.key < $1.key }) { members.member(name, value) }
          }
        }
      }
      root.member("predicateType", predicateType)
      root.name("predicate")
      root.object { _ in }
    }
    return writer.bytes
  }

  /// The bundle that cosign 3 writes around a signed statement.
  static func bundle(
    statement: [UInt8], signature: [UInt8], key: PublicKey, logEntry: String? = nil
  ) -> [UInt8] {
    var writer = JSONWriter(capacity: 1024)
    writer.object { root in
      root.member("mediaType", MediaType.bundleV03)
      root.name("verificationMaterial")
      root.object { material in
        material.name("publicKey")
        material.object { $0.member("hint", Base64.encode(key.fingerprint.bytes)) }
        if let logEntry {
          material.name("tlogEntries")
          material.array { $0.raw(logEntry.utf8) }
        }
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
