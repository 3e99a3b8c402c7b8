/// One thing the demo asks, and the only answer that is right.
struct DemoCase {
  enum Expectation: Equatable {
    /// Allowed, with the image replaced by itself and its digest.
    case pinned
    /// Allowed as it is: nothing to change, nothing to warn of.
    case unchanged
    /// Refused, the message led by this code.
    case refused(code: String)
    /// Allowed as it is, with a warning led by this code.
    case warned(code: String)
  }

  let title: String
  let review: DemoReview
  let expectation: Expectation
  /// The digest that the image's tag names in the registry.
  let digest: String

  /// What is wrong with `answer`, or nil if it is the expected one.
  func fault(in answer: DemoAnswer) -> String? {
    switch expectation {
    case .pinned:
      guard answer.isAllowed else { return "expected the image pinned, it was refused" }
      let expected = "\(review.image)@\(digest)"
      return answer.pinnedImage == expected ? nil : "expected \(expected), got \(answer.pinnedImage ?? "no patch")"
    case .unchanged:
      guard answer.isAllowed else { return "expected the image let through, it was refused" }
      return answer.patch.isEmpty && answer.warnings.isEmpty ? nil : "expected neither patch nor warning"
    case .refused(let code):
      guard !answer.isAllowed else { return "expected a refusal, it was let through" }
      return answer.message.contains(code) ? nil : "expected \(code)"
    case .warned(let code):
      guard answer.isAllowed, answer.patch.isEmpty else { return "expected the image let through as it is" }
      return answer.warnings.contains { $0.contains(code) } ? nil : "expected a warning with \(code)"
    }
  }
}

/// The table that the demo prints.
struct DemoReport {
  struct Row {
    let demoCase: DemoCase
    let answer: DemoAnswer
    let cold: Duration
    let warm: Duration
    let fault: String?
  }

  let rows: [Row]

  var isGood: Bool { rows.allSatisfy { $0.fault == nil } }

  var text: String {
    var lines = [
      Self.columns("asked", "answered", "cold", "warm"),
      String(repeating: "─", count: 96),
    ]
    for row in rows {
      let review = row.demoCase.review
      lines.append(Self.columns(row.demoCase.title, Self.answered(row), Self.time(row.cold), Self.time(row.warm)))
      lines.append("    POST /\(review.endpoint)  namespace \(review.namespace)  image \(review.image)")
      if !row.answer.patch.isEmpty { lines.append("    patch    \(row.answer.patch)") }
      if !row.answer.message.isEmpty { lines.append("    message  \(row.answer.message)") }
      lines += row.answer.warnings.map { "    warning  \($0)" }
      if let fault = row.fault { lines.append("    WRONG    \(fault)") }
      lines.append("")
    }
    return lines.joined(separator: "\n")
  }

  private static func answered(_ row: Row) -> String {
    if !row.answer.isAllowed { return "refused" }
    if !row.answer.patch.isEmpty { return "allowed, pinned" }
    return row.answer.warnings.isEmpty ? "allowed" : "allowed, warned"
  }

  private static func columns(_ asked: String, _ answered: String, _ cold: String, _ warm: String) -> String {
    pad(asked, 50) + pad(answered, 20) + pad(cold, 12, left: true) + pad(warm, 12, left: true)
  }

  private static func pad(_ text: String, _ width: Int, left: Bool = false) -> String {
    let space = String(repeating: " ", count: max(0, width - text.count))
    return left ? space + text : text + space
  }

  /// Milliseconds with two decimals.
  static func time(_ duration: Duration) -> String {
    let (seconds, attoseconds) = duration.components
    let hundredths = seconds * 100_000 + attoseconds / 10_000_000_000_000
    let fraction = String(hundredths % 100)
    return "\(hundredths / 100).\(fraction.count < 2 ? "0" + fraction : fraction) ms"
  }
}
