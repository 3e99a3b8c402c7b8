import Crypto
import Foundation
import JSON
import Primitives
import Sigstore
import Testing

@testable import TrustRoot

struct BundledTrustRootTests {
  private static let certs = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent().appending(path: "certs").path

  @Test func `what is compiled in is what lies in certs, and its README names the hashes`() throws {
    let readme = String(decoding: try FileBytes.read("\(Self.certs)/README.md"), as: UTF8.self)
    for (name, compiledIn) in [
      ("trusted_root.json", BundledTrustRoot.trustedRoot), ("root.json", BundledTrustRoot.tufRoot),
    ] {
      #expect(try FileBytes.read("\(Self.certs)/\(name)") == compiledIn)
      #expect(
        readme.contains("| `\(Digest(hashing: compiledIn).hex)` |"), "certs/README.md has another hash for \(name)")
    }
  }

  @Test func `it is the trust root of 2026 of the public instance`() async throws {
    #expect(
      Digest(hashing: BundledTrustRoot.trustedRoot).hex
        == "6494e21ea73fa7ee769f85f57d5a3e6a08725eae1e38c755fc3517c9e6bc0b66")
    let store = try await TrustRootStore.open(.bundled, at: now, logger: quiet)
    let root = store.current.root
    #expect(root.transparencyLogs.count == 2)
    #expect(root.certificateLogs.count == 2)
    #expect(root.certificateAuthorities.count == 2)
    #expect(root.timestampAuthorities.count == 1)
    #expect(store.current.validUntil == nil)
  }

  @Test func `the TUF root beside it is signed by its own keys`() throws {
    let trust = try TUFTrust(root: BundledTrustRoot.tufRoot)
    #expect(trust.root.version >= 15)
    #expect(trust.root.hasConsistentSnapshots)
  }
}

/// The real chain of roots, where `PINSEAL_FIXTURES` names a folder that holds it.
@Suite(
  .enabled(
    if: ProcessInfo.processInfo.environment["PINSEAL_FIXTURES"] != nil,
    "PINSEAL_FIXTURES names no folder with sigstore/root-signing"))
struct PublicRootChainTests {
  private let folder: String

  init() throws {
    folder = try #require(ProcessInfo.processInfo.environment["PINSEAL_FIXTURES"]) + "/root-signing"
  }

  private func root(_ version: Int) throws -> [UInt8] {
    try FileBytes.read("\(folder)/metadata/root_history/\(version).root.json")
  }

  @Test func `fifteen roots follow one another`() throws {
    var trust = try TUFTrust(root: root(1))
    for version in 2...15 {
      try trust.update(root: root(version))
      #expect(trust.root.version == version)
    }
    #expect(trust.root.envelope.bytes == BundledTrustRoot.tufRoot)
  }

  @Test func `the timestamp of the last root verifies, until its date`() async throws {
    let bytes = try FileBytes.read("\(folder)/metadata/timestamp.json")
    var trust = try TUFTrust(root: root(15))
    try trust.update(timestamp: bytes, at: BundledTrustRoot.asOf)
    #expect(trust.timestamp?.snapshot.version == 165)
    await expectRefusal(.expired, "timestamp.json, version 762, expired at 2026-08-28T19:25:56Z") {
      var trust = try TUFTrust(root: try root(15))
      try trust.update(timestamp: bytes, at: BundledTrustRoot.asOf + 8 * 86_400)
    }
  }

  @Test(arguments: 1...14) func `a root that skips one, or goes back, is refused`(version: Int) async throws {
    let trust = try TUFTrust(root: root(version))
    for other in 1...15 where other != version + 1 {
      let bytes = try root(other)
      #expect(throws: TUFError.self, "from \(version) to \(other)") {
        var trust = trust
        try trust.update(root: bytes)
      }
    }
    await expectRefusal(.rollback, "is already trusted") {
      var trust = trust
      try trust.update(root: try root(version))
    }
  }

  @Test(arguments: 2...15) func `a root with one byte changed is refused`(version: Int) throws {
    let trust = try TUFTrust(root: root(version - 1))
    let bytes = try root(version)
    let signed = try JSONDocument(bytes).root.member("signed").range
    // Every 97th byte of what is signed; white space between members is not signed.
    for position in stride(from: signed.lowerBound, to: signed.upperBound, by: 97)
    where !" \n\t".utf8.contains(bytes[position]) {
      var changed = bytes
      changed[position] ^= 1
      #expect(throws: TUFError.self, "byte \(position)") {
        var trust = trust
        try trust.update(root: changed)
      }
    }
  }

  @Test func `the root whose online key had another identifier than its hash does not let that key count`() async throws
  {
    var trust = try TUFTrust(root: root(11))
    let envelope = try TUFEnvelope(FileBytes.read("\(folder)/metadata/timestamp.json"), role: .timestamp)
    await expectRefusal(.thresholdNotMet, "0 of the 1 different keys") { try trust.root.verify(envelope) }
    try trust.update(root: root(12))
    try trust.root.verify(envelope)
  }
}
