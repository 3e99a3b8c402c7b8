import Crypto
import OCI
import Primitives

/// A request as the registry remembers it.
public struct LoggedRequest: Sendable {
  /// As sent.
  public let method: String
  /// Without the query, undecoded.
  public let path: String
  /// Behind the `?`, undecoded.
  public let query: String
  /// Names in lower case.
  public let headers: [(name: String, value: String)]

  /// The first header of that name, in lower case.
  public func header(_ name: String) -> String? { headers.first { $0.name == name }?.value }
}

/// A request, from whatever transport.
struct RegistryRequest: Sendable {
  let method: String
  let path: String
  let query: String
  /// Names in lower case.
  let headers: [(name: String, value: String)]
  let body: [UInt8]

  func header(_ name: String) -> String? { headers.first { $0.name == name }?.value }

  /// Reading methods are answered alike; the server leaves the body of an answer to HEAD out.
  var isReading: Bool { method == "GET" || method == "HEAD" }

  /// All values of a query parameter, decoded.
  func parameters(_ name: String) -> [String] { Self.parameters(name, in: query) }

  func parameter(_ name: String) -> String? { parameters(name).first }

  /// All values of a parameter in a query or a form.
  static func parameters(_ name: String, in text: String) -> [String] {
    text.split(separator: "&").compactMap { pair in
      let parts = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
      guard let first = parts.first, percentDecoded(first, plusIsSpace: true) == name else { return nil }
      return percentDecoded(parts.dropFirst().first ?? "", plusIsSpace: true)
    }
  }

  var loggable: LoggedRequest { LoggedRequest(method: method, path: path, query: query, headers: headers) }
}

/// What a path means (OCI distribution specification, "Endpoints").
enum Route: Equatable {
  case base
  case token
  case catalog
  case tags(repository: String)
  case manifest(repository: String, reference: String)
  case blob(repository: String, digest: String)
  case uploads(repository: String)
  case upload(repository: String, id: String)
  case referrers(repository: String, digest: String)

  /// Nil for a path that is none of the specification's, or a name that no repository has.
  init?(path: String) {
    if path == "/token" {
      self = .token
      return
    }
    let parts = path.split(separator: "/", omittingEmptySubsequences: false).dropFirst().map {
      percentDecoded($0, plusIsSpace: false)
    }
    guard parts.first == "v2", parts.count <= 64 else { return nil }
    let rest = Array(parts.dropFirst())
    if rest.isEmpty || rest == [""] {
      self = .base
      return
    }
    if rest == ["_catalog"] {
      self = .catalog
      return
    }
    guard rest.count >= 3 else { return nil }
    let last = rest[rest.count - 1]
    let kind = rest[rest.count - 2]
    func name(_ dropping: Int) -> String { rest.dropLast(dropping).joined(separator: "/") }
    let repository: String
    switch (kind, last) {
    case ("tags", "list"):
      repository = name(2)
      self = .tags(repository: repository)
    case ("manifests", _):
      repository = name(2)
      self = .manifest(repository: repository, reference: last)
    case ("referrers", _):
      repository = name(2)
      self = .referrers(repository: repository, digest: last)
    case ("blobs", "uploads"):
      repository = name(2)
      self = .uploads(repository: repository)
    case ("blobs", _):
      repository = name(2)
      self = .blob(repository: repository, digest: last)
    case ("uploads", _) where rest.count >= 4 && rest[rest.count - 3] == "blobs":
      repository = name(3)
      self = last.isEmpty ? .uploads(repository: repository) : .upload(repository: repository, id: last)
    default: return nil
    }
    guard isRepositoryName(repository) else { return nil }
  }

  /// The repository that is asked for, if it is one.
  var repository: String? {
    switch self {
    case .base, .token, .catalog: nil
    case .tags(let repository), .uploads(let repository): repository
    case .manifest(let repository, _), .blob(let repository, _), .upload(let repository, _),
      .referrers(let repository, _):
      repository
    }
  }
}

/// Whether `name` is a repository's by the grammar of references.
func isRepositoryName(_ name: String) -> Bool {
  guard let reference = try? ImageReference(parsing: "a.a/" + name) else { return false }
  return reference.repository == name && reference.tag == nil && reference.digest == nil
}

/// Whether `text` is a tag by the grammar of references.
func isTag(_ text: String) -> Bool {
  (try? ImageReference(parsing: "a.a/a:" + text))?.tag == text
}

/// `text` with `%XX` resolved; what is no such escape, or not UTF-8 afterwards, stays or becomes a replacement character.
func percentDecoded(_ text: Substring, plusIsSpace: Bool) -> String {
  guard text.utf8.contains(where: { $0 == UInt8(ascii: "%") || $0 == UInt8(ascii: "+") }) else { return String(text) }
  let bytes = Array(text.utf8)
  var result: [UInt8] = []
  result.reserveCapacity(bytes.count)
  var index = 0
  while index < bytes.count {
    if bytes[index] == UInt8(ascii: "%"), index + 2 < bytes.count,
      let byte = Hex.decode(String(decoding: bytes[(index + 1)...(index + 2)], as: UTF8.self).lowercased())
    {
      result += byte
      index += 3
      continue
    }
    result.append(plusIsSpace && bytes[index] == UInt8(ascii: "+") ? 0x20 : bytes[index])
    index += 1
  }
  return String(decoding: result, as: UTF8.self)
}
