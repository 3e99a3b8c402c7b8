import COpenSSL
import Glibc
import Primitives

/// One certificate with its key, ready for connections.
///
/// Every reload makes a new context, and with it new ticket keys: a session made under other client authorities cannot
/// be resumed.
final class TLSContext: @unchecked Sendable {
  // An SSL_CTX that nobody changes any more may be used by any number of threads; it counts its own references.
  let pointer: OpaquePointer
  /// When the certificate ends, in seconds since 1970.
  let notAfter: Int64
  /// The certificate's subject, for the log.
  let subject: String

  /// Reads the files of `configuration`; the error names the file and what is wrong with it.
  init(_ configuration: TLSConfiguration) throws(ServerError) {
    let chain = try CertificateList(file: configuration.certificateFile, as: "the certificate")
    guard let leaf = chain.certificates.first else {
      throw ServerError("the certificate \(configuration.certificateFile.printable()) is empty")
    }
    let key = try PrivateKeyHandle(file: configuration.keyFile)
    guard let context = SSL_CTX_new(TLS_server_method()) else {
      throw ServerError("OpenSSL cannot make a TLS context: \(OpenSSLErrors.drain() ?? "no reason given")")
    }
    // From here on `deinit` frees it, also when this initialiser throws.
    pointer = context
    notAfter = Self.seconds(X509_get0_notAfter(leaf.pointer))
    subject = Self.commonName(leaf.pointer)

    try Self.configure(context)
    try Self.use(chain, key, context, configuration)
    if let file = configuration.clientAuthoritiesFile { try Self.requireClients(of: file, context) }
  }

  deinit { SSL_CTX_free(pointer) }

  private static func configure(_ context: OpaquePointer) throws(ServerError) {
    OpenSSLErrors.clear()
    // In TLS 1.2 only forward secrecy with authenticated encryption; it is also what RFC 9113 §9.2.2 wants of h2.
    let suites =
      "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:"
      + "ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305"
    let name: [UInt8] = Array("pinseal".utf8)
    guard pinseal_ssl_ctx_configure(context) == 1, SSL_CTX_set_cipher_list(context, suites) == 1,
      SSL_CTX_set_session_id_context(context, name, UInt32(name.count)) == 1
    else { throw ServerError("OpenSSL refuses the TLS settings: \(OpenSSLErrors.drain() ?? "no reason given")") }
    SSL_CTX_set_alpn_select_cb(context, selectProtocol, nil)
  }

  private static func use(
    _ chain: CertificateList, _ key: PrivateKeyHandle, _ context: OpaquePointer, _ configuration: TLSConfiguration
  ) throws(ServerError) {
    OpenSSLErrors.clear()
    let certificateName = configuration.certificateFile.printable()
    let keyName = configuration.keyFile.printable()
    for (index, certificate) in chain.certificates.enumerated() {
      // Both take a reference of their own.
      let accepted =
        index == 0
        ? SSL_CTX_use_certificate(context, certificate.pointer)
        : pinseal_ssl_ctx_add_chain_certificate(context, certificate.pointer)
      guard accepted == 1 else {
        throw ServerError(
          "the certificate \(certificateName) cannot be used: \(OpenSSLErrors.drain() ?? "no reason given")")
      }
    }
    guard let leaf = chain.certificates.first, X509_check_private_key(leaf.pointer, key.pointer) == 1 else {
      _ = OpenSSLErrors.drain()
      throw ServerError("the key \(keyName) does not belong to the first certificate of \(certificateName)")
    }
    guard SSL_CTX_use_PrivateKey(context, key.pointer) == 1, SSL_CTX_check_private_key(context) == 1 else {
      throw ServerError("the key \(keyName) cannot be used: \(OpenSSLErrors.drain() ?? "no reason given")")
    }
  }

  private static func requireClients(of file: String, _ context: OpaquePointer) throws(ServerError) {
    let authorities = try CertificateList(file: file, as: "the client authorities")
    OpenSSLErrors.clear()
    for authority in authorities.certificates {
      // The store and the list of names each take a reference of their own.
      guard X509_STORE_add_cert(SSL_CTX_get_cert_store(context), authority.pointer) == 1,
        SSL_CTX_add_client_CA(context, authority.pointer) == 1
      else {
        throw ServerError(
          "the client authorities \(file.printable()) cannot be used: \(OpenSSLErrors.drain() ?? "no reason given")")
      }
    }
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nil)
  }

  private static func seconds(_ time: UnsafePointer<ASN1_TIME>?) -> Int64 {
    var parts = tm()
    guard let time, ASN1_TIME_to_tm(time, &parts) == 1 else { return 0 }
    return Int64(timegm(&parts))
  }

  private static func commonName(_ certificate: OpaquePointer) -> String {
    var buffer = [CChar](repeating: 0, count: 256)
    guard X509_NAME_oneline(X509_get_subject_name(certificate), &buffer, Int32(buffer.count)) != nil else { return "" }
    return buffer.withUnsafeBufferPointer { String(cString: $0.baseAddress.unsafelyUnwrapped) }.printable()
  }
}

/// Picks `h2` before `http/1.1` (RFC 7301 §3.2); a client that offers neither gets an alert.
private let selectProtocol:
  @convention(c) (
    OpaquePointer?, UnsafeMutablePointer<UnsafePointer<UInt8>?>?, UnsafeMutablePointer<UInt8>?, UnsafePointer<UInt8>?,
    UInt32, UnsafeMutableRawPointer?
  ) -> Int32 = { _, out, outLength, offered, offeredLength, _ in
    guard let out, let outLength, let offered else { return SSL_TLSEXT_ERR_ALERT_FATAL }
    let list = UnsafeBufferPointer(start: offered, count: Int(offeredLength))
    guard let range = ApplicationProtocol.select(from: list.span) else { return SSL_TLSEXT_ERR_ALERT_FATAL }
    // Points into the client's own list, which lives as long as OpenSSL needs it.
    out.pointee = offered + range.lowerBound
    outLength.pointee = UInt8(range.count)
    return SSL_TLSEXT_ERR_OK
  }

/// The protocols of ALPN.
enum ApplicationProtocol {
  static let http2 = Array("h2".utf8)
  static let http11 = Array("http/1.1".utf8)

  /// Where in a client's list of length-prefixed names the best one stands.
  static func select(from offered: Span<UInt8>) -> Range<Int>? {
    var http11Range: Range<Int>?
    var position = 0
    while position < offered.count {
      let start = position + 1
      let end = start + Int(offered[position])
      guard end <= offered.count else { return nil }
      if equal(offered, start..<end, http2) { return start..<end }
      if equal(offered, start..<end, http11) { http11Range = start..<end }
      position = end
    }
    return http11Range
  }

  private static func equal(_ bytes: Span<UInt8>, _ range: Range<Int>, _ name: [UInt8]) -> Bool {
    guard range.count == name.count else { return false }
    for index in 0..<name.count where bytes[range.lowerBound + index] != name[index] { return false }
    return true
  }
}
