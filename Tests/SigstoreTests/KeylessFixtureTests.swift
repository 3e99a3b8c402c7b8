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
    return try FileBytes.read("\(folder)/\(path)", maximumBytes: 8 << 20)
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
      guard let data = (try? FileBytes.read("\(folder)/\(path)", maximumBytes: 2 << 20)).map({ Data($0) }),
        data.count < 1 << 20,
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

  /// The samples whose certificate does not hold under any root, and why it does not under their own.
  private static let refused = [
    "bundle-with-expired-cert.sigstore": "is not valid at 2026-05-07T15:34:11Z, only from",
    "v1.messageSignature.invalidExpiredCert.json": "is not valid at 2022-10-30T19:11:51Z, only from",
    // Its instance is another, whose root is not among these; it has no certificate log.
    "github-private-no-tlog/attestation.sigstore.json": "nothing trusted says when",
    // Its time-stamp authority is another.
    "V3.MESSAGE_SIGNATURE.WITH_SIGNING_CERT.json": "nothing trusted says when",
    "bundle_no_log_entry.txt.sigstore": "nothing trusted says when",
    "tsa/bundle.many_timestamp.sigstore": "it has 33 time-stamps, at most 32 are read",
  ]

  @Test func `the certificates of other projects' bundles hold under their own root, and under no other`() throws {
    let roots = try Self.roots.keys.map { (name: $0, root: try root($0)) }
    var accepted: [String: Int] = [:]
    var stamped = 0
    for sample in try samples() {
      var verdicts: [String] = []
      for (name, root) in roots {
        do throws(CandidateRejection) {
          let times = try SignedTimes.verify(sample.timestamps, over: sample.signature, root: root)
          let identity = try KeylessCertificate(sample.leaf).verify(
            signedTimes: sample.integratedTimes + times, root: root)
          #expect(identity.issuer.hasPrefix("http"))
          accepted[name, default: 0] += 1
          if !times.isEmpty { stamped += 1 }
          verdicts.append("accepted")
        } catch {
          verdicts.append(error.description)
        }
      }
      if let expected = Self.refused.first(where: { sample.name.hasSuffix($0.key) })?.value {
        #expect(verdicts.contains { $0.contains(expected) }, "\(sample.name): \(verdicts)")
        #expect(!verdicts.contains("accepted"), "\(sample.name)")
      } else {
        #expect(verdicts.filter { $0 == "accepted" }.count == 1, "\(sample.name): \(verdicts)")
      }
    }
    #expect(accepted["production", default: 0] >= 50)
    #expect(accepted["staging", default: 0] >= 12)
    #expect(accepted["scaffolding", default: 0] == 1)
    #expect(stamped >= 10)
  }

  @Test
  func
    `CVE-2024-55655, sigstore-js PR 1659, TOB-SIGSTORE-2..12: a time that no log signed and no authority stamped is none`()
    throws
  {
    let sample = try #require(
      try samples().first { $0.name.hasSuffix("bundle_v3_no_signed_time.txt.sigstore.json") })
    let error = try #require(throws: CandidateRejection.self) {
      try KeylessCertificate(sample.leaf).verify(signedTimes: [], root: root("production"))
    }
    #expect(error.description.contains("nothing trusted says when"))
  }

  @Test func `a late time-stamp is refused although another time is good`() throws {
    let sample = try #require(try samples().first { $0.name.hasSuffix("tsa/bundle.txt.late_timestamp.sigstore") })
    let leaf = sample.leaf.validity
    let late = try #require(leaf.end) + 1
    let times = sample.integratedTimes
    #expect(throws: Never.self) {
      try KeylessCertificate(sample.leaf).verify(signedTimes: times, root: root("production"))
    }
    let error = try #require(throws: CandidateRejection.self) {
      try KeylessCertificate(sample.leaf).verify(signedTimes: times + [late], root: root("production"))
    }
    #expect(error.description.contains("is not valid at"), "\(error)")
  }

  @Test func `time-stamps of the staging authority are read with and without certificates in them`() throws {
    let folder = "sigstore-java/sigstore-java/src/test/resources/dev/sigstore/samples/timestamp-response"
    let staging = try root("staging")
    let authorities = staging.timestampAuthorities.map { (chain: $0.chain, validity: $0.validity) }
    func verify(_ name: String, over message: String = "test\n") throws -> UnixTime {
      try TimestampToken.verify(
        response: bytes("\(folder)/\(name)"), over: Array(message.utf8), authorities: authorities
      ).time.lowerBound
    }
    #expect(try verify("valid/sigstage_tsa_response_with_embedded_certs.tsr") == 1_748_445_355)
    #expect(try verify("valid/sigstage_tsa_response_without_embedded_certs.tsr") == 1_748_445_478)
    for (name, message, check) in [
      ("valid/sigstage_tsa_response_with_embedded_certs.tsr", "other", TimestampError.Check.imprint),
      ("valid/freetsa_response.tsr", "test\n", .authority),
      ("valid/sigstore_tsa_response_with_embedded_certs.tsr", "test\n", .authority),
      ("invalid/sigstore_tsa_response_invalid.tsr", "test\n", .form),
    ] {
      let error = try #require(throws: TimestampError.self) { try verify(name, over: message) }
      #expect(error.check == check, "\(name): \(error)")
    }
  }

  @Test func `CVE-2026-39984: the published token with injected certificates is by none of them`() throws {
    let response = try bytes("timestamp-authority/pkg/verification/testdata/response-injected-certs.tsr")
    // The certificates in it, told by their DER: a sequence in a sequence with an explicit version.
    var found: [X509Certificate] = []
    for start in response.indices.dropLast(8) where response[start] == 0x30 && response[start + 1] == 0x82 {
      let count = Int(response[start + 2]) << 8 | Int(response[start + 3])
      guard start + 4 + count <= response.count else { continue }
      if let one = try? X509Certificate(der: Array(response[start..<(start + 4 + count)])) { found.append(one) }
    }
    #expect(found.contains { $0.description.contains("Spoofed TSA") })
    var reasons: Set<String> = []
    for leaf in found {
      for root in found where root != leaf {
        let error = try #require(throws: TimestampError.self) {
          try TimestampToken.verify(
            response: response, over: Array("TestRequest".utf8),
            authorities: [(chain: [leaf, root], validity: Validity(start: nil, end: nil))])
        }
        reasons.insert("\(leaf.description.contains("Spoofed")): \(error.check.rawValue)")
      }
    }
    #expect(reasons.contains("true: authority"), "\(reasons)")
  }
}
