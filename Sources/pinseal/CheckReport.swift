import JSON
import Primitives

/// What came of the questions.
struct CheckReport {
  enum Verdict: String {
    case asExpected
    case otherwise
    case unanswered
  }

  struct Step {
    let name: String
    let verdict: Verdict
    /// What was said, printable.
    let message: String
    let duration: Duration
  }

  var steps: [Step] = []

  /// The exit status: what was not answered weighs most.
  var status: Int32 {
    if steps.isEmpty || steps.contains(where: { $0.verdict == .unanswered }) { return VerifyExit.undecided }
    return steps.allSatisfy { $0.verdict == .asExpected } ? VerifyExit.verified : VerifyExit.refused
  }

  var text: String {
    steps.map { step in
      let mark =
        switch step.verdict {
        case .asExpected: "ok      "
        case .otherwise: "WRONG   "
        case .unanswered: "NO REPLY"
        }
      let time = step.duration.microseconds
      let line = "\(mark)  \(step.name)  (\(time / 1000).\(time % 1000 / 100) ms)"
      return step.message.isEmpty || step.message == "ok" ? line : "\(line)\n          \(step.message)"
    }.joined(separator: "\n")
  }

  /// ok (whether all is as expected), steps: [{name, verdict ("asExpected", "otherwise", "unanswered"), message,
  /// durationMicroseconds}]. Members may be added to, and are neither renamed nor taken away.
  var json: String {
    var writer = JSONWriter(capacity: 1024)
    writer.object { root in
      root.member("ok", status == VerifyExit.verified)
      root.name("steps")
      root.array { list in
        for step in steps {
          list.object { one in
            one.member("name", step.name)
            one.member("verdict", step.verdict.rawValue)
            one.member("message", step.message)
            one.member("durationMicroseconds", step.duration.microseconds)
          }
        }
      }
    }
    return writer.text
  }
}
