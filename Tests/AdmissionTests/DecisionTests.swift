import Crypto
import Foundation
import JSON
import Policy
import Primitives
import Sigstore
import Testing
import Verification

@testable import Admission

@Suite struct DecisionTests {
  @Test func `all lists of a template are looked at`() async throws {
    var review = TestReview()
    review.initContainers = [("i", "registry.example/init:v1")]
    review.volumes = [("data", nil), ("model", "registry.example/model:v1")]
    let ephemeral = Tree.object([("name", .string("e")), ("image", .string("registry.example/debug:v1"))])
    let body = review.tree.adding(
      "ephemeralContainers", .array([ephemeral]), at: .at("request.object.spec.template.spec"))
    let answer = try await ask(body.bytes, policy: try .test(), verifier: .verifyingAll())
    let digest = "@" + FakeVerifier.digest
    #expect(
      answer.replaced == [
        "/spec/template/spec/initContainers/0/image": "registry.example/init:v1" + digest,
        "/spec/template/spec/containers/0/image": "registry.example/db:v1" + digest,
        "/spec/template/spec/ephemeralContainers/0/image": "registry.example/debug:v1" + digest,
        "/spec/template/spec/volumes/1/image/reference": "registry.example/model:v1" + digest,
      ])
    let refused = try await ask(body.bytes, policy: try .test(), verifier: FakeVerifier())
    for place in ["init container i", "container db", "ephemeral container e", "volume model"] {
      #expect(refused.message.contains(place + ", image "))
    }
  }

  @Test(arguments: [
    (PinMode.tagAndDigest, "nginx:1.27@" as String?), (.digest, "nginx@"), (.none, nil),
  ])
  func `an image is pinned as the policy says`(_ pin: PinMode, _ prefix: String?) async throws {
    var review = TestReview()
    review.containers = [("db", "nginx:1.27")]
    let answer = try await ask(review.body, policy: try .test(pin: pin), verifier: .verifyingAll())
    #expect(answer.isAllowed)
    #expect(answer.replaced.values.first == prefix.map { $0 + FakeVerifier.digest })
    #expect(answer.answer.decision == (pin == .none ? .passed : .pinned))
  }

  @Test func `an image in several places is verified once and pinned in each`() async throws {
    var review = TestReview()
    review.containers = [
      ("a", "registry.example/db:v1"), ("b", "registry.example/db:v1"), ("c", "registry.example/db:v2"),
    ]
    let verifier = FakeVerifier.verifyingAll()
    let answer = try await ask(review.body, policy: try .test(), verifier: verifier)
    #expect(answer.replaced.count == 3)
    #expect(verifier.asked.withLock { $0 }.sorted() == ["registry.example/db:v1", "registry.example/db:v2"])
  }

  @Test func `one message says all that is wrong`() async throws {
    var review = TestReview()
    review.containers = [
      ("a", "registry.example/db:v1"), ("b", "registry.example/db:v1"), ("c", "registry.example/good:v1"),
      ("d", "UPPER"),
      ("e", nil),
    ]
    let verifier = FakeVerifier([
      "registry.example/db:v1": .refused(.signatureKeyMismatch, "2 signatures found, by another key"),
      "registry.example/good:v1": .verified(digest: FakeVerifier.digest),
    ])
    let answer = try await ask(review.body, policy: try .test(), verifier: verifier)
    #expect(answer.answer.decision == .refused)
    #expect(answer.answer.codes == [.signatureKeyMismatch, .imageReferenceInvalid, .objectInvalid])
    let parts = answer.message.components(separatedBy: "; ")
    #expect(
      parts.first
        == "SIGNATURE_KEY_MISMATCH: container a, container b, image registry.example/db:v1: 2 signatures found, by another key"
    )
    #expect(answer.message.contains("; IMAGE_REFERENCE_INVALID: container d, image UPPER: "))
    #expect(answer.message.hasSuffix("; OBJECT_INVALID: container e: it names no image"))
    #expect(answer.patch == nil)
  }

  @Test func `Warn pins what is verified and warns about the rest`() async throws {
    var review = TestReview()
    review.containers = [
      ("a", "registry.example/bad:v1"), ("b", "registry.example/good:v1"), ("c", nil), ("d", "UPPER"),
    ]
    let verifier = FakeVerifier(["registry.example/good:v1": .verified(digest: FakeVerifier.digest)])
    let answer = try await ask(review.body, policy: try .test(failurePolicy: .warn), verifier: verifier)
    #expect(answer.isAllowed)
    #expect(answer.answer.decision == .warned)
    #expect(
      answer.replaced == ["/spec/template/spec/containers/1/image": "registry.example/good:v1@" + FakeVerifier.digest])
    #expect(answer.warnings.count == 3)
    #expect(
      answer.warnings.first
        == "SIGNATURE_NOT_FOUND: container a, image registry.example/bad:v1 let in unverified (failure-policy Warn): no signature found"
    )
    #expect(answer.response?["status"] == nil)
  }

  @Test func `an exempt image passes unpinned and is named in the audit log`() async throws {
    var review = TestReview()
    review.containers = [("db", "registry.example/db:v1"), ("proxy", "registry.example/proxy:v1")]
    let policy = try VerificationPolicy.test(exempt: ["registry.example/proxy"])
    for endpoint in [Endpoint.mutate, .validate] {
      let verifier = FakeVerifier(["registry.example/db:v1": .verified(digest: FakeVerifier.digest)])
      let answer = try await ask(review.body, endpoint, policy: policy, verifier: verifier)
      #expect(answer.replaced["/spec/template/spec/containers/1/image"] == nil)
      #expect(!verifier.asked.withLock { $0 }.contains("registry.example/proxy:v1"))
      #expect(answer.audit["image-1"] == "container proxy: registry.example/proxy:v1 exempt")
    }
  }

  // MARK: Policies that are none

  struct NoPolicy: Sendable {
    let policy: NamespacePolicy
    let code: RefusalCode
    let isWarn: Bool
  }

  static let noPolicies = [
    NoPolicy(policy: .invalid(message: "no key", failurePolicy: .block), code: .policyInvalid, isWarn: false),
    NoPolicy(policy: .invalid(message: "no key", failurePolicy: .warn), code: .policyInvalid, isWarn: true),
    NoPolicy(policy: .unavailable(message: "no API", failurePolicy: .block), code: .policyUnavailable, isWarn: false),
    NoPolicy(policy: .unavailable(message: "no API", failurePolicy: .warn), code: .policyUnavailable, isWarn: true),
  ]

  @Test(arguments: noPolicies, [Endpoint.mutate, .validate])
  func `without a policy nothing is verified`(_ row: NoPolicy, _ endpoint: Endpoint) async throws {
    let policies = FakePolicies(known: nil, read: row.policy)
    let answer = try await ask(TestReview().body, endpoint, policies: policies, verifier: .verifyingAll(isCached: true))
    #expect(answer.isAllowed == row.isWarn)
    #expect(answer.answer.codes == [row.code])
    #expect(policies.reads.withLock { $0 } == ["hk"])
    let text = row.isWarn ? answer.warnings.first : answer.message
    #expect(text?.hasPrefix(row.code.rawValue + ": namespace hk: no ") == true)
  }

  @Test(arguments: noPolicies.filter { !$0.isWarn }, ["same", "other"])
  func `without a policy an update that changes no image`(_ row: NoPolicy, _ annotation: String) async throws {
    var review = TestReview(operation: "UPDATE")
    review.oldContainers = review.containers
    review.templateAnnotation = annotation
    review.oldTemplateAnnotation = "same"
    let answer = try await ask(
      review.body, policies: FakePolicies(known: row.policy, read: row.policy), verifier: FakeVerifier())
    #expect(answer.isAllowed == (row.code == .policyUnavailable || annotation == "same"))
  }

  @Test func `annotations without effect are warned about where verification is off`() async throws {
    let off = NamespacePolicy.off(warning: "pinseal.dev/public-key does nothing\nwithout image-verification")
    let answer = try await ask(
      TestReview().body, policies: FakePolicies(known: off, read: off), verifier: FakeVerifier())
    #expect(answer.answer.decision == .skipped)
    #expect(answer.warnings == [#"pinseal.dev/public-key does nothing\u{a}without image-verification"#])
  }

  @Test func `an annotation of a policy that has no effect is warned about, whatever the images`() async throws {
    let policy = VerificationPolicy(
      demand: SignatureDemand(keys: [TrustedKey(Keys.one)], requiresLog: false, logKeys: [Keys.one]))
    let warning = try #require(policy.warning)
    let enabled = NamespacePolicy.enabled(policy)
    for (verifier, decision) in [
      (FakeVerifier.verifyingAll(), AdmissionAnswer.Decision.pinned),
      (FakeVerifier(otherwise: .refused(.signatureNotFound, "none")), .refused),
    ] {
      let answer = try await ask(
        TestReview().body, policies: FakePolicies(known: enabled, read: enabled), verifier: verifier)
      #expect(answer.answer.decision == decision)
      #expect(answer.warnings == [warning])
    }
  }

  // MARK: What is unchanged

  struct Unchanged: Sendable {
    let old: [String: String]
    let new: [String: String]
    let passes: Bool
  }

  @Test(arguments: [
    Unchanged(old: ["a": "r.example/x:1"], new: ["a": "r.example/x:1"], passes: true),
    Unchanged(old: ["a": "r.example/x:1"], new: ["a": "r.example/x:2"], passes: false),
    Unchanged(old: ["a": "r.example/x:1"], new: ["b": "r.example/x:1"], passes: false),
    Unchanged(old: ["a": "r.example/x:1"], new: ["a": "r.example/x:1", "b": "r.example/x:1"], passes: false),
    Unchanged(
      old: ["a": "r.example/x:1", "b": "r.example/y:1"], new: ["a": "r.example/y:1", "b": "r.example/x:1"],
      passes: false),
    Unchanged(old: ["a": "r.example/x:1", "b": "r.example/y:1"], new: ["b": "r.example/y:1"], passes: true),
    Unchanged(old: ["a": "r.example/x:1@\(FakeVerifier.digest)"], new: ["a": "r.example/x:1"], passes: false),
    Unchanged(old: [:], new: ["": "r.example/x:1"], passes: false),
  ])
  func `only the same image at the same place is unchanged`(_ row: Unchanged) async throws {
    var review = TestReview(operation: "UPDATE")
    review.containers = row.new.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
    review.oldContainers = row.old.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
    review.templateAnnotation = "new"
    let verifier = FakeVerifier(otherwise: .refused(.registryUnavailable, "away"))
    let answer = try await ask(review.body, policy: try .test(), verifier: verifier)
    #expect(answer.isAllowed == row.passes)
  }

  @Test func `an init container is not unchanged because a container is`() async throws {
    var review = TestReview(operation: "UPDATE")
    review.initContainers = [("db", "registry.example/db:v1")]
    review.oldContainers = review.containers
    let verifier = FakeVerifier(otherwise: .refused(.registryUnavailable, "away"))
    let answer = try await ask(review.body, policy: try .test(), verifier: verifier)
    #expect(!answer.isAllowed)
    #expect(answer.message.contains("init container db"))
  }

  @Test func `a changed image is refused although an unchanged one beside it is let through`() async throws {
    var review = TestReview(operation: "UPDATE")
    review.containers = [("a", "registry.example/old:v1"), ("b", "registry.example/new:v1")]
    review.oldContainers = [("a", "registry.example/old:v1")]
    let verifier = FakeVerifier(otherwise: .refused(.registryUnavailable, "away"))
    let answer = try await ask(review.body, policy: try .test(), verifier: verifier)
    #expect(!answer.isAllowed)
    #expect(answer.message == "REGISTRY_UNAVAILABLE: container b, image registry.example/new:v1: away")
  }

  @Test(arguments: ["same", "other"])
  func `a definitive refusal of an unchanged image counts where the template changes`(_ annotation: String) async throws
  {
    var review = TestReview(operation: "UPDATE")
    review.oldContainers = review.containers
    review.templateAnnotation = annotation
    review.oldTemplateAnnotation = "same"
    for isCached in [true, false] {
      let verifier = FakeVerifier(otherwise: .refused(.signatureKeyMismatch, "another key"), isCached: isCached)
      let answer = try await ask(review.body, policy: try .test(), verifier: verifier)
      #expect(answer.isAllowed == (annotation == "same"))
      #expect(answer.answer.codes == [.signatureKeyMismatch])
      if annotation == "same" { #expect(answer.warnings.first?.contains("left as it was, unverified") == true) }
    }
  }

  // MARK: /validate

  @Test func `Kyverno issue 16336: validation takes nothing but a verified digest`() async throws {
    var review = TestReview()
    review.containers = [("db", "registry.example/db:v1@" + FakeVerifier.digest)]
    let good = try await ask(review.body, .validate, policy: try .test(), verifier: .verifyingAll())
    #expect(good.answer.decision == .passed)
    #expect(good.audit["image-0"]?.contains("verified") == true)
    let unsigned = try await ask(review.body, .validate, policy: try .test(), verifier: FakeVerifier())
    #expect(unsigned.answer.codes == [.signatureNotFound])

    review.containers = [("db", "registry.example/db:v1")]
    let verifier = FakeVerifier.verifyingAll(isCached: true)
    let unpinned = try await ask(review.body, .validate, policy: try .test(), verifier: verifier)
    #expect(unpinned.answer.codes == [.imageNotPinned])
    #expect(unpinned.wasImmediate)
    #expect(verifier.asked.withLock { $0 }.isEmpty)
    let warned = try await ask(review.body, .validate, policy: try .test(failurePolicy: .warn), verifier: verifier)
    #expect(warned.isAllowed)
    #expect(warned.warnings.first?.hasPrefix("IMAGE_NOT_PINNED: container db") == true)
  }

  @Test func `validation verifies a tag where the policy does not pin`() async throws {
    let policy = try VerificationPolicy.test(pin: .none)
    #expect((try await ask(TestReview().body, .validate, policy: policy, verifier: .verifyingAll())).isAllowed)
    #expect(!(try await ask(TestReview().body, .validate, policy: policy, verifier: FakeVerifier())).isAllowed)
  }

  // MARK: Faults of others

  @Test func `a verdict about another image lets nothing in`() async throws {
    let verifier = FakeVerifier(otherwise: .confused(about: "registry.example/other:v1"))
    let answer = try await ask(TestReview().body, policy: try .test(), verifier: verifier)
    #expect(!answer.isAllowed)
    #expect(answer.answer.codes == [.internalError])
    #expect(try answer.response?.member("status").member("code").integer() == 500)
  }

  @Test func `a digest of no form is not written into an object`() async throws {
    let verifier = FakeVerifier(otherwise: .verified(digest: "latest"))
    let answer = try await ask(TestReview().body, policy: try .test(pin: .digest), verifier: verifier)
    #expect(!answer.isAllowed)
    #expect(answer.patch == nil)
  }

  struct Pin: Sendable {
    let literal: String
    let pinned: String
    var mode = PinMode.tagAndDigest
    var isGood = true
  }

  @Test(arguments: [
    Pin(literal: "db:v1", pinned: "db:v1@D"), Pin(literal: "db", pinned: "db@D"),
    Pin(literal: "db:v1@D", pinned: "db:v1@D"),
    Pin(literal: "db:v1", pinned: "db:v2@D", isGood: false), Pin(literal: "db:v1", pinned: "db:v1", isGood: false),
    Pin(literal: "db:v1", pinned: "db:v1@E", isGood: false),
    Pin(literal: "db:v1@D", pinned: "db:v1@D@D", isGood: false),
    Pin(literal: "db:v1", pinned: "other:v1@D", isGood: false), Pin(literal: "db:v1", pinned: "db@D", isGood: false),
    Pin(literal: "db:v1", pinned: "db@D", mode: .digest), Pin(literal: "db", pinned: "db@D", mode: .digest),
    Pin(literal: "db:v1@D", pinned: "db@D", mode: .digest), Pin(literal: "db@D", pinned: "db@D", mode: .digest),
    Pin(literal: "r:5000/db:v1", pinned: "r:5000/db@D", mode: .digest),
    Pin(literal: "r:5000/db:v1", pinned: "r@D", mode: .digest, isGood: false),
    Pin(literal: "db:v1", pinned: "d@D", mode: .digest, isGood: false),
    Pin(literal: "db:v1", pinned: "@D", mode: .digest, isGood: false),
    Pin(literal: "db:v1", pinned: "db@E", mode: .digest, isGood: false),
    Pin(literal: "db:v1", pinned: "db:v1", mode: .none),
    Pin(literal: "db:v1", pinned: "db:v1@D", mode: .none, isGood: false),
  ])
  func `only the digest is added to what the user wrote`(_ row: Pin) {
    #expect(Judgement.isPin(row.pinned, of: row.literal, with: row.mode, to: "D") == row.isGood)
  }

  // MARK: What is asked

  @Test func `the verifier is asked with the policy's keys and the secrets of both sources`() async throws {
    var review = TestReview()
    review.pullSecrets = ["template-secret", ""]
    let policy = try VerificationPolicy.test(ignoresLog: false, imagePullSecrets: ["policy-secret"])
    let policies = FakePolicies(known: .enabled(policy), read: .enabled(policy))
    let verifier = FakeVerifier.verifyingAll()
    _ = try await ask(review.body, policies: policies, verifier: verifier)
    let expected = FakePolicies.Credentials(
      namespace: "hk", policySecrets: ["policy-secret"], templateSecrets: ["template-secret"])
    #expect(policies.asked.withLock { $0 } == [expected])
    let request = try #require(verifier.requests.withLock { $0.first })
    #expect(request.demand == policy.demand)
    #expect(request.demand.requiresLog)
  }

  @Test func `what is known is answered at once and asks nobody`() async throws {
    let verifier = FakeVerifier.verifyingAll(isCached: true)
    let answer = try await ask(TestReview().body, policy: try .test(), verifier: verifier)
    #expect(answer.wasImmediate)
    #expect(answer.answer.decision == .pinned)
    #expect(verifier.asked.withLock { $0 }.isEmpty)
    let policy = try VerificationPolicy.test()
    let unknown = try await ask(
      TestReview().body, policies: FakePolicies(known: nil, read: .enabled(policy)), verifier: verifier)
    #expect(!unknown.wasImmediate)
    #expect(unknown.answer.decision == .pinned)
  }

  @Test func `a dry run is answered like any other`() async throws {
    var review = TestReview()
    review.isDryRun = true
    let answer = try await ask(review.body, policy: try .test(), verifier: .verifyingAll())
    #expect(answer.answer.decision == .pinned)
  }
}
