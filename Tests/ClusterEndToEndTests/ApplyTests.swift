import EndToEndSupport
import Testing

extension ClusterTests {
  @Test func `apply stores a signed image pinned, and applying again changes nothing`() async throws {
    let environment = try ClusterEnvironment.current()
    try await environment.makeNamespace("applied")
    for options in [[], [], ["--server-side", "--force-conflicts"], ["--server-side"]] {
      try await environment.apply(environment.signed.tagged, in: "applied", options: options).checked()
      #expect(try await environment.storedImage(in: "applied") == environment.signed.pinned)
      #expect(try await environment.stored("{.metadata.generation}", in: "applied") == "1")
    }
  }

  @Test func `server-side apply stores a signed image pinned`() async throws {
    let environment = try ClusterEnvironment.current()
    try await environment.makeNamespace("server-side")
    try await environment.apply(environment.signed.tagged, in: "server-side", options: ["--server-side"]).checked()
    #expect(try await environment.storedImage(in: "server-side") == environment.signed.pinned)
  }

  @Test(arguments: [[], ["--server-side"], ["--dry-run=server"]])
  func `an unsigned image is refused, and kubectl says why`(options: [String]) async throws {
    let environment = try ClusterEnvironment.current()
    try await environment.makeNamespace("refused")
    let outcome = try await environment.apply(environment.unsigned.tagged, in: "refused", options: options)
    #expect(!outcome.succeeded, "\(outcome)")
    for part in ["mutate.pinseal.dev", "denied the request", "SIGNATURE_NOT_FOUND", "db", environment.unsigned.tagged] {
      #expect(outcome.errors.contains(part), "\(outcome)")
    }
    #expect(try await environment.storedImage(in: "refused") == nil)
  }

  @Test func `a server-side dry run shows the pinned image and stores nothing`() async throws {
    let environment = try ClusterEnvironment.current()
    try await environment.makeNamespace("dry-run")
    let outcome = try await environment.apply(
      environment.signed.tagged, in: "dry-run",
      options: ["--dry-run=server", "-o", "jsonpath={.spec.template.spec.containers[0].image}"]
    ).checked()
    #expect(outcome.output == environment.signed.pinned)
    #expect(try await environment.storedImage(in: "dry-run") == nil)
  }

  @Test func `diff reaches Pinseal and shows what would be stored`() async throws {
    let environment = try ClusterEnvironment.current()
    try await environment.makeNamespace("diffed")
    try await environment.apply(environment.signed.tagged, in: "diffed").checked()
    let before = try await environment.webhook.metrics().reviews
    let outcome = try await environment.cluster.kubectl(
      ["diff", "-f", "-"], input: Objects.statefulSet("db", in: "diffed", image: environment.signedToo.tagged))
    #expect(outcome.status == 1, "\(outcome)")
    #expect(outcome.output.contains("+      - image: \(environment.signedToo.pinned)"), "\(outcome)")
    #expect(try await environment.webhook.metrics().reviews > before)
    #expect(try await environment.storedImage(in: "diffed") == environment.signed.pinned)
  }

  @Test func `set image takes a signed image and refuses an unsigned one`() async throws {
    let environment = try ClusterEnvironment.current()
    try await environment.makeNamespace("set-image")
    try await environment.apply(environment.signed.tagged, in: "set-image").checked()
    func setImage(_ image: String) async throws -> Outcome {
      try await environment.cluster.kubectl(["set", "image", "statefulset/db", "-n", "set-image", "db=\(image)"])
    }
    try await setImage(environment.signedToo.tagged).checked()
    #expect(try await environment.storedImage(in: "set-image") == environment.signedToo.pinned)
    let refused = try await setImage(environment.unsigned.tagged)
    #expect(!refused.succeeded && refused.errors.contains("SIGNATURE_NOT_FOUND"), "\(refused)")
    #expect(try await environment.storedImage(in: "set-image") == environment.signedToo.pinned)
  }

  @Test func `validation alone refuses what nobody pinned`() async throws {
    let environment = try ClusterEnvironment.current()
    try await environment.makeNamespace("validated")
    let mutating = try await environment.cluster.kubectl(
      ["get", "mutatingwebhookconfiguration", "pinseal-mutate", "-o", "json"]
    ).checked().output
    try await environment.cluster.kubectl(["delete", "mutatingwebhookconfiguration", "pinseal-mutate"]).checked()
    do {
      try await eventually("an image that is not pinned is refused by validation") {
        let outcome = try await environment.apply(
          environment.signed.tagged, in: "validated", options: ["--dry-run=server"])
        return !outcome.succeeded && outcome.errors.contains("validate.pinseal.dev")
          && outcome.errors.contains("IMAGE_NOT_PINNED")
      }
      try await environment.apply(environment.signed.pinned, in: "validated").checked()
    } catch {
      Issue.record(error)
    }
    try await environment.cluster.kubectl(["create", "-f", "-"], input: mutating).checked()
    try await eventually("the mutating webhook is asked again") {
      try await environment.apply(environment.signed.tagged, in: "validated").succeeded
    }
    #expect(try await environment.storedImage(in: "validated") == environment.signed.pinned)
  }
}
