import EndToEndSupport
import Testing

/// What the chart's selectors and `matchConditions` keep from Pinseal: that, and nothing else.
extension NewerAPIServerTests {
  @Test
  func `every write of a StatefulSet is asked about, but in namespaces that are left out and while it is deleted`()
    async throws
  {
    let newer = try NewerAPIServer.current()
    let host = try await newer.host(values: ["webhook": ["excludedNamespaces": ["skipped"]]])
    let old = newer.statefulSet(newer.signed.pinned)
    let new = newer.statefulSet(newer.unsigned.tagged)
    let leaving = newer.statefulSet(newer.unsigned.tagged, isBeingDeleted: true)
    var cases: [(what: String, request: AdmissionRequest, isAsked: Bool)] = [
      ("a creation", AdmissionRequest(object: new), true),
      ("a dry run", AdmissionRequest(object: new, isDryRun: true), true),
      ("a creation that says it is deleted", AdmissionRequest(object: leaving), true),
      ("an update", AdmissionRequest(operation: "UPDATE", object: new, oldObject: old), true),
      (
        "an update that says it is a deletion", AdmissionRequest(operation: "UPDATE", object: leaving, oldObject: old),
        true
      ),
      ("an update while it is deleted", AdmissionRequest(operation: "UPDATE", object: new, oldObject: leaving), false),
      ("a deletion", AdmissionRequest(operation: "DELETE", oldObject: old), false),
    ]
    for subresource in ["status", "scale"] {
      cases.append(
        (
          subresource,
          AdmissionRequest(operation: "UPDATE", object: new, oldObject: old, subresource: subresource), false
        ))
    }
    for namespace in ["kube-system", "pinseal", "skipped"] {
      cases.append(
        (namespace, AdmissionRequest(object: newer.statefulSet(newer.unsigned.tagged, in: namespace)), false))
    }
    for (what, request, isAsked) in cases {
      let before = try await newer.webhook.metrics().reviews
      let answer = try await host.ask(request)
      #expect(answer.isAllowed != isAsked, "\(what): \(answer)")
      #expect(!isAsked || answer.message.contains("SIGNATURE_NOT_FOUND"), "\(what): \(answer)")
      #expect(try await newer.webhook.metrics().reviews - before == (isAsked ? 1 : 0), "\(what)")
    }
  }

  @Test func `with the condition of the chart's README only what changes the Pod template is asked about`() async throws
  {
    let newer = try NewerAPIServer.current()
    let host = try await newer.host(valuesFile: "match-conditions-values.yaml")
    let old = newer.statefulSet(newer.unsigned.tagged)
    func update(_ new: [String: Any], of old: [String: Any]) -> AdmissionRequest {
      AdmissionRequest(operation: "UPDATE", object: new, oldObject: old)
    }
    let cases: [(what: String, request: AdmissionRequest, asked: Double)] = [
      ("a creation", AdmissionRequest(object: newer.statefulSet(newer.signed.tagged)), 2),
      ("an image", update(newer.statefulSet(newer.signed.tagged), of: old), 2),
      ("a restart", update(newer.statefulSet(newer.unsigned.tagged, note: "again"), of: old), 1),
      ("a label", update(newer.statefulSet(newer.unsigned.tagged, label: "new"), of: old), 0),
      ("replicas", update(newer.statefulSet(newer.unsigned.tagged, replicas: 2), of: old), 0),
      (
        "an image while it is deleted",
        update(newer.statefulSet(newer.signed.tagged), of: newer.statefulSet("a", isBeingDeleted: true)), 0
      ),
    ]
    for (what, request, asked) in cases {
      let before = try await newer.webhook.metrics().reviews
      let answer = try await host.ask(request)
      #expect(try await newer.webhook.metrics().reviews - before == asked, "\(what): \(answer)")
      #expect(answer.isAllowed == (asked != 1), "\(what): \(answer)")
    }
  }
}
