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
    let release = try Release("e2e", environment: environment)
    try await cluster.apply(Objects.namespace(release.namespace))
    try await Kubelet.with(namespace: release.namespace, port: release.port, environment) { kubelet in
      try await release.helm("install")
      try await release.waitForRollout(kubelet, pods: 2)
      for name in ["charted", "charted-key"] {
        try await environment.makeNamespace(
          name, name == "charted" ? nil : Objects.verifying("secret://signing/cosign.pub"), servedBy: release.namespace)
      }
      try await cluster.apply(
        Objects.secret("signing", in: "charted-key", key: "cosign.pub", value: environment.key.publicPEM))
      try await environment.waitUntilJudged(in: "charted")
      try await environment.apply(environment.signed.tagged, in: "charted").checked()
      #expect(try await environment.storedImage(in: "charted") == environment.signed.pinned)
      // Only namespaces may be read so far, and the refusal says what is missing.
      let unreadable = try await environment.apply(environment.signed.tagged, in: "charted-key")
      #expect(!unreadable.succeeded && unreadable.errors.contains("RBAC must allow"), "\(unreadable)")

      let result = try await Load.with(in: "charted", environment) { load in
        try await load.more(6)
        // The one Secret by its name, and nothing else.
        let readable: [String: Any] = ["name": "charted-key", "secrets": ["signing"], "configMaps": [String]()]
        let upgraded: [String: Any] = ["rbac": ["namespaces": [readable]], "podAnnotations": ["revision": "2"]]
        try await release.helm("upgrade", values: upgraded)
        try await release.waitForRollout(kubelet, pods: 2)
        try await load.more(6)
        try await eventually("the key is readable now") {
          try await environment.apply(environment.signed.tagged, in: "charted-key").succeeded
        }
        #expect(try await environment.storedImage(in: "charted-key") == environment.signed.pinned)
        try await eventually("it is watched, which the name is enough for") {
          // An old pod may have answered before.
          _ = try await environment.apply(
            environment.signed.tagged, in: "charted-key", options: ["--dry-run=server"])
          return try await kubelet.metrics().contains { $0.sum("pinseal_watched_objects", "watch=\"secrets\"") == 1 }
        }

        try await release.helm("rollback", revision: 1)
        try await release.waitForRollout(kubelet, pods: 2)
        try await load.more(6)

        // A new certificate by a new authority, which pods that stay take up as they run.
        try await release.helm("upgrade", values: ["certificates": ["generate": ["serial": 2]]])
        try await load.more(6)
        try await cluster.kubectl(["rollout", "restart", "deployment/\(release.name)", "-n", release.namespace])
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
      try await release.expectNothingLeft()
    }
  }

  @Test func `with certificates that Pinseal makes itself, replicas agree and nobody is refused for them`() async throws
  {
    let environment = try ClusterEnvironment.current()
    let cluster = environment.cluster
    let release = try Release("self", environment: environment)
    try await cluster.apply(Objects.namespace(release.namespace))
    try await Kubelet.with(namespace: release.namespace, port: release.port, environment) { kubelet in
      let values: [String: Any] = ["certificates": ["mode": "selfManaged"]]
      try await release.helm("install", values: values)
      try await release.waitForRollout(kubelet, pods: 2)
      try await environment.makeNamespace("self-managed", servedBy: release.namespace)
      try await environment.waitUntilJudged(in: "self-managed")
      let bundle = try await release.authorities()
      #expect(bundle.mutating.contains("BEGIN CERTIFICATE") && bundle.mutating == bundle.validating, "\(bundle)")

      let result = try await Load.with(in: "self-managed", environment) { load in
        try await load.more(6)
        // An upgrade leaves alone what the pods wrote.
        try await release.helm("upgrade", values: values.merging(["podAnnotations": ["revision": "2"]]) { $1 })
        try await release.waitForRollout(kubelet, pods: 2)
        try await load.more(6)
        #expect(try await release.authorities() == bundle)

        // Somebody else's bundle is put right; what fails meanwhile is not counted.
        load.expect(.anything)
        let nobody = try read(environment.webhook.certificate.authorityFile)
        let patch = #"[{"op":"replace","path":"/webhooks/0/clientConfig/caBundle","value":"\#(base64(nobody))"}]"#
        try await cluster.kubectl([
          "patch", "mutatingwebhookconfiguration", "\(release.name)-mutate", "--type=json", "-p", patch,
        ]).checked()
        try await cluster.kubectl(["rollout", "restart", "deployment/\(release.name)", "-n", release.namespace])
          .checked()
        try await release.waitForRollout(kubelet, pods: 2)
        try await eventually("the bundle is as it was") {
          try await release.authorities().mutating.contains(bundle.validating)
        }
        try await environment.waitUntilJudged(in: "self-managed")
        load.expect(.verified)
        try await load.more(6)

        load.expect(.admitted)
        try await release.helm("uninstall")
        try await eventually("the pods are gone") { kubelet.readyPods == 0 }
        try await load.more(6)
      }
      #expect(result.wrong.isEmpty, "\(result.wrong.count) of \(result.right): \(result.wrong.prefix(5))")
      try await release.expectNothingLeft()
    }
  }

  private func base64(_ text: String) -> String { Data(text.utf8).base64EncodedString() }
}
