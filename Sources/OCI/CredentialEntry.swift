import JSON
import Primitives

/// A registry's host as credentials are matched with: labels in lower case, and the port if there is one.
struct RegistryHost: Equatable {
  let labels: [Substring]
  let port: String?

  /// `HOST`, `HOST:PORT` or `[IPv6]:PORT`, where a host of an entry may hold `*`; nil for anything else.
  init?(_ text: some StringProtocol) {
    let text = text.lowercased()
    guard !text.isEmpty, text.utf8.count <= 512, text.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F }) else { return nil }
    let host: Substring
    let rest: Substring
    if text.first == "[" {
      guard let close = text.firstIndex(of: "]") else { return nil }
      host = text[...close]
      rest = text[text.index(after: close)...]
    } else {
      host = text.prefix { $0 != ":" }
      rest = text.dropFirst(host.count)
    }
    if rest.isEmpty {
      port = nil
    } else {
      let digits = rest.dropFirst()
      guard rest.first == ":", !digits.isEmpty, digits.count <= 5, digits.utf8.allSatisfy({ $0 >= 0x30 && $0 <= 0x39 })
      else { return nil }
      port = String(digits)
    }
    // Docker Hub answers to three names; credentials for one are credentials for all.
    let isDockerHub = port == nil && ["index.docker.io", "registry-1.docker.io"].contains(host)
    labels = (isDockerHub ? "docker.io" : host).split(separator: ".", omittingEmptySubsequences: false)
    guard labels.allSatisfy({ !$0.isEmpty }) else { return nil }
  }
}

/// One host's entry of a file of credentials.
struct CredentialEntry: Sendable {
  let credential: RegistryCredentials.Credential
  /// Components of the repository that the entry is for; none for all.
  let path: [Substring]
  /// How many `*` its host holds.
  let wildcards: Int
  private let labels: [Substring]
  private let port: String?

  /// Reads an entry; nil if it holds no credential. Errors name no value.
  init?(host key: String, value: JSONValue) throws(CredentialsError) {
    (labels, port, path) = try Self.place(key)
    wildcards = labels.reduce(0) { $0 + $1.count { $0 == "*" } }
    guard let credential = try Self.credential(value) else { return nil }
    self.credential = credential
  }

  func matches(_ host: RegistryHost, path repository: [Substring]) -> Bool {
    port == host.port && labels.count == host.labels.count && repository.starts(with: path)
      && zip(labels, host.labels).allSatisfy { matchesLabel(pattern: Array($0.utf8), Array($1.utf8)) }
  }

  /// The key of an entry taken apart: `HOST[:PORT][/PATH]`, with a scheme or not; `/v1/` and `/v2/` are the registry itself.
  private static func place(_ key: String) throws(CredentialsError) -> ([Substring], String?, [Substring]) {
    guard key.utf8.count <= 1024 else { throw CredentialsError("its name is longer than 1024 bytes") }
    guard !key.contains(where: { "@?#".contains($0) }) else {
      throw CredentialsError("expected a host and perhaps a port and a path")
    }
    var rest = key[...]
    var hasScheme = false
    for scheme in ["https://", "http://"] where rest.lowercased().hasPrefix(scheme) {
      rest = rest.dropFirst(scheme.count)
      hasScheme = true
      break
    }
    let hostText = rest.prefix { $0 != "/" }
    var path = rest.dropFirst(hostText.count).dropFirst()[...]
    for version in ["v1", "v2"] {
      // Without a scheme and a slash behind it, `host/v1` is a repository's first component.
      if path.hasPrefix(version + "/") || hasScheme && path == version {
        path = path.dropFirst(version.count + 1)
        break
      }
    }
    while path.last == "/" { path = path.dropLast() }
    guard let host = RegistryHost(hostText) else {
      throw CredentialsError("expected a host and perhaps a port and a path")
    }
    return (host.labels, host.port, path.isEmpty ? [] : path.split(separator: "/", omittingEmptySubsequences: false))
  }

  private static func credential(_ value: JSONValue) throws(CredentialsError) -> RegistryCredentials.Credential? {
    if value.isNull { return nil }
    guard value.kind == .object else { throw CredentialsError("expected an object, found \(value.kind)") }
    if let token = try text("registrytoken", of: value) {
      // It goes into a header as it is.
      guard token.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F }) else {
        throw CredentialsError("\"registrytoken\" holds characters that no token has")
      }
      return .registryToken(token)
    }
    if let token = try text("identitytoken", of: value) { return .identityToken(token) }
    if let auth = try text("auth", of: value) {
      // Padded or not, and with the line end that `base64` writes.
      let trimmed = auth.utf8.filter { $0 != 0x0A && $0 != 0x0D && $0 != 0x20 }
      guard let bytes = Base64.decode(Array(trimmed), dialect: .protobuf),
        let decoded = String(validating: bytes, as: UTF8.self), let colon = decoded.firstIndex(of: ":")
      else { throw CredentialsError("\"auth\" is not base64 of user:password") }
      let username = String(decoded[..<colon])
      let password = String(decoded[decoded.index(after: colon)...])
      return username.isEmpty && password.isEmpty ? nil : .basic(username: username, password: password)
    }
    let username = try text("username", of: value)
    let password = try text("password", of: value)
    if username == nil && password == nil { return nil }
    return .basic(username: username ?? "", password: password ?? "")
  }

  /// The text of a member; nil if it is absent, `null` or empty.
  private static func text(_ name: String, of value: JSONValue) throws(CredentialsError) -> String? {
    guard let member = value[name], !member.isNull else { return nil }
    guard member.kind == .string, let text = try? member.string() else {
      throw CredentialsError("\"\(name)\" is of type \(member.kind), expected string")
    }
    guard text.utf8.count <= 64 << 10 else { throw CredentialsError("\"\(name)\" is longer than 64 KiB") }
    return text.isEmpty ? nil : text
  }
}

/// Whether one label of a host is what `pattern` describes; `*` stands for any characters of the label.
private func matchesLabel(pattern: [UInt8], _ label: [UInt8]) -> Bool {
  var (position, retry) = (0, 0)
  var index = 0
  var star: Int?
  while index < label.count {
    if position < pattern.count, pattern[position] == UInt8(ascii: "*") {
      star = position
      retry = index
      position += 1
    } else if position < pattern.count, pattern[position] == label[index] {
      position += 1
      index += 1
    } else if let star {
      retry += 1
      index = retry
      position = star + 1
    } else {
      return false
    }
  }
  return pattern[position...].allSatisfy { $0 == UInt8(ascii: "*") }
}
