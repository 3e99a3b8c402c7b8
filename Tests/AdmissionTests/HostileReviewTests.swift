import JSON
import Policy
import Primitives
import Testing

@testable import Admission

@Suite struct HostileReviewTests {
  struct Body: Sendable, CustomTestStringConvertible {
    let testDescription: String
    let bytes: [UInt8]
    init(_ description: String, _ text: String) { (testDescription, bytes) = (description, Array(text.utf8)) }
    init(_ description: String, bytes: [UInt8]) { (testDescription, self.bytes) = (description, bytes) }
  }

  private static func review(_ request: String) -> String {
    #"{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":\#(request)}"#
  }

  private static let kind = #""kind":{"group":"apps","version":"v1","kind":"StatefulSet"}"#

  static let malformed: [Body] = [
    Body("nothing", ""), Body("white space", "  \n"), Body("text", "hello"), Body("null", "null"),
    Body("a number", "7"), Body("an array", "[]"), Body("an empty object", "{}"),
    Body("another kind", #"{"apiVersion":"admission.k8s.io/v1","kind":"Pod","request":{}}"#),
    Body("another version", #"{"apiVersion":"admission.k8s.io/v1beta1","kind":"AdmissionReview","request":{}}"#),
    Body("no version", #"{"kind":"AdmissionReview","request":{}}"#),
    Body("a numeric kind", #"{"apiVersion":"admission.k8s.io/v1","kind":1,"request":{}}"#),
    Body("no request", #"{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview"}"#),
    Body("request null", review("null")), Body("request array", review("[]")), Body("request empty", review("{}")),
    Body("uid number", review(#"{"uid":1,\#(kind),"operation":"CREATE","object":{}}"#)),
    Body("uid empty", review(#"{"uid":"",\#(kind),"operation":"CREATE","object":{}}"#)),
    Body("uid endless", review(#"{"uid":"\#(String(repeating: "u", count: 300))",\#(kind),"operation":"CREATE"}"#)),
    Body("kind text", review(#"{"uid":"u","kind":"StatefulSet","operation":"CREATE"}"#)),
    Body(
      "kind without group", review(#"{"uid":"u","kind":{"version":"v1","kind":"StatefulSet"},"operation":"CREATE"}"#)),
    Body("operation null", review(#"{"uid":"u",\#(kind),"operation":null}"#)),
    Body("operation number", review(#"{"uid":"u",\#(kind),"operation":3}"#)),
    Body("namespace number", review(#"{"uid":"u",\#(kind),"operation":"CREATE","namespace":5}"#)),
    Body("dryRun text", review(#"{"uid":"u",\#(kind),"operation":"CREATE","dryRun":"true"}"#)),
    Body("trailing data", review(#"{"uid":"u",\#(kind),"operation":"DELETE"}"#) + "x"),
    Body("uid twice", review(#"{"uid":"u","uid":"v",\#(kind),"operation":"DELETE"}"#)),
    Body("uid twice by escape", review(#"{"uid":"u","\u0075id":"v",\#(kind),"operation":"DELETE"}"#)),
    Body("operation twice", review(#"{"uid":"u",\#(kind),"operation":"CREATE","operation":"DELETE"}"#)),
    Body("a lone surrogate", review(#"{"uid":"\ud800",\#(kind),"operation":"DELETE"}"#)),
    Body("a byte order mark", bytes: [0xEF, 0xBB, 0xBF] + Array(review("null").utf8)),
    Body("invalid UTF-8", bytes: Array(#"{"kind":""#.utf8) + [0xFF] + Array(#""}"#.utf8)),
    Body("NUL", bytes: [0]),
    Body("10,000 arrays", String(repeating: "[", count: 10_000) + String(repeating: "]", count: 10_000)),
    Body("10,000 objects", String(repeating: #"{"a":"#, count: 10_000) + "1" + String(repeating: "}", count: 10_000)),
    Body(
      "a nested object",
      review(String(repeating: #"{"uid":"#, count: 10_000) + "1" + String(repeating: "}", count: 10_000))),
    Body("a truncated review", String(review(#"{"uid":"u",\#(kind),"operation":"DELETE"}"#).dropLast(3))),
    Body("too large", bytes: Array(repeating: 0x20, count: (3 << 20) + 1)),
    Body("a million values", "[" + String(repeating: "1,", count: 1_000_000) + "1]"),
  ]

  @Test(arguments: malformed)
  func `what is no review is answered with 400 and the reason`(_ body: Body) async throws {
    let answer = try await ask(body.bytes, policy: try .test(), verifier: .verifyingAll(isCached: true))
    #expect(answer.answer.status == 400)
    #expect(answer.answer.decision == .malformed)
    #expect(answer.answer.contentType.hasPrefix("text/plain"))
    let text = String(decoding: answer.answer.body, as: UTF8.self)
    #expect(text.hasPrefix("not an AdmissionReview of admission.k8s.io/v1: "))
    #expect(text.utf8.count < 2048)
    #expect(text.dropLast().allSatisfy { !$0.isNewline })
  }

  @Test func `an old object of many names does not hold the loop`() async throws {
    let names = (0..<60).map { #""n\#($0)":0,"# }.joined()
    let old = (0..<1000).map { #"{\#(names)"name":"v\#($0)","image":{"reference":"r.example/x:1"}}"# }
    let new = (0..<250).map { #"{"name":"w\#($0)","image":{"reference":"r.example/x:1"}}"# }
    func object(_ volumes: [String]) -> String {
      #"{"spec":{"template":{"spec":{"containers":[{"name":"c","image":"r.example/x:1"}],"volumes":[\#(volumes.joined(separator: ","))]}}}}"#
    }
    func duration(_ operation: String) async throws -> Duration {
      let text = Self.review(
        #"{"uid":"u",\#(Self.kind),"namespace":"hk","operation":"\#(operation)","object":\#(object(new)),"oldObject":\#(object(old))}"#
      )
      let start = ContinuousClock.now
      let answer = try await ask(Array(text.utf8), policy: try .test(), verifier: .verifyingAll(isCached: true))
      #expect(answer.isAllowed)
      return ContinuousClock.now - start
    }
    // Reading the text is most of the work, whether or not the old object counts. The rest of the machine may have a part in
    // one time, but not in all.
    var times: [(create: Duration, update: Duration)] = []
    var isQuick: Bool { times.contains { $0.update < $0.create * 3 + .milliseconds(500) } }
    while !isQuick, times.count < 5 { times.append((try await duration("CREATE"), try await duration("UPDATE"))) }
    #expect(isQuick, "\(times)")
  }

  struct Refused: Sendable, CustomTestStringConvertible {
    let testDescription: String
    let path: String
    let value: String
    let says: String
    init(_ description: String, _ path: String, _ value: String, _ says: String) {
      (testDescription, self.path, self.value, self.says) = (description, path, value, says)
    }
  }

  static let refused: [Refused] = [
    Refused("an unknown operation", "request.operation", #""PATCH""#, "the operation PATCH is unknown"),
    Refused("an operation in lower case", "request.operation", #""create""#, "the operation create is unknown"),
    Refused("a Pod", "request.kind", #"{"group":"","version":"v1","kind":"Pod"}"#, "v1 Pod was sent"),
    Refused("a Deployment", "request.kind.kind", #""Deployment""#, "apps/v1 Deployment was sent"),
    Refused("another version", "request.kind.version", #""v1beta2""#, "apps/v1beta2 StatefulSet was sent"),
    Refused("a look-alike kind", "request.kind.kind", #""StatefulSet\u200b""#, "was sent"),
    Refused("no object", "request.object", "null", "holds no object"),
    Refused("an object that is text", "request.object", #""x""#, "holds no object"),
    Refused("an object of another kind", "request.object.kind", #""Deployment""#, "kind is not StatefulSet"),
    Refused(
      "an object of another version", "request.object.apiVersion", #""apps/v1beta1""#, "apiVersion is not apps/v1"),
    Refused("no namespace", "request.namespace", #""""#, "expected the name of a namespace"),
    Refused("a namespace that is a path", "request.namespace", #""../kube""#, "expected the name of a namespace"),
    Refused("a namespace in capitals", "request.namespace", #""HK""#, "expected the name of a namespace"),
    Refused(
      "another namespace in the object", "request.object.metadata.namespace", #""other""#, "is not the request's"),
    Refused("a numeric namespace in the object", "request.object.metadata.namespace", "1", "is not the request's"),
    Refused("no specification", "request.object.spec", "null", "expected object"),
    Refused("a template that is an array", "request.object.spec.template", "[]", "expected object"),
    Refused("containers that are an object", "request.object.spec.template.spec.containers", "{}", "expected array"),
    Refused("no containers", "request.object.spec.template.spec.containers", "[]", "is empty"),
    Refused("containers null", "request.object.spec.template.spec.containers", "null", "is empty"),
    Refused("a container that is text", "request.object.spec.template.spec.containers.0", #""x""#, "expected object"),
    Refused("a numeric image", "request.object.spec.template.spec.containers.0.image", "1", "expected string"),
    Refused(
      "an image that is an object", "request.object.spec.template.spec.containers.0.image", "{}", "expected string"),
    Refused("a numeric name", "request.object.spec.template.spec.containers.0.name", "1", "expected string"),
    Refused("initContainers text", "request.object.spec.template.spec.initContainers", #""x""#, "expected array"),
  ]

  @Test(arguments: refused, [Endpoint.mutate, .validate])
  func `a review that cannot be judged is refused`(_ row: Refused, _ endpoint: Endpoint) async throws {
    let body = try Tree(try Reviews.body("02-create-apply")).setting(.at(row.path), to: .text(row.value))
    let answer = try await ask(body.bytes, endpoint, policy: try .test(), verifier: .verifyingAll(isCached: true))
    #expect(answer.answer.status == 200)
    #expect(answer.answer.decision == .refused)
    #expect(!answer.isAllowed)
    #expect(answer.answer.codes == [.objectInvalid])
    #expect(answer.message.hasPrefix("OBJECT_INVALID: "))
    #expect(answer.message.contains(row.says), "\(answer.message)")
  }

  @Test(arguments: ["DELETE", "CONNECT"])
  func `what leaves or connects passes whatever it is`(_ operation: String) async throws {
    let body = try Tree(try Reviews.body("02-create-apply"))
      .setting(.at("request.operation"), to: .string(operation))
      .setting(.at("request.kind.kind"), to: .string("Anything")).setting(.at("request.object"), to: .text("null"))
    let answer = try await ask(body.bytes, policy: try .test(), verifier: FakeVerifier())
    #expect(answer.isAllowed)
    #expect(answer.wasImmediate)
    #expect(answer.answer.decision == .skipped)
  }

  @Test(arguments: ["status", "scale"])
  func `a subresource passes untouched`(_ subResource: String) async throws {
    let body = try Tree(try Reviews.body("03-update-apply-image"))
      .adding("subResource", .string(subResource), at: .at("request"))
    let answer = try await ask(body.bytes, policy: try .test(), verifier: FakeVerifier())
    #expect(answer.isAllowed)
    #expect(answer.answer.decision == .skipped)
  }

  @Test func `the one subresource that brings containers does not pass`() async throws {
    let body = try Tree(try Reviews.body("03-update-apply-image"))
      .setting(.at("request.kind.kind"), to: .string("Pod"))
      .adding("subResource", .string("ephemeralcontainers"), at: .at("request"))
    let answer = try await ask(body.bytes, policy: try .test(), verifier: .verifyingAll())
    #expect(!answer.isAllowed)
    #expect(answer.answer.codes == [.objectInvalid])
  }

  @Test func `an empty subresource is none`() async throws {
    let body = try Tree(try Reviews.body("03-update-apply-image")).adding(
      "subResource", .string(""), at: .at("request"))
    let answer = try await ask(body.bytes, policy: try .test(), verifier: FakeVerifier())
    #expect(!answer.isAllowed)
  }

  @Test(arguments: ["CREATE", "UPDATE"])
  func `CVE-2023-34091: a deletionTimestamp that a user writes into a new object opens no door`(_ operation: String)
    async throws
  {
    let body = try Tree(try Reviews.body(operation == "CREATE" ? "02-create-apply" : "03-update-apply-image"))
      .adding("deletionTimestamp", .string("2026-11-23T23:16:57Z"), at: .at("request.object.metadata"))
    let answer = try await ask(body.bytes, policy: try .test(), verifier: FakeVerifier())
    #expect(!answer.isAllowed)
    #expect(answer.answer.codes == [.signatureNotFound])
  }

  @Test func `an old object in a creation makes no image an old one`() async throws {
    let body = try Tree(try Reviews.body("08-update-label-only")).setting(
      .at("request.operation"), to: .string("CREATE"))
    let verifier = FakeVerifier(otherwise: .refused(.registryUnavailable, "away"))
    #expect(!(try await ask(body.bytes, policy: try .test(), verifier: verifier)).isAllowed)
  }

  @Test(arguments: ["\u{212A}", "K"])
  func `an image that only looks like the old one is a new one`(_ letter: String) async throws {
    var review = TestReview(operation: "UPDATE")
    review.containers = [("db", "registry.example/db:\(letter)")]
    review.oldContainers = [("db", "registry.example/db:K")]
    let verifier = FakeVerifier(otherwise: .refused(.registryUnavailable, "away"))
    let answer = try await ask(review.body, policy: try .test(), verifier: verifier)
    #expect(answer.isAllowed == letter.utf8.elementsEqual("K".utf8))
  }

  @Test func `two spellings of an image share no verdict`() async throws {
    var review = TestReview()
    review.containers = [("a", "registry.example/db:K"), ("b", "registry.example/db:\u{212A}")]
    let answer = try await ask(review.body, policy: try .test(), verifier: .verifyingAll())
    #expect(!answer.isAllowed)
    #expect(answer.answer.codes == [.imageReferenceInvalid])
    #expect(answer.message.contains("container b"))
    #expect(!answer.message.contains("container a"))
  }

  @Test func `text of strangers cannot forge a line`() async throws {
    var review = TestReview()
    review.containers = [("db\n\u{202E}x", "registry.example/db:v1")]
    let verifier = FakeVerifier(otherwise: .refused(.registryMisbehaved, "said \u{1B}[31mred\r\nallowed: true"))
    for failurePolicy in [FailurePolicy.block, .warn] {
      let answer = try await ask(review.body, policy: try .test(failurePolicy: failurePolicy), verifier: verifier)
      for line in answer.warnings + [answer.message] + answer.audit.values {
        #expect(line.unicodeScalars.allSatisfy { $0.value >= 0x20 && $0.value != 0x7F && $0.value != 0x202E })
      }
    }
  }

  @Test func `as many failures as there may be make a message of bounded length`() async throws {
    var review = TestReview()
    review.containers = (0..<256).map { ("c\($0)", "registry.example/\(String(repeating: "d", count: 200))\($0):v1") }
    let long = FakeVerifier(otherwise: .refused(.signatureInvalid, String(repeating: "é", count: 5000)))
    let blocked = try await ask(review.body, policy: try .test(), verifier: long)
    #expect(blocked.message.utf8.count <= 4096)
    #expect(blocked.message.contains("; and 25"))
    #expect(blocked.audit.count == 65)
    #expect(blocked.audit["images-omitted"] == "192")
    let warned = try await ask(review.body, policy: try .test(failurePolicy: .warn), verifier: long)
    #expect(warned.warnings.count == 16)
    #expect(warned.warnings.allSatisfy { $0.unicodeScalars.count <= 256 })
    #expect(warned.warnings.reduce(0) { $0 + $1.unicodeScalars.count } <= 4096)
    #expect(warned.warnings.last == "and 241 more images are not verified")
  }

  @Test func `CVE-2026-23881: more images than are verified are refused`() async throws {
    var review = TestReview()
    review.containers = (0..<257).map { ("c\($0)", "registry.example/db:v\($0)") }
    let answer = try await ask(review.body, policy: try .test(), verifier: .verifyingAll(isCached: true))
    #expect(answer.answer.codes == [.objectInvalid])
    #expect(answer.message.contains("more than 256 images"))
  }
}
