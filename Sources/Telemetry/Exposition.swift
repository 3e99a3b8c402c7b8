/// Writes the text format of Prometheus, version 0.0.4.
struct ExpositionWriter {
  private(set) var bytes: [UInt8] = []

  /// A name with its help, its type and all its series.
  mutating func write(_ family: Family, named name: String, help: String?) {
    if let help {
      append("# HELP \(name) ")
      for byte in help.utf8 {
        switch byte {
        case UInt8(ascii: "\\"): append("\\\\")
        case UInt8(ascii: "\n"): append("\\n")
        default: bytes.append(byte)
        }
      }
      append("\n")
    }
    append("# TYPE \(name) \(family.kind.rawValue)\n")
    for (labels, series) in family.series.sorted(by: { $0.key < $1.key }) {
      series.write(name: name, labels: labels, to: &self)
    }
  }

  /// One line.
  mutating func sample(_ name: String, _ labels: String, _ value: String) {
    append(name)
    append(labels)
    append(" ")
    append(value)
    append("\n")
  }

  private mutating func append(_ text: String) { bytes.append(contentsOf: text.utf8) }

  /// A number as Go's `ParseFloat` takes it.
  static func number(_ value: Double) -> String {
    if value.isNaN { return "NaN" }
    if value.isInfinite { return value < 0 ? "-Inf" : "+Inf" }
    if value == value.rounded(), let whole = Int64(exactly: value) { return "\(whole)" }
    return "\(value)"
  }
}

/// Names and labels as Prometheus takes them.
enum LabelText {
  /// `label` with everything that a metric's name may not hold replaced, and `suffix` at its end.
  static func name(_ label: String, suffix: String = "") -> String {
    let name = sanitised(label, allowsColon: true)
    return suffix.isEmpty || name.hasSuffix(suffix) ? name : name + suffix
  }

  /// `{a="b",c="d"}`, sorted by name; empty without labels. Of two labels of one name the first counts.
  static func render(_ dimensions: [(String, String)], reserved: [String]) -> String {
    var labels: [(name: String, value: String)] = []
    for (key, value) in dimensions {
      var name = sanitised(key, allowsColon: false)
      if reserved.contains(name) { name = "exported_" + name }
      if !labels.contains(where: { $0.name == name }) { labels.append((name, escaped(value))) }
    }
    if labels.isEmpty { return "" }
    labels.sort { $0.name < $1.name }
    return "{" + labels.map { "\($0.name)=\"\($0.value)\"" }.joined(separator: ",") + "}"
  }

  /// `labels` with one more behind the others.
  static func adding(_ name: String, _ value: String, to labels: String) -> String {
    labels.isEmpty ? "{\(name)=\"\(value)\"}" : labels.dropLast() + ",\(name)=\"\(value)\"}"
  }

  private static func sanitised(_ text: String, allowsColon: Bool) -> String {
    var result = ""
    for scalar in text.unicodeScalars.prefix(128) {
      switch scalar {
      case "a"..."z", "A"..."Z", "_": result.unicodeScalars.append(scalar)
      case "0"..."9":
        if result.isEmpty { result = "_" }
        result.unicodeScalars.append(scalar)
      case ":" where allowsColon: result.unicodeScalars.append(scalar)
      default: result += "_"
      }
    }
    return result.isEmpty ? "_" : result
  }

  private static func escaped(_ value: String) -> String {
    var result = ""
    for scalar in value.unicodeScalars.prefix(256) {
      switch scalar {
      case "\\": result += "\\\\"
      case "\"": result += "\\\""
      case "\n": result += "\\n"
      default: result.unicodeScalars.append(scalar)
      }
    }
    return result
  }
}
