import EndToEndSupport
import Foundation
import Testing

/// A release in a namespace of its own.
struct Release {
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

  /// The name that the API server calls it by.
  var host: String { "\(name).\(namespace).svc" }

  func helm(_ action: String, values: [String: Any] = [:], revision: Int? = nil) async throws {
    try await helmOutcome(action, values: values, revision: revision).checked()
  }

  /// The same, whatever comes of it.
  func helmOutcome(_ action: String, values: [String: Any] = [:], revision: Int? = nil) async throws -> Outcome {
    var all: [String: Any] = [
      "webhook": [
        "port": port, "namespaceSelector": ["matchLabels": [Registration.servedBy: namespace]],
      ] as [String: Any],
      "ops": ["port": port + 1],
      "shutdown": ["propagationSeconds": 6],
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
    return try await command(Tool.chartPython.path(), arguments)
  }

  /// Waits as `kubectl rollout status` does, and until the endpoints are those of the new pods.
  func waitForRollout(_ kubelet: Kubelet, pods: Int) async throws {
    try await environment.cluster.kubectl(
      [
        "rollout", "status", "deployment/\(name)", "-n", namespace, "--timeout=150s",
      ]
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
  /// Waits until both webhooks are asked about a namespace and answer: pinning refuses what is unsigned, and validation,
  /// whose configuration may reach the API server a little later, lets in what was pinned.
  func waitUntilJudged(in namespace: String) async throws {
    try await eventually("the API server is answered") {
      try await apply(unsigned.tagged, in: namespace, options: ["--dry-run=server"]).errors
        .contains("SIGNATURE_NOT_FOUND")
    }
    try await eventually("the API server trusts the release at both endpoints") {
      try await apply(signed.tagged, in: namespace, options: ["--dry-run=server"]).succeeded
    }
  }
}
