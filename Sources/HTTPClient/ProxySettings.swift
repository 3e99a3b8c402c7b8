import Glibc

/// Which proxy a request goes through: `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY`, as most tools for containers read them.
public struct ProxySettings: Sendable, Equatable {
  /// For `https` requests: `http://`, `https://` or `socks5h://` and so on, with user information if need be.
  public var https: String?
  /// For `http` requests.
  public var http: String?
  /// Who is asked directly: `*`, names (themselves and what is below them), `.name` (only what is below), addresses, blocks
  /// such as `10.0.0.0/8`, each but the last with an optional `:port`; separated by commas. Loopback always is.
  public var exceptions: String

  /// Settings as given.
  public init(https: String? = nil, http: String? = nil, exceptions: String = "") {
    self.https = https
    self.http = http
    self.exceptions = exceptions
  }

  /// The settings that these variables make; of two spellings, the upper case goes first. Empty is absent.
  public init(environment: (String) -> String?) {
    func value(_ name: String) -> String? {
      for spelling in [name, name.lowercased()] {
        if let value = environment(spelling), !value.isEmpty { return value }
      }
      return nil
    }
    self.init(https: value("HTTPS_PROXY"), http: value("HTTP_PROXY"), exceptions: value("NO_PROXY") ?? "")
  }

  /// What this process was started with.
  static var ofProcess: ProxySettings {
    ProxySettings { name in getenv(name).map { String(cString: $0) } }
  }

  /// The proxy for `url`, or nil if its host is asked directly.
  public func proxy(for url: HTTPURL) -> String? {
    guard let proxy = url.isSecure ? https : http, url.localPlace != .loopback, !isException(url) else { return nil }
    return proxy
  }

  private func isException(_ url: HTTPURL) -> Bool {
    var host = url.host
    if host.hasSuffix(".") { host.removeLast() }
    let literal = host.hasPrefix("[") ? String(host.dropFirst().dropLast()) : host
    let address = IPAddress.parse(literal)
    for entry in exceptions.split(whereSeparator: { $0 == "," || $0 == " " }) {
      var pattern = entry.lowercased()
      if pattern == "*" { return true }
      if let slash = pattern.firstIndex(of: "/") {
        guard let address, let block = IPAddress.parse(String(pattern[..<slash])),
          let bits = Int(pattern[pattern.index(after: slash)...]), bits >= 0
        else { continue }
        if IPAddress.isIn(address, block, bits: bits) { return true }
        continue
      }
      if IPAddress.parse(pattern) == nil, let colon = pattern.lastIndex(of: ":"),
        let port = Int(pattern[pattern.index(after: colon)...])
      {
        guard port == url.port else { continue }
        pattern = String(pattern[..<colon])
      }
      if pattern.hasPrefix("["), pattern.hasSuffix("]") { pattern = String(pattern.dropFirst().dropLast()) }
      if let address {
        if IPAddress.parse(pattern) == address { return true }
        continue
      }
      if pattern.hasPrefix("*.") { pattern.removeFirst() }
      if pattern.hasPrefix(".") {
        if host.hasSuffix(pattern) { return true }
      } else if host == pattern || host.hasSuffix("." + pattern) {
        return true
      }
    }
    return false
  }
}
