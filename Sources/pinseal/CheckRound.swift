import HTTPClient
import JSON
import Primitives

/// One round of questions to a webhook.
struct CheckRound {
  let client: any HTTPExchanging
  let base: String
  let namespace: String
  let timeout: Duration

  /// All of them, one after the other; with an image and whether it must be allowed, and the base of the plain port.
  func run(image: (name: String, isAllowed: Bool)?, ops: String?) async -> CheckReport {
    var report = CheckReport()
    for endpoint in ["mutate", "validate"] {
      report.steps.append(
        await step("\(endpoint): a deletion is allowed", review(.deletion), to: endpoint, isAllowed: true))
      report.steps.append(
        await step(
          "\(endpoint): a kind that is none of Pinseal's is denied", review(.otherKind), to: endpoint,
          isAllowed: false))
    }
    if let image {
      let name = image.name.printable(limit: 256)
      report.steps.append(
        await step(
          "mutate: \(name) is \(image.isAllowed ? "allowed" : "refused")", review(.image(image.name)),
          to: "mutate", isAllowed: image.isAllowed))
    }
    if let ops { report.steps.append(await ready(ops)) }
    return report
  }

  /// Whatever comes of it, nothing is written about it.
  private func review(_ content: SampleReview.Content) -> SampleReview {
    SampleReview(content, name: "pinseal-check", namespace: namespace, user: "pinseal check", isDryRun: true)
  }

  private func step(
    _ name: String, _ review: SampleReview, to endpoint: String, isAllowed: Bool
  ) async -> CheckReport.Step {
    let request = HTTPRequest(
      method: .post, url: "\(base)/\(endpoint)?timeout=\(max(1, timeout.milliseconds / 1000))s",
      headers: [("content-type", "application/json")], body: review.body)
    return await timed(name, request) { response in
      guard response.status == 200 else {
        throw CertsFault(
          "HTTP \(response.status): \(String(decoding: response.body.prefix(512), as: UTF8.self).printable())")
      }
      let answer = try JSONDocument(response.body).root.member("response")
      guard try answer.member("uid").isString(SampleReview.uid) else {
        throw CertsFault("the answer is to another review")
      }
      let message = try answer.optionalMember("status")?.optionalMember("message")?.string() ?? ""
      let allowed = try answer.member("allowed").bool()
      guard allowed == isAllowed else {
        throw CertsFault(allowed ? "it was allowed" : "it was denied: \(message.printable(limit: 600))")
      }
      return message.printable(limit: 600)
    }
  }

  private func ready(_ ops: String) async -> CheckReport.Step {
    let request = HTTPRequest(url: ops + "/readyz", allowsPlainHTTP: true)
    return await timed("/readyz says yes", request) { response in
      let line = response.body.prefix(512).prefix { $0 != UInt8(ascii: "\n") }
      let text = String(decoding: line, as: UTF8.self).printable()
      guard response.status == 200 else { throw CertsFault("HTTP \(response.status): \(text)") }
      return text
    }
  }

  private func timed(
    _ name: String, _ request: HTTPRequest, judge: (HTTPResponse) throws -> String
  ) async -> CheckReport.Step {
    let start = Deadline.now
    let verdict: CheckReport.Verdict
    var message: String
    do throws(HTTPClientError) {
      let response = try await client.send(request, deadline: start.advanced(by: timeout))
      do {
        message = try judge(response)
        verdict = .asExpected
      } catch {
        message = "\(error)"
        verdict = .otherwise
      }
    } catch {
      message = error.description
      verdict = .unanswered
    }
    return CheckReport.Step(name: name, verdict: verdict, message: message, duration: Deadline.now.since(start))
  }
}
