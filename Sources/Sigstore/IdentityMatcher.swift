import Primitives

/// What a text must be.
public enum TextMatcher: Sendable, Hashable, CustomStringConvertible {
  /// This text, byte for byte. The empty text matches nothing.
  case exact(String)
  /// A text that all of this pattern matches.
  case pattern(AnchoredPattern)

  /// Whether `text` is such a text.
  public func matches(_ text: String) -> Bool {
    switch self {
    case .exact(let expected): !expected.isEmpty && text.isExactly(expected)
    case .pattern(let pattern): pattern.matches(text)
    }
  }

  /// As it stands in messages: the text in quotes, or `/pattern/`; printable.
  public var description: String {
    switch self {
    case .exact(let text): "\"\(text.printable(limit: 200))\""
    case .pattern(let pattern): "/\(pattern.source.printable(limit: 200))/"
    }
  }

  /// Whether both are of the same kind and have the same bytes.
  public static func == (left: TextMatcher, right: TextMatcher) -> Bool {
    switch (left, right) {
    case (.exact(let left), .exact(let right)): left.isExactly(right)
    case (.pattern(let left), .pattern(let right)): left == right
    case (.exact, .pattern), (.pattern, .exact): false
    }
  }

  /// Hashes the kind and the bytes.
  public func hash(into hasher: inout Hasher) {
    switch self {
    case .exact(let text):
      hasher.combine(0 as UInt8)
      hasher.combine(exactly: text)
    case .pattern(let pattern):
      hasher.combine(1 as UInt8)
      hasher.combine(pattern)
    }
  }
}

/// Which signers a policy allows: both the subject and its issuer must match, for one without the other names nobody.
public struct IdentityMatcher: Sendable, Hashable, CustomStringConvertible {
  /// What one of the certificate's subjects must be.
  public let identity: TextMatcher
  /// What the OpenID Connect issuer must be.
  public let issuer: TextMatcher

  /// A matcher of both.
  public init(identity: TextMatcher, issuer: TextMatcher) {
    self.identity = identity
    self.issuer = issuer
  }

  /// Whether the issuer and at least one of the subjects match.
  public func matches(_ signer: SignerIdentity) -> Bool {
    issuer.matches(signer.issuer) && signer.subjects.contains { identity.matches($0) }
  }

  /// As it stands in messages; printable.
  public var description: String { "\(identity) by \(issuer)" }
}
