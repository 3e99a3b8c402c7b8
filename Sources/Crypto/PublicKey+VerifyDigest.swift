import COpenSSL

extension PublicKey {
  /// Judges `signature` over a message of which only the hash by `algorithm` is at hand.
  ///
  /// ECDSA and RSA (PKCS #1 v1.5) only: Ed25519 is over the message itself, and Ed25519ph is `unsupported` here as well.
  public func verify(
    _ signature: [UInt8], ofDigest digest: [UInt8], by algorithm: HashAlgorithm
  ) -> SignatureCheck {
    if case .ed25519 = kind { return .unsupported("an Ed25519 signature needs the message, not its digest") }
    guard digest.count == algorithm.byteCount, !signature.isEmpty, signature.count <= 1024 else { return .invalid }
    guard let size = kind.coordinateByteCount else { return check(signature, digest: digest, algorithm) }
    if signature.first == 0x30 {
      let result = check(signature, digest: digest, algorithm)
      if result != .invalid { return result }
    }
    guard signature.count == 2 * size else { return .invalid }
    let integers = DERWriter.integer(signature.prefix(size)) + DERWriter.integer(signature.suffix(size))
    return check(DERWriter.value(.sequence, integers), digest: digest, algorithm)
  }

  private func check(_ signature: [UInt8], digest: [UInt8], _ algorithm: HashAlgorithm) -> SignatureCheck {
    ERR_clear_error()
    guard let operation = EVP_PKEY_CTX_new_from_pkey(OpenSSLContext.shared.pointer, handle.pointer, nil) else {
      return .unsupported("OpenSSL has no memory")
    }
    defer {
      EVP_PKEY_CTX_free(operation)
      ERR_clear_error()
    }
    guard EVP_PKEY_verify_init(operation) == 1, prepare(operation, algorithm) else {
      return .unsupported("OpenSSL cannot start to verify with this \(kind) key: \(takeOpenSSLError())")
    }
    let result = signature.withUnsafeBufferPointer { signature in
      digest.withUnsafeBufferPointer { digest in
        EVP_PKEY_verify(operation, signature.baseAddress, signature.count, digest.baseAddress, digest.count)
      }
    }
    return result == 1 ? .valid : .invalid
  }

  private func prepare(_ operation: OpaquePointer, _ algorithm: HashAlgorithm) -> Bool {
    guard let hash = EVP_MD_fetch(OpenSSLContext.shared.pointer, algorithm.openSSLName, nil) else { return false }
    defer { EVP_MD_free(hash) }
    guard EVP_PKEY_CTX_set_signature_md(operation, hash) == 1 else { return false }
    guard case .rsa = kind else { return true }
    return EVP_PKEY_CTX_set_rsa_padding(operation, RSA_PKCS1_PADDING) == 1
  }
}
