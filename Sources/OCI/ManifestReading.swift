import Crypto
import JSON
import Primitives

/// A manifest, or a member of it, that is not as it must be.
struct ManifestFault: Error {
  let description: String

  init(_ description: String) { self.description = description }
}

/// Bounds inside one manifest, which is itself bounded in bytes.
enum ManifestBounds {
  /// RFC 6838 §4.2 gives type and subtype 127 characters each.
  static let mediaTypeBytes = 255
  static let annotationCount = 512
  static let annotationNameBytes = 1 << 10
  /// Certificate chains and log entries lie in annotations.
  static let annotationValueBytes = 1 << 20
}

extension JSONValue {
  /// The member of this name, `null` taken for absent.
  func optional(_ name: String) throws(ManifestFault) -> JSONValue? {
    do { return try optionalMember(name) } catch { throw ManifestFault(error.description.printable()) }
  }

  func required(_ name: String) throws(ManifestFault) -> JSONValue {
    do { return try member(name) } catch { throw ManifestFault(error.description.printable()) }
  }

  func text(limit: Int) throws(ManifestFault) -> String {
    // Escapes only shorten: the text in the document is never shorter than what it spells.
    guard range.count - 2 <= limit else { throw ManifestFault("\(shownPath) is longer than \(limit) bytes") }
    do { return try string() } catch { throw ManifestFault(error.description.printable()) }
  }

  func integerValue() throws(ManifestFault) -> Int64 {
    do { return try integer() } catch { throw ManifestFault(error.description.printable()) }
  }

  func list(limit: Int, of what: String) throws(ManifestFault) -> [JSONValue] {
    let all: [JSONValue]
    do { all = try elements() } catch { throw ManifestFault(error.description.printable()) }
    guard all.count <= limit else { throw ManifestFault("it lists \(all.count) \(what), at most \(limit) are read") }
    return all
  }

  func requiredText(_ name: String, limit: Int) throws(ManifestFault) -> String {
    let value = try required(name)
    let text = try value.text(limit: limit)
    guard !text.isEmpty else { throw ManifestFault("\(value.shownPath) is empty") }
    return text
  }

  /// The text of the member of this name; nil if it is absent, `null` or empty.
  func optionalText(_ name: String, limit: Int) throws(ManifestFault) -> String? {
    guard let text = try optional(name)?.text(limit: limit), !text.isEmpty else { return nil }
    return text
  }

  func requiredDigest(_ name: String) throws(ManifestFault) -> Digest {
    let value = try required(name)
    let text = try value.text(limit: 256)
    do {
      return try Digest(parsing: text)
    } catch {
      throw ManifestFault("\(value.shownPath): \(error.description.printable())")
    }
  }

  func requiredSize(_ name: String) throws(ManifestFault) -> Int64 {
    let value = try required(name)
    let size = try value.integerValue()
    guard size >= 0 else { throw ManifestFault("\(value.shownPath) is negative") }
    return size
  }

  /// The member `annotations`: names and string values.
  func annotations() throws(ManifestFault) -> [String: String] {
    guard let value = try optional("annotations") else { return [:] }
    let members: [(name: String, value: JSONValue)]
    do { members = try value.members() } catch { throw ManifestFault(error.description.printable()) }
    guard members.count <= ManifestBounds.annotationCount else {
      throw ManifestFault(
        "\(value.shownPath) holds \(members.count) names, at most \(ManifestBounds.annotationCount) are read")
    }
    var result: [String: String] = [:]
    for (name, value) in members {
      guard name.utf8.count <= ManifestBounds.annotationNameBytes else {
        throw ManifestFault("\(value.shownPath): a name longer than \(ManifestBounds.annotationNameBytes) bytes")
      }
      result[name] = try value.text(limit: ManifestBounds.annotationValueBytes)
    }
    return result
  }

  private var shownPath: String { path.printable(limit: 128) }
}
