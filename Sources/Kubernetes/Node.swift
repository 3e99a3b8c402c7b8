import JSON

/// A value of a YAML or JSON text.
struct Node: Sendable {
  enum Content: Sendable {
    case null
    case bool(Bool)
    /// As written.
    case number(String)
    case string(String)
    case sequence([Node])
    /// In order, no key twice.
    case mapping([(key: String, value: Node)])
  }

  let content: Content
  /// The line that it begins on, from 1; 0 if nobody counted.
  let line: Int

  /// What it is, for messages; never what it holds.
  var kind: String {
    switch content {
    case .null: "null"
    case .bool: "a boolean"
    case .number: "a number"
    case .string: "a string"
    case .sequence: "a list"
    case .mapping: "a mapping"
    }
  }
}

extension Node {
  /// The JSON value with all that is in it. The document's limits bound the nesting and so this recursion.
  init(_ value: JSONValue) throws(JSONError) {
    line = 0
    switch value.kind {
    case .null: content = .null
    case .bool: content = .bool(try value.bool())
    case .number: content = .number(String(decoding: value.bytes, as: UTF8.self))
    case .string: content = .string(try value.string())
    case .array:
      var elements: [Node] = []
      for element in try value.elements() { elements.append(try Node(element)) }
      content = .sequence(elements)
    case .object:
      var members: [(key: String, value: Node)] = []
      for (name, member) in try value.members() { members.append((name, try Node(member))) }
      content = .mapping(members)
    }
  }
}

/// A node and the way to it, so that errors can name it.
struct NodeReader {
  let node: Node
  /// As `metadata.annotations`; empty at the top.
  let path: String

  init(_ node: Node, path: String = "") {
    self.node = node
    self.path = path
  }

  /// What is wrong, where.
  func error(_ problem: String) -> NodeError {
    NodeError(line: node.line, description: "\(path.isEmpty ? "the document" : path) \(problem)")
  }

  /// The member, or nil if it is absent or null, or if this itself is null; throws if this is no mapping.
  func optional(_ key: String) throws(NodeError) -> NodeReader? {
    for (name, value) in try members() where name == key {
      if case .null = value.node.content { return nil }
      return value
    }
    return nil
  }

  /// The string member, or nil if it is absent or null.
  func optionalString(_ key: String) throws(NodeError) -> String? { try optional(key)?.string() }

  /// The boolean member, or nil if it is absent or null.
  func optionalBool(_ key: String) throws(NodeError) -> Bool? {
    guard let member = try optional(key) else { return nil }
    guard case .bool(let value) = member.node.content else {
      throw member.error("is \(member.node.kind), expected true or false")
    }
    return value
  }

  func string() throws(NodeError) -> String {
    switch node.content {
    case .string(let text): return text
    case .bool, .number: throw error("is \(node.kind), expected a string: write it in quotes")
    default: throw error("is \(node.kind), expected a string")
    }
  }

  /// The members with their ways; none for null; throws if this is no mapping.
  func members() throws(NodeError) -> [(key: String, value: NodeReader)] {
    switch node.content {
    case .null: return []
    case .mapping(let members):
      return members.map { ($0.key, NodeReader($0.value, path: path.isEmpty ? $0.key : path + "." + $0.key)) }
    default: throw error("is \(node.kind), expected a mapping")
    }
  }

  /// The elements with their ways; none for null; throws if this is no list.
  func elements() throws(NodeError) -> [NodeReader] {
    switch node.content {
    case .null: return []
    case .sequence(let elements):
      return elements.enumerated().map { NodeReader($0.element, path: "\(path)[\($0.offset)]") }
    default: throw error("is \(node.kind), expected a list")
    }
  }

  /// A mapping of strings; a null value is the empty string, as the API server takes it.
  func strings() throws(NodeError) -> [String: String] {
    var result: [String: String] = [:]
    for (key, value) in try members() {
      if case .null = value.node.content { result[key] = "" } else { result[key] = try value.string() }
    }
    return result
  }
}

/// What is wrong with a value, and on which line (0: nobody counted). The description may hold any characters of a key.
struct NodeError: Error {
  let line: Int
  let description: String
}
