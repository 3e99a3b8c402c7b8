import Glibc
import Primitives

/// An absolute `http` or `https` address (RFC 3986), in the narrow form that one parser alone reads and that libcurl is
/// then given rewritten: no user information, no fragment, no escapes in the host, no numbers that merely mean an address.
public struct HTTPURL: Sendable, Hashable, CustomStringConvertible {
  /// Whether it is `https`.
  public let isSecure: Bool
  /// Lower case; an IPv6 address in brackets and in its canonical form.
  public let host: String
  /// As written, or the scheme's own.
  public let port: Int
  /// Begins with a slash.
  public let path: String
  /// Behind the question mark; nil if there is none. It may hold a secret: not for messages.
  public let query: String?

  /// The most bytes that an address may have.
  public static let maximumBytes = 8192

  /// Reads an address; throws `invalidURL`, saying what is wrong without repeating the query.
  public init(parsing text: String) throws(HTTPClientError) {
    let bytes = Array(text.utf8)
    guard bytes.count <= Self.maximumBytes else {
      throw Self.refusal("has \(bytes.count) bytes, at most \(Self.maximumBytes) are taken")
    }
    for byte in bytes {
      guard byte > 0x20, byte < 0x7f, byte != UInt8(ascii: "\\") else {
        throw Self.refusal("holds a byte that no address may hold (0x\(String(byte, radix: 16)))")
      }
      guard byte != UInt8(ascii: "#") else { throw Self.refusal("has a fragment") }
    }
    guard let colon = bytes.firstIndex(of: UInt8(ascii: ":")), bytes[colon...].starts(with: Array("://".utf8)) else {
      throw Self.refusal("is not absolute")
    }
    switch String(decoding: bytes[..<colon], as: UTF8.self).lowercased() {
    case "https": isSecure = true
    case "http": isSecure = false
    case let scheme: throw Self.refusal("has the scheme \(scheme.printable(limit: 16)), not https")
    }
    let authorityStart = colon + 3
    let isEnd = { (byte: UInt8) in byte == UInt8(ascii: "/") || byte == UInt8(ascii: "?") }
    let authorityEnd = bytes[authorityStart...].firstIndex(where: isEnd) ?? bytes.endIndex
    (host, port) = try Self.parseAuthority(bytes[authorityStart..<authorityEnd], defaultPort: isSecure ? 443 : 80)

    let target = bytes[authorityEnd...]
    let question = target.firstIndex(of: UInt8(ascii: "?"))
    let pathText = String(decoding: target[..<(question ?? target.endIndex)], as: UTF8.self)
    path = pathText.isEmpty ? "/" : pathText
    query = question.map { String(decoding: target[($0 + 1)...], as: UTF8.self) }
  }

  /// `host` and, unless it is the scheme's own, `:port`.
  public var authority: String {
    port == (isSecure ? 443 : 80) ? host : "\(host):\(port)"
  }

  /// The whole address.
  public var description: String {
    withoutQuery + (query.map { "?" + $0 } ?? "")
  }

  /// The address for messages: what stands behind `?` may be a secret.
  public var withoutQuery: String {
    (isSecure ? "https://" : "http://") + authority + path
  }

  /// Whether scheme, host and port are the same.
  public func hasSameOrigin(as other: HTTPURL) -> Bool {
    isSecure == other.isSecure && host == other.host && port == other.port
  }

  /// The address that `reference` (of a `Location` or `Link` header) means here (RFC 3986 §5.2).
  public func resolving(_ reference: String) throws(HTTPClientError) -> HTTPURL {
    let origin = (isSecure ? "https://" : "http://") + authority
    if Self.hasScheme(reference) { return try HTTPURL(parsing: reference) }
    if reference.hasPrefix("//") { return try HTTPURL(parsing: (isSecure ? "https:" : "http:") + reference) }
    if reference.hasPrefix("/") { return try HTTPURL(parsing: origin + reference) }
    if reference.isEmpty { return self }
    if reference.hasPrefix("?") { return try HTTPURL(parsing: origin + path + reference) }
    let split = reference.utf8.firstIndex(of: UInt8(ascii: "?")) ?? reference.endIndex
    let directory = path[..<(path.lastIndex(of: "/") ?? path.startIndex)]
    return try HTTPURL(
      parsing: origin + Self.withoutDots(directory + "/" + reference[..<split]) + reference[split...])
  }

  private static func hasScheme(_ reference: String) -> Bool {
    for (index, byte) in reference.utf8.enumerated() {
      switch byte {
      case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"): continue
      case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "+"), UInt8(ascii: "-"), UInt8(ascii: "."):
        if index == 0 { return false }
      default: return byte == UInt8(ascii: ":") && index > 0
      }
    }
    return false
  }

  private static func withoutDots(_ path: some StringProtocol) -> String {
    var kept: [Substring] = []
    let segments = String(path).split(separator: "/", omittingEmptySubsequences: false).dropFirst()
    for (index, segment) in segments.enumerated() {
      let isLast = index == segments.count - 1
      switch segment {
      case ".", "..":
        if segment == "..", !kept.isEmpty { kept.removeLast() }
        if isLast { kept.append("") }
      default: kept.append(segment)
      }
    }
    return "/" + kept.joined(separator: "/")
  }

  private static func refusal(_ reason: String) -> HTTPClientError {
    HTTPClientError(code: .invalidURL, description: "the address \(reason)")
  }

  private static func parseAuthority(
    _ authority: ArraySlice<UInt8>, defaultPort: Int
  ) throws(HTTPClientError) -> (host: String, port: Int) {
    guard !authority.contains(UInt8(ascii: "@")) else { throw refusal("holds user information") }
    let hostEnd: Int
    let host: String
    if authority.first == UInt8(ascii: "[") {
      guard let bracket = authority.firstIndex(of: UInt8(ascii: "]")),
        let bytes = IPAddress.parse(String(decoding: authority[(authority.startIndex + 1)..<bracket], as: UTF8.self)),
        bytes.count == 16
      else { throw refusal("holds brackets without an IPv6 address") }
      host = "[" + IPAddress.text(bytes) + "]"
      hostEnd = bracket + 1
    } else {
      hostEnd = authority.firstIndex(of: UInt8(ascii: ":")) ?? authority.endIndex
      host = try parseName(authority[authority.startIndex..<hostEnd])
    }
    let rest = authority[hostEnd...]
    guard let colon = rest.first else { return (host, defaultPort) }
    let digits = rest.dropFirst()
    guard colon == UInt8(ascii: ":"), (1...5).contains(digits.count), digits.allSatisfy({ (0x30...0x39).contains($0) }),
      let port = Int(String(decoding: digits, as: UTF8.self)), (1...65535).contains(port)
    else { throw refusal("has a port that is none") }
    return (host, port)
  }

  private static func parseName(_ bytes: ArraySlice<UInt8>) throws(HTTPClientError) -> String {
    let host = String(decoding: bytes, as: UTF8.self).lowercased()
    guard !host.isEmpty, host.utf8.count <= 253 else { throw refusal("has no host, or one of more than 253 bytes") }
    let isNameByte = { (byte: UInt8) in
      (0x61...0x7a).contains(byte) || (0x30...0x39).contains(byte) || byte == 0x2d || byte == 0x2e || byte == 0x5f
    }
    guard host.utf8.allSatisfy(isNameByte) else { throw refusal("has a host that is no name") }
    var labels = host.split(separator: ".", omittingEmptySubsequences: false)
    if labels.count > 1, labels.last?.isEmpty == true { labels.removeLast() }
    guard labels.allSatisfy({ !$0.isEmpty }) else { throw refusal("has a host with an empty label") }
    // `127.1`, `0x7f000001` and `2130706433` are addresses to a resolver, but not to whoever compares text.
    if let last = labels.last, last.utf8.allSatisfy({ (0x30...0x39).contains($0) }) || last.hasPrefix("0x") {
      guard IPAddress.parse(host)?.count == 4 else { throw refusal("has a number for a host that is no IPv4 address") }
    }
    return host
  }
}
