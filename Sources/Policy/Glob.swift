/// Text in which `*` stands for any bytes, none included.
struct Glob: Sendable, Hashable {
  private let bytes: [UInt8]

  init(_ bytes: ArraySlice<UInt8>) { self.bytes = Array(bytes) }

  /// Whether the pattern matches all of `text`.
  ///
  /// What stands between two wildcards is taken where it occurs first; only the last wildcard met is ever stretched, so
  /// the time is bounded by the product of the two lengths, whatever the number of wildcards.
  func matches(_ text: ArraySlice<UInt8>) -> Bool {
    var position = text.startIndex
    var index = 0
    var resume: (index: Int, position: Int)?
    while position < text.endIndex {
      if index < bytes.count, bytes[index] == UInt8(ascii: "*") {
        index += 1
        resume = (index, position)
      } else if index < bytes.count, bytes[index] == text[position] {
        index += 1
        position += 1
      } else if let (afterWildcard, start) = resume {
        index = afterWildcard
        position = start + 1
        resume = (afterWildcard, position)
      } else {
        return false
      }
    }
    while index < bytes.count, bytes[index] == UInt8(ascii: "*") { index += 1 }
    return index == bytes.count
  }
}

extension ArraySlice<UInt8> {
  /// Whether `text` occurs in these bytes.
  func contains(subsequence text: String) -> Bool {
    let wanted = Array(text.utf8)
    guard count >= wanted.count else { return false }
    return (startIndex...(endIndex - wanted.count)).contains { self[$0...].starts(with: wanted) }
  }
}
