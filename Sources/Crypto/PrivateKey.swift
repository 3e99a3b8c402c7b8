import COpenSSL

/// A private key, for the demo, development certificates and tests.
public final class PrivateKey: Sendable {
  /// The public half.
  public let publicKey: PublicKey
  let handle: KeyHandle

  /// A new key of this kind.
  public convenience init(generating kind: PublicKey.Kind) throws(KeyError) {
    let context = OpenSSLContext.shared.pointer
    let pointer =
      switch kind {
      case .p256: pinseal_generate_ec(context, "P-256")
      case .p384: pinseal_generate_ec(context, "P-384")
      case .p521: pinseal_generate_ec(context, "P-521")
      case .ed25519: pinseal_generate_ed25519(context)
      case .rsa(let bits):
        SubjectPublicKeyInfo.rsaBits.contains(bits) ? pinseal_generate_rsa(context, bits) : nil
      }
    guard let pointer else { throw KeyError("no \(kind) key could be made: \(takeOpenSSLError())") }
    try self.init(owning: KeyHandle(owning: pointer))
  }

  /// The key of a PEM block `PRIVATE KEY`, `EC PRIVATE KEY` or `RSA PRIVATE KEY`, the first of the text; not encrypted.
  public convenience init(pem: String) throws(KeyError) {
    guard let pointer = withOpenSSLSource(pem, { pinseal_read_private_key($0, OpenSSLContext.shared.pointer) }) else {
      throw KeyError("the text holds no unencrypted private key in PEM: \(takeOpenSSLError())")
    }
    ERR_clear_error()
    try self.init(owning: KeyHandle(owning: pointer))
  }

  private init(owning handle: KeyHandle) throws(KeyError) {
    guard let encoded = handle.subjectPublicKeyInfo else {
      throw KeyError("the private key has no public half: \(takeOpenSSLError())")
    }
    publicKey = try PublicKey(subjectPublicKeyInfo: encoded)
    self.handle = handle
  }

  /// A PEM block `PRIVATE KEY` (PKCS #8), not encrypted.
  public var pem: String {
    let text = textFromOpenSSL { PEM_write_bio_PKCS8PrivateKey($0, handle.pointer, nil, nil, 0, nil, nil) }
    ERR_clear_error()
    // No key that this class holds is beyond PKCS #8.
    return text ?? ""
  }

  /// A signature over `message`; ECDSA in DER.
  public func sign(_ message: [UInt8], scheme: SignatureScheme) throws(KeyError) -> [UInt8] {
    if let reason = scheme.obstacle(for: publicKey.kind) { throw KeyError(reason) }
    guard let operation = EVP_MD_CTX_new() else { throw KeyError("OpenSSL has no memory") }
    defer {
      EVP_MD_CTX_free(operation)
      ERR_clear_error()
    }
    guard scheme.start(operation, handle.pointer, EVP_DigestSignInit_ex) else {
      throw KeyError("OpenSSL cannot start to sign with this key: \(takeOpenSSLError())")
    }
    // No signature of the kinds taken is longer: RSA with 8192 bits.
    var signature = [UInt8](repeating: 0, count: 1024)
    var count = signature.count
    let result = message.withUnsafeBufferPointer {
      EVP_DigestSign(operation, &signature, &count, $0.baseAddress, $0.count)
    }
    guard result == 1 else { throw KeyError("OpenSSL cannot sign: \(takeOpenSSLError())") }
    return Array(signature.prefix(count))
  }
}
