import JSON

/// The form of JSON that TUF signs (OLPC canonical JSON, as securesystemslib writes it): members sorted by their names'
/// code points, no white space, in strings only `"` and `\` escaped, integers only.
enum CanonicalJSON {
  /// The canonical form of `value`; numbers that are no integers of 64 bits have none.
  static func encode(_ value: JSONValue) throws(JSONError) -> [UInt8] {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(value.bytes.count)
    try append(value, to: &bytes)
    return bytes
  }

  // As deep as the document, whose depth is bounded.
  private static func append(_ value: JSONValue, to bytes: inout [UInt8]) throws(JSONError) {
    switch value.kind {
    case .object:
      // The order of UTF-8 is that of the code points; that of Swift's strings is not.
      let members = try value.members().sorted { $0.name.utf8.lexicographicallyPrecedes($1.name.utf8) }
      bytes.append(UInt8(ascii: "{"))
      for (position, member) in members.enumerated() {
        if position > 0 { bytes.append(UInt8(ascii: ",")) }
        append(member.name, to: &bytes)
        bytes.append(UInt8(ascii: ":"))
        try append(member.value, to: &bytes)
      }
      bytes.append(UInt8(ascii: "}"))
    case .array:
      bytes.append(UInt8(ascii: "["))
      for (position, element) in try value.elements().enumerated() {
        if position > 0 { bytes.append(UInt8(ascii: ",")) }
        try append(element, to: &bytes)
      }
      bytes.append(UInt8(ascii: "]"))
    case .string: append(try value.string(), to: &bytes)
    case .number: bytes.append(contentsOf: String(try value.integer()).utf8)
    case .bool: bytes.append(contentsOf: (try value.bool() ? "true" : "false").utf8)
    case .null: bytes.append(contentsOf: "null".utf8)
    }
  }

  private static func append(_ text: String, to bytes: inout [UInt8]) {
    bytes.append(UInt8(ascii: "\""))
    for byte in text.utf8 {
      if byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\") { bytes.append(UInt8(ascii: "\\")) }
      bytes.append(byte)
    }
    bytes.append(UInt8(ascii: "\""))
  }
}
