import Admission
import HTTPClient
import Primitives
import Testing

@testable import Kubernetes
@testable import Webhook

private struct SilentHTTP: HTTPExchanging {
  func send(_ request: HTTPRequest, deadline: Deadline) async throws(HTTPClientError) -> HTTPResponse {
    HTTPResponse(status: 503)
  }
}

@Suite struct DegradedReporterTests {
  private func keeper() throws -> DegradedKeeper {
    let connection = Connection(server: try ServerAddress(parsing: "https://api.example:6443"))
    let transport = try APITransport(connection, make: { _ throws(HTTPClientError) in SilentHTTP() })
    return DegradedKeeper(ConditionWriter(client: APIClient(transport: transport))) { _, _ in }
  }

  @Test func `dry runs, creations, names that are none and what concerns no condition are passed over`() throws {
    let keeper = try keeper()
    let reporter = DegradedReporter(keeper: keeper)
    var dryRun = report(.refused)
    dryRun.isDryRun = true
    var creation = report(.refused)
    creation.uid = nil
    var misnamed = report(.refused)
    misnamed.name = "../db"
    for report in [dryRun, creation, misnamed, report(.pinned), report(.passed), report(.skipped), report(.malformed)] {
      reporter.decided(report)
      #expect(reporter.statistics.objects == 0, "\(report)")
    }
  }

  @Test(arguments: [AdmissionAnswer.Decision.pinned, .passed, .skipped])
  func `an update that passes clears what is degraded here, or says so of itself`(decision: AdmissionAnswer.Decision)
    throws
  {
    let keeper = try keeper()
    let reporter = DegradedReporter(keeper: keeper)
    let id = try #require(StatefulSetID(namespace: "shop", name: "db", uid: "u-1"))
    reporter.decided(report(.refused))
    #expect(keeper.holdsDegraded(id))
    reporter.decided(report(decision))
    #expect(!keeper.holdsDegraded(id) && reporter.statistics.objects == 1)

    let other = DegradedReporter(keeper: try self.keeper())
    var elsewhere = report(decision)
    elsewhere.isDegraded = true
    other.decided(elsewhere)
    #expect(other.statistics.objects == 1)
  }

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
