import Foundation
import Glibc
import Primitives

/// A server that blocks: it accepts on a thread of its own and gives each connection another, where the test says byte by
/// byte what a server does.
final class SocketServer: Sendable {
  let port: Int
  private let listener: Int32
  private let accepted = Locked(0)
  private let isSecure: Bool

  var connectionCount: Int { accepted.withLock { $0 } }
  var url: String { (isSecure ? "https" : "http") + "://127.0.0.1:\(port)" }

  /// With `tls` it speaks HTTP/2's TLS, to whoever trusts its certificate or anybody.
  init(tls: SecureSocketContext? = nil, _ serve: @escaping @Sendable (SocketConnection) -> Void) {
    isSecure = tls != nil
    listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_addr.s_addr = inet_addr("127.0.0.1")
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    let descriptor = listener
    withUnsafeMutableBytes(of: &address) { bytes in
      guard let pointer = bytes.bindMemory(to: sockaddr.self).baseAddress else { return }
      bind(descriptor, pointer, length)
      listen(descriptor, 64)
      getsockname(descriptor, pointer, &length)
    }
    port = Int(UInt16(bigEndian: address.sin_port))
    let accepted = accepted
    Thread.detachNewThread {
      while true {
        let connection = accept(descriptor, nil, nil)
        guard connection >= 0 else {
          // Closed here alone: a number that another socket has got meanwhile is not accepted from.
          close(descriptor)
          return
        }
        accepted.withLock { $0 += 1 }
        Thread.detachNewThread {
          serve(SocketConnection(descriptor: connection, tls: tls))
          shutdown(connection, Int32(SHUT_RDWR))
          close(connection)
        }
      }
    }
  }

  /// Accepts no more. A server that nobody stops stays for the test process's life.
  func stop() { shutdown(listener, Int32(SHUT_RDWR)) }

  /// Answers each request on a connection with the same bytes, and keeps what was asked.
  static func answering(_ response: String, requests: Locked<[String]> = Locked([])) -> SocketServer {
    SocketServer { connection in
      while let request = connection.readRequest() {
        requests.withLock { $0.append(request) }
        guard connection.write(response) else { return }
      }
    }
  }
}

/// One accepted connection.
final class SocketConnection {
  let descriptor: Int32
  private var buffered: [UInt8] = []

  private let secure: SecureSocket?

  init(descriptor: Int32, tls: SecureSocketContext? = nil) {
    self.descriptor = descriptor
    secure = tls.map { SecureSocket($0, descriptor) }
  }

  /// The next request, head and body; nil when the peer has closed.
  func readRequest() -> String? {
    while true {
      let text = String(decoding: buffered, as: UTF8.self)
      if let end = text.range(of: "\r\n\r\n") {
        let head = text[..<end.lowerBound].lowercased()
        var length = 0
        for line in head.components(separatedBy: "\r\n") where line.hasPrefix("content-length:") {
          length = Int(line.dropFirst(15).trimmingCharacters(in: .whitespaces)) ?? 0
        }
        let total = text[..<end.upperBound].utf8.count + length
        if buffered.count >= total {
          defer { buffered.removeFirst(total) }
          return String(decoding: buffered.prefix(total), as: UTF8.self)
        }
      }
      guard readMore() else { return nil }
    }
  }

  /// The next bytes; nil when the peer has closed before.
  func take(_ count: Int) -> [UInt8]? {
    while buffered.count < count { guard readMore() else { return nil } }
    defer { buffered.removeFirst(count) }
    return Array(buffered.prefix(count))
  }

  /// False when the peer has closed.
  func readMore() -> Bool {
    var chunk = [UInt8](repeating: 0, count: 16 << 10)
    let count = secure.map { $0.read(&chunk) } ?? recv(descriptor, &chunk, chunk.count, 0)
    guard count > 0 else { return false }
    buffered += chunk[..<count]
    return true
  }

  /// False when the peer has closed.
  @discardableResult
  func write(_ text: String) -> Bool { write(Array(text.utf8)) }

  /// False when the peer has closed.
  @discardableResult
  func write(_ content: [UInt8]) -> Bool {
    var bytes = content[...]
    while !bytes.isEmpty {
      let count = bytes.withUnsafeBytes { buffer in
        secure.map { $0.write(buffer) } ?? send(descriptor, buffer.baseAddress, buffer.count, Int32(MSG_NOSIGNAL))
      }
      guard count > 0 else { return false }
      bytes = bytes.dropFirst(count)
    }
    return true
  }
}

/// Something that a thread says to a test, once.
final class Signal: Sendable {
  private let stream: AsyncStream<Void>
  private let continuation: AsyncStream<Void>.Continuation

  init() { (stream, continuation) = AsyncStream.makeStream() }

  func fire() { continuation.yield() }

  func wait() async {
    var iterator = stream.makeAsyncIterator()
    await iterator.next()
  }
}
