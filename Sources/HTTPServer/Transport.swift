import CLinux
import COpenSSL
import Glibc

/// What came of one non-blocking read, write or handshake step. Having to wait is not an error.
enum TransportResult {
  /// So many bytes were moved; at least one.
  case moved(Int)
  /// The handshake is done.
  case done
  /// Nothing can be done until the socket is readable.
  case wantsRead
  /// Nothing can be done until the socket is writable.
  case wantsWrite
  /// The peer ended the stream.
  case ended
  /// The connection is broken; nothing more may be read or written.
  case failed(String)
}

/// A socket, plain or under TLS. Owns the descriptor and the `SSL`; touched by its loop's thread only.
final class Transport {
  let descriptor: Int32
  private let ssl: OpaquePointer?
  /// After a fatal error OpenSSL must not be asked to say goodbye.
  private var isBroken = false
  private var isOpen = true

  /// Takes over `descriptor`. With a context it is a TLS server, which may still fail for want of memory.
  init?(descriptor: Int32, context: TLSContext?) {
    self.descriptor = descriptor
    guard let context else {
      ssl = nil
      return
    }
    // The SSL takes a reference to the context of its own; SSL_set_fd's BIO does not close the descriptor.
    guard let ssl = SSL_new(context.pointer) else {
      // `deinit` closes the descriptor: everything is initialised by now.
      self.ssl = nil
      OpenSSLErrors.clear()
      return nil
    }
    self.ssl = ssl
    SSL_set_fd(ssl, descriptor)
    SSL_set_accept_state(ssl)
  }

  deinit { close() }

  var isTLS: Bool { ssl != nil }

  /// Whether bytes wait inside OpenSSL, of which epoll knows nothing.
  var hasBufferedInput: Bool { ssl.map { SSL_has_pending($0) == 1 } ?? false }

  func handshake() -> TransportResult {
    guard let ssl else { return .done }
    OpenSSLErrors.clear()
    let code = SSL_do_handshake(ssl)
    return code == 1 ? .done : failure(ssl, code)
  }

  /// Whether the client agreed on HTTP/2.
  var negotiatedHTTP2: Bool {
    guard let ssl else { return false }
    var name: UnsafePointer<UInt8>?
    var count: UInt32 = 0
    SSL_get0_alpn_selected(ssl, &name, &count)
    return UnsafeBufferPointer(start: name, count: Int(count)).elementsEqual(ApplicationProtocol.http2)
  }

  /// Whether the client showed a certificate, which then was verified.
  var hasVerifiedClientCertificate: Bool {
    guard let ssl else { return false }
    return SSL_get0_peer_certificate(ssl) != nil && SSL_get_verify_result(ssl) == Int(X509_V_OK)
  }

  func read(into buffer: UnsafeMutableRawBufferPointer) -> TransportResult {
    guard let ssl else {
      while true {
        let count = recv(descriptor, buffer.baseAddress, buffer.count, 0)
        if count > 0 { return .moved(count) }
        if count == 0 { return .ended }
        switch errno {
        case EINTR: continue
        case EAGAIN: return .wantsRead
        default: return broken(systemMessage(errno))
        }
      }
    }
    OpenSSLErrors.clear()
    let code = SSL_read(ssl, buffer.baseAddress, Int32(clamping: buffer.count))
    return code > 0 ? .moved(Int(code)) : failure(ssl, code)
  }

  /// After `wantsRead` or `wantsWrite` the next call must offer the same bytes again, more may follow them.
  func write(_ bytes: UnsafeRawBufferPointer) -> TransportResult {
    guard let ssl else {
      while true {
        let count = send(descriptor, bytes.baseAddress, bytes.count, Int32(MSG_NOSIGNAL))
        if count >= 0 { return .moved(count) }
        switch errno {
        case EINTR: continue
        case EAGAIN: return .wantsWrite
        default: return broken(systemMessage(errno))
        }
      }
    }
    OpenSSLErrors.clear()
    let code = SSL_write(ssl, bytes.baseAddress, Int32(clamping: bytes.count))
    return code > 0 ? .moved(Int(code)) : failure(ssl, code)
  }

  /// Tells the peer that nothing more follows, and goes on reading what it still sends, which is thrown away.
  func finishWriting() {
    sayGoodbye()
    shutdown(descriptor, Int32(SHUT_WR))
  }

  /// Reads past TLS and throws away: for a connection that has said its last.
  func discard(into buffer: UnsafeMutableRawBufferPointer) -> TransportResult {
    let count = recv(descriptor, buffer.baseAddress, buffer.count, 0)
    if count > 0 { return .moved(count) }
    if count == 0 { return .ended }
    return errno == EAGAIN || errno == EINTR ? .wantsRead : .failed("")
  }

  func close() {
    guard isOpen else { return }
    isOpen = false
    sayGoodbye()
    if let ssl { SSL_free(ssl) }
    Glibc.close(descriptor)
  }

  /// Sends close_notify if the handshake was finished and nothing broke; it does not wait for the peer's.
  private func sayGoodbye() {
    guard let ssl, !isBroken, SSL_is_init_finished(ssl) == 1 else { return }
    isBroken = true
    OpenSSLErrors.clear()
    SSL_shutdown(ssl)
    OpenSSLErrors.clear()
  }

  private func failure(_ ssl: OpaquePointer, _ code: Int32) -> TransportResult {
    let reason = errno
    switch SSL_get_error(ssl, code) {
    case SSL_ERROR_WANT_READ: return .wantsRead
    case SSL_ERROR_WANT_WRITE: return .wantsWrite
    case SSL_ERROR_ZERO_RETURN: return .ended
    case SSL_ERROR_SYSCALL:
      let queued = OpenSSLErrors.drain()
      return broken(queued ?? (reason == 0 ? "the peer closed the connection" : systemMessage(reason)))
    default: return broken(OpenSSLErrors.drain() ?? "unknown TLS error")
    }
  }

  private func broken(_ reason: String) -> TransportResult {
    isBroken = true
    return .failed(reason)
  }
}
