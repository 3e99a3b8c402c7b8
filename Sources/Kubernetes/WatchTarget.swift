import Primitives

/// What a watch looks at: one collection, or one object of it.
struct WatchTarget: Sendable, Hashable {
  /// The collection's path, as `/api/v1/namespaces` or `/apis/apps/v1/namespaces/db/statefulsets`.
  let path: String
  /// A `metadata.name` to narrow the collection to one object; nil for all.
  let name: String?
  /// The kind of the objects, without `List`: `Namespace`.
  let kind: String
  /// Their apiVersion: `v1`.
  let apiVersion: String
  /// What RBAC must allow, for messages: `secrets in namespace db`.
  let permission: String
}

/// What a watch has seen.
enum WatchChange<Object: Sendable>: Sendable {
  /// The whole collection as it is now: what is not in it does not exist.
  case listed([Object])
  /// Added or changed.
  case stored(Object)
  /// No longer there; its last state.
  case deleted(Object)
}

extension WatchTarget {
  /// For messages and logs: `namespaces in the whole cluster`, `secrets in namespace db named registry`.
  var subject: String { permission + (name.map { " named \($0)" } ?? "") }

  /// The path and query of a list's page.
  func listPath(limit: Int, next: String?) -> String {
    var query = ["limit=\(limit)"]
    if let next { query.append("continue=" + Self.escaped(next)) }
    return path(query)
  }

  /// The path and query of a watch that goes on behind `version` and ends by itself after `seconds`.
  func watchPath(from version: String, seconds: Int) -> String {
    path([
      "watch=1", "allowWatchBookmarks=true", "resourceVersion=" + Self.escaped(version), "timeoutSeconds=\(seconds)",
    ])
  }

  private func path(_ query: [String]) -> String {
    var query = query
    if let name { query.append("fieldSelector=" + Self.escaped("metadata.name=" + name)) }
    return path + "?" + query.joined(separator: "&")
  }

  /// As it may stand in a query.
  static func escaped(_ text: String) -> String {
    var result: [UInt8] = []
    for byte in text.utf8 {
      switch byte {
      case 0x30...0x39, 0x41...0x5a, 0x61...0x7a, 0x2d, 0x2e, 0x5f, 0x7e: result.append(byte)
      default:
        result.append(UInt8(ascii: "%"))
        result += Hex.encode([byte]).uppercased().utf8
      }
    }
    return String(decoding: result, as: UTF8.self)
  }
}
