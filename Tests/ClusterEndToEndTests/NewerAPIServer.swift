import EndToEndSupport
import Foundation
import Testing

/// What the tests of a newer API server's admission share: the chart as it renders for one, and a Pinseal where its webhooks
/// say. The namespaces come from a file, for both.
struct NewerAPIServer: Sendable {
  /// Set while the suite's tests run.
  @TaskLocal static var shared: NewerAPIServer?

  /// How the webhook configurations name Pinseal.
  enum Way: String, Sendable, CaseIterable {
    /// As the chart has it. API servers then keep to HTTP/1.1, so that requests are spread over pods.
    case service
    /// By an address of the same machine, as for a Pinseal beside the API server: they then speak HTTP/2.
    case url
  }

  let folder: String
  let webhook: Webhook
  /// Two signed images, and one that nobody signed.
  let signed: TestImage
  let signedToo: TestImage
  let unsigned: TestImage

  /// The version of Kubernetes that the chart is rendered for.
  private static let version = "1.36"
  /// What the certificate's name is made of.
  private static let release = "pinseal"

  /// The suite's environment, in a test of it.
  static func current() throws -> NewerAPIServer {
    guard let shared else { throw EndToEndFailure("this test is not in the suite that has the environment") }
    return shared
  }

  static func with(_ body: @concurrent @Sendable () async throws -> Void) async throws {
    try await EndToEnd.withFolder("newer") { folder in
      let certificate = try await Certificate.make(in: "\(folder)/certificate")
      try await DockerRegistry.with("registry", in: folder, storage: "\(folder)/storage") { docker in
        let signing = try Signing(in: "\(folder)/signing")
        let key = try await signing.key(.p256)
        let signed = try await docker.registry.push("shop/db", tag: "v1", content: "one")
        let signedToo = try await docker.registry.push("shop/db", tag: "v2", content: "two")
        let unsigned = try await docker.registry.push("shop/db", tag: "v3", content: "three")
        for image in [signed, signedToo] { try await signing.sign(image, with: key, by: .cosign2) }
        let policy = Objects.verifying(key.publicPEM)
        var namespaces = ["shop", "skipped", "kube-system", release].map { Objects.namespace($0, policy) }
        namespaces.append(Objects.namespace("warned", policy.merging(["failure-policy": "Warn"]) { $1 }))
        try write(namespaces.joined(separator: "---\n"), to: "\(folder)/namespaces.yaml")
        try await Webhook.with(
          in: folder, cluster: "file:\(folder)/namespaces.yaml", certificate: certificate,
          arguments: ["--insecure-registry", docker.registry.address]
        ) { webhook in
          let newer = NewerAPIServer(
            folder: folder, webhook: webhook, signed: signed, signedToo: signedToo, unsigned: unsigned)
          try await $shared.withValue(newer) { try await body() }
        }
      }
    }
  }

  /// An API server that has the namespaces, and what the chart renders with these values: kinds that are about admission, as
  /// far as `isStored` says so. It finds Pinseal's service at `port`, or where it is.
  func host(
    _ way: Way = .service, port: Int? = nil, values: [String: Any] = [:], valuesFile: String? = nil,
    edit: (String) -> String = { $0 }, isStored: (_ kind: String) -> Bool = { _ in true }
  ) async throws -> AdmissionHost {
    let name = "\(folder)/\(UUID().uuidString.prefix(8))"
    let authority = try read(webhook.certificate.authorityFile)
    let all: [String: Any] = values.merging([
      "certificates": ["mode": "existingSecret", "existingSecret": ["name": "tls", "caBundle": authority]]
        as [String: Any]
    ]) { $1 }
    try write(json(all), to: "\(name)-values.json")
    let rendered = try await command(
      Tool.chartPython.path(),
      ["-B", "\(EndToEnd.root)/charts/render.py", Self.release, Self.release, Self.version, "\(name)-values.json"]
        + (valuesFile.map { ["\(EndToEnd.root)/charts/pinseal/ci/\($0)"] } ?? [])
    ).checked().output
    guard let objects = try JSONSerialization.jsonObject(with: Data(rendered.utf8)) as? [[String: Any]] else {
      throw EndToEndFailure("that is no list of objects: \(rendered)")
    }
    var documents = [try read("\(folder)/namespaces.yaml")]
    for var object in objects {
      guard object["apiVersion"] as? String == "admissionregistration.k8s.io/v1", let kind = object["kind"] as? String,
        isStored(kind)
      else { continue }
      if way == .url, let webhooks = object["webhooks"] as? [[String: Any]] { object["webhooks"] = webhooks.map(byURL) }
      documents.append(edit(try json(object)) + "\n")
    }
    try write(documents.joined(separator: "---\n"), to: "\(name).yaml")
    return AdmissionHost(objects: "\(name).yaml", service: "127.0.0.1:\(port ?? webhook.port)")
  }

  /// JSON that is YAML, which knows no `\/`.
  private func json(_ value: [String: Any]) throws -> String {
    String(
      decoding: try JSONSerialization.data(withJSONObject: value, options: .withoutEscapingSlashes), as: UTF8.self)
  }

  private func byURL(_ webhook: [String: Any]) -> [String: Any] {
    var webhook = webhook
    var client = webhook["clientConfig"] as? [String: Any] ?? [:]
    let service = client.removeValue(forKey: "service") as? [String: Any]
    client["url"] = "https://127.0.0.1:\(self.webhook.port)\(service?["path"] as? String ?? "")"
    webhook["clientConfig"] = client
    return webhook
  }

  /// A StatefulSet `db` with one container.
  func statefulSet(
    _ image: String, in namespace: String = "shop", label: String = "none", replicas: Int = 1, note: String = "none",
    isBeingDeleted: Bool = false
  ) -> [String: Any] {
    var metadata: [String: Any] = ["name": "db", "namespace": namespace, "labels": ["note": label]]
    if isBeingDeleted { metadata["deletionTimestamp"] = "2026-01-31T00:00:00Z" }
    return [
      "apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": metadata,
      "spec": [
        "replicas": replicas, "serviceName": "db", "selector": ["matchLabels": ["app": "db"]],
        "template": [
          "metadata": ["labels": ["app": "db"], "annotations": ["note": note]],
          "spec": ["containers": [["name": "c0", "image": image]]],
        ],
      ] as [String: Any],
    ]
  }
}

extension Trait where Self == EnvironmentTrait {
  static var newerAPIServer: Self { EnvironmentTrait(NewerAPIServer.with) }
}

/// The admission code of a newer API server, the chart's objects, and Pinseal.
@Suite(
  .serialized, .enabled(if: EndToEnd.isWanted, "\(EndToEnd.reason)"),
  .disabled(
    if: Tool.admissionHost.isOutOfReach,
    "Debian sid does not offer what it is built from at present (PINSEAL_ADMISSION_HOST is empty)"),
  .newerAPIServer)
struct NewerAPIServerTests {}
