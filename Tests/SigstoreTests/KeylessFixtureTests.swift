import Crypto
import Foundation
import JSON
import Primitives
import Sigstore
import Testing

/// Certificates and time-stamps of other projects' bundles, where `PINSEAL_FIXTURES` names a folder that holds them.
@Suite(
  .enabled(
    if: ProcessInfo.processInfo.environment["PINSEAL_FIXTURES"] != nil,
    "PINSEAL_FIXTURES names no folder with the projects' bundles"))
struct KeylessFixtureTests {
  private static let roots = [
    "production": "root-signing/targets/trusted_root.json",
    "staging": "sigstore-python/sigstore/_store/https%3A%2F%2Ftuf-repo-cdn.sigstage.dev/trusted_root.json",
    "scaffolding": "sigstore-go/pkg/testing/data/trusted-roots/scaffolding.json",
  ]

  private func bytes(_ path: String) throws -> [UInt8] {
    let folder = try #require(ProcessInfo.processInfo.environment["PINSEAL_FIXTURES"])
    return [UInt8](try Data(contentsOf: URL(fileURLWithPath: "\(folder)/\(path)")))
  }

  private func root(_ name: String) throws -> TrustedRoot {
    try TrustedRoot(parsing: bytes(try #require(Self.roots[name])))
  }

  private struct Sample {
    let name: String
    let leaf: X509Certificate
    /// As the bundle says; not verified here.
    let integratedTimes: [UnixTime]
    let timestamps: [[UInt8]]
    let signature: [UInt8]
  }

  private func samples() throws -> [Sample] {
    let folder = try #require(ProcessInfo.processInfo.environment["PINSEAL_FIXTURES"])
    var samples: [Sample] = []
    for path in try FileManager.default.subpathsOfDirectory(atPath: folder).sorted() {
      guard let data = FileManager.default.contents(atPath: "\(folder)/\(path)"), data.count < 1 << 20,
        data.starts(with: Data("{".utf8)), data.range(of: Data("dev.sigstore.bundle".utf8)) != nil,
        let bundle = try? JSONDocument([UInt8](data)).root, let material = bundle["verificationMaterial"]
      else { continue }
      func base64(_ value: JSONValue?) throws -> [UInt8]? {
        try value.map { try $0.string() }.flatMap { Base64.decode($0, dialect: .protobuf) }
      }
      let certificate =
        try material["certificate"]?["rawBytes"]
        ?? material["x509CertificateChain"]?["certificates"]?.elements().first?["rawBytes"]
      guard let der = try? base64(certificate) else { continue }
      let signature =
        try base64(bundle["messageSignature"]?["signature"])
        ?? base64(bundle["dsseEnvelope"]?["signatures"]?.elements().first?["sig"])
      var times: [UnixTime] = []
      for entry in try material["tlogEntries"]?.elements() ?? [] {
        if let text = try? entry["integratedTime"]?.string(), let time = UnixTime(text), time > 0 { times.append(time) }
      }
      var timestamps: [[UInt8]] = []
      if let list = material["timestampVerificationData"]?["rfc3161Timestamps"], list.kind == .array {
        for one in try list.elements() { timestamps.append(try base64(one["signedTimestamp"]) ?? []) }
      }
      samples.append(
        Sample(
          name: path, leaf: try X509Certificate(der: der), integratedTimes: times, timestamps: timestamps,
          signature: signature ?? []))
    }
    return samples
  }

  @Test func `explore`() throws {
    let all = try Self.roots.keys.map { ($0, try root($0)) }
    for sample in try samples() {
      for (name, root) in all {
        do {
          let times = try SignedTimes.verify(sample.timestamps, over: sample.signature, root: root)
          let identity = try KeylessCertificate.verify(
            leaf: sample.leaf, signedTimes: sample.integratedTimes + times, root: root)
          print("OK", sample.name, name, identity, times.count, "of", sample.timestamps.count)
        } catch {
          print("NO", sample.name, name, error)
        }
      }
    }
  }
}
