import EndToEndSupport
import Testing

/// The condition Degraded, kept although a real kube-controller-manager rewrites the status.
extension ClusterTests {
  @Test func `a refused update is told by the condition Degraded until an update passes`() async throws {
    let environment = try ClusterEnvironment.current()
    let namespace = "degraded"
    try await environment.makeNamespace(namespace)
    try await environment.apply(environment.signed.tagged, in: namespace).checked()
    func condition() async throws -> String {
      try await environment.stored(
        #"{range .status.conditions[?(@.type=="Degraded")]}{.status} {.reason} {.lastTransitionTime} {.message}{end}"#,
        in: namespace) ?? ""
    }

    // A dry run leaves nothing.
    #expect(
      try await !environment.apply(environment.unsigned.tagged, in: namespace, options: ["--dry-run=server"]).succeeded)
    #expect(try await !environment.apply(environment.unsigned.tagged, in: namespace).succeeded)
    // The controller may drop it between two looks: what was seen once is what is looked at.
    func seen(_ beginning: String) async throws -> String {
      var last = ""
      try await eventually("the condition is \(beginning), not \(last)") {
        last = try await condition()
        return last.hasPrefix(beginning)
      }
      return last
    }
    let told = try await seen("True ImageVerificationFailed ")
    #expect(told.contains("SIGNATURE_NOT_FOUND") && told.contains(environment.unsigned.tagged), "\(told)")

    // Each change of the number of replicas makes the controller write the status without foreign conditions.
    for replicas in [2, 3] {
      try await environment.cluster.kubectl(
        ["scale", "statefulset/db", "-n", namespace, "--replicas=\(replicas)"]
      ).checked()
      try await eventually("the controller has written the status") {
        let generations = try await environment.stored(
          "{.metadata.generation} {.status.observedGeneration}", in: namespace)
        let parts = (generations ?? "").split(separator: " ")
        return parts.count == 2 && parts[0] == parts[1]
      }
      try await eventually("the condition is back as it was") { try await condition() == told }
    }

    try await environment.apply(environment.signedToo.tagged, in: namespace).checked()
    try await environment.cluster.kubectl(
      ["wait", "--for=condition=Degraded=false", "statefulset/db", "-n", namespace, "--timeout=120s"]
    ).checked()
    let recovered = try await seen("False ImageVerificationSucceeded ")
    #expect(recovered.contains(environment.signedToo.pinned), "\(recovered)")
  }
}
