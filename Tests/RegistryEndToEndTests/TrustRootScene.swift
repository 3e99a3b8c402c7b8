import EndToEndSupport

/// `pinseal serve` with a trust root of a test's own logs, beside the suite's.
struct TrustRootScene {
  let environment: RegistryEnvironment
  let webhook: Webhook
  /// The logs of the trust root, and one that is not in it.
  let logs: [TestLog]
  let foreignLog: TestLog

  /// Runs `body` with a scene whose files lie in the folder `name`.
  ///
  /// Namespace `root-KEY` trusts the key of that kind, with a proof of any log of the trust root.
  static func with(_ name: String, perform body: (TrustRootScene) async throws -> Void) async throws {
    let environment = try RegistryEnvironment.current()
    let folder = "\(environment.folder)/\(name)"
    try await TestLog.with(TestLog.Kind.allCases + [.rekor1]) { logs in
      let trusted = Array(logs.dropLast())
      guard let foreign = logs.last else { throw EndToEndFailure("no log was started") }
      try write(TestLog.trustRoot(of: trusted), to: "\(folder)/trusted_root.json")
      let namespaces = environment.keys.map { kind, key in
        Objects.namespace("root-\(kind)", ["image-verification": "enabled", "public-key": key.publicPEM])
      }
      try write(namespaces.joined(separator: "---\n"), to: "\(folder)/cluster/objects.yaml")
      try await Webhook.with(
        in: folder, cluster: "file:\(folder)/cluster", certificate: environment.webhook.certificate,
        arguments: [
          "--insecure-registry", environment.docker.address, "--insecure-registry", environment.embedded.address,
          "--trusted-root", "\(folder)/trusted_root.json",
        ]
      ) { webhook in
        try await body(
          TrustRootScene(environment: environment, webhook: webhook, logs: trusted, foreignLog: foreign))
      }
    }
  }

  /// The log of this kind in the trust root.
  func log(_ kind: TestLog.Kind) throws -> TestLog {
    guard let log = logs.first(where: { $0.kind == kind }) else { throw EndToEndFailure("no log of kind \(kind)") }
    return log
  }

  /// A new image, signed by cosign 3 with the P-256 key, in the registry that has the referrers API.
  func image(_ name: String, log: TestLog) async throws -> TestImage {
    let image = try await environment.embedded.push("rooted/\(name)".lowercased(), content: "rooted \(name)")
    try await environment.signing.sign(image, with: environment.key(.p256), by: .cosign3, log: log)
    return image
  }
}
