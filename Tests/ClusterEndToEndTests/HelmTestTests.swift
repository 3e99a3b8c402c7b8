import EndToEndSupport
import Foundation
import Testing

/// `helm test`: the chart's test pod, which asks the release through its Service as the API server does.
extension ClusterTests {
  @Test func `helm test passes for a release that works and fails for one that does not`() async throws {
    let environment = try ClusterEnvironment.current()
    let cluster = environment.cluster
    let release = try Release("tested", environment: environment)
    try await cluster.apply(Objects.namespace(release.namespace))
    try await Kubelet.with(namespace: release.namespace, port: release.port, environment) { kubelet in
      try await release.helm("install", values: ["replicas": 1, "podDisruptionBudget": ["enabled": false]])
      try await release.waitForRollout(kubelet, pods: 1)
      try await release.helm("test")

      // What is to fail from here on need not take a minute for it.
      kubelet.patience.with { $0 = "5s" }
      // An authority that did not sign what is served.
      let other = Data(try read(environment.webhook.certificate.authorityFile).utf8).base64EncodedString()
      try await cluster.kubectl([
        "patch", "secret", "\(release.name)-tls", "-n", release.namespace, "--type=merge", "-p",
        #"{"data":{"ca.crt":"\#(other)"}}"#,
      ]).checked()
      try await expectFailure(of: release, kubelet)

      try await cluster.kubectl([
        "scale", "deployment/\(release.name)", "-n", release.namespace, "--replicas=0",
      ]).checked()
      try await eventually("the pods are gone") { kubelet.readyPods == 0 }
      try await expectFailure(of: release, kubelet)

      try await release.helm("uninstall")
      try await release.expectNothingLeft()
    }
  }

  /// Runs `helm test`, which has to fail because the pod got no answer.
  private func expectFailure(of release: Release, _ kubelet: Kubelet) async throws {
    let outcome = try await release.helmOutcome("test")
    let pod = kubelet.finished.with { $0.last }
    #expect(!outcome.succeeded && outcome.errors.contains("\(release.name)-test"), "\(outcome)")
    #expect(pod?.status == 2, "\(pod?.description ?? "no pod ran")")
  }
}
