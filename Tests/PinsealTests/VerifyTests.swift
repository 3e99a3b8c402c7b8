import ArgumentParser
import Crypto
import EmbeddedRegistry
import Foundation
import HTTPServer
import JSON
import Logging
import Primitives
import Testing
import Verification

@testable import pinseal

/// `pinseal verify` against a registry over HTTP.
@Suite struct VerifyTests {
  private static let repository = "team/app"

  /// Runs the command's work upon a registry that `fill` has filled; `arguments` come behind the image and the key.
  private func verify(
    tag: String = "v1", key: PrivateKey, _ arguments: [String] = ["--ignore-tlog"],
    authentication: Authentication = .none, _ fill: (EmbeddedRegistry, Digest) throws -> Void
  ) async throws -> VerifyReport {
    var configuration = EmbeddedRegistry.Configuration()
    configuration.authentication = authentication
    let registry = EmbeddedRegistry(configuration)
    let digest = try registry.pushImage(repository: Self.repository, tag: "v1")
    try fill(registry, digest)
    let server = try Server.start(
      address: "127.0.0.1:0", tls: nil, limits: EmbeddedRegistry.serverLimits, handler: registry,
      logger: Logger(label: "registry"))
    let folder = try TemporaryFolder(name: "verify")
    defer { folder.remove() }
    let keyFile = "\(folder.path)/key.pem"
    try key.publicKey.pem.write(toFile: keyFile, atomically: true, encoding: .utf8)
    let address = "127.0.0.1:\(server.port)"
    let parsed = try Pinseal.parseAsRoot(
      ["verify", "\(address)/\(Self.repository):\(tag)", "--key", keyFile, "--insecure-registry", address] + arguments)
    let command = try #require(parsed as? Verify)
    let report: VerifyReport
    do { report = try await command.report() } catch {
      await server.drain()
      throw error
    }
    await server.drain()
    return report
  }

  private let key = Result { () throws(KeyError) in try PrivateKey(generating: .p256) }

  @Test(arguments: SignatureFormat.allCases)
  func `a signed image is verified, and each step that led there is told`(_ format: SignatureFormat) async throws {
    let key = try key.get()
    var signed: Digest?
    let report = try await verify(key: key) { registry, digest in
      signed = digest
      try registry.attachSignature(repository: Self.repository, digest: digest, key: key, as: format)
    }
    #expect(report.status == 0, "\(report.text)")
    let root = try JSONDocument(Array(report.json.utf8)).root
    #expect(try root.member("verdict").string() == "verified")
    #expect(try root.member("digest").string() == signed?.description)
    #expect(try root.member("pinned").string().hasSuffix("/team/app:v1@\(try #require(signed))"))
    #expect(
      try root.member("signature").member("signer").member("fingerprint").string()
        == key.publicKey.fingerprint.description)
    let steps = try root.member("steps").elements().map { try $0.member("name").string() }
    #expect(steps.first == "resolving the tag v1")
    #expect(steps.count >= 2)
    let candidates = try root.member("places").elements().flatMap { try $0.member("candidates").elements() }
    #expect(candidates.count == 1)
    let candidate = try #require(candidates.first)
    #expect(try candidate.member("counts").bool())
    let checks = try candidate.member("checks").elements()
    #expect(try checks.map { try $0.member("check").string() } == ["form", "signature", "content", "policy"])
    #expect(try checks.allSatisfy { try $0.member("passed").bool() })
    for word in ["VERIFIED", "resolving the tag v1", "signature    passed", key.publicKey.fingerprint.description] {
      #expect(report.text.contains(word), "\(report.text)")
    }
  }

  @Test func `an unsigned image is not verified`() async throws {
    let report = try await verify(key: key.get()) { _, _ in }
    #expect(report.status == 1)
    let root = try JSONDocument(Array(report.json.utf8)).root
    #expect(try root.member("verdict").string() == "refused")
    #expect(try root.member("code").string() == "SIGNATURE_NOT_FOUND")
    #expect(try root.member("places").elements().count == 2)
    #expect(report.text.contains("NOT VERIFIED  SIGNATURE_NOT_FOUND"), "\(report.text)")
  }

  @Test func `a foreign signature is shown with the check that it failed`() async throws {
    let report = try await verify(key: key.get()) { registry, digest in
      let stranger = try PrivateKey(generating: .p256)
      try registry.attachSignature(repository: Self.repository, digest: digest, key: stranger)
    }
    #expect(report.status == 1)
    let root = try JSONDocument(Array(report.json.utf8)).root
    #expect(try root.member("code").string() == "SIGNATURE_KEY_MISMATCH")
    let place = try #require(try root.member("places").elements().first)
    #expect(try place.member("store").string() == "signatureTag")
    let candidate = try #require(try place.member("candidates").elements().first)
    #expect(try candidate.member("code").string() == "otherKey")
    #expect(try !candidate.member("counts").bool())
    let checks = try candidate.member("checks").elements()
    #expect(try checks.map { try $0.member("check").string() } == ["form", "signature"])
    #expect(try checks.map { try $0.member("passed").bool() } == [true, false])
    #expect(report.text.contains("signature    FAILED"), "\(report.text)")
  }

  @Test func `without a proof of the log the signature does not count unless that is waived`() async throws {
    let key = try key.get()
    let report = try await verify(key: key, []) { registry, digest in
      try registry.attachSignature(repository: Self.repository, digest: digest, key: key)
    }
    #expect(report.status == 1)
    #expect(report.refusal?.code == .logProofMissing)
  }

  @Test func `a candidate without a signature is listed though it is not judged`() async throws {
    let report = try await verify(key: key.get()) { registry, digest in
      try registry.attachSimpleSigning(
        repository: Self.repository, digest: digest, payload: Array("{}".utf8), annotations: [:])
    }
    #expect(report.status == 1)
    let candidate = try #require(
      try JSONDocument(Array(report.json.utf8)).root.member("places").elements().first?.member("candidates").elements()
        .first)
    #expect(try candidate.member("label").string() == "layer 1")
    #expect(try candidate.member("message").string().contains("no annotation"))
    #expect(try candidate.member("checks").elements().isEmpty)
  }

  @Test func `what is not there is not verified, what does not answer is not decided`() async throws {
    let report = try await verify(tag: "v2", key: key.get()) { _, _ in }
    #expect(report.status == 1)
    #expect(report.refusal?.code == .imageNotFound)

    let folder = try TemporaryFolder(name: "verify")
    defer { folder.remove() }
    try key.get().publicKey.pem.write(toFile: "\(folder.path)/key.pem", atomically: true, encoding: .utf8)
    let parsed = try Pinseal.parseAsRoot([
      "verify", "127.0.0.1:9/app:v1", "--key", "\(folder.path)/key.pem", "--ignore-tlog", "--insecure-registry",
      "127.0.0.1:9", "--timeout", "5s",
    ])
    let undecided = try await #require(parsed as? Verify).report()
    #expect(undecided.status == 2, "\(undecided.text)")
    #expect(undecided.text.contains("UNDECIDED"), "\(undecided.text)")
  }

  @Test func `a registry that lets nobody in leaves it undecided`() async throws {
    let key = try key.get()
    let report = try await verify(key: key, authentication: .basic) { registry, digest in
      try registry.attachSignature(repository: Self.repository, digest: digest, key: key)
    }
    #expect(report.refusal?.code == .registryUnauthorized)
    #expect(report.status == 2)
    #expect(try JSONDocument(Array(report.json.utf8)).root.member("verdict").string() == "undecided")
    #expect(report.text.contains("UNDECIDED  REGISTRY_UNAUTHORIZED"), "\(report.text)")
  }

  /// An interface: see `VerifyReport+JSON.swift`.
  @Test func `the members of the JSON are those that are documented`() async throws {
    let key = try key.get()
    let report = try await verify(key: key) { registry, digest in
      try registry.attachSignature(repository: Self.repository, digest: digest, key: key)
    }
    let root = try JSONDocument(Array(report.json.utf8)).root
    func names(_ value: JSONValue) throws -> [String] { try value.members().map(\.name) }
    #expect(
      try names(root) == [
        "image", "digest", "verdict", "code", "message", "pinned", "durationMicroseconds", "signature", "steps",
        "places",
      ])
    #expect(
      try names(root.member("signature"))
        == ["signer", "format", "annotations", "dockerReference", "times", "log"])
    #expect(try names(root.member("signature").member("signer")) == ["kind", "fingerprint", "subjects", "issuer"])
    #expect(
      try names(#require(root.member("steps").elements().first))
        == ["name", "startMicroseconds", "durationMicroseconds", "failure"])
    let place = try #require(try root.member("places").elements().first)
    #expect(
      try names(place) == [
        "store", "name", "startMicroseconds", "durationMicroseconds", "present", "judged", "others", "missing",
        "isOverLimit", "isGivenUp", "failures", "candidates",
      ])
    let candidate = try #require(try place.member("candidates").elements().first)
    #expect(
      try names(candidate) == [
        "label", "format", "code", "counts", "message", "startMicroseconds", "durationMicroseconds", "checks",
      ])
    #expect(
      try names(#require(candidate.member("checks").elements().first))
        == ["check", "passed", "startMicroseconds", "durationMicroseconds"])
  }
}
