import COpenSSL

/// How a signature is made from a message. It is chosen by the kind of key and the format, never by what a signature says.
public enum SignatureScheme: Hashable, Sendable {
  /// ECDSA (FIPS 186-5) over this hash of the message; the signature in DER, or raw r and s of the curve's size.
  case ecdsa(HashAlgorithm)
  /// RSASSA-PKCS1-v1_5 (RFC 8017 §8.2). PSS is not verified.
  case rsaPKCS1v15(HashAlgorithm)
  /// Ed25519 over the message itself (RFC 8032).
  case ed25519
  /// Ed25519 over the message's SHA-512 (RFC 8032): another scheme than `ed25519`. OpenSSL has it from 3.2.
  case ed25519ph
}

/// What became of a signature.
public enum SignatureCheck: Sendable, Equatable {
  /// Made by this key's holder over this message.
  case valid
  /// Anything else, malformed ones included.
  case invalid
  /// The scheme does not belong to this kind of key, or the OpenSSL at hand cannot compute it; says which.
  case unsupported(String)
}

extension PublicKey {
  /// Whether the OpenSSL at hand has Ed25519ph (3.2 and later).
  public static var canVerifyEd25519ph: Bool { OpenSSLContext.shared.hasEd25519ph }

  /// Judges `signature` over `message`. Nothing but a full success of OpenSSL is `valid`.
  public func verify(_ signature: [UInt8], of message: [UInt8], scheme: SignatureScheme) -> SignatureCheck {
    if let reason = scheme.obstacle(for: kind) { return .unsupported(reason) }
    guard !signature.isEmpty, signature.count <= 1024 else { return .invalid }
    guard let size = kind.coordinateByteCount else { return check(signature, message, scheme) }
    if signature.first == DERTag.sequence.rawValue {
      // OpenSSL reads DER strictly: it writes r and s again and compares.
      let result = check(signature, message, scheme)
      if result != .invalid { return result }
    }
    guard signature.count == 2 * size else { return .invalid }
    let integers = DERWriter.integer(signature.prefix(size)) + DERWriter.integer(signature.suffix(size))
    return check(DERWriter.value(.sequence, integers), message, scheme)
  }

  private func check(_ signature: [UInt8], _ message: [UInt8], _ scheme: SignatureScheme) -> SignatureCheck {
    guard let operation = EVP_MD_CTX_new() else { return .unsupported("OpenSSL has no memory") }
    defer {
      EVP_MD_CTX_free(operation)
      ERR_clear_error()
    }
    ERR_clear_error()
    guard scheme.start(operation, handle.pointer, EVP_DigestVerifyInit_ex) else {
      return .unsupported("OpenSSL cannot start to verify with this \(kind) key: \(takeOpenSSLError())")
    }
    let result = signature.withUnsafeBufferPointer { signature in
      message.withUnsafeBufferPointer { message in
        EVP_DigestVerify(operation, signature.baseAddress, signature.count, message.baseAddress, message.count)
      }
    }
    // 0 is a wrong signature, a negative number one that could not be read.
    return result == 1 ? .valid : .invalid
  }
}

extension SignatureScheme {
  /// OpenSSL's two functions that begin a signature operation.
  typealias Starter = (
    OpaquePointer?, UnsafeMutablePointer<OpaquePointer?>?, UnsafePointer<CChar>?, OpaquePointer?,
    UnsafePointer<CChar>?, OpaquePointer?, UnsafePointer<OSSL_PARAM>?
  ) -> Int32

  /// Why this scheme cannot be used with a key of this kind, if so.
  func obstacle(for kind: PublicKey.Kind) -> String? {
    switch (self, kind) {
    case (.ecdsa, .p256), (.ecdsa, .p384), (.ecdsa, .p521), (.rsaPKCS1v15, .rsa), (.ed25519, .ed25519): nil
    case (.ed25519ph, .ed25519):
      PublicKey.canVerifyEd25519ph
        ? nil
        : "Ed25519ph needs OpenSSL 3.2 or later, here is \(String(cString: OpenSSL_version(OPENSSL_VERSION_STRING)))"
    case (.ecdsa, _): "ECDSA does not belong to a key of kind \(kind)"
    case (.rsaPKCS1v15, _): "RSA does not belong to a key of kind \(kind)"
    case (.ed25519, _), (.ed25519ph, _): "Ed25519 does not belong to a key of kind \(kind)"
    }
  }

  /// Begins to sign or verify; false if OpenSSL will not.
  func start(_ operation: OpaquePointer, _ key: OpaquePointer, _ starter: Starter) -> Bool {
    var details: OpaquePointer?  // Owned by the operation.
    func start(_ hash: String?, _ parameters: UnsafePointer<OSSL_PARAM>? = nil) -> Bool {
      starter(operation, &details, hash, OpenSSLContext.shared.pointer, nil, key, parameters) == 1
    }
    switch self {
    case .ecdsa(let hash): return start(hash.openSSLName)
    case .rsaPKCS1v15(let hash):
      return start(hash.openSSLName) && EVP_PKEY_CTX_set_rsa_padding(details, RSA_PKCS1_PADDING) == 1
    case .ed25519: return start(nil)
    case .ed25519ph:
      var variant = Array("Ed25519ph".utf8CString)
      return OpenSSLContext.variantParameter.withCString { name in
        variant.withUnsafeMutableBufferPointer { variant in
          let parameters = [
            OSSL_PARAM_construct_utf8_string(name, variant.baseAddress, 0), OSSL_PARAM_construct_end(),
          ]
          return start(nil, parameters)
        }
      }
    }
  }
}

extension HashAlgorithm {
  var openSSLName: String {
    switch self {
    case .sha256: "SHA2-256"
    case .sha384: "SHA2-384"
    case .sha512: "SHA2-512"
    }
  }
}
