import Crypto
import Foundation
import Primitives
import Sigstore
import Testing

/// Bundles of other projects' test data, where `PINSEAL_FIXTURES` names a folder that holds them.
@Suite(
  .enabled(
    if: ProcessInfo.processInfo.environment["PINSEAL_FIXTURES"] != nil,
    "PINSEAL_FIXTURES names no folder with the projects' bundles"))
struct FixtureTests {
  private func bundles() throws -> [(name: String, bytes: [UInt8])] {
    let folder = try #require(ProcessInfo.processInfo.environment["PINSEAL_FIXTURES"])
    var result: [(name: String, bytes: [UInt8])] = []
    for path in try FileManager.default.subpathsOfDirectory(atPath: folder).sorted() {
      guard let data = (try? FileBytes.read("\(folder)/\(path)", maximumBytes: 2 << 20)).map({ Data($0) }),
        data.count < 2 << 20
      else { continue }
      guard data.starts(with: Data("{".utf8)), data.range(of: Data("dev.sigstore.bundle".utf8)) != nil else { continue }
      result.append((path, [UInt8](data)))
    }
    return result
  }

  @Test func `no bundle of another project is an image's signature by our key`() throws {
    let key = try PrivateKey(generating: .p256).publicKey
    let digest = Digest(hashing: [])
    var reasons: [CandidateRejection.Reason: Int] = [:]
    for (name, bytes) in try bundles() {
      let verdict = try Verdict { try ImageSignature.verify(.bundle(bytes), imageDigest: digest, keys: [key]) }
      let reason = try #require(verdict.reason, "\(name)")
      reasons[reason, default: 0] += 1
      if name.hasSuffix("dsse-2sigs.sigstore.json") {
        #expect(reason == .malformed || reason == .keyless, "\(verdict)")
      }
    }
    #expect(reasons[.keyless, default: 0] > 0)
    #expect(reasons[.notAnImageSignature, default: 0] > 0)
    #expect(reasons[.malformed, default: 0] > 0)
  }
}
