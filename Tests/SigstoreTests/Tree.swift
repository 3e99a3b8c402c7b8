import JSON

/// JSON that a test can change, also into what the writer would not write.
enum Tree {
  struct Member {
    let name: String
    var value: Tree
  }

  struct Mutation {
    let name: String
    let tree: Tree
    init(_ name: String, _ tree: Tree) { (self.name, self.tree) = (name, tree) }
  }

  case object([Member])
  case array([Tree])
  case scalar(String)

  init(_ value: JSONValue) throws {
    switch value.kind {
    case .object: self = .object(try value.members().map { Member(name: $0.name, value: try Tree($0.value)) })
    case .array: self = .array(try value.elements().map { try Tree($0) })
    default: self = .scalar(String(decoding: value.bytes, as: UTF8.self))
    }
  }

  init(_ bytes: [UInt8]) throws { self = try Tree(JSONDocument(bytes).root) }

  var text: String {
    switch self {
    case .object(let members): "{" + members.map { "\"\($0.name)\":" + $0.value.text }.joined(separator: ",") + "}"
    case .array(let elements): "[" + elements.map(\.text).joined(separator: ",") + "]"
    case .scalar(let text): text
    }
  }

  private var kind: Character {
    switch self {
    case .object: "{"
    case .array: "["
    case .scalar(let text):
      text.first == "t" || text.first == "f" ? "b" : text.first == "\"" ? "\"" : text == "null" ? "n" : "1"
    }
  }

  /// This text with every member and element in turn removed, doubled, and given every other type.
  func mutations(_ path: String = "") -> [Mutation] {
    var result: [Mutation] = []
    let others: [(kind: Character, name: String, value: String)] = [
      ("{", "object", "{}"), ("[", "array", "[]"), ("\"", "string", "\"\""), ("1", "number", "1"),
      ("b", "boolean", "true"),
      ("n", "null", "null"),
    ]
    for other in others where other.kind != kind {
      result.append(Mutation("\(path) → \(other.name)", .scalar(other.value)))
    }
    switch self {
    case .object(let members):
      for (index, member) in members.enumerated() {
        let inner = path.isEmpty ? member.name : "\(path).\(member.name)"
        var changed = members
        changed.remove(at: index)
        result.append(Mutation("\(inner) removed", .object(changed)))
        result.append(Mutation("\(inner) doubled", .object(members + [member])))
        for mutation in member.value.mutations(inner) {
          changed = members
          changed[index].value = mutation.tree
          result.append(Mutation(mutation.name, .object(changed)))
        }
      }
    case .array(let elements):
      for (index, element) in elements.enumerated() {
        let inner = "\(path)[\(index)]"
        var changed = elements
        changed.remove(at: index)
        result.append(Mutation("\(inner) removed", .array(changed)))
        result.append(Mutation("\(inner) doubled", .array(elements + [element])))
        for mutation in element.mutations(inner) {
          changed = elements
          changed[index] = mutation.tree
          result.append(Mutation(mutation.name, .array(changed)))
        }
      }
    case .scalar: break
    }
    return result
  }
}
