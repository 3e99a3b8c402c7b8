import HTTPClient
import JSON
import Primitives

/// One page of a list, as far as it is the watch's and not its objects'.
struct WatchedPage {
  let items: [JSONValue]
  let resourceVersion: String
  /// What the next page is asked for by; nil on the last.
  let next: String?

  /// The API server's own tokens have some hundred bytes.
  private static let maximumTokenBytes = 16 << 10

  init(_ body: [UInt8], of target: WatchTarget, limits: WatchLimits) throws {
    let root = try JSONDocument(body, limits: limits.json(limits.pageBytes)).root
    try WatchText.check(root, kind: target.kind + "List", apiVersion: target.apiVersion)
    let metadata = try root.member("metadata")
    resourceVersion = try WatchText.resourceVersion(metadata)
    let token = try metadata.optionalMember("continue")?.string() ?? ""
    guard token.utf8.count <= Self.maximumTokenBytes else {
      throw ClusterError(.invalid, "the token for the next page has \(token.utf8.count) bytes")
    }
    next = token.isEmpty ? nil : token
    items = try root.optionalMember("items")?.elements() ?? []
  }
}

/// One line of a watch.
enum WatchEvent {
  case stored(JSONValue, resourceVersion: String)
  case deleted(JSONValue, resourceVersion: String)
  case bookmark(resourceVersion: String)
  /// The watch is over; an HTTP status and what the server says of it.
  case error(status: Int, body: [UInt8])

  init(_ line: [UInt8], of target: WatchTarget, limits: WatchLimits) throws {
    let root = try JSONDocument(line, limits: limits.json(limits.lineBytes)).root
    let type = try root.member("type")
    let object = try root.member("object")
    if type.isString("ERROR") {
      try WatchText.check(object, kind: "Status", apiVersion: "v1")
      let status = Int(clamping: try object.optionalMember("code")?.integer() ?? 500)
      self = .error(status: status, body: Array(object.bytes))
      return
    }
    try WatchText.check(object, kind: target.kind, apiVersion: target.apiVersion)
    let version = try WatchText.resourceVersion(try object.member("metadata"))
    if type.isString("ADDED") || type.isString("MODIFIED") {
      self = .stored(object, resourceVersion: version)
    } else if type.isString("DELETED") {
      self = .deleted(object, resourceVersion: version)
    } else if type.isString("BOOKMARK") {
      self = .bookmark(resourceVersion: version)
    } else {
      throw ClusterError(.invalid, "\(try type.string().printable(limit: 32)) is no type of event")
    }
  }
}

/// What lists and events have in common.
enum WatchText {
  static func check(_ object: JSONValue, kind: String, apiVersion: String) throws {
    let found = try object.optionalMember("kind")
    let version = try object.optionalMember("apiVersion")
    guard found?.isString(kind) == true, version?.isString(apiVersion) == true else {
      let shown = (try found?.string() ?? "").printable(limit: 64)
      let shownVersion = (try version?.string() ?? "").printable(limit: 64)
      throw ClusterError(
        .invalid, "an object is of kind \"\(shown)\" (\(shownVersion)), expected \(kind) (\(apiVersion))")
    }
  }

  /// Opaque to all but the server: any text that is short and prints.
  static func resourceVersion(_ metadata: JSONValue) throws -> String {
    let version = try metadata.member("resourceVersion").string()
    guard !version.isEmpty, version.utf8.count <= 256, version.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7f }) else {
      throw ClusterError(.invalid, "metadata.resourceVersion is empty, too long or does not print")
    }
    return version
  }

  /// What is wrong, without any value of an object.
  static func reason(_ error: any Error) -> String {
    switch error {
    case let error as JSONError: error.description.printable(limit: 300)
    case let error as NodeError: error.description.printable(limit: 300)
    case let error as ClusterError: error.description
    default: "it cannot be read"
    }
  }
}

/// Cuts what arrives into lines, none longer than allowed.
struct LineSplitter {
  private var rest: [UInt8] = []
  private let limit: Int

  init(limit: Int) { self.limit = limit }

  /// The lines that this piece completes, without empty ones; nil once a line is too long.
  mutating func lines(adding piece: [UInt8]) -> [[UInt8]]? {
    var lines: [[UInt8]] = []
    var start = piece.startIndex
    while let end = piece[start...].firstIndex(of: UInt8(ascii: "\n")) {
      guard rest.count + (end - start) <= limit else { return nil }
      rest += piece[start..<end]
      if !rest.isEmpty { lines.append(rest) }
      rest = []
      start = end + 1
    }
    guard rest.count + (piece.endIndex - start) <= limit else { return nil }
    rest += piece[start...]
    return lines
  }
}
