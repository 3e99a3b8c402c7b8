import EndToEndSupport
import Foundation
import Testing

/// Events as kubectl shows them.
extension ClusterTests {
  private func events(_ reason: String, in namespace: String, _ environment: ClusterEnvironment) async throws
    -> [String]
  {
    try await environment.cluster.kubectl([
      "get", "events.events.k8s.io", "-n", namespace, "-o",
      "jsonpath={range .items[?(@.reason==\"\(reason)\")]}{.regarding.kind}/{.regarding.name} {.type} {.series.count} {.note}{\"\\n\"}{end}",
    ]).checked().output.split(separator: "\n").map(String.init)
  }

  @Test func `Events tell of a refusal and of verified images, where kubectl looks for them`() async throws {
    let environment = try ClusterEnvironment.current()
    let namespace = "told"
    try await environment.makeNamespace(namespace)

    // There is no StatefulSet to hang it on, and a dry run is not told of.
    for options in [["--dry-run=server"], []] {
      let outcome = try await environment.apply(environment.unsigned.tagged, in: namespace, options: options)
      #expect(!outcome.succeeded && outcome.errors.contains("SIGNATURE_NOT_FOUND"))
    }
    try await eventually("the namespace's Event") {
      try await !events("ImageVerificationFailed", in: namespace, environment).isEmpty
    }
    let refused = try await events("ImageVerificationFailed", in: namespace, environment)
    #expect(refused.count == 1, "\(refused)")
    #expect(
      refused.first?.hasPrefix("Namespace/\(namespace) Warning  StatefulSet db: SIGNATURE_NOT_FOUND: container ")
        == true,
      "\(refused)")

    // The StatefulSet is made a moment after the decision, and has the Event all the same.
    try await environment.apply(environment.signed.tagged, in: namespace).checked()
    try await eventually("kubectl describe shows the verified image") {
      try await environment.cluster.kubectl(["describe", "sts", "db", "-n", namespace]).output.contains("ImageVerified")
    }
    let verified = try await events("ImageVerified", in: namespace, environment)
    #expect(verified.count == 1, "\(verified)")
    #expect(
      verified.first?.hasPrefix("StatefulSet/db Normal ") == true
        && verified.first?.contains("\(environment.signed.pinned), signed by SHA256:") == true,
      "\(verified)")

    // Three refusals of the same are one Event; applying what is stored is none.
    try await environment.apply(environment.signed.tagged, in: namespace, label: "other").checked()
    for _ in 0..<2 {
      #expect(try await !environment.apply(environment.unsigned.tagged, in: namespace).succeeded)
    }
    try await eventually("the refusals are counted in one Event") {
      try await events("ImageVerificationFailed", in: namespace, environment)
        .contains { $0.hasPrefix("StatefulSet/db Warning 2 SIGNATURE_NOT_FOUND: container ") }
    }
    #expect(try await events("ImageVerificationFailed", in: namespace, environment).count == 2)
    #expect(try await events("ImageVerified", in: namespace, environment).count == 1)
    let described = try await environment.cluster.kubectl(["describe", "sts", "db", "-n", namespace]).checked().output
    #expect(described.contains("pinseal.dev/webhook") && described.contains("ImageVerificationFailed"), "\(described)")
    let listed = try await environment.cluster.kubectl(["get", "events", "-n", namespace]).checked().output
    let metrics = try await environment.webhook.operations("metrics").body
    #expect(metrics.contains("pinseal_events_total{outcome=\"created\"}"), "\(metrics)")
    #expect(!metrics.contains("pinseal_events_total{outcome=\"created\"} 0\n"), "\(metrics)")
    #expect(listed.contains("namespace/\(namespace)") && listed.contains("statefulset/db"), "\(listed)")
  }

  @Test func `under Warn the Event says what was let in`() async throws {
    let environment = try ClusterEnvironment.current()
    var annotations = Objects.verifying(environment.key.publicPEM)
    annotations["failure-policy"] = "Warn"
    try await environment.makeNamespace("told-warned", annotations)
    try await environment.apply(environment.unsigned.tagged, in: "told-warned").checked()
    try await eventually("the StatefulSet's Event") {
      try await events("ImageVerificationFailed", in: "told-warned", environment)
        .contains { $0.hasPrefix("StatefulSet/db Warning ") && $0.contains("let in unverified (failure-policy Warn)") }
    }
  }
}
