import Primitives

/// A pattern of `exempt-images`, matched against the normalised name (and tag or digest).
///
/// ```text
/// pattern    = [ registry "/" ] path [ ":" tag ] [ "@" digest ]
/// registry   = host [ ":" port ], or "*." and a host of two labels or more
/// path       = component *( "/" component ), one component may be "**"
/// component, tag: literal text in which "*" stands for any characters, none included
/// digest     = "sha256:" 64 hex digits, or "sha512:" 128 hex digits
/// ```
///
/// - `*` stays within one component; `**` stands for one component or more. A pattern matches the whole name.
/// - A pattern without registry is completed as Docker completes images: `nginx` means `docker.io/library/nginx`, and
///   `org/app` means `docker.io/org/app`. So `*` never stands for a registry by accident.
/// - Without tag and digest it matches every tag and digest of the name. With a tag it matches references by that tag
///   only, not those that also hold a digest, since then the tag decides nothing; a reference with neither has the tag
///   `latest`. With a digest it matches references that hold that digest.
/// - Patterns that exempt nearly everything (`*`, `**`, `*.io/**`) are refused; `docker.io/**` says what it means and is
///   not.
///
/// Components are matched one to one on both sides of the `**`, and within a component no decision is revised before the
/// last `*`: matching takes time in proportion to the name for all but contrived patterns, and is bounded for those.
public struct ImagePattern: Sendable, Hashable {
  /// The pattern as it was written.
  public let text: String

  /// Components of the normalised name before `**`, or all of them; the first is the registry.
  private let leading: [Glob]
  /// Components after `**`; nil if there is no `**`.
  private let trailing: [Glob]?
  private let tag: Glob?
  private let digest: String?

  /// The longest pattern.
  static let maximumBytes = 512

  /// Reads one pattern, white space around it not expected; the error says what is wrong with it.
  public init(parsing text: String) throws(PolicyError) {
    do throws(PatternError) {
      try self.init(text: text)
    } catch {
      throw PolicyError(annotation: "", "the pattern \"\(text.printable(limit: 80))\" \(error.problem)")
    }
  }

  init(text: String) throws(PatternError) {
    self.text = text
    var rest = Array(text.utf8)[...]
    guard !rest.isEmpty else { throw PatternError("is empty") }
    guard rest.count <= Self.maximumBytes else {
      throw PatternError("holds \(rest.count) bytes, at most \(Self.maximumBytes) are allowed")
    }
    guard rest.allSatisfy({ $0 > 0x20 && $0 < 0x7f }) else {
      throw PatternError("holds white space or characters that no image name has; write one pattern a line")
    }
    if rest.contains(subsequence: "://") { throw PatternError("holds a scheme; write the name without it") }

    var digest: String?
    if let at = rest.firstIndex(of: UInt8(ascii: "@")) {
      digest = try Self.digest(rest[(at + 1)...])
      rest = rest[..<at]
    }
    self.digest = digest

    let lastSlash = rest.lastIndex(of: UInt8(ascii: "/"))
    if let colon = rest[(lastSlash ?? rest.startIndex)...].firstIndex(of: UInt8(ascii: ":")) {
      tag = try Self.tag(rest[(colon + 1)...])
      rest = rest[..<colon]
    } else {
      tag = nil
    }

    let components = try Self.completed(rest.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false))
    try Self.checkRegistry(components[0])
    for component in components.dropFirst() { try Self.checkComponent(component) }
    let across = components.indices.filter { components[$0].elementsEqual("**".utf8) }
    guard across.count <= 1 else { throw PatternError("holds ** more than once, which is not supported") }
    if let across = across.first {
      leading = components[..<across].map(Glob.init)
      trailing = components[(across + 1)...].map(Glob.init)
    } else {
      leading = components.map(Glob.init)
      trailing = nil
    }
  }

  /// Whether the pattern matches an image.
  ///
  /// `name` is `docker.io/library/nginx`; `tag` and `digest` as given by the user, if any.
  public func matches(name: String, tag: String?, digest: String?) -> Bool {
    if let wanted = self.digest {
      guard digest == wanted else { return false }
    } else if self.tag != nil, digest != nil {
      return false
    }
    if let wanted = self.tag {
      guard let actual = tag ?? (digest == nil ? "latest" : nil), wanted.matches(Array(actual.utf8)[...]) else {
        return false
      }
    }
    let components = Array(name.utf8).split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false)
    if let trailing {
      // The ** itself takes one component at least.
      guard components.count > leading.count + trailing.count else { return false }
      return Self.match(leading, components.prefix(leading.count))
        && Self.match(trailing, components.suffix(trailing.count))
    }
    return components.count == leading.count && Self.match(leading, components[...])
  }

  private static func match(_ globs: [Glob], _ components: ArraySlice<ArraySlice<UInt8>>) -> Bool {
    for (glob, component) in zip(globs, components) where !glob.matches(component) { return false }
    return true
  }

  // MARK: Reading

  /// The components of the normalised name, by Docker's defaults.
  private static func completed(_ components: [ArraySlice<UInt8>]) throws(PatternError) -> [ArraySlice<UInt8>] {
    let docker = Array("docker.io".utf8)[...]
    let library = Array("library".utf8)[...]
    guard let first = components.first, let last = components.last else { throw PatternError("is empty") }
    if components.count == 1 {
      guard !first.isEmpty else { throw PatternError("lacks the name") }
      if first.allSatisfy({ $0 == UInt8(ascii: "*") }) {
        throw PatternError(
          "would exempt everything; name a registry or a repository, as in ghcr.io/org/** or docker.io/library/*")
      }
      return [docker, library, first]
    }
    if isRegistry(first) {
      let registry = first.elementsEqual("index.docker.io".utf8) ? docker : first
      // docker.io/nginx is docker.io/library/nginx, but docker.io/** is all of Docker Hub.
      if registry == docker, components.count == 2, !last.elementsEqual("**".utf8) { return [docker, library, last] }
      return [registry] + components.dropFirst()
    }
    if first.elementsEqual("*".utf8) || first.elementsEqual("**".utf8) {
      throw PatternError(
        "begins with a wildcard in place of the registry, which would exempt images of any registry; name the registry, as in ghcr.io/org/**"
      )
    }
    return [docker] + components
  }

  /// Docker's rule for the first of several components.
  private static func isRegistry(_ component: ArraySlice<UInt8>) -> Bool {
    component.contains { $0 == UInt8(ascii: ".") || $0 == UInt8(ascii: ":") || ($0 >= 0x41 && $0 <= 0x5a) }
      || component.elementsEqual("localhost".utf8)
  }

  private static func checkRegistry(_ registry: ArraySlice<UInt8>) throws(PatternError) {
    var host = registry
    if host.first == UInt8(ascii: "[") {
      guard let end = host.firstIndex(of: UInt8(ascii: "]")),
        host[(host.startIndex + 1)..<end].contains(UInt8(ascii: ":")),
        host[(host.startIndex + 1)..<end].allSatisfy({ isASCIIAlphanumeric($0) || $0 == UInt8(ascii: ":") })
      else {
        throw PatternError("has a registry in brackets that is no IPv6 address; other uses of [ ] are not supported")
      }
      try checkPort(host[(end + 1)...])
      return
    }
    if let colon = host.firstIndex(of: UInt8(ascii: ":")) {
      try checkPort(host[colon...])
      host = host[..<colon]
    }
    var labels = host.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
    if labels.first?.elementsEqual("*".utf8) == true {
      labels.removeFirst()
      guard labels.count >= 2 else {
        throw PatternError("has a registry that is nearly any registry; after \"*.\" write two labels or more")
      }
    }
    for label in labels {
      guard !label.contains(UInt8(ascii: "*")) else {
        throw PatternError(
          "has a wildcard in its registry; only a leading \"*.\" is allowed there, as in *.example.com/**")
      }
      guard let first = label.first, let last = label.last, isASCIIAlphanumeric(first), isASCIIAlphanumeric(last),
        label.allSatisfy({ isASCIIAlphanumeric($0) || $0 == UInt8(ascii: "-") })
      else { throw PatternError("has a registry that is no host name") }
    }
  }

  private static func checkPort(_ text: ArraySlice<UInt8>) throws(PatternError) {
    if text.isEmpty { return }
    let digits = text.dropFirst()
    guard text.first == UInt8(ascii: ":"), !digits.isEmpty, digits.count <= 5, digits.first != 0x30,
      digits.allSatisfy({ $0 >= 0x30 && $0 <= 0x39 })
    else { throw PatternError("has a registry whose port is none (digits without leading zero)") }
  }

  private static func checkComponent(_ component: ArraySlice<UInt8>) throws(PatternError) {
    guard !component.isEmpty else {
      throw PatternError("has an empty component: a slash too many, or the name is missing")
    }
    if component.elementsEqual("**".utf8) { return }
    if component.contains(subsequence: "**") {
      throw PatternError("has ** beside other characters; ** stands for whole components, as in ghcr.io/org/**")
    }
    for byte in component {
      switch byte {
      case 0x61...0x7a, 0x30...0x39, UInt8(ascii: "*"), UInt8(ascii: "."), UInt8(ascii: "-"), UInt8(ascii: "_"):
        continue
      case 0x41...0x5a: throw PatternError("has upper-case letters in the repository, which no image has")
      default:
        throw PatternError(
          "has the character '\(Unicode.Scalar(byte))', which no repository has; the wildcards are * and **")
      }
    }
  }

  private static func tag(_ text: ArraySlice<UInt8>) throws(PatternError) -> Glob {
    guard !text.isEmpty else { throw PatternError("ends with a colon, but without a tag") }
    guard !text.contains(subsequence: "**") else { throw PatternError("has ** in its tag; write * there") }
    guard text.count <= 128, text.first != UInt8(ascii: "."), text.first != UInt8(ascii: "-"),
      text.allSatisfy({
        isASCIIAlphanumeric($0) || $0 == UInt8(ascii: "_") || $0 == UInt8(ascii: ".") || $0 == UInt8(ascii: "-")
          || $0 == UInt8(ascii: "*")
      })
    else { throw PatternError("has a tag that no image has; letters, digits, '_', '.', '-' and * are allowed") }
    return Glob(text)
  }

  private static func digest(_ text: ArraySlice<UInt8>) throws(PatternError) -> String {
    for (algorithm, digits) in [("sha256:", 64), ("sha512:", 128)] where text.starts(with: algorithm.utf8) {
      let hex = text.dropFirst(algorithm.utf8.count)
      if hex.count == digits, hex.allSatisfy({ ($0 >= 0x30 && $0 <= 0x39) || ($0 >= 0x61 && $0 <= 0x66) }) {
        return String(decoding: text, as: UTF8.self)
      }
    }
    throw PatternError(
      "has a digest that is neither sha256: and 64 nor sha512: and 128 lower-case hexadecimal digits; wildcards are not allowed there"
    )
  }
}

/// Why a text is no pattern; a predicate without its subject ("has …").
struct PatternError: Error {
  let problem: String
  init(_ problem: String) { self.problem = problem }
}
