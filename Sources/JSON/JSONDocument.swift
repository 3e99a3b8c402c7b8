/// A JSON text (RFC 8259), checked in one pass and indexed, not built.
///
/// The whole text is checked before anything can be read from it: grammar, UTF-8, escapes, members named twice (compared
/// after decoding the escapes), trailing data, and the bounds. What nobody asks for costs one index entry a value and is
/// never decoded. Numbers stay text until somebody asks for an integer, so none is rounded.
public final class JSONDocument: Sendable {
  /// What a text may not go beyond.
  public struct Limits: Sendable {
    /// Bytes of text.
    public var bytes: Int
    /// Arrays and objects inside one another.
    public var depth: Int
    /// Values and member names together.
    public var values: Int

    /// Limits that fit the formats of registries and of Sigstore, unless given.
    public init(bytes: Int = 4 << 20, depth: Int = 64, values: Int = 262_144) {
      self.bytes = bytes
      self.depth = depth
      self.values = values
    }
  }

  /// The text.
  public let bytes: [UInt8]
  let tape: [Entry]

  /// Checks and indexes `bytes`.
  public init(_ bytes: [UInt8], limits: Limits = Limits()) throws(JSONError) {
    guard bytes.count <= min(limits.bytes, Int(UInt32.max)) else {
      throw JSONError(.limitExceeded, at: 0, "\(bytes.count) bytes of JSON, at most \(limits.bytes) are read")
    }
    var parser = Parser(limits: limits, expecting: bytes.count)
    try parser.parse(bytes.span)
    self.bytes = bytes
    self.tape = parser.tape
  }

  /// The outermost value.
  public var root: JSONValue { JSONValue(document: self, index: 0) }
}

/// One value (or member name) of the text.
struct Entry: Sendable {
  /// The first byte, and the byte behind the last.
  var start: UInt32
  var end: UInt32
  /// The index of the entry that follows this value and all that is in it.
  var next: UInt32
  var kind: JSONValue.Kind
  /// Whether a string holds a backslash.
  var hasEscapes: Bool = false

  var range: Range<Int> { Int(start)..<Int(end) }
}
