import ArgumentParser
import Foundation
import Primitives
import Sigstore
import Testing

@testable import pinseal

/// Bundles of other projects' test data, through the command that conformance suites call.
///
/// `PINSEAL_FIXTURES` names a folder that holds them. Every negative names the check that must find it out: one that fails
/// for another reason proves nothing.
@Suite(.enabled(if: Fixtures.folder != nil, "PINSEAL_FIXTURES names no folder with the projects' bundles"))
struct ConformanceTests {
  @Test(arguments: ConformanceCase.all)
  func `a bundle of another project gets its verdict`(_ expected: ConformanceCase) throws {
    let verdict = try judge(expected)
    switch (expected.verdict, verdict) {
    case (.valid, .success): break
    case (.valid, .failure(let rejection)):
      Issue.record("\(expected): valid, but refused (\(rejection.reason.rawValue)): \(rejection.description)")
    case (.invalid, .success(let signature)):
      Issue.record("\(expected): accepted as signed by \(signature.signer.description)")
    case (.invalid(let reason, let words), .failure(let rejection)):
      #expect(rejection.reason == reason, "\(expected): \(rejection.description)")
      #expect(rejection.description.contains(words), "\(expected): \(rejection.description)")
    }
  }

  /// A valid bundle is one for its own artifact, signer and root, and for no other.
  @Test(arguments: ConformanceCase.all.filter { $0.verdict == .valid })
  func `a valid bundle is not valid for another artifact, signer or root`(_ valid: ConformanceCase) throws {
    var other = valid
    other.artifact = .text("sha256:" + String(repeating: "0", count: 64))
    var found = try reason(other)
    #expect(found == .otherDigest || found == .unsupported, "\(valid), another artifact")
    other = valid
    other.root = .fixture("sigstore-go/pkg/testing/data/trusted-roots/public-key-validity.json")
    let reasons: [CandidateRejection.Reason?] = [.logUnknown, .logProofInvalid, .certificateInvalid]
    found = try reason(other)
    #expect(reasons.contains(found), "\(valid), another root: \(String(describing: found))")
    switch valid.signer {
    case .key:
      other = valid
      other.signer = .key("sigstore-go/pkg/testing/data/public-keys/public-key-validity.pem")
      #expect(try reason(other) == .otherKey, "\(valid), another key")
      other.signer = .identity("somebody@example.com", issuer: "https://accounts.example.com")
      #expect(try reason(other) == .otherKey, "\(valid), an identity")
    case .identity(let identity, let issuer):
      other = valid
      other.signer = .identity(identity + "x", issuer: issuer)
      #expect(try reason(other) == .identityMismatch, "\(valid), another identity")
      other.signer = .identity(identity, issuer: issuer + "/")
      #expect(try reason(other) == .identityMismatch, "\(valid), another issuer")
      other.signer = .key("sigstore-go/examples/publish_key.pub")
      #expect(try reason(other) == .keyless, "\(valid), a key")
    }
  }

  @Test func `no bundle of the fixtures is left out`() throws {
    let folder = try #require(Fixtures.folder)
    let tested = Set(ConformanceCase.all.map(\.bundle))
    var found = 0
    for path in try FileManager.default.subpathsOfDirectory(atPath: folder).sorted() {
      guard let data = (try? FileBytes.read("\(folder)/\(path)", maximumBytes: 2 << 20)).map({ Data($0) }),
        data.count < 2 << 20,
        data.range(of: Data("\"verificationMaterial\"".utf8)) != nil
      else { continue }
      found += 1
      #expect(tested.contains(path), "\(path) is in no case")
    }
    #expect(found == tested.count)
  }

  private func reason(_ changed: ConformanceCase) throws -> CandidateRejection.Reason? {
    switch try judge(changed) {
    case .success: nil
    case .failure(let rejection): rejection.reason
    }
  }

  private func judge(_ wanted: ConformanceCase) throws -> Result<VerifiedSignature, CandidateRejection> {
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent("pinseal-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    let command = try #require(
      try Pinseal.parseAsRoot(["verify-bundle"] + wanted.arguments(scratch: folder.path)) as? VerifyBundle)
    return try command.judgement()
  }
}
