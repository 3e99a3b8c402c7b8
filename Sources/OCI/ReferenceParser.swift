import Crypto
import Primitives

/// Reads an image reference from left to right, with a position for every refusal.
///
/// The grammar is that of github.com/distribution/reference, narrowed where it lets through what no host can be: ports
/// past 65535 or with leading zeros, and bracketed text that is no IPv6 address.
struct ReferenceParser {
  /// Bytes of a literal.
  static let maximumLiteral = 4096
  /// Bytes of registry, slash and repository together.
  static let maximumName = 255
  static let maximumTag = 128

  private let text: [UInt8]
  private var position = 0

  private(set) var registry = "docker.io"
  private(set) var repository = ""
  private(set) var tag: String?
  private(set) var digest: Digest?
  private(set) var nameEnd = 0
  private(set) var tagEnd = 0

  init(_ literal: String) throws(ReferenceError) {
    guard literal.utf8.count <= Self.maximumLiteral else {
      throw ReferenceError(
        at: Self.maximumLiteral,
        "an image reference has at most \(Self.maximumLiteral) bytes, this one has \(literal.utf8.count)")
    }
    text = Array(literal.utf8)
  }

  mutating func parse() throws(ReferenceError) {
    try refuseForeignBytes()
    let firstSlash = text.firstIndex(of: UInt8(ascii: "/"))
    if let firstSlash, isRegistry(text[..<firstSlash]) {
      try parseRegistry(until: firstSlash)
      position = firstSlash + 1
    }
    try parseRepository()
    if peek == UInt8(ascii: ":") { try parseTag() }
    tagEnd = position
    if peek == UInt8(ascii: "@") { try parseDigest() }
    guard position == text.count else { throw unexpected("\":\" and a tag, \"@\" and a digest, or the end") }
  }

  // MARK: The whole

  private func refuseForeignBytes() throws(ReferenceError) {
    guard !text.isEmpty else { throw ReferenceError(at: 0, "the image reference is empty") }
    for (offset, byte) in text.enumerated() {
      switch byte {
      case 0x21...0x7E: continue
      case 0x20, 0x09, 0x0A, 0x0D: throw ReferenceError(at: offset, "white space in an image reference")
      default: throw ReferenceError(at: offset, "expected printable ASCII, found \(found(at: offset))")
      }
    }
    for offset in text.indices where text[offset] == UInt8(ascii: ":") && text[offset...].starts(with: "://".utf8) {
      throw ReferenceError(at: offset, "an image reference has no URL scheme; it starts with the registry's host")
    }
    if text.count == 64, text.allSatisfy(isHexadecimal) {
      throw ReferenceError(
        at: 0, "64 hexadecimal digits are an image identifier, not a repository; write name@sha256:…")
    }
  }

  /// Whether what stands before the first slash is a registry and not the first component of a Docker Hub repository.
  private func isRegistry(_ component: ArraySlice<UInt8>) -> Bool {
    component.elementsEqual("localhost".utf8)
      || component.contains { $0 == UInt8(ascii: ".") || $0 == UInt8(ascii: ":") || isUpperCase($0) }
  }

  // MARK: Registry

  private mutating func parseRegistry(until end: Int) throws(ReferenceError) {
    if peek == UInt8(ascii: "[") { try parseIPv6(until: end) } else { try parseHostName(until: end) }
    if position < end, peek == UInt8(ascii: ":") { try parsePort(until: end) }
    guard position == end else { throw unexpected("a registry's host, \":\" and port, then \"/\"") }
    let written = String(decoding: text[..<end], as: UTF8.self)
    if written != "index.docker.io" { registry = written }
  }

  private mutating func parseHostName(until end: Int) throws(ReferenceError) {
    while true {
      guard position < end, isAlphanumeric(text[position]) else {
        throw unexpected("a letter or digit in the registry's host name")
      }
      while position < end, isAlphanumeric(text[position]) || text[position] == UInt8(ascii: "-") { position += 1 }
      guard text[position - 1] != UInt8(ascii: "-") else {
        position -= 1
        throw unexpected("a label of the registry's host name to end in a letter or digit")
      }
      guard position < end, text[position] == UInt8(ascii: ".") else { return }
      position += 1
    }
  }

  private mutating func parseIPv6(until end: Int) throws(ReferenceError) {
    let start = position
    guard let close = text[..<end].firstIndex(of: UInt8(ascii: "]")) else {
      throw ReferenceError(at: start, "expected \"]\" behind the registry's IPv6 address")
    }
    guard isIPv6(text[(start + 1)..<close]) else {
      throw ReferenceError(
        at: start + 1, "expected an IPv6 address in hexadecimal groups, without zone or embedded IPv4 address")
    }
    position = close + 1
  }

  private mutating func parsePort(until end: Int) throws(ReferenceError) {
    position += 1
    let start = position
    var port = 0
    while position < end, isDigit(text[position]), position - start < 6 {
      port = port * 10 + Int(text[position] - 0x30)
      position += 1
    }
    guard position == end else { throw unexpected("a port of digits, then \"/\"") }
    guard position > start, position - start <= 5, port >= 1, port <= 65535, text[start] != UInt8(ascii: "0") else {
      throw ReferenceError(at: start, "expected a port from 1 to 65535 without leading zeros")
    }
  }

  // MARK: Repository

  private mutating func parseRepository() throws(ReferenceError) {
    let start = position
    try parsePathComponent()
    var components = 1
    while peek == UInt8(ascii: "/") {
      position += 1
      try parsePathComponent()
      components += 1
    }
    nameEnd = position
    let path = String(decoding: text[start..<position], as: UTF8.self)
    repository = registry == "docker.io" && components == 1 ? "library/" + path : path
    let length = registry.utf8.count + 1 + repository.utf8.count
    guard length <= Self.maximumName else {
      throw ReferenceError(
        at: max(0, position - (length - Self.maximumName)),
        "registry and repository have at most \(Self.maximumName) bytes together, these have \(length)")
    }
  }

  /// `[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*`
  private mutating func parsePathComponent() throws(ReferenceError) {
    while true {
      guard let first = peek, isLowerCase(first) || isDigit(first) else {
        throw unexpected("a lower-case letter or digit in the repository's name")
      }
      while let byte = peek, isLowerCase(byte) || isDigit(byte) { position += 1 }
      switch peek {
      case UInt8(ascii: "."): position += 1
      case UInt8(ascii: "_"):
        position += 1
        if peek == UInt8(ascii: "_") { position += 1 }
      case UInt8(ascii: "-"):
        while peek == UInt8(ascii: "-") { position += 1 }
      case nil, UInt8(ascii: "/"), UInt8(ascii: ":"), UInt8(ascii: "@"): return
      default: throw unexpected("a lower-case letter, digit, \".\", \"_\" or \"-\" in the repository's name")
      }
    }
  }

  // MARK: Tag and digest

  private mutating func parseTag() throws(ReferenceError) {
    position += 1
    let start = position
    guard let first = peek, isAlphanumeric(first) || first == UInt8(ascii: "_") else {
      throw unexpected("a tag that starts with a letter, digit or \"_\"")
    }
    while let byte = peek, byte != UInt8(ascii: "@") {
      guard isAlphanumeric(byte) || byte == UInt8(ascii: "_") || byte == UInt8(ascii: ".") || byte == UInt8(ascii: "-")
      else { throw unexpected("a letter, digit, \"_\", \".\" or \"-\" in the tag") }
      guard position - start < Self.maximumTag else {
        throw ReferenceError(at: position, "a tag has at most \(Self.maximumTag) characters")
      }
      position += 1
    }
    tag = String(decoding: text[start..<position], as: UTF8.self)
  }

  private mutating func parseDigest() throws(ReferenceError) {
    position += 1
    let start = position
    let digits: Int
    if text[start...].starts(with: "sha256:".utf8) {
      digits = 64
    } else if text[start...].starts(with: "sha512:".utf8) {
      digits = 128
    } else {
      throw unexpected("a digest: \"sha256:\" or \"sha512:\" and lower-case hexadecimal digits")
    }
    position += 7
    let end = position + digits
    while position < end {
      guard let byte = peek, isHexadecimal(byte) else {
        throw unexpected("\(digits) lower-case hexadecimal digits of a digest")
      }
      position += 1
    }
    guard position == text.count else { throw unexpected("the end behind \(digits) hexadecimal digits of a digest") }
    do {
      digest = try Digest(parsing: String(decoding: text[start...], as: UTF8.self))
    } catch {
      throw ReferenceError(at: start, error.description)
    }
  }

  // MARK: Characters

  private var peek: UInt8? { position < text.count ? text[position] : nil }

  private func unexpected(_ expected: String) -> ReferenceError {
    ReferenceError(at: position, "expected \(expected), found \(found(at: position))")
  }

  private func found(at offset: Int) -> String {
    guard offset < text.count else { return "the end" }
    // Up to four bytes hold one whole scalar; what they spell beyond the first is not shown.
    let rest = String(decoding: text[offset..<min(offset + 4, text.count)], as: UTF8.self)
    let scalar = rest.unicodeScalars.prefix(1).map { String($0) }.joined()
    return "\"" + scalar.printable(limit: 16) + "\""
  }
}

private func isDigit(_ byte: UInt8) -> Bool { byte >= 0x30 && byte <= 0x39 }
private func isLowerCase(_ byte: UInt8) -> Bool { byte >= UInt8(ascii: "a") && byte <= UInt8(ascii: "z") }
private func isUpperCase(_ byte: UInt8) -> Bool { byte >= UInt8(ascii: "A") && byte <= UInt8(ascii: "Z") }
private func isAlphanumeric(_ byte: UInt8) -> Bool { isDigit(byte) || isLowerCase(byte) || isUpperCase(byte) }
private func isHexadecimal(_ byte: UInt8) -> Bool {
  isDigit(byte) || byte >= UInt8(ascii: "a") && byte <= UInt8(ascii: "f")
}

/// Whether `text` is an IPv6 address of groups only: eight, or at most seven around one `::`.
private func isIPv6(_ text: ArraySlice<UInt8>) -> Bool {
  let colon = UInt8(ascii: ":")
  func groups(_ part: ArraySlice<UInt8>) -> Int? {
    if part.isEmpty { return 0 }
    let groups = part.split(separator: colon, omittingEmptySubsequences: false)
    // Setting bit 5 makes an upper-case letter lower case and leaves a digit as it is.
    let areHexadecimal = groups.allSatisfy { (1...4).contains($0.count) && $0.allSatisfy { isHexadecimal($0 | 0x20) } }
    return areHexadecimal ? groups.count : nil
  }
  guard let gap = text.indices.dropLast().first(where: { text[$0] == colon && text[$0 + 1] == colon }) else {
    return groups(text) == 8
  }
  guard let before = groups(text[..<gap]), let after = groups(text[(gap + 2)...]) else { return false }
  return before + after <= 7
}
