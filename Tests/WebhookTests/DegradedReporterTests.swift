import Admission
import Testing

@testable import Kubernetes
@testable import Webhook

@Suite struct DegradedReporterTests {
  private func report(_ decision: AdmissionAnswer.Decision) -> AdmissionReport {
    var report = AdmissionReport(endpoint: .mutate, decision: decision, namespace: "shop", name: "db", uid: "u-1")
    report.message = "CODE: why"
    return report
  }

  @Test func `a refusal speaks as kubectl shows it`() {
    #expect(DegradedReporter.verdict(report(.refused)) == .refused("CODE: why"))
  }

  @Test func `a verified update says what was verified, and by whom`() {
    var pinned = report(.pinned)
    pinned.verified = [.init(place: "container db", from: "a:1", to: "a:1@sha256:00", signer: "SHA256:ab")]
    #expect(
      DegradedReporter.verdict(pinned) == .verified("container db, image a:1@sha256:00, verified by SHA256:ab"))
    pinned.verified = Array(repeating: pinned.verified[0], count: 40)
    guard case .verified(let text)? = DegradedReporter.verdict(pinned) else {
      Issue.record("not verified")
      return
    }
    #expect(text.hasSuffix("; and 24 more"))
  }

  @Test func `an update that was let in unverified is told apart, and one that shows nothing changes nothing`() {
    #expect(DegradedReporter.verdict(report(.warned)) == nil)
    var changed = report(.warned)
    changed.changesImages = true
    var warned = report(.warned)
    warned.isUnderWarn = true
    for report in [changed, warned, report(.skipped)] {
      guard case .notEnforced? = DegradedReporter.verdict(report) else {
        Issue.record("\(report)")
        continue
      }
    }
    #expect(DegradedReporter.verdict(report(.malformed)) == nil)
  }
}
