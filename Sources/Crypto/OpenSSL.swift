import COpenSSL

/// The one OpenSSL library context of this module.
///
/// It is its own, not the process's default: nothing that an `openssl.cnf` sets (providers, default properties) changes
/// how a signature is judged here.
final class OpenSSLContext: @unchecked Sendable {  // Set up once; OpenSSL's contexts are safe to share.
  static let shared = OpenSSLContext()

  /// `OSSL_LIB_CTX`; never freed. Nil, for want of memory, would mean OpenSSL's default context.
  let pointer: OpaquePointer?
  /// `EVP_MD` of SHA-256, SHA-384, SHA-512, fetched once: a look-up by name costs more than hashing a payload.
  private let digests: [OpaquePointer?]
  /// Whether Ed25519 has variants here (OpenSSL 3.2 and later). Older versions ignore the parameter and verify as pure.
  let hasEd25519ph: Bool
  /// The name of the parameter that says which variant; the headers of older versions lack it.
  static let variantParameter = "instance"

  private init() {
    let context = OSSL_LIB_CTX_new()
    pointer = context
    if let context { OSSL_PROVIDER_load(context, "default") }
    digests = [
      EVP_MD_fetch(context, "SHA2-256", nil) ?? EVP_sha256(),
      EVP_MD_fetch(context, "SHA2-384", nil) ?? EVP_sha384(),
      EVP_MD_fetch(context, "SHA2-512", nil) ?? EVP_sha512(),
    ]
    let signature = EVP_SIGNATURE_fetch(context, "ED25519", nil)
    defer { EVP_SIGNATURE_free(signature) }
    hasEd25519ph =
      signature.flatMap { EVP_SIGNATURE_settable_ctx_params($0) }
      .map { OSSL_PARAM_locate_const($0, Self.variantParameter) != nil } ?? false
    ERR_clear_error()
  }

  func digest(_ algorithm: HashAlgorithm) -> OpaquePointer? {
    switch algorithm {
    case .sha256: digests[0]
    case .sha384: digests[1]
    case .sha512: digests[2]
    }
  }
}

/// Owns an `EVP_PKEY`.
final class KeyHandle: @unchecked Sendable {  // OpenSSL counts references and locks inside; the key is never changed.
  let pointer: OpaquePointer

  /// Takes over the caller's reference.
  init(owning pointer: OpaquePointer) { self.pointer = pointer }

  deinit { EVP_PKEY_free(pointer) }

  /// The SubjectPublicKeyInfo (DER), or nil if OpenSSL cannot write it.
  var subjectPublicKeyInfo: [UInt8]? {
    var encoded: UnsafeMutablePointer<UInt8>?
    let count = i2d_PUBKEY(pointer, &encoded)
    guard count > 0, let encoded else { return nil }
    defer { CRYPTO_free(encoded, #file, #line) }
    return Array(UnsafeBufferPointer(start: encoded, count: Int(count)))
  }
}

/// Empties the thread's error queue and tells its first entry, which is where the fault was found.
func takeOpenSSLError() -> String {
  let code = ERR_get_error()
  ERR_clear_error()
  guard code != 0, let reason = ERR_reason_error_string(code) else { return "no reason given" }
  return String(cString: reason)
}

/// Ends the program because a hash cannot be computed: no input leads here, only an OpenSSL without SHA-2 or the end of
/// memory, and what is no hash must not be handed on as one.
func failHashing(_ algorithm: HashAlgorithm) -> Never {
  fatalError("OpenSSL cannot compute \(algorithm.rawValue): \(takeOpenSSLError())")
}

/// What `write` writes into a memory BIO, or nil if it does not return 1.
func textFromOpenSSL(_ write: (OpaquePointer) -> Int32) -> String? {
  guard let memory = BIO_new(BIO_s_mem()) else { return nil }
  defer { BIO_free(memory) }
  guard write(memory) == 1 else { return nil }
  var bytes: UnsafePointer<UInt8>?
  let count = pinseal_memory_bytes(memory, &bytes)
  guard count > 0, let bytes else { return nil }
  return String(decoding: UnsafeBufferPointer(start: bytes, count: count), as: UTF8.self)
}

/// Calls `read` with a BIO over `text`.
func withOpenSSLSource<Result>(_ text: String, _ read: (OpaquePointer) -> Result?) -> Result? {
  let bytes = Array(text.utf8)
  return bytes.withUnsafeBytes { buffer in
    guard let count = Int32(exactly: buffer.count), let source = BIO_new_mem_buf(buffer.baseAddress, count) else {
      return nil
    }
    defer { BIO_free(source) }
    return read(source)
  }
}
