import Crypto
import JSON
import Logging
import Policy
import Primitives
import Testing
import Verification

@testable import Admission

/// Keeps what it was told.
final class CapturingObserver: AdmissionObserver {
  let reports = Locked<[AdmissionReport]>([])

  func decided(_ report: AdmissionReport) { reports.withLock { $0.append(report) } }
}

@Suite struct ReportTests {
  private let pinned = "registry.example/db:v1@" + FakeVerifier.digest

  private func reports(
    _ body: [UInt8], _ endpoint: Endpoint = .mutate, policy: NamespacePolicy, verifier: FakeVerifier = .verifyingAll(),
    isKnown: Bool = true
  ) async throws -> [AdmissionReport] {
    let observer = CapturingObserver()
    let policies = FakePolicies(known: isKnown ? policy : nil, read: policy)
    _ = try await ask(body, endpoint, policies: policies, verifier: verifier, observer: observer)
    return observer.reports.withLock { $0 }
  }

  private func report(
    _ tree: Tree, _ endpoint: Endpoint = .mutate, verifier: FakeVerifier = .verifyingAll(),
    failurePolicy: FailurePolicy = .block
  ) async throws -> AdmissionReport {
    let policy = NamespacePolicy.enabled(try .test(failurePolicy: failurePolicy))
    let reports = try await reports(tree.bytes, endpoint, policy: policy, verifier: verifier)
    #expect(reports.count == 1)
    return try #require(reports.first)
  }

  private func update(_ image: String, from old: String) -> TestReview {
    var review = TestReview()
    review.operation = "UPDATE"
    review.containers = [("db", image)]
    review.oldContainers = [("db", old)]
    return review
  }

  @Test func `a StatefulSet that is created is reported with its pinned images and no uid`() async throws {
    let report = try await report(TestReview().tree)
    #expect(report.endpoint == .mutate && report.decision == .pinned && !report.isDryRun)
    #expect(report.namespace == "hk" && report.name == "db" && report.uid == nil)
    #expect(report.changesImages && !report.isDegraded && report.message == nil)
    #expect(
      report.verified == [
        .init(
          place: "container db", from: "registry.example/db:v1", to: pinned, signer: Keys.one.fingerprint.short)
      ])
  }

  @Test func `an update is reported with the stored object's uid and condition`() async throws {
    func condition(_ type: String, _ reason: String) -> Tree {
      .object([("type", .string(type)), ("status", .string("True")), ("reason", .string(reason))])
    }
    var tree = update("registry.example/db:v2", from: pinned).tree
    let stored = "request.oldObject"
    tree = tree.adding("uid", .string("u-1"), at: .at(stored + ".metadata"))
    tree = tree.adding("generation", .text("7"), at: .at(stored + ".metadata"))
    tree = tree.adding(
      "status",
      .object([
        ("conditions", .array([condition("Ready", "x"), condition("Degraded", "ImageVerificationFailed")]))
      ]), at: .at(stored))
    // What a user writes into the new object counts for nothing.
    tree = tree.adding("uid", .string("forged"), at: .at("request.object.metadata"))
    let report = try await report(tree, verifier: FakeVerifier())
    #expect(report.decision == .refused && report.uid == "u-1" && report.isDegraded && report.changesImages)
    #expect(report.generation == 7 && !report.isUnderWarn)
    #expect(report.message?.hasPrefix("SIGNATURE_NOT_FOUND: container db") == true)
    #expect(report.verified.isEmpty)

    let other = tree.setting(.at(stored + ".status.conditions.1.reason"), to: .string("DiskFull"))
    #expect(try await self.report(other).isDegraded == false)
    let cleared = tree.setting(.at(stored + ".status.conditions.1.status"), to: .string("False"))
    #expect(try await self.report(cleared).isDegraded == false)
  }

  @Test func `a name that is too long is left out, and one that the request lacks is the object's`() async throws {
    let long = TestReview().tree.setting(.at("request.name"), to: .string(String(repeating: "n", count: 254)))
    #expect(try await report(long).name.isEmpty)
    let nameless = TestReview().tree.setting(.at("request.name"), to: .string(""))
    #expect(try await report(nameless).name == "db")
  }

  @Test func `images change if what will be stored is not there now`() async throws {
    // A tag that is applied again and pinned to what is stored already.
    let again = try await report(update("registry.example/db:v1", from: pinned).tree)
    #expect(!again.changesImages && again.verified.map(\.to) == [pinned])
    #expect(try await report(update(pinned, from: pinned).tree).changesImages == false)
    #expect(try await report(update("registry.example/db:v2", from: pinned).tree).changesImages)
    // Stored before verification was turned on, and pinned now.
    #expect(try await report(update("registry.example/db:v1", from: "registry.example/db:v1").tree).changesImages)
    var renamed = update("registry.example/db:v1", from: pinned)
    renamed.containers = [("other", "registry.example/db:v1")]
    #expect(try await report(renamed.tree).changesImages)
  }

  @Test func `what is let in unverified is reported with the text of the failure`() async throws {
    let report = try await report(TestReview().tree, verifier: FakeVerifier(), failurePolicy: .warn)
    #expect(report.decision == .warned && report.isUnderWarn)
    #expect(
      report.message
        == "SIGNATURE_NOT_FOUND: container db, image registry.example/db:v1 let in unverified (failure-policy Warn): no signature found"
    )
  }

  @Test func `a namespace without verification is reported as skipped, and a policy that cannot be read as refused`()
    async throws
  {
    let off = try await reports(TestReview().body, policy: .off(warning: nil))
    #expect(off.map(\.decision) == [.skipped])
    let invalid = try await reports(TestReview().body, policy: .invalid(message: "bad", failurePolicy: .block))
    #expect(invalid.map(\.decision) == [.refused])
    #expect(invalid.first?.message == "POLICY_INVALID: namespace hk: bad")
    let read = try await reports(TestReview().body, policy: .off(warning: nil), isKnown: false)
    #expect(read.map(\.decision) == [.skipped])
  }

  @Test func `a dry run is reported as one, and by the endpoint that was asked`() async throws {
    var review = TestReview()
    review.isDryRun = true
    review.containers = [("db", pinned)]
    let report = try await report(review.tree, .validate)
    #expect(report.isDryRun && report.endpoint == .validate && report.decision == .passed)
  }

  @Test(arguments: ["DELETE", "CONNECT", "PATCH"])
  func `other operations are not reported`(operation: String) async throws {
    var review = TestReview()
    review.operation = operation
    #expect(try await reports(review.body, policy: .off(warning: nil)).isEmpty)
  }

  @Test func `other objects, subresources, objects that are being deleted and malformed bodies are not reported`()
    async throws
  {
    let policy = NamespacePolicy.enabled(try .test())
    let pod = TestReview().tree.setting(.at("request.kind.kind"), to: .string("Pod"))
    #expect(try await reports(pod.bytes, policy: policy).isEmpty)
    let scale = TestReview().tree.adding("subResource", .string("scale"), at: .at("request"))
    #expect(try await reports(scale.bytes, policy: policy).isEmpty)
    let dying = update(pinned, from: pinned).tree.adding(
      "deletionTimestamp", .string("2026-01-01T00:00:00Z"), at: .at("request.oldObject.metadata"))
    #expect(try await reports(dying.bytes, policy: policy).isEmpty)
    let observer = CapturingObserver()
    let policies = FakePolicies(known: policy, read: policy)
    let controller = AdmissionController(
      policies: policies, verifier: FakeVerifier(), logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() },
      observer: observer)
    _ = controller.review(Array("{}".utf8), endpoint: .mutate, query: "")
    #expect(observer.reports.withLock { $0 }.isEmpty)
  }

  @Test func `hostile metadata is reported as nothing`() async throws {
    for text in [
      "null", "7", #""x""#, "[]", "{}", #"[{"controller":"true"}]"#, #"[7,null,{"controller":true,"uid":7}]"#,
    ] {
      let tree = update("registry.example/db:v2", from: pinned).tree
        .adding("uid", .text(text), at: .at("request.oldObject.metadata"))
        .adding("status", .object([("conditions", .text(text))]), at: .at("request.oldObject"))
      let report = try await report(tree)
      #expect(!report.isDegraded && (report.uid == nil || report.uid == "x"), "\(text)")
    }
    let long = update("registry.example/db:v2", from: pinned).tree
      .adding("uid", .string(String(repeating: "u", count: 129)), at: .at("request.oldObject.metadata"))
    #expect(try await report(long).uid == nil)
  }

  @Test func `images that are reported are bounded, and each real review's are those that it brings`() async throws {
    var review = TestReview()
    review.containers = (0..<100).map { ("c\($0)", "registry.example/db:v\($0)") }
    #expect(try await report(review.tree).verified.count == AdmissionReport.maximumImages)
    for name in ["02-create-apply", "07-update-set-image", "08-update-label-only"] {
      let reports = try await reports(try Reviews.body(name), policy: .enabled(try .test()))
      #expect(reports.count == 1, "\(name)")
      #expect(reports.first?.uid == nil || name != "02-create-apply", "\(name)")
      #expect(reports.first?.uid?.utf8.count == (name == "02-create-apply" ? nil : 36), "\(name)")
    }
  }
}
