import JSON

/// A JSON Patch (RFC 6902) of `replace` operations on strings, which is all that pinning needs.
enum JSONPatch {
  /// One string to be replaced.
  struct Replacement: Sendable {
    /// Where it is (RFC 6901).
    let pointer: String
    /// The string in the object as it came.
    let target: JSONValue
    let value: String
  }

  /// Why a patch cannot be applied, or does more than it should.
  struct Failure: Error, CustomStringConvertible {
    let description: String
  }

  /// The text of the patch.
  static func encode(_ replacements: [Replacement]) -> [UInt8] {
    var writer = JSONWriter(capacity: 128 + replacements.count * 256)
    writer.array { writer in
      for replacement in replacements {
        writer.object {
          $0.member("op", "replace")
          $0.member("path", replacement.pointer)
          $0.member("value", replacement.value)
        }
      }
    }
    return writer.bytes
  }

  /// The text of `document` after the patch; any operation but `replace` of one string by another is refused.
  static func apply(_ patch: [UInt8], to document: JSONValue) throws(Failure) -> [UInt8] {
    do {
      var edits: [(range: Range<Int>, text: ArraySlice<UInt8>)] = []
      for operation in try JSONDocument(patch).root.elements() {
        try operation.allowOnly(["op", "path", "value"])
        guard try operation.member("op").isString("replace") else {
          throw Failure(description: "an operation of the patch is not \"replace\"")
        }
        let value = try operation.member("value")
        let pointer = try operation.member("path").string()
        guard let target = resolve(pointer, in: document), target.kind == .string, value.kind == .string else {
          throw Failure(description: "the patch replaces no string by a string at \(pointer)")
        }
        edits.append((target.range, value.bytes))
      }
      edits.sort { $0.range.lowerBound < $1.range.lowerBound }
      let source = document.document.bytes
      var result: [UInt8] = []
      result.reserveCapacity(document.bytes.count + edits.reduce(0) { $0 + $1.text.count })
      var position = document.range.lowerBound
      for (range, text) in edits {
        guard range.lowerBound >= position else { throw Failure(description: "the patch replaces one string twice") }
        result += source[position..<range.lowerBound]
        result += text
        position = range.upperBound
      }
      result += source[position..<document.range.upperBound]
      return result
    } catch let error as Failure {
      throw error
    } catch {
      throw Failure(description: "the patch cannot be read: \(error)")
    }
  }

  /// Applies `patch` to `object` and compares what comes out with what went in: only the strings of `replacements` may
  /// differ, each of them must, and each must say what it was meant to say.
  static func check(_ patch: [UInt8], on object: JSONValue, does replacements: [Replacement]) throws(Failure) {
    let patched = try apply(patch, to: object)
    let result: JSONDocument
    do {
      let limits = JSONDocument.Limits(
        bytes: .max, depth: AdmissionReview.maximumDepth, values: AdmissionReview.maximumValues)
      result = try JSONDocument(patched, limits: limits)
    } catch {
      throw Failure(description: "the patched object is no JSON: \(error)")
    }
    guard let differences = object.differingScalars(from: result.root) else {
      throw Failure(description: "the patch changes the structure of the object")
    }
    guard differences.count == replacements.count else {
      throw Failure(description: "the patch changes \(differences.count) values, \(replacements.count) were meant")
    }
    // Differences come in the order of the object's text.
    let expected = replacements.sorted { $0.target.range.lowerBound < $1.target.range.lowerBound }
    for (difference, replacement) in zip(differences, expected) {
      guard difference.here.range == replacement.target.range, difference.there.isString(replacement.value) else {
        throw Failure(description: "the patch changes \(difference.here.path), which was not meant")
      }
    }
  }

  /// The value at a JSON Pointer, or nil if there is none.
  static func resolve(_ pointer: String, in document: JSONValue) -> JSONValue? {
    var current = document
    var tokens = pointer.utf8.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false)[...]
    // The whole document is "", and every other pointer begins with a slash.
    guard tokens.popFirst()?.isEmpty == true else { return nil }
    for token in tokens {
      guard let name = unescape(token) else { return nil }
      switch current.kind {
      case .object:
        guard let next = current[name] else { return nil }
        current = next
      case .array:
        guard let index = JSONValue.exactInteger(token), let elements = try? current.elements(), index >= 0,
          index < elements.count
        else { return nil }
        current = elements[Int(index)]
      default: return nil
      }
    }
    return current
  }

  private static func unescape(_ token: Substring.UTF8View) -> String? {
    guard token.contains(UInt8(ascii: "~")) else { return String(Substring(token)) }
    var bytes: [UInt8] = []
    var rest = token[...]
    while let byte = rest.popFirst() {
      guard byte == UInt8(ascii: "~") else {
        bytes.append(byte)
        continue
      }
      switch rest.popFirst() {
      case UInt8(ascii: "0"): bytes.append(UInt8(ascii: "~"))
      case UInt8(ascii: "1"): bytes.append(UInt8(ascii: "/"))
      default: return nil
      }
    }
    return String(decoding: bytes, as: UTF8.self)
  }
}
