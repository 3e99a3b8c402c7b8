public import Crypto
import Primitives

/// Why text is no image reference.
public struct ReferenceError: Error, Sendable, Equatable, CustomStringConvertible {
  /// UTF-8 offset of the first offending byte in the literal.
  public let position: Int
  /// Where, what was expected there and what was found.
  public let description: String

  init(at position: Int, _ description: String) {
    self.position = position
    self.description = "at byte \(position): \(description)"
  }
}

/// An image reference by the grammar of the distribution project, with Docker's defaults.
///
/// Exists only valid: registry, repository, tag and digest are of characters that may stand in a URL as they are. The
/// registry keeps the case it was written in, as containerd keeps it.
public struct ImageReference: Sendable, Hashable {
  /// As the user wrote it.
  public let literal: String
  /// Normalised registry: `docker.io`, `ghcr.io`, `127.0.0.1:5000`, `[::1]:5000`.
  public let registry: String
  /// Normalised repository: `library/nginx`.
  public let repository: String
  /// The tag that the user wrote.
  public let tag: String?
  /// The digest that the user wrote. With a tag beside it, the digest decides.
  public let digest: Digest?
  /// UTF-8 offsets in the literal behind the name, and behind the tag where there is one.
  private let nameEnd: Int
  private let tagEnd: Int

  /// Reads `literal`, of at most 4 KiB. Throws at the first byte that the grammar does not allow.
  public init(parsing literal: String) throws(ReferenceError) {
    var parser = try ReferenceParser(literal)
    try parser.parse()
    self.literal = literal
    registry = parser.registry
    repository = parser.repository
    tag = parser.tag
    digest = parser.digest
    nameEnd = parser.nameEnd
    tagEnd = parser.tagEnd
  }

  /// `registry/repository`.
  public var name: String { registry + "/" + repository }

  /// Host and port that are asked: `registry-1.docker.io` for `docker.io`, else `registry`.
  public var endpoint: String { registry == "docker.io" ? "registry-1.docker.io" : registry }

  /// The tag that is resolved where neither tag nor digest is given: `latest`.
  public var effectiveTag: String { tag ?? "latest" }

  /// What a pinned reference looks like.
  public enum PinStyle: Sendable {
    /// `name:tag@digest`, or `name@digest` where no tag was written.
    case tagAndDigest
    /// `name@digest`.
    case digest
  }

  /// The literal with `@digest` appended (`tagAndDigest`), or with the tag taken off and `@digest` appended; unchanged if
  /// it holds that digest in that style already. Another digest in the literal is replaced.
  public func pinned(to digest: Digest, style: PinStyle) -> String {
    let kept =
      switch style {
      case .tagAndDigest: tagEnd
      case .digest: nameEnd
      }
    return String(decoding: literal.utf8.prefix(kept), as: UTF8.self) + "@" + digest.description
  }
}
