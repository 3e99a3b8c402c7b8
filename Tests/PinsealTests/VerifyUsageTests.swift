import ArgumentParser
import Crypto
import Foundation
import Primitives
import Sigstore
import Testing

@testable import pinseal

@Suite struct VerifyUsageTests {
  private static let identity = [
    "--certificate-identity", "a@b.example", "--certificate-oidc-issuer", "https://i.example",
  ]

  /// Throws what the command line leads to, before anything is asked of a registry.
  private func wanted(_ arguments: [String]) throws -> VerifySigner.Wanted {
    let command = try #require(try Pinseal.parseAsRoot(["verify", "registry.invalid/app:v1"] + arguments) as? Verify)
    return try command.signer.wanted()
  }

  @Test func `a signer is a key, or an identity with its issuer`() throws {
    let folder = try TemporaryFolder(name: "usage")
    defer { folder.remove() }
    let file = "\(folder.path)/key.pem"
    let keys = try [PublicKey.Kind.p256, .ed25519].map { try PrivateKey(generating: $0).publicKey }
    try keys.map(\.pem).joined().write(toFile: file, atomically: true, encoding: .utf8)
    guard case .keys(let read) = try wanted(["--key", file]) else { throw ExitCode.failure }
    #expect(read == keys)
    guard case .identity = try wanted(Self.identity) else { throw ExitCode.failure }
    let patterns = [
      "--certificate-identity-regexp", ".*@b[.]example", "--certificate-oidc-issuer-regexp", "https://i.*",
    ]
    guard case .identity = try wanted(patterns) else { throw ExitCode.failure }
  }

  @Test(arguments: [
    [], ["--certificate-identity", "a@b.example"], ["--certificate-oidc-issuer", "https://i.example"],
    ["--certificate-identity", "", "--certificate-oidc-issuer", "https://i.example"],
    identity + ["--certificate-identity-regexp", "a.*"], identity + ["--key", "/key.pem"],
    ["--certificate-identity-regexp", "", "--certificate-oidc-issuer", "https://i.example"],
    ["--certificate-identity-regexp", "a(", "--certificate-oidc-issuer", "https://i.example"],
    ["--key", "/no/such/file"], ["--key", "/dev/null"],
  ])
  func `anything else is wrong usage`(arguments: [String]) throws {
    #expect(throws: ValidationError.self) { try wanted(arguments) }
  }

  @Test(arguments: [
    ["--timeout", "1h"], ["--signed-identity", "exact"], ["--signature-annotation", "novalue"],
    ["--signature-annotation", "=v"], ["--signature-annotation", "a=1", "--signature-annotation", "a=2"],
    ["--signature-annotation", "a=" + String(repeating: "v", count: 4096)],
    ["--trusted-root", "/no/such/file"], ["--trusted-root", "/dev/null"], ["--docker-config", "/no/such/file"],
    ["--rekor-public-key", "/no/such/file"], ["--registry-ca", "/no/such/file"], ["--insecure-registry", ""],
    ["--insecure-registry", "http://registry.invalid"], ["--insecure-registry", "registry.invalid/app"],
    ["--insecure-registry", "registry"],
  ])
  func `an option that cannot be used is wrong usage, and nothing is asked`(arguments: [String]) async throws {
    let command = try #require(
      try Pinseal.parseAsRoot(["verify", "registry.invalid/app:v1"] + Self.identity + arguments) as? Verify)
    await #expect(throws: ValidationError.self) { try await command.report() }
  }

  @Test func `a reference that is none is wrong usage`() async throws {
    let command = try #require(try Pinseal.parseAsRoot(["verify", "A B"] + Self.identity) as? Verify)
    await #expect(throws: ValidationError.self) { try await command.report() }
  }

  @Test(arguments: [
    ["verify"], ["verify", "a", "--nonsense"], ["verify-bundle", "x"], ["verify-bundle", "--staging"],
  ])
  func `wrong usage ends with 2, and neither with 0 nor with 1`(arguments: [String]) throws {
    do {
      _ = try Pinseal.parseAsRoot(arguments)
      Issue.record("that can be parsed")
    } catch {
      let status = Pinseal.exitCode(for: error).rawValue
      #expect(status != 0)
      #expect(VerifyExit.status(of: error, parsed: status, arguments: arguments) == 2)
    }
  }

  @Test func `help ends with 0, other commands and verdicts as they say`() throws {
    #expect(VerifyExit.status(of: CleanExit.helpRequest(), parsed: 0, arguments: ["verify", "--help"]) == 0)
    #expect(VerifyExit.status(of: ValidationError("x"), parsed: 64, arguments: ["serve"]) == 64)
    #expect(VerifyExit.status(of: ExitCode(1), parsed: 1, arguments: ["verify", "a"]) == 1)
    #expect(VerifyExit.status(of: ValidationError("x"), parsed: 64, arguments: ["verify", "a"]) == 2)
  }

  /// gitsign's said 0 when it fell over. What ends by a trap ends by a signal, which no caller takes for 0.
  @Test(arguments: ["verify", "verify-bundle"])
  func `CVE-2026-44310: an error that nobody foresaw ends with 2`(command: String) {
    struct Unforeseen: Error {}
    let status = Pinseal.exitCode(for: Unforeseen()).rawValue
    #expect(VerifyExit.status(of: Unforeseen(), parsed: status, arguments: [command, "a"]) == 2)
  }

  // MARK: verify-bundle

  private func judge(_ arguments: [String]) throws {
    let command = try #require(try Pinseal.parseAsRoot(["verify-bundle"] + arguments) as? VerifyBundle)
    _ = try command.judgement()
  }

  @Test func `the staging root is asked for, since it is not built in`() throws {
    #expect(throws: ValidationError.self) {
      try judge(["--staging", "--bundle", "/dev/null", "/dev/null"] + Self.identity)
    }
  }

  @Test(arguments: ["sha256:", "sha256:abc", "sha512:00", "/no/such/file", "/"])
  func `an artifact that cannot be read is no valid one`(artifact: String) throws {
    let folder = try TemporaryFolder(name: "usage")
    defer { folder.remove() }
    let bundle = "\(folder.path)/bundle.json"
    try "{}".write(toFile: bundle, atomically: true, encoding: .utf8)
    #expect(throws: ValidationError.self) { try judge(["--bundle", bundle, artifact] + Self.identity) }
  }

  @Test(arguments: ["", "{}", "[]", "null", "{\"mediaType\":1}"])
  func `a bundle that is none is not valid`(text: String) throws {
    let folder = try TemporaryFolder(name: "usage")
    defer { folder.remove() }
    let bundle = "\(folder.path)/bundle.json"
    try text.write(toFile: bundle, atomically: true, encoding: .utf8)
    let command = try #require(
      try Pinseal.parseAsRoot(["verify-bundle", "--bundle", bundle, bundle] + Self.identity) as? VerifyBundle)
    guard case .failure(let rejection) = try command.judgement() else { throw ExitCode.failure }
    #expect(rejection.reason == .malformed)
    #expect(throws: ExitCode(1)) { try command.run() }
  }
}
