import Crypto
import Foundation
import JSON
import Primitives
import Testing

@testable import Sigstore

/// The log entries of other projects' bundles, of Sigstore's public instances, where `PINSEAL_FIXTURES` names their folder.
@Suite(.enabled(if: Fixtures.folder != nil, "PINSEAL_FIXTURES names no folder"))
struct LogFixtureTests {
  /// Production, staging with its former logs, and a local instance.
  private func root() throws -> TrustedRoot {
    let names = [
      "root-signing/targets/trusted_root.json",
      "sigstore-python/sigstore/_store/https%3A%2F%2Ftuf-repo-cdn.sigstage.dev/trusted_root.json",
      "sigstore-go/pkg/testing/data/trusted-roots/scaffolding.json",
    ]
    return TrustedRoot(combining: try names.map { try TrustedRoot(parsing: Fixtures.bytes($0)) })
  }

  /// Bundles whose log entries do not hold, by the ends of their names, and the check that fails.
  static let refused: [String: (reason: CandidateRejection.Reason, check: String)] = [
    // The scaffolding instance signs under the name of the machine it runs on, not of its address.
    "bundles/othername.sigstore.json": (.logProofInvalid, "which is not of the log rekor.rekor-system"),
    "bundle-with-bad-checkpoint-signature.sigstore": (.logProofInvalid, "checkpoint has a signature by the log rekor"),
    "bundle-with-expired-cert.sigstore": (.logProofInvalid, "when its certificate was not valid"),
    "bundle-with-mismatched-set.sigstore": (.logProofInvalid, "entry timestamp does not verify"),
    "bundle-with-wrong-tlog-entry.sigstore": (.logProofInvalid, "hash of what is signed is another one"),
    "bundle.dsse.bad-signature.sigstore": (.logProofInvalid, "is of another signature"),
    "bundle.dsse.mismatched-envelope.sigstore": (.logProofInvalid, "hash of the envelope's payload is another one"),
    "bundle.dsse.mismatched-signature.sigstore": (.logProofInvalid, "is of another signature"),
    "bundle.dsse.rekor-v2.bad-entry-type.sigstore": (.logProofInvalid, "of Rekor v2 only hashedrekord 0.0.2"),
    "bundle.dsse.rekor-v2.bad-signature.sigstore": (.logProofInvalid, "is not the one of this signature"),
    "bundle.dsse.rekor-v2.mismatched-envelope.sigstore": (.logProofInvalid, "is not the one of this signature"),
    "bundle.dsse.rekor-v2.mismatched-signature.sigstore": (.logProofInvalid, "is not the one of this signature"),
    "bundle.v2.no.inclusion.sigstore": (.logProofInvalid, "which a bundle of version 0.2 must have"),
    "bundle.v3.no.inclusion.sigstore": (.logProofInvalid, "which a bundle of version 0.3 must have"),
    "bundle.v3_1.no.inclusion.sigstore": (.logProofInvalid, "which a bundle of version 0.3 must have"),
    "v1.dsse.invalidBadSignature.json": (.logProofInvalid, "hash of the envelope's payload is another one"),
    "v1.messageSignature.invalidExpiredCert.json": (.logProofInvalid, "when its certificate was not valid"),
    // sigstore-js takes an entry of a certificate over the key for one of the key.
    "v1.dsse.withPublicKey.json": (.logProofInvalid, "is of a certificate, but it is signed with a bare key"),
    "V1.MESSAGE_SIGNATURE.WITH_PUBLIC_KEY.json": (
      .logProofInvalid, "is of a certificate, but it is signed with a bare"
    ),
    "V3.DSSE.WITH_SIGNING_CERT.TLOG_DSSEV002.json": (.logProofInvalid, "of Rekor v2 only hashedrekord 0.0.2"),
    "V3.MESSAGE_SIGNATURE.TLOG_HASHEDREKORDV002.json": (.logProofInvalid, "is not the one of this signature"),
    "V3.MESSAGE_SIGNATURE.WITH_SIGNING_CERT.json": (.logProofMissing, "no entry of a transparency log"),
    "bundle_cve_2022_36056.txt.sigstore": (.logProofInvalid, "is of another signature"),
    "bundle_no_checkpoint.txt.sigstore": (.logProofInvalid, "has no checkpoint"),
    "bundle_no_log_entry.txt.sigstore": (.logProofMissing, "no entry of a transparency log"),
    "Python-3.12.5.tgz.sigstore": (.logProofInvalid, "has no checkpoint"),
  ]

  /// Bundles that say too little for an entry to be compared with: no digest, no version, no certificate.
  static let unreadable = [
    "bundle-no-digest.sigstore", "bundle_invalid_version.txt.sigstore", "bundle_no_cert_v1.txt.sigstore",
  ]

  private func bundles() throws -> [(name: String, json: JSONValue)] {
    var result: [(name: String, json: JSONValue)] = []
    for name in try Fixtures.names(under: ".") {
      guard let bytes = try? Fixtures.bytes(name), bytes.count < 1 << 20, bytes.first == UInt8(ascii: "{") else {
        continue
      }
      guard let root = try? JSONDocument(bytes).root, root["verificationMaterial"]?["tlogEntries"] != nil else {
        continue
      }
      result.append((String(name.dropFirst(2)), root))
    }
    return result
  }

  private func sample(_ name: String, _ bundle: JSONValue) throws -> LoggedSample? {
    let material = try bundle.member("verificationMaterial")
    let verifier: LoggedSignature.Verifier
    if material["publicKey"] != nil {
      let file =
        name.hasSuffix("bundle-publish.json")
        ? "sigstore-go/examples/publish_key.pub"
        : name.hasSuffix("withPublicKey.json")
          ? "sigstore-js/embedded/client-valid/key-1.pub" : "sigstore-js/embedded/verify/key.pub"
      let text = String(decoding: try Fixtures.bytes(file), as: UTF8.self)
      verifier = .key(try #require(try PublicKey.parsePEM(text).first))
    } else {
      let first = try material["x509CertificateChain"]?.member("certificates").elements().first
      guard let raw = try (material["certificate"] ?? first)?.member("rawBytes").string() else { return nil }
      verifier = .certificate(try X509Certificate(der: try #require(Base64.decode(raw, dialect: .protobuf))))
    }
    let type = try bundle.member("mediaType").string()
    let version = [BundleVersion.v01, .v02, .v03].first { type.contains($0.rawValue) }
    guard let version, let signature = try? LoggedSignature(bundle: bundle, verifier: verifier) else { return nil }
    return LoggedSample(signature: signature, proof: .bundle(bundle.document.bytes), version: version)
  }

  @Test func `each is judged as its project says, and by the check that it is made for`() throws {
    let logs = try root().transparencyLogs
    var accepted = 0
    var met: Set<String> = []
    for (name, bundle) in try bundles() {
      guard let sample = try sample(name, bundle) else {
        #expect(Self.unreadable.contains { name.hasSuffix("/\($0)") }, "\(name)")
        continue
      }
      let refusal = try refusal { try sample.verify(logs) }
      guard let expected = Self.refused.first(where: { name.hasSuffix("/\($0.key)") }) else {
        #expect(refusal == nil, "\(name): \(refusal?.description ?? "")")
        accepted += 1
        continue
      }
      met.insert(expected.key)
      #expect(
        refusal.names(expected.value.reason, expected.value.check), "\(name): \(refusal?.description ?? "accepted")")
    }
    #expect(met.count == Self.refused.count, "\(Set(Self.refused.keys).subtracting(met))")
    #expect(accepted >= 45)
  }

  @Test func `CVE-2024-55655: production's entry without timestamp gives no time`() throws {
    let name = "sigstore-python/test/assets/bundle_v3_no_signed_time.txt.sigstore.json"
    let sample = try #require(try sample(name, JSONDocument(Fixtures.bytes(name)).root))
    let proofs = try sample.verify(root().transparencyLogs)
    #expect(proofs.map(\.integratedTime) == [nil])
    #expect(proofs.map(\.logURL) == ["https://rekor.sigstore.dev"])
  }

  @Test func `production's Rekor v2 with its witnesses is verified, and staging's former logs`() throws {
    for (name, url) in [
      (
        "sigstore-java/sigstore-java/src/test/resources/dev/sigstore/samples/bundles/bundle.dsse.rekor-v2.sigstore",
        "https://log2025-1.rekor.sigstore.dev"
      ),
      (
        "sigstore-python/test/assets/a.dsse.staging-rekor-v2.txt.sigstore.json",
        "https://log2025-alpha3.rekor.sigstage.dev"
      ),
      ("sigstore-python/test/assets/staging-rekor-v2.txt.sigstore.json", "https://log2025-alpha1.rekor.sigstage.dev"),
    ] {
      let sample = try #require(try sample(name, JSONDocument(Fixtures.bytes(name)).root))
      #expect(try sample.verify(root().transparencyLogs).map(\.logURL) == [url])
    }
  }

  /// What cannot be checked with the trust root of that instance can be by its log's key.
  @Test func `a private log under the name of its machine is verified by its key alone`() throws {
    let scaffolding = try TrustedRoot(
      parsing: Fixtures.bytes("sigstore-go/pkg/testing/data/trusted-roots/scaffolding.json"))
    let root = TrustedRoot(transparencyLogKeys: scaffolding.transparencyLogs.map(\.key))
    let name = "sigstore-go/pkg/testing/data/bundles/othername.sigstore.json"
    let sample = try #require(try sample(name, JSONDocument(Fixtures.bytes(name)).root))
    #expect(try sample.verify(root.transparencyLogs).map(\.integratedTime) == [1_720_811_189])
  }
}
