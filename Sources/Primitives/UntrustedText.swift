extension String {
  /// This text made fit for a log line, a terminal or an admission message.
  ///
  /// Text from a registry or an annotation may hold control characters, bidirectional overrides or a megabyte of noise:
  /// what does not print is written as `\u{…}`, and what goes past `limit` characters is cut with an ellipsis.
  public func printable(limit: Int = 256) -> String {
    // Nearly all text is short ASCII that prints; looking up the category of each character costs far more than this.
    if utf8.count <= limit, utf8Span.span.isPrintableASCII { return self }
    var result = ""
    var count = 0
    for scalar in unicodeScalars {
      if count >= limit { return result + "…" }
      if scalar.isUnprintable {
        result += "\\u{" + String(scalar.value, radix: 16) + "}"
      } else {
        result.unicodeScalars.append(scalar)
      }
      count += 1
    }
    return result
  }
}

extension Span<UInt8> {
  fileprivate var isPrintableASCII: Bool {
    for index in indices where !(0x20...0x7E ~= self[index]) { return false }
    return true
  }
}

extension Unicode.Scalar {
  fileprivate var isUnprintable: Bool {
    switch properties.generalCategory {
    case .control, .format, .lineSeparator, .paragraphSeparator, .privateUse, .surrogate, .unassigned: true
    default: false
    }
  }
}
