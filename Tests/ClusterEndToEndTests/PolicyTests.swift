import EndToEndSupport
import Testing

extension ClusterTests {
  @Test func `annotations take effect while it runs`() async throws {
    let environment = try ClusterEnvironment.current()
    try await environment.makeNamespace("annotated", [:])
    try await environment.apply(environment.unsigned.tagged, in: "annotated").checked()
    #expect(try await environment.storedImage(in: "annotated") == environment.unsigned.tagged)

    try await annotate("annotated", "public-key=\(environment.key.publicPEM)", environment)
    try await annotate("annotated", "ignore-tlog=true", environment)
    try await annotate("annotated", "image-verification=enabled", environment)
    func dryRun(_ name: String, _ image: TestImage) async throws -> Outcome {
      try await environment.cluster.kubectl(
        ["apply", "--dry-run=server", "-f", "-"],
        input: Objects.statefulSet(name, in: "annotated", image: image.tagged))
    }
    try await eventually("verification is on") {
      try await dryRun("new", environment.unsigned).errors.contains("SIGNATURE_NOT_FOUND")
    }
    // What was there before stays, and may be touched.
    try await environment.cluster.kubectl(["label", "statefulset", "db", "-n", "annotated", "touched=yes"]).checked()

    try await annotate("annotated", "public-key=\(environment.otherKey.publicPEM)", environment)
    try await eventually("the other key is in force") {
      try await dryRun("new", environment.signed).errors.contains("SIGNATURE_KEY_MISMATCH")
    }
    try await annotate("annotated", "image-verification=disabled", environment)
    try await eventually("verification is off") {
      try await dryRun("new", environment.unsigned).succeeded
    }
  }

  @Test func `Warn shows its warning on kubectl's terminal`() async throws {
    let environment = try ClusterEnvironment.current()
    try await environment.makeNamespace(
      "warned", Objects.verifying(environment.key.publicPEM, ["failure-policy": "Warn"]))
    let outcome = try await environment.apply(environment.unsigned.tagged, in: "warned").checked()
    let lines = outcome.errors.split(separator: "\n")
    #expect(lines.contains { $0.hasPrefix("Warning: ") && $0.contains("SIGNATURE_NOT_FOUND") }, "\(outcome)")
    #expect(try await environment.storedImage(in: "warned") == environment.unsigned.tagged)
    try await environment.cluster.kubectl(
      ["set", "image", "statefulset/db", "-n", "warned", "db=\(environment.signed.tagged)"]
    ).checked()
    #expect(try await environment.storedImage(in: "warned") == environment.signed.pinned)
  }

  @Test(arguments: ["secret", "configmap"])
  func `the key is read from a Secret or ConfigMap of the namespace`(kind: String) async throws {
    let environment = try ClusterEnvironment.current()
    let namespace = "key-in-\(kind)"
    try await environment.makeNamespace(namespace, Objects.verifying("\(kind)://signing/cosign.pub"))
    let missing = try await environment.apply(environment.signed.tagged, in: namespace)
    #expect(!missing.succeeded && missing.errors.contains("POLICY_"), "\(missing)")
    let key = environment.key.publicPEM
    try await environment.cluster.apply(
      kind == "secret"
        ? Objects.secret("signing", in: namespace, key: "cosign.pub", value: key)
        : Objects.configMap("signing", in: namespace, key: "cosign.pub", value: key))
    try await eventually("the key is read") {
      try await environment.apply(environment.signed.tagged, in: namespace).succeeded
    }
    #expect(try await environment.storedImage(in: namespace) == environment.signed.pinned)
  }

  @Test func `the API server's protocol is the expected one`() async throws {
    let environment = try ClusterEnvironment.current()
    try await environment.makeNamespace("protocol")
    let before = try await environment.webhook.metrics()
    try await environment.apply(environment.signed.tagged, in: "protocol").checked()
    let after = try await environment.webhook.metrics()
    // Versions before 1.24 offer webhooks HTTP/1.1 only.
    let speaksHTTP2 = try await environment.cluster.minorVersion() >= 24
    #expect(after.reviews(http2: speaksHTTP2) - before.reviews(http2: speaksHTTP2) >= 2)
    #expect(after.reviews(http2: !speaksHTTP2) == before.reviews(http2: !speaksHTTP2))
  }
}
