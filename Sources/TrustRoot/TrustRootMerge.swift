import JSON
import Primitives

/// Puts trusted roots beside one another: one text with the entries of all.
enum TrustRootMerge {
  private static let lists = ["tlogs", "certificateAuthorities", "ctlogs", "timestampAuthorities"]

  /// The text of `texts`, each of which is a trusted root; of one text, that text. An entry that stands in several of them,
  /// spelt however, is taken once.
  static func merge(_ texts: [(name: String, bytes: [UInt8])]) throws(TrustRootError) -> [UInt8] {
    if let only = texts.first, texts.count == 1 { return only.bytes }
    do {
      var roots: [JSONValue] = []
      for text in texts { roots.append(try JSONDocument(text.bytes).root) }
      guard let first = roots.first else { throw TrustRootError("there is no trusted root") }
      var writer = JSONWriter(capacity: texts.reduce(0) { $0 + $1.bytes.count })
      try writer.object { (writer) throws(JSONError) in
        writer.name("mediaType")
        writer.raw(try first.member("mediaType").bytes)
        for list in lists {
          writer.name(list)
          var seen: Set<[UInt8]> = []
          try writer.array { (writer) throws(JSONError) in
            for root in roots {
              for entry in try root.optionalMember(list)?.elements() ?? []
              where seen.insert(try CanonicalJSON.encode(entry)).inserted {
                writer.raw(entry.bytes)
              }
            }
          }
        }
      }
      return writer.bytes
    } catch let error as TrustRootError {
      throw error
    } catch {
      throw TrustRootError(
        "\(texts.map(\.name).joined(separator: " and ")) cannot be put beside one another: \(error)".printable(limit: 512))
    }
  }
}
