import JSON
import Primitives

/// A value of a candidate's JSON. Whatever is wrong with it becomes a rejection that begins with `context`.
struct Field {
  let value: JSONValue
  /// What is being read, as the beginning of a sentence: "the bundle".
  let context: String

  /// The outermost value of `bytes`.
  init(parsing bytes: [UInt8], context: String) throws(CandidateRejection) {
    let limits = JSONDocument.Limits(bytes: ImageSignature.maximumByteCount, depth: 64, values: 131_072)
    do {
      value = try JSONDocument(bytes, limits: limits).root
    } catch {
      throw CandidateRejection(.malformed, "\(context) is malformed: \(error.description.printable())")
    }
    self.context = context
  }

  private init(_ value: JSONValue, _ context: String) {
    self.value = value
    self.context = context
  }

  /// The way to this value, as `critical.image`.
  var path: String { value.path }

  func malformed(_ what: String) -> CandidateRejection {
    CandidateRejection(.malformed, "\(context) is malformed: \(what.printable())")
  }

  private func reading<Result>(_ body: () throws(JSONError) -> Result) throws(CandidateRejection) -> Result {
    do { return try body() } catch { throw malformed(error.description) }
  }

  /// Throws if this is no object, or has a member of another name.
  func allowOnly(_ names: [String]) throws(CandidateRejection) {
    guard let (name, _) = try reading({ () throws(JSONError) in try value.member(outside: names) }) else { return }
    throw malformed("\(path.isEmpty ? "it" : path) has an unknown member \"\(name.prefix(64))\"")
  }

  func member(_ name: String) throws(CandidateRejection) -> Field {
    Field(try reading { () throws(JSONError) in try value.member(name) }, context)
  }

  /// The member, or nil if it is absent or `null`, which protobuf's JSON takes for absent.
  func optional(_ name: String) throws(CandidateRejection) -> Field? {
    try reading { () throws(JSONError) in try value.optionalMember(name) }.map { Field($0, context) }
  }

  func members(atMost limit: Int) throws(CandidateRejection) -> [(name: String, value: Field)] {
    let members = try reading { () throws(JSONError) in try value.members() }
    guard members.count <= limit else {
      throw malformed("\(path) has \(members.count) members, at most \(limit) are read")
    }
    return members.map { ($0.name, Field($0.value, context)) }
  }

  func elements(atMost limit: Int) throws(CandidateRejection) -> [Field] {
    let elements = try reading { () throws(JSONError) in try value.elements() }
    guard elements.count <= limit else {
      throw malformed("\(path) has \(elements.count) elements, at most \(limit) are read")
    }
    return elements.map { Field($0, context) }
  }

  /// The string, which must have at most so many bytes.
  func string(atMost limit: Int = ImageSignature.maximumByteCount) throws(CandidateRejection) -> String {
    let text = try reading { () throws(JSONError) in try value.string() }
    guard text.utf8.count <= limit else {
      throw malformed("\(path) has \(text.utf8.count) bytes, at most \(limit) are read")
    }
    return text
  }

  /// The bytes of a base64 string in one of the spellings that protobuf's JSON has.
  func bytes(atMost limit: Int = ImageSignature.maximumByteCount) throws(CandidateRejection) -> [UInt8] {
    guard let bytes = Base64.decode(try string(atMost: limit / 3 * 4 + 4), dialect: .protobuf), bytes.count <= limit
    else {
      throw malformed("\(path) is not base64 of at most \(limit) bytes")
    }
    return bytes
  }

  /// The integer, a number or, as protobuf writes 64 bits, a string of digits.
  func int64() throws(CandidateRejection) -> Int64 {
    if value.kind == .number { return try reading { () throws(JSONError) in try value.integer() } }
    guard let number = JSONValue.exactInteger(try string(atMost: 20).utf8) else {
      throw malformed("\(path) is not an integer of 64 bits")
    }
    return number
  }

  func requireObject() throws(CandidateRejection) {
    guard value.kind == .object else { throw malformed("\(path) is of type \(value.kind), expected object") }
  }
}

extension String {
  /// Whether both have the same bytes.
  func isExactly(_ other: String) -> Bool { utf8.elementsEqual(other.utf8) }
}
