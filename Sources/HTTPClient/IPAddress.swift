import Glibc

/// Addresses as their four or sixteen bytes.
enum IPAddress {
  /// The bytes of a literal in its strict form (no short forms, no zone), or nil.
  static func parse(_ text: String) -> [UInt8]? {
    var four = in_addr()
    if inet_pton(AF_INET, text, &four) == 1 { return withUnsafeBytes(of: &four) { Array($0) } }
    var six = in6_addr()
    if inet_pton(AF_INET6, text, &six) == 1 { return withUnsafeBytes(of: &six) { Array($0) } }
    return nil
  }

  /// The canonical text.
  static func text(_ bytes: [UInt8]) -> String {
    var buffer = [CChar](repeating: 0, count: 64)
    guard bytes.count == 4 || bytes.count == 16,
      inet_ntop(bytes.count == 4 ? AF_INET : AF_INET6, bytes, &buffer, 64) != nil
    else { return "?" }
    return String(decoding: buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }

  /// The bytes in a socket address, or nil for another family.
  static func bytes(of address: UnsafePointer<sockaddr>) -> [UInt8]? {
    switch Int32(address.pointee.sa_family) {
    case AF_INET:
      return address.withMemoryRebound(to: sockaddr_in.self, capacity: 1) { four in
        withUnsafeBytes(of: four.pointee.sin_addr) { Array($0) }
      }
    case AF_INET6:
      return address.withMemoryRebound(to: sockaddr_in6.self, capacity: 1) { six in
        withUnsafeBytes(of: six.pointee.sin6_addr) { Array($0) }
      }
    default: return nil
    }
  }

  /// Whether it is in the block `prefix`/`bits`.
  static func isIn(_ bytes: [UInt8], _ prefix: [UInt8], bits: Int) -> Bool {
    guard bytes.count == prefix.count, bits <= bytes.count * 8 else { return false }
    for index in 0..<bytes.count {
      let rest = bits - index * 8
      if rest <= 0 { return true }
      let mask: UInt8 = rest >= 8 ? 0xff : ~(0xff >> UInt8(rest))
      if bytes[index] & mask != prefix[index] & mask { return false }
    }
    return true
  }
}

/// Places that an address from somebody else's answer has no business with.
public enum LocalPlace: Sendable, Hashable, CustomStringConvertible {
  /// 127.0.0.0/8, ::1, `localhost`.
  case loopback
  /// 169.254.0.0/16 and fe80::/10; where clouds serve an instance's credentials.
  case linkLocal
  /// The other addresses and names of clouds' metadata services.
  case metadata
  /// 0.0.0.0/8 and ::, which connect to this machine.
  case unspecified

  /// As it stands in messages.
  public var description: String {
    switch self {
    case .loopback: "a loopback address"
    case .linkLocal: "a link-local address"
    case .metadata: "a cloud's metadata service"
    case .unspecified: "the unspecified address"
    }
  }

  init?(address: [UInt8]) {
    var bytes = address
    // IPv4 inside IPv6: mapped (::ffff:0:0/96), compatible (::/96) and NAT64 (64:ff9b::/96).
    let zeros = [UInt8](repeating: 0, count: 12)
    let mapped: [UInt8] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff]
    let translated: [UInt8] = [0, 0x64, 0xff, 0x9b, 0, 0, 0, 0, 0, 0, 0, 0]
    if bytes.count == 16 {
      let isLoopback = bytes.prefix(15).allSatisfy { $0 == 0 } && bytes[15] == 1
      if isLoopback {
        self = .loopback
        return
      }
      let head = Array(bytes.prefix(12))
      if head == zeros || head == mapped || head == translated { bytes = Array(bytes.suffix(4)) }
    }
    if bytes.count == 4 {
      switch (bytes[0], bytes[1]) {
      case (127, _): self = .loopback
      case (169, 254): self = .linkLocal
      case (0, _): self = .unspecified
      default:
        guard Self.metadataServices.contains(bytes) else { return nil }
        self = .metadata
      }
      return
    }
    if bytes.count == 16, bytes[0] == 0xfe, bytes[1] & 0xc0 == 0x80 {
      self = .linkLocal
      return
    }
    guard Self.metadataServices.contains(bytes) else { return nil }
    self = .metadata
  }

  // Alibaba, Oracle, Azure; EC2 over IPv6.
  private static let metadataServices: Set<[UInt8]> = [
    [100, 100, 100, 200], [192, 0, 0, 192], [168, 63, 129, 16],
    [0xfd, 0, 0x0e, 0xc2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x02, 0x54],
  ]
}

extension HTTPURL {
  /// The local place that the host names by itself, without asking a resolver; nil for any other host.
  public var localPlace: LocalPlace? {
    var name = host
    if name.hasSuffix(".") { name.removeLast() }
    if name == "localhost" || name.hasSuffix(".localhost") { return .loopback }
    if name == "metadata.google.internal" || name == "metadata" { return .metadata }
    if name.hasPrefix("["), name.hasSuffix("]") { name = String(name.dropFirst().dropLast()) }
    return IPAddress.parse(name).flatMap { LocalPlace(address: $0) }
  }
}
