import Glibc

/// A blocking connection to the loopback address. Every wait ends after a minute.
final class PlainClient: @unchecked Sendable {
  // Used by one test, one step after the other.
  private let descriptor: Int32
  private var received: [UInt8] = []

  init(port: Int) throws {
    descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    var wait = timeval(tv_sec: 60, tv_usec: 0)
    setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &wait, socklen_t(MemoryLayout<timeval>.size))
    setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &wait, socklen_t(MemoryLayout<timeval>.size))
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = in_port_t(port).bigEndian
    address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
    let code = withUnsafePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
      }
    }
    guard code == 0 else {
      let reason = String(cString: strerror(errno))
      // `deinit` closes the socket: everything is initialised by now.
      throw TestFailure("cannot connect: \(reason)")
    }
  }

  deinit { Glibc.close(descriptor) }

  func send(_ text: String) throws { try send(Array(text.utf8)) }

  func send(_ bytes: [UInt8]) throws {
    var sent = 0
    while sent < bytes.count {
      let count = bytes.withUnsafeBytes {
        Glibc.send(descriptor, $0.baseAddress?.advanced(by: sent), bytes.count - sent, Int32(MSG_NOSIGNAL))
      }
      guard count > 0 else { throw TestFailure("cannot send: \(String(cString: strerror(errno)))") }
      sent += count
    }
  }

  func endSending() { shutdown(descriptor, Int32(SHUT_WR)) }

  /// Exactly `count` bytes; nil if the stream ends before.
  func read(_ count: Int) throws -> [UInt8]? {
    while received.count < count { if try !fill() { return nil } }
    let bytes = Array(received.prefix(count))
    received.removeFirst(count)
    return bytes
  }

  /// Everything until the server ends the stream.
  func readToEnd() throws -> String {
    while try fill() {}
    let text = String(decoding: received, as: UTF8.self)
    received = []
    return text
  }

  /// Whether there was more.
  private func fill() throws -> Bool {
    var chunk = [UInt8](repeating: 0, count: 64 << 10)
    let count = recv(descriptor, &chunk, chunk.count, 0)
    if count < 0, errno == ECONNRESET { return false }
    guard count >= 0 else { throw TestFailure("nothing came: \(String(cString: strerror(errno)))") }
    received += chunk[..<count]
    return count > 0
  }

  struct Answer: Sendable {
    var status = 0
    var head = ""
    var body: [UInt8] = []
    var text: String { String(decoding: body, as: UTF8.self) }
    var closes: Bool { head.contains("\r\nconnection: close") }
  }

  /// The next answer, interim ones included.
  func answer(toHead: Bool = false) throws -> Answer {
    let terminator = Array("\r\n\r\n".utf8)
    while true {
      if received.count >= 4,
        let end = (0...received.count - 4).first(where: { Array(received[$0..<$0 + 4]) == terminator })
      {
        var answer = Answer()
        answer.head = String(decoding: received[..<end], as: UTF8.self)
        received.removeFirst(end + 4)
        answer.status = Int(answer.head.dropFirst(9).prefix(3)) ?? 0
        let length = answer.head.split(separator: "\r\n").first { $0.hasPrefix("content-length: ") }?.dropFirst(16)
        if !toHead, let length, let count = Int(length) {
          guard let body = try read(count) else { throw TestFailure("the body ended early") }
          answer.body = body
        }
        return answer
      }
      if try !fill() { throw TestFailure("the connection ended without an answer: \(received.count) bytes") }
    }
  }

  func ask(_ text: String) throws -> Answer {
    try send(text)
    return try answer()
  }
}
