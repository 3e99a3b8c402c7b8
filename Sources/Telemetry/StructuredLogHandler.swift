import JSON
public import Logging
import Primitives

/// How log lines look.
public enum LogFormat: String, Sendable, CaseIterable {
  /// `2026-11-23T23:16:57.123Z info pinseal: message key=value`
  case text
  /// One JSON object a line: `time`, `level`, `logger`, `message`, and `metadata` where there is any.
  case json
}

/// Writes one line for each event, in one piece, with nothing in it that a terminal would obey.
///
/// Lengths and counts are bounded, so that no event makes a line of megabytes.
public struct StructuredLogHandler: LogHandler {
  /// The least level that is written.
  public var logLevel: Logger.Level
  /// Written with every event.
  public var metadata: Logger.Metadata = [:]
  /// Asked at every event.
  public var metadataProvider: Logger.MetadataProvider?

  private let label: String
  private let format: LogFormat
  private let output: LogOutput

  /// A handler for the logger `label`.
  public init(
    label: String, format: LogFormat, level: Logger.Level = .info, output: LogOutput = .standardError,
    metadataProvider: Logger.MetadataProvider? = nil
  ) {
    self.label = label
    self.format = format
    self.output = output
    logLevel = level
    self.metadataProvider = metadataProvider
  }

  /// The value under `key` of the metadata that is written with every event.
  public subscript(metadataKey key: String) -> Logger.Metadata.Value? {
    get { metadata[key] }
    set { metadata[key] = newValue }
  }

  /// Writes the event.
  public func log(event: LogEvent) {
    var fields = metadata
    if let provided = metadataProvider?.get() { fields.merge(provided) { $1 } }
    if let own = event.metadata { fields.merge(own) { $1 } }
    if let error = event.error, fields["error"] == nil { fields["error"] = .string("\(error)") }
    let sorted = fields.sorted { $0.key < $1.key }
    let line =
      switch format {
      case .text: TextLine.render(event, label: label, metadata: sorted)
      case .json: JSONLine.render(event, label: label, metadata: sorted)
      }
    output.write(line)
    // It may be the last thing that is said.
    if event.level == .critical { output.flush() }
  }

  /// An event without anything beside it as a line.
  static func line(_ event: LogEvent, label: String, format: LogFormat) -> [UInt8] {
    let metadata = (event.metadata ?? [:]).sorted { $0.key < $1.key }
    return switch format {
    case .text: TextLine.render(event, label: label, metadata: metadata)
    case .json: JSONLine.render(event, label: label, metadata: metadata)
    }
  }
}

/// What a line does not go beyond.
enum LogLimits {
  static let message = 8192
  static let value = 4096
  static let name = 128
  static let elements = 128
  static let depth = 6
}

enum JSONLine {
  static func render(_ event: LogEvent, label: String, metadata: [(key: String, value: Logger.Metadata.Value)])
    -> [UInt8]
  {
    var writer = JSONWriter(capacity: 512)
    writer.object { writer in
      writer.member("time", Timestamp.now().rfc3339)
      writer.member("level", event.level.rawValue)
      writer.member("logger", label)
      writer.member("message", cut(event.message.description, LogLimits.message))
      if !metadata.isEmpty {
        writer.name("metadata")
        write(metadata, depth: 0, to: &writer)
      }
    }
    return writer.bytes + [UInt8(ascii: "\n")]
  }

  private static func write(
    _ members: [(key: String, value: Logger.Metadata.Value)], depth: Int, to writer: inout JSONWriter
  ) {
    writer.object { writer in
      for (key, value) in members.prefix(LogLimits.elements) {
        writer.name(cut(key, LogLimits.name))
        write(value, depth: depth + 1, to: &writer)
      }
    }
  }

  private static func write(_ value: Logger.Metadata.Value, depth: Int, to writer: inout JSONWriter) {
    switch value {
    case .string(let text): writer.string(cut(text, LogLimits.value))
    case .stringConvertible(let value): writer.string(cut("\(value)", LogLimits.value))
    case .dictionary, .array: if depth > LogLimits.depth { writer.string("…") } else { nest(value, depth, &writer) }
    }
  }

  private static func nest(_ value: Logger.Metadata.Value, _ depth: Int, _ writer: inout JSONWriter) {
    switch value {
    case .dictionary(let members): write(members.sorted { $0.key < $1.key }, depth: depth, to: &writer)
    case .array(let elements):
      writer.array { writer in
        for element in elements.prefix(LogLimits.elements) { write(element, depth: depth + 1, to: &writer) }
      }
    default: write(value, depth: depth, to: &writer)
    }
  }

  private static func cut(_ text: String, _ limit: Int) -> String {
    // Scalars are at most four bytes: most texts need no counting.
    if text.utf8.count <= limit { return text }
    guard text.unicodeScalars.count > limit else { return text }
    return String(String.UnicodeScalarView(text.unicodeScalars.prefix(limit))) + "…"
  }
}

enum TextLine {
  static func render(_ event: LogEvent, label: String, metadata: [(key: String, value: Logger.Metadata.Value)])
    -> [UInt8]
  {
    var line =
      Timestamp.now().rfc3339 + " " + event.level.rawValue + " " + label.printable(limit: LogLimits.name) + ": "
    line += event.message.description.printable(limit: LogLimits.message)
    for (key, value) in metadata.prefix(LogLimits.elements) {
      line += " " + key.printable(limit: LogLimits.name) + "=" + text(value, depth: 0)
    }
    return Array((line + "\n").utf8)
  }

  private static func text(_ value: Logger.Metadata.Value, depth: Int) -> String {
    if depth > LogLimits.depth { return "…" }
    switch value {
    case .string(let text): return quoted(text)
    case .stringConvertible(let value): return quoted("\(value)")
    case .array(let elements):
      return "[" + elements.prefix(LogLimits.elements).map { text($0, depth: depth + 1) }.joined(separator: ", ") + "]"
    case .dictionary(let members):
      let pairs = members.sorted { $0.key < $1.key }.prefix(LogLimits.elements)
      return "{"
        + pairs.map { $0.key.printable(limit: LogLimits.name) + "=" + text($0.value, depth: depth + 1) }.joined(
          separator: " ") + "}"
    }
  }

  /// In quotes if it would not be clear otherwise where the value ends; quotes and backslashes in it are escaped then.
  private static func quoted(_ text: String) -> String {
    let printable = text.printable(limit: LogLimits.value)
    let isPlain = printable.utf8.allSatisfy { byte in
      byte > 0x20 && byte != UInt8(ascii: "\"") && byte != UInt8(ascii: "=") && byte != UInt8(ascii: ",")
        && byte != UInt8(ascii: "[") && byte != UInt8(ascii: "]") && byte != UInt8(ascii: "{")
        && byte != UInt8(ascii: "}")
    }
    if isPlain, !printable.isEmpty { return printable }
    // Scalar by scalar: a quote with a combining mark behind it is another Character, and a quote all the same.
    var result = "\""
    for scalar in printable.unicodeScalars {
      if scalar == "\"" || scalar == "\\" { result += "\\" }
      result.unicodeScalars.append(scalar)
    }
    return result + "\""
  }
}
