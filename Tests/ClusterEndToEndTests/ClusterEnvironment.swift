import EndToEndSupport
import Foundation
import Testing

/// What the suite's tests share: a control plane, a registry, signed and unsigned images, and a registered Pinseal.
struct ClusterEnvironment: Sendable {
  /// Set while the suite's tests run.
  @TaskLocal static var shared: ClusterEnvironment?

  let folder: String
  let cluster: TestCluster
  let registry: Registry
  let signing: Signing
  let key: SigningKey
  let otherKey: SigningKey
  let webhook: Webhook
  /// Two signed images of one repository, and one that nobody signed.
  let signed: TestImage
  let signedToo: TestImage
  let unsigned: TestImage

  /// The suite's environment, in a test of it.
  static func current() throws -> ClusterEnvironment {
    guard let shared else { throw EndToEndFailure("this test is not in the suite that has the environment") }
    return shared
  }

  static func with(_ body: @concurrent @Sendable () async throws -> Void) async throws {
    try await EndToEnd.withFolder("cluster") { folder in
      let certificate = try await Certificate.make(in: "\(folder)/certificate")
      let spare = try freePort()
      try await TestCluster.with(in: "\(folder)/control-plane") { cluster in
        try await DockerRegistry.with("registry", in: folder, storage: "\(folder)/storage") { docker in
          let registry = docker.registry
          let signing = try Signing(in: "\(folder)/signing")
          let key = try await signing.key(.p256)
          let otherKey = try await signing.key(.p256, name: "other")
          let signed = try await registry.push("shop/db", tag: "v1", content: "one")
          let signedToo = try await registry.push("shop/db", tag: "v2", content: "two")
          let unsigned = try await registry.push("shop/db", tag: "v3", content: "three")
          try await signing.sign(signed, with: key, by: .cosign2)
          try await signing.sign(signedToo, with: key, by: .cosign2)
          try await cluster.apply(Registration.permissions)
          try await Webhook.with(
            in: folder, cluster: "kubeconfig:\(cluster.folder)/pinseal.kubeconfig", certificate: certificate,
            arguments: ["--insecure-registry", registry.address, "--insecure-registry", "127.0.0.1:\(spare)"]
          ) { webhook in
            let environment = ClusterEnvironment(
              folder: folder, cluster: cluster, registry: registry, signing: signing, key: key, otherKey: otherKey,
              webhook: webhook, signed: signed, signedToo: signedToo, unsigned: unsigned, spareRegistryPort: spare)
            try await environment.register(port: webhook.port, authorities: read(certificate.authorityFile))
            // Either configuration may reach the API server later than the other.
            try await eventually("the API server asks for validation too") {
              try await environment.apply(signed.tagged, in: "registered", options: ["--dry-run=server"]).checked()
              return try await webhook.metrics().sum("pinseal_decisions_total", "endpoint=\"validate\"") > 0
            }
            try await $shared.withValue(environment) { try await body() }
          }
        }
      }
    }
  }

  /// A port for a registry of a test's own, which Pinseal may ask over plain HTTP.
  let spareRegistryPort: Int

  /// Has the API server ask what listens on `port` of 127.0.0.1: about namespaces served by `name`, or all others.
  func register(_ name: String? = nil, port: Int, authorities: String) async throws {
    try await writeRegistration(name, port: port, authorities: authorities)
    // The API server takes up webhook configurations a little after they were stored.
    let namespace = "registered\(name.map { "-\($0)" } ?? "")"
    try await makeNamespace(namespace, servedBy: name)
    try await eventually("the API server asks Pinseal") {
      let outcome = try await cluster.kubectl(
        ["apply", "--dry-run=server", "-f", "-"],
        input: Objects.statefulSet("probe", in: namespace, image: unsigned.tagged))
      return !outcome.succeeded && outcome.errors.contains("SIGNATURE_NOT_FOUND")
    }
  }

  /// Stores both webhook configurations, anew where they are.
  func writeRegistration(_ name: String? = nil, port: Int, authorities: String) async throws {
    let authority = Data(authorities.utf8).base64EncodedString()
    for endpoint in ["mutate", "validate"] {
      let url = "https://127.0.0.1:\(port)/\(endpoint)"
      try await cluster.apply(Registration.webhook(endpoint, url: url, authority: authority, name: name))
    }
  }

  /// Takes both webhook configurations away.
  func unregister(_ name: String) async throws {
    for (kind, endpoint) in [("mutating", "mutate"), ("validating", "validate")] {
      try await cluster.kubectl(["delete", "\(kind)webhookconfiguration", "\(name)-\(endpoint)"]).checked()
    }
  }

  /// Makes a namespace that verifies with the suite's key, or with these annotations.
  func makeNamespace(
    _ name: String, _ annotations: [String: String]? = nil, servedBy: String? = nil
  ) async throws {
    try await cluster.apply(
      Objects.namespace(
        name, annotations ?? Objects.verifying(key.publicPEM),
        labels: servedBy.map { [Registration.servedBy: $0] } ?? [:]))
  }

  /// What `pinseal serve` needs here, for replicas of a test's own.
  var serveOptions: [String] { ["--insecure-registry", registry.address] }

  /// Where they find the API server.
  var clusterOption: String { "kubeconfig:\(cluster.folder)/pinseal.kubeconfig" }

  /// Applies a StatefulSet `db`, whatever comes of it.
  func apply(
    _ image: String, in namespace: String, label: String = "none", options: [String] = []
  ) async throws -> Outcome {
    try await cluster.kubectl(
      ["apply", "-f", "-"] + options,
      input: Objects.statefulSet("db", in: namespace, image: image, label: label))
  }

  /// The image that is stored in StatefulSet `db`, or nil where there is none.
  func storedImage(in namespace: String) async throws -> String? {
    try await stored("{.spec.template.spec.containers[0].image}", in: namespace)
  }

  /// A field of the stored StatefulSet `db`, or nil where there is none.
  func stored(_ path: String, in namespace: String) async throws -> String? {
    let outcome = try await cluster.kubectl([
      "get", "statefulset", "db", "-n", namespace, "--ignore-not-found", "-o", "jsonpath=\(path)",
    ]).checked()
    return outcome.output.isEmpty ? nil : outcome.output
  }
}

extension Trait where Self == EnvironmentTrait {
  static var clusterEnvironment: Self { EnvironmentTrait(ClusterEnvironment.with) }
}

/// kubectl, a real API server, and Pinseal registered with it.
@Suite(.serialized, .enabled(if: EndToEnd.isWanted, "\(EndToEnd.reason)"), .clusterEnvironment)
struct ClusterTests {}
