import CLinux
import Glibc
import Primitives

/// The listening socket.
///
/// There is one, and the first loop accepts from it and hands each connection to the loop that has fewest. With
/// SO_REUSEPORT the kernel would spread connections by hash instead: an API server opens few and keeps them for days, so
/// two of them landing on one loop while another idles is the likely case, not the rare one. The hand-over costs one
/// wake-up beside a handshake that costs a hundred times that. Besides, without SO_REUSEPORT a second server at the same
/// address is an error, as it should be.
final class Listener {
  let descriptor: Int32
  /// `HOST:PORT` as bound.
  let address: String
  let port: Int

  init(_ address: ListenAddress) throws(ServerError) {
    var hints = addrinfo()
    hints.ai_family = AF_UNSPEC
    hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
    hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV
    var list: UnsafeMutablePointer<addrinfo>?
    // No host: the IPv6 wildcard first, which takes IPv4 too; where there is no IPv6 the next entry is IPv4's.
    let hosts = address.host.isEmpty ? ["::", "0.0.0.0"] : [address.host]
    var failure = "there is no such host"
    for host in hosts {
      let code = getaddrinfo(host, String(address.port), &hints, &list)
      guard code == 0, let first = list else {
        if let words = gai_strerror(code) { failure = String(cString: words) }
        continue
      }
      defer { freeaddrinfo(first) }
      var entry: UnsafeMutablePointer<addrinfo>? = first
      while let present = entry {
        let descriptor = Self.bound(present.pointee)
        if descriptor >= 0 {
          self.descriptor = descriptor
          (self.address, port) = Self.name(of: descriptor)
          return
        }
        failure = systemMessage(errno)
        entry = present.pointee.ai_next
      }
    }
    throw ServerError("cannot listen at \(address.host.printable()):\(address.port): \(failure)")
  }

  deinit { close(descriptor) }

  enum Accepted {
    case connection(Int32)
    case none
    /// Nothing can be accepted for now: no descriptors or no memory are left.
    case exhausted(String)
  }

  /// The next connection that waits.
  func accept() -> Accepted {
    while true {
      let connection = accept4(descriptor, nil, nil, Int32(SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue))
      if connection >= 0 {
        var one: Int32 = 1
        setsockopt(connection, Int32(IPPROTO_TCP), TCP_NODELAY, &one, socklen_t(MemoryLayout<Int32>.size))
        return .connection(connection)
      }
      switch errno {
      case EAGAIN: return .none
      // The client gave up while it waited, or its network's error is reported here (accept(2)).
      case EINTR, ECONNABORTED, EPROTO, ENETDOWN, EHOSTDOWN, EHOSTUNREACH, ENETUNREACH: continue
      default: return .exhausted(systemMessage(errno))
      }
    }
  }

  /// A listening socket, or -1 and `errno`.
  private static func bound(_ entry: addrinfo) -> Int32 {
    let kind = entry.ai_socktype | Int32(SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue)
    let descriptor = socket(entry.ai_family, kind, entry.ai_protocol)
    guard descriptor >= 0 else { return -1 }
    var (one, zero): (Int32, Int32) = (1, 0)
    let size = socklen_t(MemoryLayout<Int32>.size)
    setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &one, size)
    if entry.ai_family == AF_INET6 { setsockopt(descriptor, Int32(IPPROTO_IPV6), IPV6_V6ONLY, &zero, size) }
    guard bind(descriptor, entry.ai_addr, entry.ai_addrlen) == 0, listen(descriptor, 1024) == 0 else {
      let reason = errno
      close(descriptor)
      errno = reason
      return -1
    }
    return descriptor
  }

  private static func name(of descriptor: Int32) -> (String, Int) {
    var storage = sockaddr_storage()
    var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
    var host = [CChar](repeating: 0, count: 256)
    var service = [CChar](repeating: 0, count: 16)
    let code = withUnsafeMutablePointer(to: &storage) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { address -> Int32 in
        guard getsockname(descriptor, address, &length) == 0 else { return -1 }
        return getnameinfo(
          address, length, &host, socklen_t(host.count), &service, socklen_t(service.count),
          NI_NUMERICHOST | NI_NUMERICSERV)
      }
    }
    guard code == 0 else { return ("", 0) }
    let hostText = host.withUnsafeBufferPointer { String(cString: $0.baseAddress.unsafelyUnwrapped) }
    let port = service.withUnsafeBufferPointer { String(cString: $0.baseAddress.unsafelyUnwrapped) }
    return (hostText.contains(":") ? "[\(hostText)]:\(port)" : "\(hostText):\(port)", Int(port) ?? 0)
  }
}
