import Crypto
import JSON
import Primitives

/// The identifier of a key: SHA-256 of its canonical JSON.
struct TUFKeyID: Hashable, Sendable {
  let bytes: [UInt8]

  /// What `text` spells, or nil: 64 lower-case digits and nothing else. As bytes, so that no two spellings are one.
  init?(_ text: String) {
    guard text.utf8.count == 64, let bytes = Hex.decode(text) else { return nil }
    self.bytes = bytes
  }
}

/// A key of a root's list (TUF 1.0, section 4.2), of a kind that can be verified here: ECDSA P-256 and P-384, Ed25519.
struct TUFKey: Sendable {
  let key: PublicKey
  let scheme: SignatureScheme

  /// Reads `value`, which is listed under `id`; the error says why it cannot count.
  init(_ value: JSONValue, id: TUFKeyID) throws(KeyError) {
    do {
      // Section 4.2: "Clients MUST calculate each KEYID to verify this is correct for the associated key."
      guard HashAlgorithm.sha256.hash(try CanonicalJSON.encode(value)) == id.bytes else {
        throw KeyError("its identifier is not the hash of its content")
      }
      let type = try value.member("keytype").string()
      let scheme = try value.member("scheme").string()
      let text = try value.member("keyval").member("public").string()
      guard type.utf8.count <= 64, scheme.utf8.count <= 64, text.utf8.count <= 4096 else {
        throw KeyError("it is larger than keys are")
      }
      (key, self.scheme) = try Self.key(type: type, scheme: scheme, text: text)
    } catch let error as JSONError {
      throw KeyError("it is malformed: \(error.description)")
    } catch let error as KeyError {
      throw error
    } catch {
      throw KeyError("it is malformed")
    }
  }

  private static func key(
    type: String, scheme: String, text: String
  ) throws(KeyError) -> (PublicKey, SignatureScheme) {
    let key: PublicKey
    let result: SignatureScheme
    switch (Array(type.utf8), Array(scheme.utf8)) {
    case (Array("ecdsa".utf8), Array("ecdsa-sha2-nistp256".utf8)),
      (Array("ecdsa-sha2-nistp256".utf8), Array("ecdsa-sha2-nistp256".utf8)):
      (key, result) = (try ellipticCurveKey(text), .ecdsa(.sha256))
      guard key.kind == .p256 else { throw KeyError("its scheme is for P-256, the key is \(key.kind)") }
    case (Array("ecdsa".utf8), Array("ecdsa-sha2-nistp384".utf8)),
      (Array("ecdsa-sha2-nistp384".utf8), Array("ecdsa-sha2-nistp384".utf8)):
      (key, result) = (try ellipticCurveKey(text), .ecdsa(.sha384))
      guard key.kind == .p384 else { throw KeyError("its scheme is for P-384, the key is \(key.kind)") }
    case (Array("ed25519".utf8), Array("ed25519".utf8)):
      guard let point = Hex.decode(text), point.count == 32 else {
        throw KeyError("it is not the 64 digits of an Ed25519 key")
      }
      (key, result) = (try PublicKey(subjectPublicKeyInfo: ed25519Prefix + point), .ed25519)
    default:
      throw KeyError(
        "keys of type \(type.printable()) with scheme \(scheme.printable()) are not verified here; taken are"
          + " ecdsa-sha2-nistp256, ecdsa-sha2-nistp384 and ed25519")
    }
    return (key, result)
  }

  /// PEM, or, as the first four roots of the public repository have it, the digits of an uncompressed point.
  private static func ellipticCurveKey(_ text: String) throws(KeyError) -> PublicKey {
    if let point = Hex.decode(text), point.count == 65 {
      return try PublicKey(subjectPublicKeyInfo: p256Prefix + point)
    }
    guard let key = try PublicKey.parsePEM(text, maximumCount: 1).first else { throw KeyError("it holds no key") }
    return key
  }

  /// SubjectPublicKeyInfo up to the point (RFC 5480).
  private static let p256Prefix: [UInt8] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce,
    0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
  ]
  /// SubjectPublicKeyInfo up to the key (RFC 8410).
  private static let ed25519Prefix: [UInt8] = [
    0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00,
  ]
}
