import Crypto
import Primitives
import Sigstore
import Verification

extension VerifyReport {
  /// The report for people.
  var text: String {
    var lines = ["image   \(image.literal.printable(limit: 500))"]
    lines.append("digest  \(digest ?? "not known")")
    lines += ["", "Requests, by when they began:"]
    for step in steps {
      lines.append("  \(moment(step.time))  \(step.name.printable(limit: 300))")
      if let failure = step.failure { lines.append("  \(gap)  failed: \(failure)") }
    }
    for place in places { lines += ["", headline(place)] + body(place) }
    lines += ["", conclusion]
    return lines.joined(separator: "\n")
  }

  private var gap: String { String(repeating: " ", count: 20) }

  private func headline(_ place: ObservedPlace) -> String {
    var parts: [String] = []
    if place.isGivenUp { parts.append("not looked through to its end") }
    if place.present > 0 || place.isOverLimit {
      parts.append("\(place.present) \(place.present == 1 ? "candidate" : "candidates")")
      if place.isOverLimit { parts.append("only \(place.judged) judged") }
    }
    if place.others > 0 { parts.append("\(place.others) that \(place.others == 1 ? "is" : "are") no signature") }
    if place.missing > 0 { parts.append("\(place.missing) listed and gone") }
    if parts.isEmpty { parts.append(place.failures.isEmpty ? "nothing" : "could not be read") }
    let name = place.name.printable(limit: 200)
    return "\(name.prefix(1).uppercased())\(name.dropFirst()): \(parts.joined(separator: ", ")) (\(spent(place.time)))"
  }

  private func body(_ place: ObservedPlace) -> [String] {
    var lines: [String] = []
    for candidate in candidates(place) {
      let outcome = candidate.signature == nil ? "does not count" : "counts"
      lines.append("  \(moment(candidate.time))  \(candidate.label), \(candidate.format.rawValue): \(outcome)")
      for check in candidate.checks {
        let name = check.check.rawValue + String(repeating: " ", count: max(0, 12 - check.check.rawValue.count))
        lines.append("  \(moment(check.time))    \(name) \(check.rejection == nil ? "passed" : "FAILED")")
      }
      if let rejection = candidate.rejection {
        lines.append("  \(gap)    \(rejection.reason.rawValue): \(rejection.description.printable(limit: 600))")
      }
    }
    for (label, reason) in unjudged(place) { lines.append("  \(gap)  \(label): \(reason)") }
    for failure in place.failures where !place.isGivenUp { lines.append("  \(gap)  failed: \(failure)") }
    return lines
  }

  private var conclusion: String {
    switch verdict {
    case .verified(let image):
      var lines = ["VERIFIED  \(image.pinnedKeepingTag) (\(spent(duration)))"]
      lines.append("  signed by \(image.signature.signer.description)")
      if let log = image.signature.log {
        let place = log.logURL.isEmpty ? "the private log" : log.logURL.printable(limit: 200)
        let time = log.integratedTime.map { ", taken in at \(CalendarTime.text($0))" } ?? ""
        lines.append("  in the log as entry \(log.logIndex) of \(place)\(time)")
      }
      for (name, value) in image.signature.annotations.sorted(by: { $0.key < $1.key }) {
        lines.append("  with \(name.printable(limit: 100))=\(value.printable(limit: 200))")
      }
      return lines.joined(separator: "\n")
    case .refused(let refusal):
      let word = status == VerifyExit.undecided ? "UNDECIDED" : "NOT VERIFIED"
      return "\(word)  \(refusal.code.rawValue): \(refusal.message) (\(spent(duration)))"
    }
  }

  /// When it began and how long it took.
  private func moment(_ time: ObservedTime) -> String {
    "\(padded("+" + milliseconds(offset(time)), 9)) \(padded(spent(time), 10))"
  }

  private func spent(_ time: ObservedTime) -> String { spent(time.duration) }
  private func spent(_ duration: Duration) -> String { milliseconds(duration.microseconds) + " ms" }

  private func milliseconds(_ microseconds: Int64) -> String {
    let hundredths = microseconds / 10 % 100
    return "\(microseconds / 1000).\(hundredths < 10 ? "0" : "")\(hundredths)"
  }

  private func padded(_ text: String, _ width: Int) -> String {
    String(repeating: " ", count: max(0, width - text.utf8.count)) + text
  }
}
