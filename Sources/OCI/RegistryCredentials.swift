import JSON
import Primitives

/// Why a file of credentials cannot be used at all. Names places, never values.
public struct CredentialsError: Error, Sendable, CustomStringConvertible {
  /// What is wrong.
  public let description: String

  /// An error with this text, which must hold no value of the file.
  public init(_ description: String) { self.description = description }
}

/// One `dockerconfigjson`/`dockercfg` worth of credentials, and where it came from (a name for messages, never a value).
///
/// Nothing that is printed, dumped or reflected of it shows a user name, a password or a token.
public struct RegistryCredentials: Sendable {
  /// Where they came from, for messages: `Secret team-a/registry`.
  public let source: String
  /// What could not be used and why, a line each, by the names of the hosts.
  public let notes: [String]
  /// The most specific first.
  private let entries: [CredentialEntry]

  /// Bytes of a file: what a Secret may hold at most.
  public static let maximumBytes = 1 << 20
  /// Hosts in one file.
  public static let maximumEntries = 1000

  /// `{"auths":{…}}` (`.dockerconfigjson`). Members of a host's entry that cannot be read make a note, not an error; the
  /// error is for what is no such file.
  public init(dockerConfigJSON bytes: [UInt8], source: String) throws(CredentialsError) {
    let root = try Self.document(bytes, source: source)
    guard let auths = root["auths"], !auths.isNull else {
      // Helpers are programs on the machine where the file was written.
      let unusable = ["credHelpers", "credsStore", "HttpHeaders"].filter { root[$0] != nil }
      let found = unusable.isEmpty ? "" : ", only \(unusable.joined(separator: ", ")), which cannot be used here"
      self.init(source: source, entries: [], notes: ["\(source.printable()): holds no \"auths\"\(found)"])
      return
    }
    try self.init(hosts: auths, source: source)
  }

  /// `{"host":{…}}` (`.dockercfg`).
  public init(dockerCfg bytes: [UInt8], source: String) throws(CredentialsError) {
    try self.init(hosts: try Self.document(bytes, source: source), source: source)
  }

  /// Who one is for a registry.
  public enum Credential: Sendable, Hashable {
    /// User name and password.
    case basic(username: String, password: String)
    /// An OAuth 2 refresh token, to be exchanged at the registry's token endpoint.
    case identityToken(String)
    /// A bearer token, to be sent as it is.
    case registryToken(String)
  }

  /// The credential for this repository by Docker's and the kubelet's matching rules, the most specific first: an exact
  /// host before one with `*`, then the longest path.
  ///
  /// Each `*` stands for (a part of) one label of the host, never for a dot or a port; the port must be the same; a path
  /// must be the repository or whole leading components of it; `docker.io` has its usual other names.
  public func credential(forRegistry registry: String, repository: String) -> Credential? {
    guard let host = RegistryHost(registry) else { return nil }
    let path = repository.split(separator: "/", omittingEmptySubsequences: false)
    return entries.first { $0.matches(host, path: path) }?.credential
  }

  // MARK: Reading

  private init(source: String, entries: [CredentialEntry], notes: [String]) {
    self.source = source
    self.entries = entries
    self.notes = notes
  }

  private static func document(_ bytes: [UInt8], source: String) throws(CredentialsError) -> JSONValue {
    let document: JSONDocument
    do {
      document = try JSONDocument(bytes, limits: .init(bytes: maximumBytes, depth: 16, values: 65_536))
    } catch {
      // The error names offsets, sizes and names of members, which are hosts here.
      throw CredentialsError("\(source.printable()): not JSON: \(error.description.printable())")
    }
    guard document.root.kind == .object else {
      throw CredentialsError("\(source.printable()): expected a JSON object, found \(document.root.kind)")
    }
    return document.root
  }

  private init(hosts: JSONValue, source: String) throws(CredentialsError) {
    guard let members = try? hosts.members() else {
      throw CredentialsError("\(source.printable()): \"auths\" is of type \(hosts.kind), expected object")
    }
    guard members.count <= Self.maximumEntries else {
      throw CredentialsError(
        "\(source.printable()): \(members.count) hosts, at most \(Self.maximumEntries) are read")
    }
    var entries: [CredentialEntry] = []
    var notes: [String] = []
    for (name, value) in members {
      do throws(CredentialsError) {
        if let entry = try CredentialEntry(host: name, value: value) { entries.append(entry) }
      } catch {
        // A user name or password may stand before an `@`.
        let shown = name.split(separator: "@", omittingEmptySubsequences: false).last ?? ""
        notes.append("\(source.printable()): entry \"\(String(shown).printable(limit: 128))\": \(error.description)")
      }
    }
    // Among equals the position in the file decides.
    let ranked = entries.enumerated().sorted { left, right in
      let (one, other) = (left.element, right.element)
      if one.wildcards != other.wildcards { return one.wildcards < other.wildcards }
      if one.path.count != other.path.count { return one.path.count > other.path.count }
      return left.offset < right.offset
    }
    self.init(source: source, entries: ranked.map(\.element), notes: notes)
  }
}

// MARK: - Secrecy

extension RegistryCredentials: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
  /// The source and how many hosts it names.
  public var description: String { "credentials of \(source.printable()) (\(entries.count) hosts)" }
  /// The same.
  public var debugDescription: String { description }
  /// A mirror without children.
  public var customMirror: Mirror { Mirror(self, children: []) }
}

extension RegistryCredentials.Credential: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
  /// Its kind.
  public var description: String {
    switch self {
    case .basic: "user name and password"
    case .identityToken: "identity token"
    case .registryToken: "registry token"
    }
  }
  /// The same.
  public var debugDescription: String { description }
  /// A mirror without children.
  public var customMirror: Mirror { Mirror(self, children: []) }
}
