/// The `Link` header (RFC 8288), as far as pages go.
enum LinkHeader {
  static let maximumBytes = 16 << 10

  /// The target of the first link with the relation `next`, or nil.
  static func next(_ values: [String]) -> String? {
    for value in values where value.utf8.count <= maximumBytes {
      var rest = value[...]
      while let open = rest.firstIndex(of: "<") {
        let afterOpen = rest.index(after: open)
        guard let close = rest[afterOpen...].firstIndex(of: ">") else { break }
        let target = rest[afterOpen..<close]
        let tail = rest[rest.index(after: close)...]
        // The parameters go up to the comma before the next link, quoted commas aside.
        var end = tail.startIndex
        var isQuoted = false
        while end < tail.endIndex, isQuoted || tail[end] != "," {
          if tail[end] == "\"" { isQuoted.toggle() }
          end = tail.index(after: end)
        }
        if isNext(tail[..<end]) { return String(target) }
        rest = tail[end...]
      }
    }
    return nil
  }

  private static func isNext(_ parameters: Substring) -> Bool {
    for parameter in parameters.split(separator: ";") {
      let parts = parameter.split(separator: "=", maxSplits: 1).map {
        $0.filter { $0 != " " && $0 != "\t" && $0 != "\"" }
      }
      if parts.count == 2, parts[0].lowercased() == "rel" { return parts[1].lowercased() == "next" }
    }
    return false
  }
}
