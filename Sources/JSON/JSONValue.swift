import Primitives

/// One value of a `JSONDocument`. Reading what is not there, or is of another type, throws an error that names the path.
public struct JSONValue: Sendable {
  /// The types of RFC 8259.
  public enum Kind: UInt8, Sendable, CustomStringConvertible {
    case object, array, string, number, bool, null

    /// As it stands in messages.
    public var description: String {
      switch self {
      case .object: "object"
      case .array: "array"
      case .string: "string"
      case .number: "number"
      case .bool: "boolean"
      case .null: "null"
      }
    }
  }

  /// The document it is part of.
  public let document: JSONDocument
  let index: Int

  private var entry: Entry { document.tape[index] }

  /// Its type.
  public var kind: Kind { entry.kind }
  /// Where its text lies in the document's bytes, quotes and brackets included.
  public var range: Range<Int> { entry.range }
  /// Its text.
  public var bytes: ArraySlice<UInt8> { document.bytes[range] }
  /// Whether it is `null`.
  public var isNull: Bool { kind == .null }

  // MARK: Objects

  /// The member of this name, or nil if this is no object or has none.
  public subscript(_ name: String) -> JSONValue? {
    guard kind == .object else { return nil }
    let end = Int(entry.next)
    var key = index + 1
    while key < end {
      if document.name(at: key, equals: name) { return JSONValue(document: document, index: key + 1) }
      key = Int(document.tape[key + 1].next)
    }
    return nil
  }

  /// The member of this name; throws `missingMember`, or `wrongType` if this is no object.
  public func member(_ name: String) throws(JSONError) -> JSONValue {
    try expect(.object)
    guard let value = self[name] else {
      throw JSONError(.missingMember, at: range.lowerBound, "\(pathOrText) lacks the member \"\(name)\"")
    }
    return value
  }

  /// As the subscript, with `null` taken for absent, as protobuf and Kubernetes write it; throws if this is no object.
  public func optionalMember(_ name: String) throws(JSONError) -> JSONValue? {
    try expect(.object)
    guard let value = self[name], !value.isNull else { return nil }
    return value
  }

  /// All members in order; throws if this is no object.
  public func members() throws(JSONError) -> [(name: String, value: JSONValue)] {
    try expect(.object)
    var result: [(name: String, value: JSONValue)] = []
    var key = index + 1
    while key < Int(entry.next) {
      result.append((document.string(at: key), JSONValue(document: document, index: key + 1)))
      key = Int(document.tape[key + 1].next)
    }
    return result
  }

  /// The first member with a name that is none of `names`, compared exactly, case and all; throws if this is no object.
  /// Decodes no name but that one.
  public func member(outside names: [String]) throws(JSONError) -> (name: String, value: JSONValue)? {
    try expect(.object)
    var key = index + 1
    while key < Int(entry.next) {
      // Not `names.contains`: Swift's strings are equal when canonically equivalent, and U+212A (KELVIN SIGN) is
      // equivalent to the letter K.
      if !names.contains(where: { document.name(at: key, equals: $0) }) {
        return (document.string(at: key), JSONValue(document: document, index: key + 1))
      }
      key = Int(document.tape[key + 1].next)
    }
    return nil
  }

  /// Throws `unknownMember` if this object has a member of another name.
  public func allowOnly(_ names: [String]) throws(JSONError) {
    guard let (name, value) = try member(outside: names) else { return }
    throw JSONError(
      .unknownMember, at: value.range.lowerBound,
      "\(pathOrText) has an unknown member \"\(name.printable(limit: 64))\"")
  }

  // MARK: Arrays

  /// The elements in order; throws if this is no array.
  public func elements() throws(JSONError) -> [JSONValue] {
    try expect(.array)
    var result: [JSONValue] = []
    var element = index + 1
    while element < Int(entry.next) {
      result.append(JSONValue(document: document, index: element))
      element = Int(document.tape[element].next)
    }
    return result
  }

  // MARK: Scalars

  /// The decoded string; throws if this is none.
  public func string() throws(JSONError) -> String {
    try expect(.string)
    return document.string(at: index)
  }

  /// Whether this is the string `other`. Allocates nothing.
  public func isString(_ other: String) -> Bool {
    kind == .string && document.name(at: index, equals: other)
  }

  /// The boolean; throws if this is none.
  public func bool() throws(JSONError) -> Bool {
    try expect(.bool)
    return document.bytes[range.lowerBound] == UInt8(ascii: "t")
  }

  /// The number, if it is written as an integer (no fraction, no exponent, no `-0`) and fits 64 bits; throws otherwise.
  public func integer() throws(JSONError) -> Int64 {
    try expect(.number)
    guard let value = Self.exactInteger(bytes) else {
      throw JSONError(.wrongType, at: range.lowerBound, "\(pathOrText) is not an integer of 64 bits")
    }
    return value
  }

  /// The integer that decimal text spells in its only canonical form.
  public static func exactInteger(_ text: some Collection<UInt8>) -> Int64? {
    guard let first = text.first, text.count <= 20 else { return nil }
    let isNegative = first == UInt8(ascii: "-")
    let digits = isNegative ? text.dropFirst() : text[...]
    guard let lead = digits.first, !(lead == UInt8(ascii: "0") && (digits.count > 1 || isNegative)) else { return nil }
    var value: Int64 = 0
    for digit in digits {
      guard digit >= 0x30, digit <= 0x39 else { return nil }
      let (product, overflow) = value.multipliedReportingOverflow(by: 10)
      let (sum, overflow2) = product.addingReportingOverflow(isNegative ? -Int64(digit - 0x30) : Int64(digit - 0x30))
      if overflow || overflow2 { return nil }
      value = sum
    }
    return value
  }

  private func expect(_ kind: Kind) throws(JSONError) {
    guard self.kind == kind else {
      throw JSONError(.wrongType, at: range.lowerBound, "\(pathOrText) is of type \(self.kind), expected \(kind)")
    }
  }

  // MARK: Where it is

  /// The way here from the root, as `critical.image` or `layers[2].size`; empty for the root. Found when it is asked for.
  ///
  /// Names are made printable and cut at 64 characters; of a way longer than 256 characters the beginning is given.
  public var path: String {
    var path = ""
    var current = 0
    while current != index {
      if path.utf8.count > 256 { return path + "…" }
      let end = Int(document.tape[current].next)
      var child = current + 1
      var position = 0
      let isObject = document.tape[current].kind == .object
      while child < end {
        let value = isObject ? child + 1 : child
        let next = Int(document.tape[value].next)
        if index < next {
          if isObject {
            path += (path.isEmpty ? "" : ".") + document.string(at: child).printable(limit: 64)
          } else {
            path += "[\(position)]"
          }
          current = value
          break
        }
        child = next
        position += 1
      }
      if child >= end { return path }
    }
    return path
  }

  private var pathOrText: String { path.isEmpty ? "the JSON text" : path }
}

extension JSONDocument {
  /// The decoded text of the string entry at `index`.
  fileprivate func string(at index: Int) -> String {
    let entry = tape[index]
    return decodeString(bytes[Int(entry.start) + 1..<Int(entry.end) - 1], hasEscapes: entry.hasEscapes)
  }

  /// Whether the string entry at `index` spells `other`.
  fileprivate func name(at index: Int, equals other: String) -> Bool {
    let entry = tape[index]
    // By their bytes: `==` of strings would take canonically equivalent names for one.
    if entry.hasEscapes { return string(at: index).utf8.elementsEqual(other.utf8) }
    let count = Int(entry.end - entry.start) - 2
    let start = Int(entry.start) + 1
    var offset = 0
    for byte in other.utf8 {
      guard offset < count, bytes[start + offset] == byte else { return false }
      offset += 1
    }
    return offset == count
  }
}
