/// What a plain scalar means by the core schema of YAML 1.2.2 (§10.3.2).
///
/// YAML 1.1 took `yes`, `on`, `0777`, `1:30` and dates for other things than text; here they are text or decimal numbers.
enum CoreSchema {
  static func resolve(_ text: String) -> Node.Content {
    switch text {
    case "", "~", "null", "Null", "NULL": return .null
    case "true", "True", "TRUE": return .bool(true)
    case "false", "False", "FALSE": return .bool(false)
    default: return isNumber(Array(text.utf8)[...]) ? .number(text) : .string(text)
    }
  }

  private static func isNumber(_ text: ArraySlice<UInt8>) -> Bool {
    if text.starts(with: "0o".utf8) {
      return text.count > 2 && text.dropFirst(2).allSatisfy { $0 >= 0x30 && $0 <= 0x37 }
    }
    if text.starts(with: "0x".utf8) {
      return text.count > 2 && text.dropFirst(2).allSatisfy { isDigit($0) || ($0 | 0x20 >= 0x61 && $0 | 0x20 <= 0x66) }
    }
    if [".nan", ".NaN", ".NAN"].contains(where: { text.elementsEqual($0.utf8) }) { return true }
    var rest = text
    if rest.first == UInt8(ascii: "-") || rest.first == UInt8(ascii: "+") { rest = rest.dropFirst() }
    if [".inf", ".Inf", ".INF"].contains(where: { rest.elementsEqual($0.utf8) }) { return true }
    let whole = rest.prefix(while: isDigit)
    rest = rest[whole.endIndex...]
    var fraction = 0
    if rest.first == UInt8(ascii: ".") {
      let digits = rest.dropFirst().prefix(while: isDigit)
      fraction = digits.count
      rest = rest[digits.endIndex...]
    }
    guard whole.count + fraction > 0 else { return false }
    if let mark = rest.first, mark | 0x20 == UInt8(ascii: "e") {
      rest = rest.dropFirst()
      if rest.first == UInt8(ascii: "-") || rest.first == UInt8(ascii: "+") { rest = rest.dropFirst() }
      guard let digit = rest.first, isDigit(digit) else { return false }
      rest = rest.drop(while: isDigit)
    }
    return rest.isEmpty
  }

  private static func isDigit(_ byte: UInt8) -> Bool { byte >= 0x30 && byte <= 0x39 }
}
