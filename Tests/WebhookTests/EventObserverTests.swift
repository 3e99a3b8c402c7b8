import Admission
import Kubernetes
import Primitives
import Testing

@testable import Webhook

@Suite struct EventObserverTests {
  private let image = AdmissionReport.Image(
    place: "container db", from: "r.example/db:v1", to: "r.example/db:v1@sha256:aa", signer: "SHA256:1234…")

  private func report(
    _ decision: AdmissionAnswer.Decision, _ endpoint: Endpoint = .mutate, uid: String? = "u-1", name: String = "db"
  ) -> AdmissionReport {
    var report = AdmissionReport(endpoint: endpoint, decision: decision, namespace: "shop", name: name, uid: uid)
    report.changesImages = true
    switch decision {
    case .refused, .warned: report.message = "SIGNATURE_NOT_FOUND: container db: none"
    default: report.verified = [image]
    }
    return report
  }

  @Test(arguments: [Endpoint.mutate, .validate])
  func `a refusal is a Warning with its text on the StatefulSet that exists`(endpoint: Endpoint) {
    #expect(
      EventObserver.event(report(.refused, endpoint))
        == ClusterEvent(
          kind: .warning, reason: "ImageVerificationFailed", action: "Verify", namespace: "shop",
          subject: .statefulSet(name: "db", uid: "u-1"), note: "SIGNATURE_NOT_FOUND: container db: none"))
  }

  @Test func `a refused StatefulSet will not exist, one that is let in will`() {
    #expect(EventObserver.event(report(.refused, uid: nil))?.subject == .namespace(mentioning: "db"))
    #expect(EventObserver.event(report(.warned, uid: nil))?.subject == .newStatefulSet(name: "db"))
    #expect(EventObserver.event(report(.pinned, uid: nil))?.subject == .newStatefulSet(name: "db"))
    #expect(EventObserver.event(report(.warned, uid: nil, name: ""))?.subject == .namespace(mentioning: ""))
  }

  @Test func `verified images are told of when they change`() {
    let event = EventObserver.event(report(.pinned))
    #expect(event?.kind == .normal && event?.reason == "ImageVerified" && event?.action == "Pin")
    #expect(event?.note == "container db: r.example/db:v1@sha256:aa, signed by SHA256:1234…")
    var again = report(.passed)
    again.verified = [.init(place: image.place, from: image.to, to: image.to, signer: image.signer)]
    #expect(EventObserver.event(again)?.note == event?.note)
    var bare = report(.pinned)
    bare.verified = [.init(place: "container db", from: "i:v1", to: "i@d", signer: "K")]
    #expect(EventObserver.event(bare)?.note == "container db: i:v1 pinned to i@d, signed by K")
    var passed = report(.passed)
    passed.verified = [.init(place: "container db", from: "i@d", to: "i@d", signer: "K")]
    #expect(EventObserver.event(passed)?.action == "Verify")
    #expect(EventObserver.event(passed)?.note == "container db: i@d, signed by K")
    var unchanged = report(.pinned)
    unchanged.changesImages = false
    #expect(EventObserver.event(unchanged) == nil)
    var exempt = report(.passed)
    exempt.verified = []
    #expect(EventObserver.event(exempt) == nil)
  }

  @Test func `validate repeats nothing that mutate has said`() {
    for decision in [AdmissionAnswer.Decision.pinned, .passed, .warned, .skipped, .malformed] {
      #expect(EventObserver.event(report(decision, .validate)) == nil, "\(decision)")
    }
    #expect(EventObserver.event(report(.warned)) != nil)
    #expect(EventObserver.event(report(.skipped)) == nil)
  }

  @Test func `a dry run is told of in no case`() {
    for decision in AdmissionAnswer.Decision.allCases {
      var report = report(decision)
      report.isDryRun = true
      #expect(EventObserver.event(report) == nil, "\(decision)")
    }
  }

  @Test func `many images are told of as far as there is room`() throws {
    var report = report(.pinned)
    report.verified = Array(repeating: image, count: 40)
    let note = try #require(EventObserver.event(report)?.note)
    #expect(note.utf8.count < 760 && note.hasSuffix(" more"), "\(note)")
  }

  @Test func `all observers are told, and none is none`() {
    final class Counter: AdmissionObserver {
      let count = Locked(0)
      func decided(_ report: AdmissionReport) { count.withLock { $0 += 1 } }
    }
    let counters = [Counter(), Counter()]
    AdmissionObservers.of(counters)?.decided(report(.skipped))
    AdmissionObservers.of([counters[0]])?.decided(report(.skipped))
    #expect(counters.map { $0.count.withLock { $0 } } == [2, 1])
    #expect(AdmissionObservers.of([]) == nil)
  }
}
