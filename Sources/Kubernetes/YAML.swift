import CYaml
import Primitives

/// Reads YAML with libyaml, as far as Kubernetes writes it, and bounded in everything.
///
/// Refused are anchors and aliases (and with them every "bomb"), tags other than `!!str`, `!!seq` and `!!map`, keys that
/// are no scalars, a key that stands twice in one mapping, and whatever is not UTF-8. Plain scalars mean what the core
/// schema of YAML 1.2 says.
enum YAML {
  /// What a text may not go beyond.
  struct Limits: Sendable {
    /// Bytes of text.
    var bytes = 4 << 20
    /// Lists and mappings inside one another.
    var depth = 64
    /// Scalars, lists and mappings of all documents together.
    var nodes = 200_000
    /// Documents of the text.
    var documents = 2000
    /// Directives (`%YAML`, `%TAG`); libyaml compares each with all.
    var directives = 64
  }

  /// All documents of the text in order, an empty one as null.
  static func documents(_ text: [UInt8], limits: Limits = Limits()) throws(NodeError) -> [Node] {
    guard text.count <= limits.bytes else {
      throw NodeError(line: 0, description: "holds \(text.count) bytes, at most \(limits.bytes) are read")
    }
    guard directives(in: text) <= limits.directives else {
      throw NodeError(line: 0, description: "holds more than \(limits.directives) lines that begin with %")
    }
    let parser = try Parser(text)
    var builder = NodeBuilder(limits: limits)
    while !builder.isFinished { try builder.take(try parser.next()) }
    return builder.documents
  }

  private static func directives(in text: [UInt8]) -> Int {
    var count = 0
    var startsLine = true
    for byte in text {
      if startsLine, byte == UInt8(ascii: "%") { count += 1 }
      startsLine = byte == 0x0a || byte == 0x0d
    }
    return count
  }

  /// What libyaml reports, copied out of it.
  enum Event {
    case streamStart, streamEnd, documentStart, documentEnd
    case alias(line: Int)
    case scalar(String, isPlain: Bool, tag: String?, hasAnchor: Bool, line: Int)
    case sequenceStart(tag: String?, hasAnchor: Bool, line: Int)
    case sequenceEnd
    case mappingStart(tag: String?, hasAnchor: Bool, line: Int)
    case mappingEnd
  }
}

/// Owns a `yaml_parser_t` and the text that it reads.
private final class Parser {
  // Both stay where they are until `deinit`: the parser holds pointers to the text and to itself.
  private let parser: UnsafeMutablePointer<yaml_parser_t>
  private let text: UnsafeMutableBufferPointer<UInt8>

  init(_ bytes: [UInt8]) throws(NodeError) {
    parser = .allocate(capacity: 1)
    parser.initialize(to: yaml_parser_t())
    text = .allocate(capacity: max(1, bytes.count))
    _ = text.initialize(from: bytes)
    // On failure it has released everything and zeroed the structure, so that deinit may delete it again.
    guard yaml_parser_initialize(parser) == 1 else {
      throw NodeError(line: 0, description: "cannot be read: out of memory")
    }
    yaml_parser_set_input_string(parser, text.baseAddress, bytes.count)
    // Else a byte order mark would choose UTF-16.
    yaml_parser_set_encoding(parser, YAML_UTF8_ENCODING)
  }

  deinit {
    yaml_parser_delete(parser)
    parser.deallocate()
    text.deallocate()
  }

  func next() throws(NodeError) -> YAML.Event {
    var event = yaml_event_t()
    guard yaml_parser_parse(parser, &event) == 1 else { throw failure() }
    defer { yaml_event_delete(&event) }
    let line = Int(clamping: event.start_mark.line) + 1
    switch event.type {
    case YAML_STREAM_START_EVENT: return .streamStart
    case YAML_DOCUMENT_START_EVENT: return .documentStart
    case YAML_DOCUMENT_END_EVENT: return .documentEnd
    case YAML_ALIAS_EVENT: return .alias(line: line)
    case YAML_SCALAR_EVENT:
      let scalar = event.data.scalar
      let bytes = UnsafeBufferPointer(start: scalar.value, count: scalar.length)
      return .scalar(
        String(decoding: bytes, as: UTF8.self), isPlain: scalar.style == YAML_PLAIN_SCALAR_STYLE,
        tag: string(scalar.tag), hasAnchor: scalar.anchor != nil, line: line)
    case YAML_SEQUENCE_START_EVENT:
      let start = event.data.sequence_start
      return .sequenceStart(tag: string(start.tag), hasAnchor: start.anchor != nil, line: line)
    case YAML_SEQUENCE_END_EVENT: return .sequenceEnd
    case YAML_MAPPING_START_EVENT:
      let start = event.data.mapping_start
      return .mappingStart(tag: string(start.tag), hasAnchor: start.anchor != nil, line: line)
    case YAML_MAPPING_END_EVENT: return .mappingEnd
    default: return .streamEnd
    }
  }

  private func string(_ text: UnsafeMutablePointer<yaml_char_t>?) -> String? {
    text.map { String(cString: $0) }
  }

  private func failure() -> NodeError {
    let state = parser.pointee
    let problem = state.problem.map { String(cString: $0) } ?? "out of memory"
    if state.error == YAML_READER_ERROR {
      // The reader knows the byte, not the line.
      return NodeError(line: 0, description: "is not YAML in UTF-8: \(problem) at byte \(state.problem_offset)")
    }
    return NodeError(line: Int(clamping: state.problem_mark.line) + 1, description: "is not YAML: \(problem)")
  }
}

/// Puts the events together; a stack of its own, so nesting costs no stack of the thread.
private struct NodeBuilder {
  private struct Frame {
    let line: Int
    let isMapping: Bool
    var elements: [Node] = []
    var members: [(key: String, value: Node)] = []
    var keys: Set<String> = []
    var pendingKey: String?
  }

  private(set) var documents: [Node] = []
  private(set) var isFinished = false
  private var stack: [Frame] = []
  private var nodes = 0
  private let limits: YAML.Limits

  init(limits: YAML.Limits) { self.limits = limits }

  mutating func take(_ event: YAML.Event) throws(NodeError) {
    switch event {
    case .streamStart, .documentEnd: break
    case .streamEnd: isFinished = true
    case .documentStart:
      guard documents.count < limits.documents else {
        throw NodeError(line: 0, description: "holds more than \(limits.documents) documents")
      }
    case .alias(let line): throw Self.anchorError(line)
    case .scalar(let text, let isPlain, let tag, let hasAnchor, let line):
      try count(hasAnchor: hasAnchor, line: line)
      if stack.last?.isMapping == true, stack.last?.pendingKey == nil {
        try addKey(text, isPlain: isPlain, tag: tag, line: line)
        return
      }
      add(Node(content: try Self.content(text, isPlain: isPlain, tag: tag, line: line), line: line))
    case .sequenceStart(let tag, let hasAnchor, let line):
      try open(tag, expected: "seq", isMapping: false, hasAnchor: hasAnchor, line: line)
    case .mappingStart(let tag, let hasAnchor, let line):
      try open(tag, expected: "map", isMapping: true, hasAnchor: hasAnchor, line: line)
    case .sequenceEnd, .mappingEnd:
      guard let frame = stack.popLast() else { return }
      add(Node(content: frame.isMapping ? .mapping(frame.members) : .sequence(frame.elements), line: frame.line))
    }
  }

  private static let tagPrefix = "tag:yaml.org,2002:"

  private static func content(
    _ text: String, isPlain: Bool, tag: String?, line: Int
  ) throws(NodeError) -> Node.Content {
    switch tag {
    case nil: return isPlain ? CoreSchema.resolve(text) : .string(text)
    case "!", tagPrefix + "str": return .string(text)
    default: throw tagError(line)
    }
  }

  private static func tagError(_ line: Int) -> NodeError {
    NodeError(line: line, description: "has a tag that is not read; leave it out")
  }

  private static func anchorError(_ line: Int) -> NodeError {
    NodeError(line: line, description: "has an anchor (&) or an alias (*), which are not read; write the value out")
  }

  private mutating func count(hasAnchor: Bool, line: Int) throws(NodeError) {
    if hasAnchor { throw Self.anchorError(line) }
    nodes += 1
    guard nodes <= limits.nodes else {
      throw NodeError(line: line, description: "holds more than \(limits.nodes) values")
    }
  }

  private mutating func open(
    _ tag: String?, expected: String, isMapping: Bool, hasAnchor: Bool, line: Int
  ) throws(NodeError) {
    try count(hasAnchor: hasAnchor, line: line)
    guard tag == nil || tag == Self.tagPrefix + expected else { throw Self.tagError(line) }
    if let frame = stack.last, frame.isMapping, frame.pendingKey == nil {
      throw NodeError(line: line, description: "has a list or a mapping for a key; keys are texts")
    }
    guard stack.count < limits.depth else {
      throw NodeError(line: line, description: "is nested deeper than \(limits.depth) levels")
    }
    stack.append(Frame(line: line, isMapping: isMapping))
  }

  private mutating func addKey(_ text: String, isPlain: Bool, tag: String?, line: Int) throws(NodeError) {
    if case .null = try Self.content(text, isPlain: isPlain, tag: tag, line: line) {
      throw NodeError(line: line, description: "has an empty key; keys are texts")
    }
    let top = stack.count - 1
    guard stack[top].keys.insert(text).inserted else {
      throw NodeError(line: line, description: "has the key \"\(text.printable(limit: 64))\" twice in one mapping")
    }
    stack[top].pendingKey = text
  }

  private mutating func add(_ node: Node) {
    guard !stack.isEmpty else {
      documents.append(node)
      return
    }
    let top = stack.count - 1
    if stack[top].isMapping, let key = stack[top].pendingKey {
      stack[top].members.append((key, node))
      stack[top].pendingKey = nil
    } else {
      stack[top].elements.append(node)
    }
  }
}
