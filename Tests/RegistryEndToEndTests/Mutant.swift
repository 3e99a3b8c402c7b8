import Foundation
import JSON

/// JSON that can be changed into what no writer would write.
indirect enum Tree: Sendable {
  case object([(name: String, value: Tree)])
  case array([Tree])
  case scalar(String)

  init(_ text: some Sequence<UInt8>) throws { self = try Tree(JSONDocument(Array(text)).root) }

  private init(_ value: JSONValue) throws {
    switch value.kind {
    case .object: self = .object(try value.members().map { ($0.name, try Tree($0.value)) })
    case .array: self = .array(try value.elements().map { try Tree($0) })
    default: self = .scalar(String(decoding: value.bytes, as: UTF8.self))
    }
  }

  var text: String {
    switch self {
    case .object(let members): "{" + members.map { "\"\($0.name)\":" + $0.value.text }.joined(separator: ",") + "}"
    case .array(let elements): "[" + elements.map(\.text).joined(separator: ",") + "]"
    case .scalar(let text): text
    }
  }

  /// The string of a string; nil for all else.
  var string: String? {
    guard case .scalar(let text) = self, text.hasPrefix("\"") else { return nil }
    return try? JSONDocument(Array("[\(text)]".utf8)).root.elements().first?.string()
  }

  static func quoted(_ text: String) -> Tree {
    var writer = JSONWriter()
    writer.string(text)
    return .scalar(writer.text)
  }

  /// The value at a path of names and positions.
  subscript(_ path: [String]) -> Tree? {
    guard let first = path.first else { return self }
    switch self {
    case .object(let members): return members.first { $0.name == first }?.value[Array(path.dropFirst())]
    case .array(let elements):
      guard let index = Int(first), elements.indices.contains(index) else { return nil }
      return elements[index][Array(path.dropFirst())]
    case .scalar: return nil
    }
  }

  /// This with the value at a path replaced, a new last member added, or, by nil, the member taken away.
  func setting(_ path: [String], to value: Tree?) -> Tree {
    guard let first = path.first else { return value ?? self }
    let rest = Array(path.dropFirst())
    switch self {
    case .object(var members):
      if let index = members.firstIndex(where: { $0.name == first }) {
        if rest.isEmpty, value == nil {
          members.remove(at: index)
        } else {
          members[index].value = members[index].value.setting(rest, to: value)
        }
      } else if rest.isEmpty, let value {
        members.append((first, value))
      }
      return .object(members)
    case .array(var elements):
      guard let index = Int(first), elements.indices.contains(index) else { return self }
      if rest.isEmpty, value == nil {
        elements.remove(at: index)
      } else {
        elements[index] = elements[index].setting(rest, to: value)
      }
      return .array(elements)
    case .scalar: return self
    }
  }
}

extension Tree {
  /// One change, with a name that says what and where.
  typealias Change = (name: String, tree: Tree)

  /// Every value removed, doubled, renamed, retyped and nudged, one at a time.
  func changes(_ path: String = "") -> [Change] {
    var result = retyped.map { (name: "\(path) → \($0.name)", tree: $0.tree) }
    switch self {
    case .object(let members):
      result.append(("\(path) with an unknown member", .object(members + [("unknown", .scalar("1"))])))
      for (index, member) in members.enumerated() {
        let inner = path.isEmpty ? member.name : "\(path).\(member.name)"
        func replaced(_ new: [(name: String, value: Tree)]) -> Tree {
          .object(Array(members[..<index]) + new + Array(members[(index + 1)...]))
        }
        result.append(("\(inner) removed", replaced([])))
        result.append(("\(inner) doubled", replaced([member, member])))
        result.append(("\(inner) doubled, null last", replaced([member, (member.name, .scalar("null"))])))
        result.append(("\(inner) in capitals", replaced([(member.name.uppercased(), member.value)])))
        result += member.value.changes(inner).map { ($0.name, replaced([(member.name, $0.tree)])) }
      }
    case .array(let elements):
      for (index, element) in elements.enumerated() {
        let inner = "\(path)[\(index)]"
        func replaced(_ new: [Tree]) -> Tree {
          .array(Array(elements[..<index]) + new + Array(elements[(index + 1)...]))
        }
        result.append(("\(inner) removed", replaced([])))
        result.append(("\(inner) doubled", replaced([element, element])))
        result += element.changes(inner).map { ($0.name, replaced([$0.tree])) }
      }
    case .scalar(let text):
      result += nudged.map { ("\(path) \($0.name)", $0.tree) }
      if Int64(text) != nil { result.append(("\(path) with an exponent", .scalar(text + "e0"))) }
    }
    return result
  }

  private var retyped: [Change] {
    let others: [(first: Set<Character>, name: String, text: String)] = [
      (["{"], "object", "{}"), (["["], "array", "[]"), (["\""], "string", "\"\""), (["t", "f"], "boolean", "true"),
      (["n"], "null", "null"), (Set("-0123456789"), "number", "1"),
    ]
    return others.filter { !$0.first.contains(text.first ?? " ") }.map { ($0.name, .scalar($0.text)) }
  }

  /// A text with what lies near it: numbers one higher, base64 with a bit changed or spelt otherwise, other texts changed
  /// in their middle.
  private var nudged: [Change] {
    guard let string else {
      guard case .scalar(let text) = self, let number = Int64(text) else { return [] }
      return [("one higher", .scalar("\(number + 1)")), ("negative", .scalar("-\(number)"))]
    }
    if let number = Int64(string) {
      return [
        ("one higher", .quoted("\(number + 1)")), ("with a leading zero", .quoted("0\(number)")),
        ("as a number", .scalar("\(number)")),
      ]
    }
    guard !string.isEmpty, let bytes = Data(base64Encoded: string), bytes.count > 16 else {
      var characters = Array(string)
      guard !characters.isEmpty else { return [] }
      let middle = characters.count / 2
      characters[middle] = characters[middle] == "x" ? "y" : "x"
      return [("changed in the middle", .quoted(String(characters)))]
    }
    var result: [Change] = []
    for (place, index) in [("first", 0), ("middle", bytes.count / 2), ("last", bytes.count - 1)] {
      var changed = bytes
      changed[changed.startIndex + index] ^= 1
      result.append(("with a bit of its \(place) byte changed", .quoted(changed.base64EncodedString())))
    }
    let url = string.replacingOccurrences(of: "+", with: "-").replacingOccurrences(of: "/", with: "_")
    if url != string { result.append(("in the alphabet for URLs", .quoted(url))) }
    if string.hasSuffix("=") {
      result.append(("without padding", .quoted(string.replacingOccurrences(of: "=", with: ""))))
    }
    result.append(("with a newline after it", .quoted(string + "\n")))
    result.append(("with one byte more", .quoted((bytes + [0]).base64EncodedString())))
    result.append(("with one byte less", .quoted(bytes.dropLast().base64EncodedString())))
    return result
  }
}
