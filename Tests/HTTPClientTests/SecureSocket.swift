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
    func read(_ pem: String, _ body: (OpaquePointer?) -> OpaquePointer?) -> OpaquePointer? {
      pem.withCString { text in
        let source = BIO_new_mem_buf(text, -1)
        defer { BIO_free(source) }
        return body(source)
      }
    }
    let certificate = read(leaf.certificatePEM) { PEM_read_bio_X509($0, nil, nil, nil) }
    let key = read(leaf.key.pem) { pinseal_read_private_key($0, nil) }
    SSL_CTX_use_certificate(pointer, certificate)
    SSL_CTX_use_PrivateKey(pointer, key)
    X509_free(certificate)
    EVP_PKEY_free(key)
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

  deinit { SSL_CTX_free(pointer) }
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
