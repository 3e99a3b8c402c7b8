import EndToEndSupport
import Foundation
import Testing

extension ClusterTests {
  @Test func `scale and status reach no webhook, a restarted rollout does`() async throws {
    let environment = try ClusterEnvironment.current()
    try await environment.makeNamespace("scaled")
    try await environment.apply(environment.signed.tagged, in: "scaled").checked()
    let cluster = environment.cluster
    let before = try await environment.webhook.metrics().reviews
    try await cluster.kubectl(["scale", "statefulset/db", "-n", "scaled", "--replicas=3"]).checked()
    #expect(try await environment.stored("{.spec.replicas}", in: "scaled") == "3")
    // The controller writes the status in answer to the new generation.
    try await eventually("the controller wrote the status") {
      try await environment.stored("{.status.observedGeneration}", in: "scaled") == "2"
    }
    #expect(try await environment.webhook.metrics().reviews == before)

    try await cluster.kubectl(["rollout", "restart", "statefulset/db", "-n", "scaled"]).checked()
    #expect(try await environment.webhook.metrics().reviews > before)
    #expect(try await environment.storedImage(in: "scaled") == environment.signed.pinned)
  }

  @Test func `delete and the deletion of a whole namespace come to an end`() async throws {
    let environment = try ClusterEnvironment.current()
    let cluster = environment.cluster
    try await environment.makeNamespace("leaving")
    try await environment.apply(environment.signed.tagged, in: "leaving").checked()
    try await cluster.kubectl(["delete", "statefulset", "db", "-n", "leaving", "--timeout=120s"]).checked()
    #expect(try await environment.storedImage(in: "leaving") == nil)
    try await environment.apply(environment.signed.tagged, in: "leaving").checked()
    // From here on no image of the namespace verifies; that must not hold it back.
    try await annotate("leaving", "public-key=\(environment.otherKey.publicPEM)", environment)
    try await cluster.kubectl(["delete", "namespace", "leaving", "--timeout=120s"]).checked()
  }

  @Test func `the garbage collector's finalizer update passes, although the image no longer verifies`() async throws {
    let environment = try ClusterEnvironment.current()
    try await environment.makeNamespace("collected")
    try await environment.apply(environment.signed.tagged, in: "collected").checked()
    try await annotate("collected", "public-key=\(environment.otherKey.publicPEM)", environment)
    try await eventually("the other key is in force") {
      try await !environment.apply(environment.signedToo.tagged, in: "collected", options: ["--dry-run=server"])
        .succeeded
    }
    let before = try await environment.webhook.metrics().reviews
    try await environment.cluster.kubectl([
      "delete", "statefulset", "db", "-n", "collected", "--cascade=foreground", "--timeout=120s",
    ]).checked()
    #expect(try await environment.storedImage(in: "collected") == nil)
    #expect(try await environment.webhook.metrics().reviews > before)
  }

  @Test func `a registry that is away holds back no update that leaves the images as they are`() async throws {
    let environment = try ClusterEnvironment.current()
    try await environment.makeNamespace("outage")
    try await DockerRegistry.with(
      "outage", in: environment.folder, storage: "\(environment.folder)/outage", port: environment.spareRegistryPort
    ) { docker in
      let image = try await docker.registry.push("outage/db", content: "outage")
      try await environment.signing.sign(image, with: environment.key)
      try await environment.apply(image.tagged, in: "outage").checked()
      #expect(try await environment.storedImage(in: "outage") == image.pinned)
      try await docker.daemon.stop()

      try await environment.cluster.kubectl(["label", "statefulset", "db", "-n", "outage", "touched=yes"]).checked()
      #expect(try await environment.stored("{.metadata.labels.touched}", in: "outage") == "yes")
      try await environment.cluster.kubectl(["rollout", "restart", "statefulset/db", "-n", "outage"]).checked()
      #expect(try await environment.storedImage(in: "outage") == image.pinned)

      let other = image.tagged.replacingOccurrences(of: ":v1", with: ":v2")
      let refused = try await environment.cluster.kubectl([
        "set", "image", "statefulset/db", "-n", "outage", "db=\(other)",
      ])
      #expect(!refused.succeeded && refused.errors.contains("REGISTRY_UNAVAILABLE"), "\(refused)")
    }
  }

  func annotate(_ namespace: String, _ annotation: String, _ environment: ClusterEnvironment) async throws {
    try await environment.cluster.kubectl(
      ["annotate", "namespace", namespace, "--overwrite", "pinseal.dev/\(annotation)"]
    ).checked()
  }
}
