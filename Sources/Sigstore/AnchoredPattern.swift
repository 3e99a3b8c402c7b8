/// Why a pattern is refused.
public struct PatternError: Error, Sendable, Equatable, CustomStringConvertible {
  /// What is wrong, where (counted in characters from 1), and what would be right.
  public let description: String

  init(_ description: String) { self.description = description }
}

/// A regular expression that must match all of a text: a subset of RE2's language, in linear time.
///
/// Taken: literals, `.`, classes (`[a-z]`, `[^…]`, `[[:alpha:]]`, `\d \w \s` and their opposites), groups, alternation,
/// `* + ? {m,n}`, `^ $ \A \z`, escapes, and the flags `(?i)` (ASCII letters only) and `(?s)`. There are neither look-around
/// nor back-references, by design: matching costs at most the pattern's size times the text's length.
///
/// The pattern is anchored at both ends, and a newline at the end of a text is a character like any other. Without that,
/// `https://github.com/org/` would match `https://evil.example/?https://github.com/org/`.
public struct AnchoredPattern: Sendable {
  /// Bytes of the longest pattern.
  public static let maximumByteCount = 1024
  /// Bytes of the longest text that can match.
  public static let maximumTextByteCount = 4096
  /// Instructions of the largest program: what counted repetitions multiply.
  static let maximumInstructionCount = 1024

  /// The pattern as it was written.
  public let source: String
  let program: [PatternInstruction]

  /// The pattern that `source` spells. The empty pattern is refused: it is a mistake, or matches whatever one forgot.
  public init(_ source: String) throws(PatternError) {
    guard !source.isEmpty else {
      throw PatternError("a pattern is empty; to allow everything, write .* and mean it")
    }
    guard source.utf8.count <= Self.maximumByteCount else {
      throw PatternError("a pattern has \(source.utf8.count) bytes, at most \(Self.maximumByteCount) are taken")
    }
    var parser = PatternParser(source)
    let tree = try parser.parse()
    var compiler = PatternCompiler(limit: Self.maximumInstructionCount)
    program = try compiler.compile(tree)
    self.source = source
  }

  /// Whether all of `text` matches.
  public func matches(_ text: String) -> Bool {
    guard text.utf8.count <= Self.maximumTextByteCount else { return false }
    return PatternMatcher(program).matches(text)
  }
}

extension AnchoredPattern: Hashable {
  /// Whether both are written with the same bytes.
  public static func == (left: AnchoredPattern, right: AnchoredPattern) -> Bool { left.source.isExactly(right.source) }

  /// Hashes the bytes.
  public func hash(into hasher: inout Hasher) { hasher.combine(exactly: source) }
}

extension Hasher {
  /// Mixes in the bytes of a text, where `==` of strings would take two spellings for one.
  mutating func combine(exactly text: String) {
    combine(text.utf8.count)
    for byte in text.utf8 { combine(byte) }
  }
}
