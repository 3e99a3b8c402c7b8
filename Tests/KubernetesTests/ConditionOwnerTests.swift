import HTTPClient
import JSON
import Primitives
import Testing

@testable import Kubernetes

@Suite(.timeLimit(.minutes(5))) struct ConditionOwnerTests {
  private static let discovery = "GET /apis/openbao.org/v1alpha1"
  private static let place = "/apis/openbao.org/v1alpha1/namespaces/shop/openbaoclusters/bao/status"
  private static let resources = """
    {"kind":"APIResourceList","resources":[
    {"name":"openbaoclusters","namespaced":true,"kind":"OpenBaoCluster"},
    {"name":"openbaoclusters/status","namespaced":true,"kind":"OpenBaoCluster"},
    {"name":"openbaobackups","namespaced":true,"kind":"OpenBaoBackup"}]}
    """
  private static let available =
    #"{"type":"Available","status":"True","observedGeneration":3,"x":1.50,"reason":"Up","message":"\u00e9"}"#

  private func owner(kind: String = "OpenBaoCluster", apiVersion: String = "openbao.org/v1alpha1") throws
    -> ControllingOwner
  {
    let text =
      #"[{"apiVersion":"v1","kind":"X","name":"x","uid":"y"},{"apiVersion":"\#(apiVersion)","kind":"\#(kind)","name":"bao","uid":"o-1","controller":true}]"#
    return try #require(ControllingOwner(in: JSONDocument(Array(text.utf8)).root))
  }

  private func stored(_ conditions: String, uid: String = "o-1") -> (status: Int, body: String) {
    (
      200,
      #"{"metadata":{"uid":"\#(uid)","resourceVersion":"77","generation":4},"status":{"phase":"x","conditions":[\#(conditions)]}}"#
    )
  }

  private func api(_ conditions: String, uid: String = "o-1") -> DegradedFakeAPI {
    let api = DegradedFakeAPI()
    api.state.withLock {
      $0.others[Self.discovery] = (200, Self.resources)
      $0.others["GET " + Self.place] = stored(conditions, uid: uid)
      $0.others["PATCH " + Self.place + "?fieldManager=pinseal"] = (200, "{}")
    }
    return api
  }

  private func writer(_ api: DegradedFakeAPI, _ kind: String = "openbaoclusters.openbao.org") throws
    -> ConditionOwnerWriter
  {
    ConditionOwnerWriter(try api.writer(), kinds: [try OwnerKind(parsing: kind)])
  }

  private let failed = Condition(status: "True", reason: Condition.failed, message: "no")
  private let succeeded = Condition(status: "False", reason: Condition.succeeded, message: "yes")

  @Test func `others' conditions go back byte for byte, over the state that was read`() async throws {
    let api = api(Self.available)
    let writer = try writer(api)
    #expect(try await writer.write(failed, about: DegradedFixture.id, to: owner(), at: "T1") == .written)
    let request = try #require(api.patches.first)
    #expect(request.headers.contains { $0.value == "application/merge-patch+json" })
    #expect(
      String(decoding: request.body, as: UTF8.self)
        == #"{"metadata":{"uid":"o-1","resourceVersion":"77"},"status":{"conditions":[\#(Self.available),"#
        + #"{"type":"Degraded","status":"True","observedGeneration":4,"lastTransitionTime":"T1","#
        + #""reason":"ImageVerificationFailed","message":"StatefulSet db: no"}]}}"#)
    // The kinds of a group are asked for once.
    #expect(try await writer.write(failed, about: DegradedFixture.id, to: owner(), at: "T1") == .written)
    #expect(api.state.withLock { $0.requests.filter { $0.url.hasSuffix("/v1alpha1") }.count } == 1)
  }

  @Test func `without others' observedGeneration there is none, and a present condition keeps its place and time`()
    async throws
  {
    let present =
      #"{"type":"Degraded","status":"True","reason":"ImageVerificationFailed","message":"StatefulSet db: old","lastTransitionTime":"T0"}"#
    let api = api(present + #",{"type":"Ready","status":"True"}"#)
    #expect(try await writer(api).write(failed, about: DegradedFixture.id, to: owner(), at: "T1") == .written)
    let body = String(decoding: try #require(api.patches.first).body, as: UTF8.self)
    #expect(
      body.contains(
        #"[{"type":"Degraded","status":"True","lastTransitionTime":"T0","reason":"ImageVerificationFailed","message":"StatefulSet db: no"},{"type":"Ready""#
      ), "\(body)")
  }

  @Test(arguments: [
    ("", true, "o-2"),
    (
      #"{"type":"Degraded","status":"True","reason":"ImageVerificationFailed","message":"StatefulSet db: no"}"#, true,
      "o-1"
    ),
    ("", false, "o-1"),
    (#"{"type":"Degraded","status":"True","reason":"Disk","message":"StatefulSet db: "}"#, false, "o-1"),
    (
      #"{"type":"Degraded","status":"True","reason":"ImageVerificationFailed","message":"StatefulSet db-2: no"}"#,
      false,
      "o-1"
    ),
  ])
  func `nothing is written to another object, nor what is there, nor over another's word`(
    conditions: String, isTrue: Bool, uid: String
  ) async throws {
    let api = api(conditions, uid: uid)
    let condition = isTrue ? failed : succeeded
    #expect(try await writer(api).write(condition, about: DegradedFixture.id, to: owner(), at: "T1") == .unchanged)
    #expect(api.patches.isEmpty)
  }

  @Test func `it is taken back where it is about this StatefulSet`() async throws {
    let api = api(
      #"{"type":"Degraded","status":"True","reason":"ImageVerificationFailed","message":"StatefulSet db: no","lastTransitionTime":"T0"}"#
    )
    #expect(try await writer(api).write(succeeded, about: DegradedFixture.id, to: owner(), at: "T1") == .written)
    let body = String(decoding: try #require(api.patches.first).body, as: UTF8.self)
    #expect(body.contains(#""status":"False","lastTransitionTime":"T1","reason":"ImageVerificationSucceeded""#))
  }

  @Test func `kinds that are not listed are not asked about`() async throws {
    for (kind, apiVersion, listed) in [
      ("OpenBaoCluster", "other.org/v1", "openbaoclusters.openbao.org"),
      ("OpenBaoBackup", "openbao.org/v1alpha1", "openbaoclusters.openbao.org"),
      ("Nothing", "openbao.org/v1alpha1", "openbaoclusters.openbao.org"),
    ] {
      let api = api("")
      let outcome = try await writer(api, listed).write(
        failed, about: DegradedFixture.id, to: owner(kind: kind, apiVersion: apiVersion), at: "T1")
      #expect(outcome == .ignored(nil))
      #expect(api.state.withLock { $0.requests.allSatisfy { !$0.url.contains("/namespaces/") } })
      if apiVersion == "other.org/v1" { #expect(api.state.withLock { $0.requests.isEmpty }) }
    }
  }

  @Test func `a kind without status is told of`() async throws {
    let outcome = try await writer(api(""), "openbaobackups.openbao.org").write(
      failed, about: DegradedFixture.id, to: owner(kind: "OpenBaoBackup"), at: "T1")
    guard case .ignored(let reason?) = outcome else {
      Issue.record("\(outcome)")
      return
    }
    #expect(reason.contains("openbaobackups.openbao.org has no status subresource"))
  }

  @Test func `a conflict is tried again over what is there then, and not for ever`() async throws {
    let api = api("")
    api.state.withLock {
      $0.others["PATCH " + Self.place + "?fieldManager=pinseal"] = (409, #"{"kind":"Status","reason":"Conflict"}"#)
    }
    let writer = try writer(api)
    let error = await #expect(throws: ClusterError.self) {
      try await writer.write(failed, about: DegradedFixture.id, to: owner(), at: "T1")
    }
    #expect(error?.code == .conflict && api.patches.count == 5)
  }

  @Test(arguments: [
    "v1", "a/b/c", "Org/v1", "o.org/../v1", "openbao.org/v1?x=1", "openbao.org/", "/v1",
  ])
  func `an owner whose apiVersion cannot be right is none`(apiVersion: String) throws {
    let text = #"[{"apiVersion":"\#(apiVersion)","kind":"K","name":"n","uid":"u","controller":true}]"#
    #expect(ControllingOwner(in: try JSONDocument(Array(text.utf8)).root) == nil)
  }

  @Test(arguments: ["openbaoclusters", "", ".org", "a.", "A.b", "a/b.c", "*.openbao.org"])
  func `what names no kind is refused`(text: String) {
    #expect(throws: ClusterError.self) { try OwnerKind(parsing: text) }
  }
}
