import COpenSSL
import Crypto
import Glibc

/// TLS for a `SocketServer`, which offers `h2` and nothing else.
final class SecureSocketContext: @unchecked Sendable {
  // Changed by nobody after `init`.
  let pointer: OpaquePointer?

  init() throws {
    let authority = try IssuedCertificate.authority(commonName: "Test authority")
    let leaf = try authority.issueLeaf(commonName: "server", dnsNames: ["localhost"], ipAddresses: ["127.0.0.1"])
    // A peer that hangs up must not end the process.
    signal(SIGPIPE, SIG_IGN)
    pointer = SSL_CTX_new(TLS_server_method())
    func source(_ text: String) -> OpaquePointer? { BIO_new_mem_buf(text, Int32(text.utf8.count)) }
    let certificate = leaf.certificatePEM.withCString { PEM_read_bio_X509(BIO_new_mem_buf($0, -1), nil, nil, nil) }
    let key = leaf.key.pem.withCString { pinseal_read_private_key(BIO_new_mem_buf($0, -1), nil) }
    SSL_CTX_use_certificate(pointer, certificate)
    SSL_CTX_use_PrivateKey(pointer, key)
    SSL_CTX_set_alpn_select_cb(
      pointer,
      { _, out, outLength, offered, offeredLength, _ in
        guard let out, let outLength, let offered else { return SSL_TLSEXT_ERR_ALERT_FATAL }
        let list = Array(UnsafeBufferPointer(start: offered, count: Int(offeredLength)))
        guard list.starts(with: [2] + Array("h2".utf8)) else { return SSL_TLSEXT_ERR_ALERT_FATAL }
        (out.pointee, outLength.pointee) = (offered + 1, 2)
        return SSL_TLSEXT_ERR_OK
      }, nil)
  }
}

/// One connection under TLS, of one thread.
final class SecureSocket {
  private let ssl: OpaquePointer?

  init(_ context: SecureSocketContext, _ descriptor: Int32) {
    ssl = SSL_new(context.pointer)
    SSL_set_fd(ssl, descriptor)
    SSL_accept(ssl)
  }

  deinit { SSL_free(ssl) }

  func read(_ chunk: inout [UInt8]) -> Int { Int(SSL_read(ssl, &chunk, Int32(chunk.count))) }

  func write(_ bytes: UnsafeRawBufferPointer) -> Int { Int(SSL_write(ssl, bytes.baseAddress, Int32(bytes.count))) }
}
