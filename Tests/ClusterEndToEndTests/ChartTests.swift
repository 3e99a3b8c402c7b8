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
      try await eventually("the API server asks the release") {
        try await environment.apply(environment.unsigned.tagged, in: "self-managed").errors.contains(
          "SIGNATURE_NOT_FOUND")
      }
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
        try await environment.waitUntilRefused(in: "self-managed")
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

/// A release in a namespace of its own.
private struct Release {
  let environment: ClusterEnvironment
  /// The container's port, with the one for probes behind it.
  let port: Int
  private let release: String

  init(_ release: String, environment: ClusterEnvironment) throws {
    self.release = release
    self.environment = environment
    port = try freePort(count: 2)
  }

  /// Namespaces with this value of `served-by` are judged by the release.
  var namespace: String { "pinseal-\(release)" }
  /// The name of most objects.
  var name: String { "\(release)-pinseal" }

  func helm(_ action: String, values: [String: Any] = [:], revision: Int? = nil) async throws {
    var all: [String: Any] = [
      "webhook": [
        "port": port, "namespaceSelector": ["matchLabels": [Registration.servedBy: namespace]],
      ] as [String: Any],
      "ops": ["port": port + 1],
      "shutdown": ["propagationSeconds": 3],
      "config": ["log-format": "json", "log-level": "info", "insecure-registry": [environment.registry.address]]
        as [String: Any],
    ]
    all.merge(values) { $1 }
    let file = "\(environment.folder)/\(namespace)-values.json"
    try write(String(decoding: JSONSerialization.data(withJSONObject: all), as: UTF8.self), to: file)
    var arguments = [
      "\(EndToEnd.root)/charts/release.py", "\(environment.cluster.folder)/admin.kubeconfig", namespace, action,
      release,
    ]
    if action == "install" || action == "upgrade" { arguments.append(file) }
    if let revision { arguments.append("\(revision)") }
    try await command(Tool.chartPython.path(), arguments, within: .seconds(90)).checked()
  }

  /// Waits as `kubectl rollout status` does, and until the endpoints are those of the new pods.
  func waitForRollout(_ kubelet: Kubelet, pods: Int) async throws {
    try await environment.cluster.kubectl(
      [
        "rollout", "status", "deployment/\(name)", "-n", namespace, "--timeout=60s",
      ], within: .seconds(90)
    ).checked()
    try await eventually("\(pods) pods are ready, and no others") { kubelet.readyPods == pods }
  }

  /// `caBundle` of both webhook configurations, as text.
  func authorities() async throws -> Authorities {
    var texts: [String] = []
    for (kind, endpoint) in [("mutating", "mutate"), ("validating", "validate")] {
      let encoded = try await environment.cluster.kubectl([
        "get", "\(kind)webhookconfiguration", "\(name)-\(endpoint)", "-o",
        "jsonpath={.webhooks[0].clientConfig.caBundle}",
      ]).checked().output
      texts.append(String(decoding: Data(base64Encoded: encoded) ?? Data(), as: UTF8.self))
    }
    return Authorities(mutating: texts[0], validating: texts[1])
  }

  struct Authorities: Equatable {
    let mutating: String
    let validating: String
  }

  /// What a release has outside of its namespace is gone with it.
  func expectNothingLeft(location: SourceLocation = #_sourceLocation) async throws {
    let left = try await environment.cluster.kubectl([
      "get", "mutatingwebhookconfigurations,validatingwebhookconfigurations,clusterroles,clusterrolebindings",
      "-l", "app.kubernetes.io/instance=\(release)", "-o", "name",
    ]).checked()
    #expect(left.output.isEmpty, "\(left)", sourceLocation: location)
  }
}

extension ClusterEnvironment {
  /// Waits until admissions in a namespace are judged.
  func waitUntilRefused(in namespace: String) async throws {
    try await eventually("the API server is answered") {
      try await apply(unsigned.tagged, in: namespace, options: ["--dry-run=server"]).errors
        .contains("SIGNATURE_NOT_FOUND")
    }
  }
}
