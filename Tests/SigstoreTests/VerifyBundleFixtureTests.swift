import Crypto
import Foundation
import JSON
import Primitives
import Testing

@testable import Sigstore

/// Bundles of other projects, whole, where `PINSEAL_FIXTURES` names a folder that holds them.
@Suite(
  .enabled(
    if: ProcessInfo.processInfo.environment["PINSEAL_FIXTURES"] != nil,
    "PINSEAL_FIXTURES names no folder with the projects' bundles"))
struct VerifyBundleFixtureTests {
  /// What sigstore-go and its kin refuse too (fixtures' index), each by the check that its name is about.
  static let refused: [(suffix: String, reason: CandidateRejection.Reason)] = [
    ("dsse-2sigs.sigstore.json", .malformed), ("bundle-no-digest.sigstore", .malformed),
    ("bundle-with-bad-checkpoint-signature.sigstore", .logProofInvalid),
    ("bundle-with-expired-cert.sigstore", .logProofInvalid), ("bundle-with-mismatched-set.sigstore", .logProofInvalid),
    ("bundle-with-wrong-tlog-entry.sigstore", .logProofInvalid), ("bundle.dsse.bad-signature.sigstore", .otherKey),
    ("bundle.dsse.mismatched-envelope.sigstore", .logProofInvalid),
    ("bundle.dsse.mismatched-signature.sigstore", .logProofInvalid),
    ("bundle.dsse.rekor-v2.bad-entry-type.sigstore", .logProofInvalid),
    ("bundle.dsse.rekor-v2.bad-signature.sigstore", .otherKey),
    ("bundle.dsse.rekor-v2.mismatched-envelope.sigstore", .logProofInvalid),
    ("bundle.dsse.rekor-v2.mismatched-signature.sigstore", .logProofInvalid),
    ("v2.no.inclusion.sigstore", .logProofInvalid), ("v3.no.inclusion.sigstore", .logProofInvalid),
    ("v3_1.no.inclusion.sigstore", .logProofInvalid),
    ("github-private-no-tlog/attestation.sigstore.json", .logProofMissing),
    ("v1.dsse.invalidBadSignature.json", .notAnImageSignature),
    ("v1.messageSignature.invalidExpiredCert.json", .logProofInvalid),
    ("client-valid/v1.dsse.withPublicKey.json", .notAnImageSignature),
    ("client-valid/v1.dsse.withSigningCert.json", .notAnImageSignature),
    ("client-valid/v3.dsse.withSigningCert.json", .notAnImageSignature),
    ("V1.DSSE.WITH_SIGNING_CERT.TLOG_DSSE.json", .notAnImageSignature),
    ("V1.DSSE.WITH_SIGNING_CERT.TLOG_INTOTO.json", .notAnImageSignature),
    ("V3.DSSE.WITH_SIGNING_CERT.TLOG_DSSEV002.json", .notAnImageSignature),
    ("V3.MESSAGE_SIGNATURE.TLOG_HASHEDREKORDV002.json", .logProofInvalid),
    ("V3.MESSAGE_SIGNATURE.WITH_SIGNING_CERT.json", .logProofMissing),
    ("bundle_cve_2022_36056.txt.sigstore", .logProofInvalid), ("bundle_no_cert_v1.txt.sigstore", .malformed),
    ("bundle_no_checkpoint.txt.sigstore", .logProofInvalid), ("bundle_no_log_entry.txt.sigstore", .logProofMissing),
    ("bundle_v3_no_signed_time.txt.sigstore.json", .timestampInvalid),
    ("Python-3.12.5.tgz.sigstore", .logProofInvalid), ("bundle.many_timestamp.sigstore", .malformed),
    ("bundle.txt.late_timestamp.sigstore", .certificateInvalid),
    // Stricter than sigstore-go: the checkpoint's origin is a name of a host inside the cluster, not the log's.
    ("othername.sigstore.json", .logProofInvalid),
    // By keys, which are given below.
    ("bundle-publish.json", .otherKey), ("public-key-validity.sigstore.json", .otherKey),
    ("V1.MESSAGE_SIGNATURE.WITH_PUBLIC_KEY.json", .otherKey),
  ]

  private func bytes(_ path: String) throws -> [UInt8] {
    let folder = try #require(ProcessInfo.processInfo.environment["PINSEAL_FIXTURES"])
    return try FileBytes.read("\(folder)/\(path)", maximumBytes: 8 << 20)
  }

  private func trust() throws -> TrustedRoot {
    TrustedRoot(
      combining: try [
        "root-signing/targets/trusted_root.json",
        "sigstore-python/sigstore/_store/https%3A%2F%2Ftuf-repo-cdn.sigstage.dev/trusted_root.json",
        "sigstore-go/pkg/testing/data/trusted-roots/scaffolding.json",
      ].map { try TrustedRoot(parsing: bytes($0)) })
  }

  /// What the bundle itself says that it is of.
  private func artifact(_ bundle: [UInt8]) -> SignedArtifact? {
    guard let root = try? JSONDocument(bundle).root else { return nil }
    func decoded(_ value: JSONValue?) -> [UInt8]? {
      value.flatMap { try? $0.string() }.flatMap { Base64.decode($0, dialect: .protobuf) }
    }
    if let digest = decoded(root["messageSignature"]?["messageDigest"]?["digest"]) {
      if let parsed = try? Digest(parsing: "sha256:" + Hex.encode(digest)) { return SignedArtifact(digest: parsed) }
      // Longer digests are of sigstore-java's samples, all of one text.
      return (try? bytes("sigstore-java/sigstore-java/src/test/resources/dev/sigstore/samples/bundles/artifact.txt"))
        .map { SignedArtifact(bytes: $0) }
    }
    guard let payload = decoded(root["dsseEnvelope"]?["payload"]), let statement = try? JSONDocument(payload).root,
      let members = try? statement["subject"]?.elements().first?["digest"]?.members(), let first = members.first,
      let hex = try? first.value.string(), let digest = try? Digest(parsing: "\(first.name):\(hex)")
    else { return nil }
    return SignedArtifact(digest: digest)
  }

  @Test func `every bundle gets the verdict that its projects give it, or a stricter one for a known reason`() throws {
    let folder = try #require(ProcessInfo.processInfo.environment["PINSEAL_FIXTURES"])
    let trust = try trust()
    let anybody = IdentityMatcher(
      identity: .pattern(try AnchoredPattern(".*")), issuer: .pattern(try AnchoredPattern(".*")))
    let key = try PrivateKey(generating: .p256).publicKey
    let demand = SignatureDemand(keys: [TrustedKey(key)], identities: [anybody], requiresLog: true)
    var accepted = 0
    for path in try FileManager.default.subpathsOfDirectory(atPath: folder).sorted() {
      guard let data = (try? FileBytes.read("\(folder)/\(path)", maximumBytes: 2 << 20)).map({ Data($0) }),
        data.count < 1 << 20,
        data.starts(with: Data("{".utf8)), data.range(of: Data("dev.sigstore.bundle".utf8)) != nil
      else { continue }
      let bytes = [UInt8](data)
      let verdict = try Verdict {
        try ImageSignature.verifyBundle(
          bytes, artifact: artifact(bytes) ?? SignedArtifact(bytes: []), demand: demand, trust: trust, now: 0)
      }
      let expected = Self.refused.first { path.hasSuffix($0.suffix) }?.reason
      #expect(verdict.reason == expected, "\(path): \(verdict)")
      accepted += verdict.reason == nil ? 1 : 0
    }
    #expect(accepted >= 35)
  }

  @Test func `CVE-2026-54787: the key's window is compared with the time-stamp's time`() throws {
    let folder = "sigstore-go/pkg/testing/data"
    let bundle = try bytes("\(folder)/bundles/public-key-validity.sigstore.json")
    let keys = try ProcessInfo.processInfo.environment["PINSEAL_FIXTURES"].map { root in
      try FileManager.default.subpathsOfDirectory(atPath: root).filter {
        $0.contains("public-key-validity") && ($0.hasSuffix(".pem") || $0.hasSuffix(".pub"))
      }
    }
    let path = try #require(keys?.first)
    let key = try #require(PublicKey.parsePEM(String(decoding: bytes(path), as: UTF8.self)).first)
    let roots = try #require(
      try ProcessInfo.processInfo.environment["PINSEAL_FIXTURES"].map { root in
        try FileManager.default.subpathsOfDirectory(atPath: root).filter {
          $0.contains("public-key-validity") && $0.contains("root")
        }
      })
    let trust = try TrustedRoot(parsing: bytes(try #require(roots.first)))
    func verdict(_ validity: Validity) throws -> Verdict {
      try Verdict {
        try ImageSignature.verifyBundle(
          bundle, artifact: artifact(bundle) ?? SignedArtifact(bytes: []),
          demand: SignatureDemand(keys: [TrustedKey(key, validity: validity)], requiresLog: false), trust: trust,
          now: 0)
      }
    }
    #expect(try verdict(Validity()).reason == nil)
    #expect(try verdict(Validity(start: 1, end: nil)).reason == nil, "the time-stamp's time, not the clock's")
    #expect(try verdict(Validity(start: nil, end: 1)).reason == .keyOutsideValidity)
  }

  @Test func `npm's key made npm's attestation`() throws {
    let bundle = try bytes("sigstore-go/examples/bundle-publish.json")
    let key = try #require(
      PublicKey.parsePEM(String(decoding: bytes("sigstore-go/examples/publish_key.pub"), as: UTF8.self)).first)
    let found = try ImageSignature.verifyBundle(
      bundle, artifact: try #require(artifact(bundle)), demand: SignatureDemand(keys: [key], requiresLog: true),
      trust: trust(), now: 0)
    #expect(found.key == key.fingerprint && found.isLogged)
  }
}
