import EndToEndSupport
import Foundation
import Testing

/// Namespaces as they are by default: a signature counts with the proof of a transparency log.
extension ClusterTests {
  /// The annotations that turn verification on, with the log that is trusted for it.
  private func logged(_ environment: ClusterEnvironment, _ logKey: String) -> [String: String] {
    ["image-verification": "enabled", "public-key": environment.key.publicPEM, "rekor-public-key": logKey]
  }

  /// A new image, signed by cosign 2.
  private func image(
    _ name: String, in repository: String = "logged/db", log: TestLog?, _ environment: ClusterEnvironment
  ) async throws -> TestImage {
    let image = try await environment.registry.push(repository, tag: name, content: "\(repository) \(name)")
    if let log {
      try await environment.signing.sign(image, with: environment.key, by: .cosign2, log: log)
    } else {
      try await environment.signing.sign(image, with: environment.key, by: .cosign2)
    }
    return image
  }

  private func expectRefusal(
    _ image: TestImage, in namespace: String, _ parts: String..., environment: ClusterEnvironment,
    location: SourceLocation = #_sourceLocation
  ) async throws {
    let outcome = try await environment.apply(image.tagged, in: namespace)
    #expect(!outcome.succeeded, "\(outcome)", sourceLocation: location)
    for part in ["mutate.pinseal.dev", "denied the request", image.tagged] + parts {
      #expect(outcome.errors.contains(part), "\(part) is not in \(outcome)", sourceLocation: location)
    }
  }

  @Test func `by default apply pins what is in the log, and refuses what is not until ignore-tlog is set`()
    async throws
  {
    let environment = try ClusterEnvironment.current()
    try await TestLog.with([.rekor1]) { logs in
      try await environment.makeNamespace("logged", logged(environment, logs[0].publicPEM))
      let proven = try await image("proven", log: logs[0], environment)
      try await environment.apply(proven.tagged, in: "logged").checked()
      #expect(try await environment.storedImage(in: "logged") == proven.pinned)
      #expect(try await environment.stored("{.metadata.generation}", in: "logged") == "1")

      let unlogged = try await image("unlogged", log: nil, environment)
      try await expectRefusal(
        unlogged, in: "logged", "LOG_PROOF_MISSING", "ignore-tlog", environment: environment)
      #expect(try await environment.storedImage(in: "logged") == proven.pinned)

      try await annotate("logged", "ignore-tlog=true", environment)
      try await eventually("the log is waived") {
        try await environment.apply(unlogged.tagged, in: "logged").succeeded
      }
      #expect(try await environment.storedImage(in: "logged") == unlogged.pinned)

      try await annotate("logged", "ignore-tlog=false", environment)
      try await eventually("the log is wanted again") {
        try await environment.apply(unlogged.tagged, in: "logged", options: ["--dry-run=server"]).errors
          .contains("LOG_PROOF_MISSING")
      }
    }
  }

  @Test func `a log proof that was removed, swapped or moved to another log is refused`() async throws {
    let environment = try ClusterEnvironment.current()
    let registry = environment.registry
    try await TestLog.with([.rekor1, .rekor1]) { logs in
      try await environment.makeNamespace("attacked", logged(environment, logs[0].publicPEM))
      // The log's key may lie in a ConfigMap as well.
      try await environment.makeNamespace("elsewhere", logged(environment, "configmap://log/rekor.pub"))
      try await environment.cluster.apply(
        Objects.configMap("log", in: "elsewhere", key: "rekor.pub", value: logs[1].publicPEM))

      let proven = try await image("proven", in: "attacked/db", log: logs[0], environment)
      let proof = try await registry.logAnnotation(of: proven)

      let removed = try await image("removed", in: "attacked/db", log: logs[0], environment)
      try await registry.replaceLogAnnotation(of: removed, by: nil)
      try await expectRefusal(removed, in: "attacked", "LOG_PROOF_MISSING", environment: environment)

      let swapped = try await image("swapped", in: "attacked/db", log: logs[0], environment)
      try await registry.replaceLogAnnotation(of: swapped, by: proof)
      try await expectRefusal(
        swapped, in: "attacked", "LOG_PROOF_INVALID", "hash of what is signed is another one",
        environment: environment)

      let foreign = try await image("foreign", in: "attacked/db", log: logs[1], environment)
      try await expectRefusal(
        foreign, in: "attacked", "LOG_PROOF_INVALID", "which is not trusted", environment: environment)
      try await environment.apply(foreign.tagged, in: "elsewhere").checked()
      #expect(try await environment.storedImage(in: "elsewhere") == foreign.pinned)

      // The other log's proof under the name of the trusted one.
      let moved = try await image("moved", in: "attacked/db", log: logs[1], environment)
      let movedProof = try await registry.logAnnotation(of: moved)
        .replacingOccurrences(of: logID(of: registry.logAnnotation(of: moved)), with: logID(of: proof))
      try await registry.replaceLogAnnotation(of: moved, by: movedProof)
      try await expectRefusal(
        moved, in: "attacked", "LOG_PROOF_INVALID", "entry timestamp does not verify", environment: environment)

      // A proof that was put back after a proof went missing is good again, so it was the proof that decided.
      try await registry.replaceLogAnnotation(of: proven, by: nil)
      try await expectRefusal(proven, in: "attacked", "LOG_PROOF_MISSING", environment: environment)
      try await registry.replaceLogAnnotation(of: proven, by: proof)
      try await eventually("the proof that was put back counts") {
        try await environment.apply(proven.tagged, in: "attacked").succeeded
      }
      #expect(try await environment.storedImage(in: "attacked") == proven.pinned)
    }
  }

  private func logID(of annotation: String) throws -> String {
    let root = try JSONSerialization.jsonObject(with: Data(annotation.utf8)) as? [String: Any]
    guard let identifier = (root?["Payload"] as? [String: Any])?["logID"] as? String else {
      throw EndToEndFailure("that log proof names no log: \(annotation)")
    }
    return identifier
  }
}
