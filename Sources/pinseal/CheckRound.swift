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
        await step("\(endpoint): a deletion is allowed", .init(.deletion, namespace), to: endpoint, isAllowed: true))
      report.steps.append(
        await step(
          "\(endpoint): a kind that is none of Pinseal's is denied", .init(.otherKind, namespace), to: endpoint,
          isAllowed: false))
    }
    if let image {
      let name = image.name.printable(limit: 256)
      report.steps.append(
        await step(
          "mutate: \(name) is \(image.isAllowed ? "allowed" : "refused")", .init(.image(image.name), namespace),
          to: "mutate", isAllowed: image.isAllowed))
    }
    if let ops { report.steps.append(await ready(ops)) }
    return report
  }

  private func step(
    _ name: String, _ review: CheckReview, to endpoint: String, isAllowed: Bool
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
      guard try answer.member("uid").isString(CheckReview.uid) else {
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

/// A review that changes nothing.
struct CheckReview {
  enum Content {
    case deletion
    case otherKind
    case image(String)
  }

  static let uid = "9f1d2c34-0000-4000-8000-000000000000"
  private static let name = "pinseal-check"
  private let content: Content
  private let namespace: String

  init(_ content: Content, _ namespace: String) {
    self.content = content
    self.namespace = namespace
  }

  var body: [UInt8] {
    let isOther = if case .otherKind = content { true } else { false }
    let isDeletion = if case .deletion = content { true } else { false }
    var writer = JSONWriter(capacity: 1024)
    writer.object {
      $0.member("apiVersion", "admission.k8s.io/v1")
      $0.member("kind", "AdmissionReview")
      $0.name("request")
      $0.object {
        $0.member("uid", Self.uid)
        Self.type("kind", "kind", isOther ? "ConfigMap" : "StatefulSet", isOther, into: &$0)
        Self.type("resource", "resource", isOther ? "configmaps" : "statefulsets", isOther, into: &$0)
        $0.member("name", Self.name)
        $0.member("namespace", namespace)
        $0.member("operation", isDeletion ? "DELETE" : "CREATE")
        $0.name("userInfo")
        $0.object { $0.member("username", "pinseal check") }
        $0.name("object")
        if isDeletion { $0.null() } else { object(isOther, into: &$0) }
        $0.name("oldObject")
        if isDeletion { object(false, into: &$0) } else { $0.null() }
        // Whatever comes of it, nothing is written about it.
        $0.member("dryRun", true)
      }
    }
    return writer.bytes
  }

  private static func type(
    _ member: String, _ last: String, _ value: String, _ isCore: Bool, into writer: inout JSONWriter
  ) {
    writer.name(member)
    writer.object {
      $0.member("group", isCore ? "" : "apps")
      $0.member("version", "v1")
      $0.member(last, value)
    }
  }

  private func object(_ isConfigMap: Bool, into writer: inout JSONWriter) {
    let image = if case .image(let name) = content { name } else { "registry.invalid/pinseal/check:none" }
    writer.object {
      $0.member("apiVersion", isConfigMap ? "v1" : "apps/v1")
      $0.member("kind", isConfigMap ? "ConfigMap" : "StatefulSet")
      $0.name("metadata")
      $0.object {
        $0.member("name", Self.name)
        $0.member("namespace", namespace)
      }
      guard !isConfigMap else { return }
      $0.name("spec")
      $0.object {
        $0.member("serviceName", Self.name)
        $0.name("selector")
        $0.object {
          $0.name("matchLabels")
          $0.object { $0.member("app", Self.name) }
        }
        $0.name("template")
        $0.object {
          $0.name("metadata")
          $0.object {
            $0.name("labels")
            $0.object { $0.member("app", Self.name) }
          }
          $0.name("spec")
          $0.object {
            $0.name("containers")
            $0.array {
              $0.object {
                $0.member("name", "check")
                $0.member("image", image)
              }
            }
          }
        }
      }
    }
  }
}
