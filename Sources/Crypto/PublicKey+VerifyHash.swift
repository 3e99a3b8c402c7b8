import COpenSSL

extension PublicKey {
  /// Judges a signature over a message of which only the hash is at hand: ECDSA or RSA (PKCS #1 v1.5) with this hash.
  ///
  /// The hash must be one that was computed here, or that something else binds to the message: a signature over a hash
  /// says nothing of a message by itself. Ed25519 signs messages and not hashes, and is not judged.
  public func verify(_ signature: [UInt8], ofHash hash: [UInt8], algorithm: HashAlgorithm) -> SignatureCheck {
    guard hash.count == algorithm.byteCount else { return .invalid }
    guard !signature.isEmpty, signature.count <= 1024 else { return .invalid }
    if case .ed25519 = kind {
      return .unsupported("Ed25519 signs the message itself, and only a hash of it is at hand")
    }
    guard let size = kind.coordinateByteCount else { return checkHash(signature, hash, algorithm) }
    if signature.first == DERTag.sequence.rawValue {
      let result = checkHash(signature, hash, algorithm)
      if result != .invalid { return result }
    }
    guard signature.count == 2 * size else { return .invalid }
    let integers = DERWriter.integer(signature.prefix(size)) + DERWriter.integer(signature.suffix(size))
    return checkHash(DERWriter.value(.sequence, integers), hash, algorithm)
  }

  private func checkHash(_ signature: [UInt8], _ hash: [UInt8], _ algorithm: HashAlgorithm) -> SignatureCheck {
    ERR_clear_error()
    defer { ERR_clear_error() }
    guard let operation = EVP_PKEY_CTX_new_from_pkey(OpenSSLContext.shared.pointer, handle.pointer, nil) else {
      return .unsupported("OpenSSL has no memory")
    }
    defer { EVP_PKEY_CTX_free(operation) }
    guard EVP_PKEY_verify_init(operation) == 1 else {
      return .unsupported("OpenSSL cannot start to verify with this \(kind) key: \(takeOpenSSLError())")
    }
    if case .rsa = kind, EVP_PKEY_CTX_set_rsa_padding(operation, RSA_PKCS1_PADDING) != 1 {
      return .unsupported("OpenSSL cannot use PKCS #1 v1.5 with this key: \(takeOpenSSLError())")
    }
    guard EVP_PKEY_CTX_set_signature_md(operation, OpenSSLContext.shared.digest(algorithm)) == 1 else {
      return .unsupported("OpenSSL cannot use \(algorithm.rawValue) with this key: \(takeOpenSSLError())")
    }
    let result = signature.withUnsafeBufferPointer { signature in
      hash.withUnsafeBufferPointer { hash in
        EVP_PKEY_verify(operation, signature.baseAddress, signature.count, hash.baseAddress, hash.count)
      }
    }
    return result == 1 ? .valid : .invalid
  }
}
