import Foundation
import Glibc

/// What a Service is to its clients: a TCP port that passes each new connection on to one of the endpoints, in turn.
///
/// As with a Service, taking an endpoint away leaves the connections to it as they are, and without endpoints nobody is let in.
package final class Balancer: Sendable {
  /// Where it listens.
  package let port: Int
  private let listener: Int32
  private let state = Guarded(State())

  private struct State {
    var endpoints: [Int] = []
    var next = 0
    /// Both ends of what is open, by the client's.
    var links: [Int32: Int32] = [:]
    var accepted = 0
  }

  /// Starts listening on `port`, or a free one.
  package init(address: String = "127.0.0.1", port wanted: Int? = nil) throws {
    port = try wanted ?? freePort()
    listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    guard listener >= 0, withAddress(port, on: address, { bind(listener, $0, $1) }) == 0, listen(listener, 128) == 0
    else {
      throw EndToEndFailure("no balancer on \(address):\(port): \(String(cString: strerror(errno)))")
    }
    // Threads of its own: Swift's few are needed by the tests.
    Thread.detachNewThread { [self] in acceptAll() }
  }

  /// The ports that new connections go to.
  package var endpoints: [Int] { state.with { $0.endpoints } }

  /// Sends new connections to this port too.
  package func add(_ endpoint: Int) { state.with { $0.endpoints.append(endpoint) } }

  /// Sends no new connection to this port any more.
  package func remove(_ endpoint: Int) { state.with { $0.endpoints.removeAll { $0 == endpoint } } }

  /// Connections that are open, and how many there have been.
  package var openConnections: Int { state.with { $0.links.count } }
  package var acceptedConnections: Int { state.with { $0.accepted } }

  /// Ends every open connection.
  package func cut() {
    state.with { state in
      for (client, server) in state.links {
        shutdown(client, Int32(SHUT_RDWR))
        shutdown(server, Int32(SHUT_RDWR))
      }
    }
  }

  /// Stops listening and ends every connection.
  package func close() {
    shutdown(listener, Int32(SHUT_RDWR))
    cut()
  }

  private func acceptAll() {
    while true {
      let client = accept(listener, nil, nil)
      guard client >= 0 else {
        if errno == EINTR || errno == ECONNABORTED { continue }
        Glibc.close(listener)
        return
      }
      guard let server = connectToEndpoint() else {
        reset(client)
        continue
      }
      for descriptor in [client, server] { setOption(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY) }
      state.with {
        $0.links[client] = server
        $0.accepted += 1
      }
      let remaining = Guarded(2)
      for (source, sink) in [(client, server), (server, client)] {
        Thread.detachNewThread { [self] in
          copy(source, sink)
          let left = remaining.with { remaining in
            remaining -= 1
            return remaining
          }
          guard left == 0 else { return }
          state.with {
            $0.links[client] = nil
            Glibc.close(client)
            Glibc.close(server)
          }
        }
      }
    }
  }

  private func connectToEndpoint() -> Int32? {
    let candidates = state.with { state in
      state.next += 1
      return state.endpoints.indices.map { state.endpoints[($0 + state.next) % state.endpoints.count] }
    }
    guard let port = candidates.first else { return nil }
    let server = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    if withAddress(port, { connect(server, $0, $1) }) == 0 { return server }
    Glibc.close(server)
    return nil
  }

  private func copy(_ source: Int32, _ sink: Int32) {
    var buffer = [UInt8](repeating: 0, count: 64 << 10)
    while true {
      let count = read(source, &buffer, buffer.count)
      if count < 0, errno == EINTR { continue }
      if count <= 0 { break }
      var sent = 0
      while sent < count {
        let written = buffer[sent..<count].withUnsafeBytes {
          send(sink, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
        }
        if written < 0, errno == EINTR { continue }
        if written <= 0 {
          shutdown(source, Int32(SHUT_RDWR))
          return
        }
        sent += written
      }
    }
    shutdown(sink, Int32(SHUT_WR))
  }

  /// As a refused connection looks.
  private func reset(_ descriptor: Int32) {
    var linger = linger(l_onoff: 1, l_linger: 0)
    setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &linger, socklen_t(MemoryLayout<linger>.size))
    Glibc.close(descriptor)
  }
}

/// A value that threads share.
package final class Guarded<Value>: @unchecked Sendable {
  private let lock = NSLock()
  private var value: Value

  package init(_ value: sending Value) { self.value = value }

  package func with<Result>(_ body: (inout Value) -> Result) -> Result {
    lock.lock()
    defer { lock.unlock() }
    return body(&value)
  }
}

/// An IPv4 address and a port in the form that sockets take.
func withAddress(
  _ port: Int, on host: String = "127.0.0.1", _ body: (UnsafePointer<sockaddr>, socklen_t) -> Int32
) -> Int32 {
  var address = sockaddr_in()
  address.sin_family = sa_family_t(AF_INET)
  address.sin_port = UInt16(port).bigEndian
  guard inet_pton(AF_INET, host, &address.sin_addr) == 1 else { return -1 }
  return withUnsafePointer(to: &address) {
    $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0, socklen_t(MemoryLayout<sockaddr_in>.size)) }
  }
}

/// An IPv4 address of this machine that is not a loopback one: the only kind that may be an endpoint of a Service.
package func machineAddress() throws -> String {
  var list: UnsafeMutablePointer<ifaddrs>?
  guard getifaddrs(&list) == 0 else { throw EndToEndFailure("this machine's addresses cannot be read") }
  defer { freeifaddrs(list) }
  for entry in sequence(first: list, next: { $0?.pointee.ifa_next }) {
    guard let entry, let address = entry.pointee.ifa_addr, address.pointee.sa_family == sa_family_t(AF_INET),
      entry.pointee.ifa_flags & UInt32(IFF_LOOPBACK) == 0,
      entry.pointee.ifa_flags & UInt32(IFF_UP) != 0
    else { continue }
    var name = [CChar](repeating: 0, count: Int(NI_MAXHOST))
    let length = socklen_t(MemoryLayout<sockaddr_in>.size)
    guard getnameinfo(address, length, &name, socklen_t(name.count), nil, 0, NI_NUMERICHOST) == 0 else { continue }
    return String(decoding: name.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
  }
  throw EndToEndFailure("this machine has no address but 127.0.0.1, and a Service's endpoint may not be that one")
}

private func setOption(_ descriptor: Int32, _ level: Int32, _ name: Int32) {
  var yes: Int32 = 1
  setsockopt(descriptor, level, name, &yes, socklen_t(MemoryLayout<Int32>.size))
}
