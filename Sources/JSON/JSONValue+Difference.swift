extension JSONValue {
  /// The scalars in which `other` differs from this value, side by side and in order; empty if the two are the same.
  ///
  /// Nil if they differ in more than scalars: in a type, in how many elements or members there are, in a member's name, or
  /// in the order of members. Names and scalars are compared as they are written, so two spellings of one string or number
  /// are a difference. One pass, without recursion.
  public func differingScalars(from other: JSONValue) -> [(here: JSONValue, there: JSONValue)]? {
    let (mine, theirs) = (document.tape, other.document.tape)
    let (text, otherText) = (document.bytes, other.document.bytes)
    let count = Int(mine[index].next) - index
    guard count == Int(theirs[other.index].next) - other.index else { return nil }
    var differences: [(here: JSONValue, there: JSONValue)] = []
    // Member names are entries of the tape as well: of the entries right inside an object every other one is a name.
    var open: [(end: Int, isObject: Bool, namesNext: Bool)] = []
    for offset in 0..<count {
      let (left, right) = (mine[index + offset], theirs[other.index + offset])
      guard left.kind == right.kind, Int(left.next) - index == Int(right.next) - other.index else { return nil }
      while let parent = open.last, parent.end <= index + offset { open.removeLast() }
      var isName = false
      if let parent = open.last, parent.isObject {
        isName = parent.namesNext
        open[open.count - 1].namesNext.toggle()
      }
      if left.kind == .object || left.kind == .array {
        open.append((Int(left.next), left.kind == .object, true))
      } else if !Self.areSame(left.range, text.span, right.range, otherText.span) {
        guard !isName else { return nil }
        differences.append(
          (
            JSONValue(document: document, index: index + offset),
            JSONValue(document: other.document, index: other.index + offset)
          ))
      }
    }
    return differences
  }

  private static func areSame(
    _ left: Range<Int>, _ leftText: Span<UInt8>, _ right: Range<Int>, _ rightText: Span<UInt8>
  ) -> Bool {
    guard left.count == right.count else { return false }
    for offset in 0..<left.count where leftText[left.lowerBound + offset] != rightText[right.lowerBound + offset] {
      return false
    }
    return true
  }
}
