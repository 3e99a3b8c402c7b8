import Primitives

/// How an API server is reached and who asks. Its secrets appear in no description.
struct Connection: Sendable, CustomStringConvertible, CustomReflectable {
  /// PEM that is at hand or in a file that may change.
  enum Authorities: Sendable {
    /// Those of the system.
    case system
    case fixed([UInt8])
    case file(ReloadingFile)
  }

  var server: ServerAddress
  var authorities: Authorities = .system
  var verifiesPeer = true
  var clientCertificatePEM: [UInt8]?
  var clientKeyPEM: [UInt8]?
  var token: BearerToken = .none

  var description: String { "connection to \(server.url)" }
  var customMirror: Mirror { Mirror(self, children: ["server": server.url], displayStyle: .struct) }
}

/// The token that a request carries, if any.
enum BearerToken: Sendable {
  case none
  case fixed(String)
  case file(ReloadingFile)

  /// The token now; throws if what the file holds can be none.
  func current(force: Bool = false) throws(ClusterError) -> String? {
    switch self {
    case .none: return nil
    case .fixed(let token): return token
    case .file(let file):
      return try Self.checked(
        String(decoding: file.content(force: force).bytes, as: UTF8.self), from: file.path.printable(limit: 1024))
    }
  }

  /// The token without white space around it. Refuses what would not stay within one header line.
  static func checked(_ text: String, from place: String) throws(ClusterError) -> String {
    var bytes = Array(text.utf8)[...]
    while let last = bytes.last, last <= 0x20 { bytes.removeLast() }
    while let first = bytes.first, first <= 0x20 { bytes.removeFirst() }
    guard !bytes.isEmpty else { throw ClusterError(.invalid, "the token in \(place) is empty") }
    guard bytes.count <= maximumBytes else {
      throw ClusterError(.invalid, "the token in \(place) holds more than \(maximumBytes) bytes")
    }
    guard bytes.allSatisfy({ $0 > 0x20 && $0 < 0x7f }) else {
      throw ClusterError(.invalid, "the token in \(place) holds white space or characters that no token has")
    }
    return String(decoding: bytes, as: UTF8.self)
  }

  static let maximumBytes = 32 << 10
}

/// The address of an API server: `https://HOST[:PORT][/PATH]`, without a slash at the end.
struct ServerAddress: Sendable, Hashable {
  let url: String

  /// Refuses other schemes (plain HTTP only if `allowsPlainHTTP`), user names, queries and whatever is not in a host name.
  init(parsing text: String, allowsPlainHTTP: Bool = false) throws(ClusterError) {
    func refusal(_ reason: String) -> ClusterError {
      ClusterError(.invalid, "the server \"\(text.printable(limit: 128))\" \(reason); write https://HOST[:PORT]")
    }
    guard text.utf8.count <= 1024 else { throw refusal("is too long") }
    let scheme: String
    if text.hasPrefix("https://") {
      scheme = "https://"
    } else if text.hasPrefix("http://") {
      guard allowsPlainHTTP else { throw refusal("is asked over plain HTTP, which is not done") }
      scheme = "http://"
    } else {
      throw refusal("has no scheme that is supported")
    }
    let rest = Array(text.utf8.dropFirst(scheme.utf8.count))
    let slash = rest.firstIndex(of: UInt8(ascii: "/")) ?? rest.endIndex
    guard Self.isAuthority(rest[..<slash]) else { throw refusal("has no host and port that can be right") }
    var path = rest[slash...]
    while path.last == UInt8(ascii: "/") { path.removeLast() }
    guard path.allSatisfy(Self.isPathByte), !String(decoding: path, as: UTF8.self).contains("/..") else {
      throw refusal("has a path, query or fragment that is not supported")
    }
    url = scheme + String(decoding: rest[..<slash], as: UTF8.self) + String(decoding: path, as: UTF8.self)
  }

  private static func isAuthority(_ text: ArraySlice<UInt8>) -> Bool {
    var host = text
    var port: ArraySlice<UInt8>?
    if text.first == UInt8(ascii: "[") {
      guard let end = text.firstIndex(of: UInt8(ascii: "]")) else { return false }
      host = text[(text.startIndex + 1)..<end]
      let rest = text[(end + 1)...]
      if !rest.isEmpty {
        guard rest.first == UInt8(ascii: ":") else { return false }
        port = rest.dropFirst()
      }
      guard host.contains(UInt8(ascii: ":")),
        host.allSatisfy({ isAlphanumeric($0) || $0 == UInt8(ascii: ":") || $0 == UInt8(ascii: ".") })
      else { return false }
    } else {
      if let colon = text.firstIndex(of: UInt8(ascii: ":")) {
        host = text[..<colon]
        port = text[(colon + 1)...]
      }
      guard !host.isEmpty, host.allSatisfy({ isAlphanumeric($0) || $0 == UInt8(ascii: "-") || $0 == UInt8(ascii: ".") })
      else { return false }
    }
    guard let port else { return true }
    guard let number = Int(String(decoding: port, as: UTF8.self)) else { return false }
    return port.allSatisfy { $0 >= 0x30 && $0 <= 0x39 } && number > 0 && number < 65536
  }

  private static func isPathByte(_ byte: UInt8) -> Bool {
    isAlphanumeric(byte) || "/-._~:".utf8.contains(byte)
  }

  private static func isAlphanumeric(_ byte: UInt8) -> Bool {
    (byte >= 0x30 && byte <= 0x39) || (byte | 0x20 >= 0x61 && byte | 0x20 <= 0x7a)
  }
}
