import Crypto
import JSON
import Policy
import Primitives
import Testing

@testable import Admission

/// What each of the 21 reviews of a real API server must come to.
struct RealReview: Sendable, CustomTestStringConvertible {
  let name: String
  /// `/mutate`, everything verified.
  let verified: AdmissionAnswer.Decision
  /// `/validate` of the same, unpinned as it is.
  let validated: AdmissionAnswer.Decision
  /// `/mutate`, nothing signed.
  let unsigned: AdmissionAnswer.Decision
  /// `/mutate`, the registry is away.
  let outage: AdmissionAnswer.Decision
  var testDescription: String { name }

  private static func image(_ name: String) -> RealReview {
    RealReview(name: name, verified: .pinned, validated: .refused, unsigned: .refused, outage: .refused)
  }
  private static func sameTemplate(_ name: String) -> RealReview {
    RealReview(name: name, verified: .pinned, validated: .warned, unsigned: .warned, outage: .warned)
  }
  private static func newTemplate(_ name: String) -> RealReview {
    RealReview(name: name, verified: .pinned, validated: .warned, unsigned: .refused, outage: .warned)
  }
  private static func leaving(_ name: String) -> RealReview {
    RealReview(name: name, verified: .skipped, validated: .skipped, unsigned: .skipped, outage: .skipped)
  }

  static let all: [RealReview] = [
    image("01-create-dryrun-server"), image("02-create-apply"), image("03-update-apply-image"),
    image("04-update-dryrun-server"), image("05-create-server-side-apply"),
    sameTemplate("06-update-server-side-apply-nochange"), image("07-update-set-image"),
    sameTemplate("08-update-label-only"), image("09-update-replace-put"), image("10-update-json-patch"),
    sameTemplate("11-update-replicas-patch"), newTemplate("12-update-rollout-restart"),
    newTemplate("13-update-rollout-undo"), sameTemplate("14-update-add-finalizer"),
    leaving("15-delete-finalizer-holds"), leaving("16-update-image-while-terminating"),
    leaving("17-update-remove-finalizer-terminating"), leaving("18-delete-foreground"),
    leaving("19-update-gc-removes-foreground-finalizer"), leaving("20-deletecollection"),
    leaving("21-delete-by-namespace-controller"),
  ]
}

@Suite struct RealReviewTests {
  @Test func `the table has every review`() { #expect(RealReview.all.map(\.name) == Reviews.names) }

  @Test(arguments: RealReview.all)
  func `a review whose images are verified is pinned`(_ review: RealReview) async throws {
    let body = try Reviews.body(review.name)
    let policy = try VerificationPolicy.test()
    let answer = try await ask(body, policy: policy, verifier: .verifyingAll())
    #expect(answer.answer.decision == review.verified)
    #expect(answer.answer.status == 200)
    #expect(answer.isAllowed)
    #expect(answer.warnings.isEmpty)
    let uid = try JSONDocument(body).root.member("request").member("uid").string()
    #expect(try answer.response?.member("uid").string() == uid)
    guard review.verified == .pinned else {
      #expect(answer.patch == nil)
      #expect(answer.response?["patchType"] == nil)
      return
    }
    #expect(answer.response?["patchType"]?.isString("JSONPatch") == true)
    let request = try JSONDocument(body).root.member("request")
    let object = try request.member("object")
    var expected: [String: String] = [:]
    for list in ["initContainers", "containers"] {
      let pointer = "/spec/template/spec/\(list)/0/image"
      let image = try #require(try JSONPatch.resolve(pointer, in: object)?.string())
      expected[pointer] = image + "@" + FakeVerifier.digest
    }
    #expect(answer.replaced == expected)
    #expect(answer.audit.count == 2)
    #expect(answer.audit["image-0"]?.contains(Keys.one.fingerprint.description) == true)
    #expect(answer.audit["image-0"]?.contains(FakeVerifier.digest) == true)
  }

  @Test(arguments: RealReview.all)
  func `validation refuses what is changed and not pinned`(_ review: RealReview) async throws {
    let policy = try VerificationPolicy.test()
    let answer = try await ask(try Reviews.body(review.name), .validate, policy: policy, verifier: .verifyingAll())
    #expect(answer.answer.decision == review.validated)
    #expect(answer.isAllowed == (review.validated != .refused))
    #expect(answer.patch == nil)
    if review.validated != .skipped { #expect(answer.answer.codes == [.imageNotPinned]) }
  }

  @Test(arguments: RealReview.all)
  func `an unsigned image is refused unless it stays where it is`(_ review: RealReview) async throws {
    let policy = try VerificationPolicy.test()
    let answer = try await ask(try Reviews.body(review.name), policy: policy, verifier: FakeVerifier())
    #expect(answer.answer.decision == review.unsigned)
    #expect(answer.isAllowed == (review.unsigned != .refused))
    #expect(answer.patch == nil)
    if review.unsigned == .refused {
      #expect(answer.message.hasPrefix("SIGNATURE_NOT_FOUND: "))
      #expect(try answer.response?.member("status").member("code").integer() == 403)
      #expect(answer.response?["status"]?["reason"]?.isString("Forbidden") == true)
    }
  }

  @Test(arguments: RealReview.all)
  func `an outage blocks no update that leaves images as they were`(_ review: RealReview) async throws {
    let policy = try VerificationPolicy.test()
    let verifier = FakeVerifier(otherwise: .refused(.registryUnavailable, "connection refused"))
    let answer = try await ask(try Reviews.body(review.name), policy: policy, verifier: verifier)
    #expect(answer.answer.decision == review.outage)
    if review.outage == .warned {
      #expect(!answer.warnings.isEmpty)
      #expect(answer.warnings.allSatisfy { $0.hasPrefix("REGISTRY_UNAVAILABLE: ") && $0.unicodeScalars.count <= 256 })
    }
    for endpoint in [Endpoint.mutate, .validate] where review.outage == .warned {
      let again = try await ask(try Reviews.body(review.name), endpoint, policy: policy, verifier: verifier)
      #expect(again.isAllowed)
    }
  }

  @Test(arguments: RealReview.all)
  func `Warn lets every review in`(_ review: RealReview) async throws {
    let policy = try VerificationPolicy.test(failurePolicy: .warn)
    for endpoint in [Endpoint.mutate, .validate] {
      let answer = try await ask(try Reviews.body(review.name), endpoint, policy: policy, verifier: FakeVerifier())
      #expect(answer.isAllowed)
      #expect(answer.answer.decision == (review.verified == .skipped ? .skipped : .warned))
    }
  }

  @Test(arguments: RealReview.all.filter { $0.verified == .pinned }, [PinMode.tagAndDigest, .digest])
  func `a second pass over the patched object changes nothing`(_ review: RealReview, _ pin: PinMode) async throws {
    let body = try Reviews.body(review.name)
    let policy = try VerificationPolicy.test(pin: pin)
    let first = try await ask(body, policy: policy, verifier: .verifyingAll())
    let patch = try #require(first.patch)
    let object = try JSONDocument(body).root.member("request").member("object")
    let patched = try Tree(try JSONPatch.apply(patch, to: object))
    let second = try Tree(body).setting(.at("request.object"), to: patched)

    let again = try await ask(second.bytes, policy: policy, verifier: .verifyingAll())
    #expect(again.wasImmediate)
    #expect(again.answer.decision == .passed)
    #expect(again.patch == nil)
    let validated = try await ask(second.bytes, .validate, policy: policy, verifier: .verifyingAll())
    #expect(validated.wasImmediate)
    #expect(validated.answer.decision == .passed)
  }

  @Test(arguments: RealReview.all)
  func `where verification is off every review passes`(_ review: RealReview) async throws {
    let off = NamespacePolicy.off(warning: nil)
    let answer = try await ask(
      try Reviews.body(review.name), policies: FakePolicies(known: off, read: off), verifier: FakeVerifier())
    #expect(answer.isAllowed)
    #expect(answer.wasImmediate)
    #expect(answer.answer.decision == .skipped)
  }
}
