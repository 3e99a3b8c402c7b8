import COpenSSL

/// A public key that may verify signatures: ECDSA on P-256, P-384 or P-521, Ed25519, or RSA of 2048 to 8192 bits.
///
/// Decoded once; immutable; may be used from many threads at a time.
public final class PublicKey: Sendable, Hashable {
  /// What kind of key it is.
  public enum Kind: Sendable, Hashable, CustomStringConvertible {
    /// ECDSA on the curve of this name.
    case p256, p384, p521
    /// Ed25519 (RFC 8032).
    case ed25519
    /// RSA with a modulus of so many bits.
    case rsa(bits: Int)

    /// As it stands in messages: `ECDSA P-256`, `RSA 2048`.
    public var description: String {
      switch self {
      case .p256: "ECDSA P-256"
      case .p384: "ECDSA P-384"
      case .p521: "ECDSA P-521"
      case .ed25519: "Ed25519"
      case .rsa(let bits): "RSA \(bits)"
      }
    }

    /// Bytes of a coordinate, and of each half of a raw signature; nil for keys that are not on a NIST curve.
    var coordinateByteCount: Int? {
      switch self {
      case .p256: 32
      case .p384: 48
      case .p521: 66
      case .ed25519, .rsa: nil
      }
    }
  }

  /// What kind of key it is.
  public let kind: Kind
  /// The key as SubjectPublicKeyInfo (RFC 5280 §4.1.2.7), DER.
  public let subjectPublicKeyInfo: [UInt8]
  /// SHA-256 of `subjectPublicKeyInfo`.
  public let fingerprint: KeyFingerprint
  let handle: KeyHandle

  /// The key with this encoding, which must be the one canonical encoding of a key of the kinds above.
  public convenience init(subjectPublicKeyInfo: [UInt8]) throws(KeyError) {
    try self.init(subjectPublicKeyInfo: subjectPublicKeyInfo, decoded: nil)
  }

  /// The same, where OpenSSL has decoded it already (decoding costs more than verifying with it). Takes over `decoded`.
  init(subjectPublicKeyInfo: [UInt8], decoded: OpaquePointer?) throws(KeyError) {
    let decoded = decoded.map(KeyHandle.init(owning:))
    kind = try SubjectPublicKeyInfo.kind(of: subjectPublicKeyInfo)
    self.subjectPublicKeyInfo = subjectPublicKeyInfo
    fingerprint = KeyFingerprint(hashing: subjectPublicKeyInfo)
    let context = OpenSSLContext.shared.pointer
    let own =
      decoded
      ?? subjectPublicKeyInfo.withUnsafeBufferPointer { buffer in
        var position = buffer.baseAddress
        return d2i_PUBKEY_ex(nil, &position, buffer.count, context, nil)
      }.map(KeyHandle.init(owning:))
    guard let own else {
      let reason = takeOpenSSLError()
      throw KeyError(
        kind.coordinateByteCount == nil
          ? "OpenSSL cannot read the \(kind) key: \(reason)"
          : "the key's point is not on the curve of \(kind) (\(reason))")
    }
    handle = own
    defer { ERR_clear_error() }
    if kind.coordinateByteCount != nil {
      let check = EVP_PKEY_CTX_new_from_pkey(context, own.pointer, nil)
      defer { EVP_PKEY_CTX_free(check) }
      guard EVP_PKEY_public_check(check) == 1 else { throw KeyError("the key's point is not on the curve of \(kind)") }
    }
    guard handle.subjectPublicKeyInfo == subjectPublicKeyInfo else {
      throw KeyError("the key's DER is not canonical: written again it differs")
    }
  }

  /// A PEM block `PUBLIC KEY`, with a newline at its end.
  public var pem: String { PEM.block("PUBLIC KEY", subjectPublicKeyInfo) }

  /// Whether both are the same key.
  public static func == (left: PublicKey, right: PublicKey) -> Bool { left.fingerprint == right.fingerprint }

  /// Hashes the fingerprint.
  public func hash(into hasher: inout Hasher) { hasher.combine(fingerprint) }
}
