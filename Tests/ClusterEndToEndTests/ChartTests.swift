import EndToEndSupport
import Foundation
import Testing

/// The chart, installed by Helm's own engine; its pods are processes here, under the chart's ServiceAccount and roles.
extension ClusterTests {
  @Test func `the chart is installed, upgraded, rolled back and uninstalled, and admission works all the time`()
    async throws
  {
    let environment = try ClusterEnvironment.current()
    let cluster = environment.cluster
    let port = try freePort(count: 2)
    let release = Release(environment: environment, port: port)
    try await cluster.apply(Objects.namespace("pinseal-system"))
    try await Kubelet.with(namespace: "pinseal-system", port: port, environment) { kubelet in
      try await release.helm("install")
      try await release.waitForRollout(kubelet, pods: 2)
      for name in ["charted", "charted-key"] {
        try await environment.makeNamespace(
          name, name == "charted" ? nil : Objects.verifying("secret://signing/cosign.pub"), servedBy: "chart")
      }
      try await cluster.apply(
        Objects.secret("signing", in: "charted-key", key: "cosign.pub", value: environment.key.publicPEM))
      try await eventually("the API server asks the release") {
        try await !environment.apply(environment.unsigned.tagged, in: "charted").succeeded
      }
      try await environment.apply(environment.signed.tagged, in: "charted").checked()
      #expect(try await environment.storedImage(in: "charted") == environment.signed.pinned)
      // Only namespaces may be read so far, and the refusal says what is missing.
      let unreadable = try await environment.apply(environment.signed.tagged, in: "charted-key")
      #expect(!unreadable.succeeded && unreadable.errors.contains("RBAC must allow"), "\(unreadable)")

      let result = try await Load.with(in: "charted", environment) { load in
        try await load.more(6)
        let upgraded: [String: Any] = [
          "rbac": ["namespaces": [["name": "charted-key"]]], "podAnnotations": ["revision": "2"],
        ]
        try await release.helm("upgrade", values: upgraded)
        try await release.waitForRollout(kubelet, pods: 2)
        try await load.more(6)
        try await eventually("the key is readable now") {
          try await environment.apply(environment.signed.tagged, in: "charted-key").succeeded
        }
        #expect(try await environment.storedImage(in: "charted-key") == environment.signed.pinned)

        try await release.helm("rollback", revision: 1)
        try await release.waitForRollout(kubelet, pods: 2)
        try await load.more(6)

        // A new certificate by a new authority, which pods that stay take up as they run.
        try await release.helm("upgrade", values: ["certificates": ["generate": ["serial": 2]]])
        try await load.more(6)
        try await cluster.kubectl(["rollout", "restart", "deployment/\(release.name)", "-n", "pinseal-system"])
          .checked()
        try await release.waitForRollout(kubelet, pods: 2)
        try await load.more(6)

        load.expect(.admitted)
        try await release.helm("uninstall")
        try await eventually("the pods are gone") { kubelet.readyPods == 0 }
        try await load.more(12)
      }
      #expect(result.wrong.isEmpty, "\(result.wrong.count) of \(result.right): \(result.wrong.prefix(5))")
      // Nothing of it is left in the way.
      try await environment.apply(environment.unsigned.tagged, in: "charted-key").checked()
      let left = try await cluster.kubectl([
        "get", "mutatingwebhookconfigurations,validatingwebhookconfigurations,clusterroles,clusterrolebindings",
        "-l", "app.kubernetes.io/instance=e2e", "-o", "name",
      ]).checked()
      #expect(left.output.isEmpty, "\(left)")
    }
  }
}

/// A release `e2e` in the namespace `pinseal-system`.
private struct Release {
  let environment: ClusterEnvironment
  let port: Int
  let name = "e2e-pinseal"

  func helm(_ action: String, values: [String: Any] = [:], revision: Int? = nil) async throws {
    var all: [String: Any] = [
      "webhook": [
        "port": port, "namespaceSelector": ["matchLabels": [Registration.servedBy: "chart"]],
      ] as [String: Any],
      "ops": ["port": port + 1],
      "config": ["log-format": "json", "log-level": "info", "insecure-registry": [environment.registry.address]]
        as [String: Any],
    ]
    all.merge(values) { $1 }
    let file = "\(environment.folder)/values.json"
    try write(String(decoding: JSONSerialization.data(withJSONObject: all), as: UTF8.self), to: file)
    var arguments = [
      "\(EndToEnd.root)/charts/release.py", "\(environment.cluster.folder)/admin.kubeconfig", "pinseal-system", action,
      "e2e",
    ]
    if action == "install" || action == "upgrade" { arguments.append(file) }
    if let revision { arguments.append("\(revision)") }
    try await command(Tool.chartPython.path(), arguments, within: .seconds(90)).checked()
  }

  /// Waits as `kubectl rollout status` does, and until the endpoints are those of the new pods.
  func waitForRollout(_ kubelet: Kubelet, pods: Int) async throws {
    try await environment.cluster.kubectl(
      [
        "rollout", "status", "deployment/\(name)", "-n", "pinseal-system", "--timeout=60s",
      ], within: .seconds(90)
    ).checked()
    try await eventually("\(pods) pods are ready, and no others") { kubelet.readyPods == pods }
  }
}
