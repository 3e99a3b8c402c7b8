import Sigstore

// The verdicts are those of the strict reading: of a verifier that demands a log proof, and in which the log's entry, the
// bundle and the verification key are the same in everything.

extension ConformanceCase {
  /// Every bundle of the fixtures.
  static let all: [ConformanceCase] = sigstoreGo + sigstoreJS + sigstoreJava + sigstorePython

  private static func valid(
    _ bundle: String, _ artifact: Artifact, _ signer: Signer, _ root: Root = .bundled
  ) -> ConformanceCase {
    ConformanceCase(bundle: bundle, artifact: artifact, signer: signer, root: root, verdict: .valid)
  }

  private static func invalid(
    _ bundle: String, _ artifact: Artifact, _ signer: Signer, _ root: Root,
    _ reason: CandidateRejection.Reason, _ words: String
  ) -> ConformanceCase {
    ConformanceCase(
      bundle: bundle, artifact: artifact, signer: signer, root: root, verdict: .invalid(reason, words))
  }

  private static func invalid(
    _ bundle: String, _ artifact: Artifact, _ signer: Signer, _ reason: CandidateRejection.Reason, _ words: String
  ) -> ConformanceCase {
    invalid(bundle, artifact, signer, .bundled, reason, words)
  }

  private static let github = "https://github.com/login/oauth"
  private static let google = "https://accounts.google.com"
  private static let actions = "https://token.actions.githubusercontent.com"
  private static let beacon = Signer.identity(
    "https://github.com/sigstore-conformance/extremely-dangerous-public-oidc-beacon/.github/workflows/"
      + "extremely-dangerous-oidc-beacon.yml@refs/heads/main", issuer: actions)
  private static let stagingFile =
    "sigstore-python/sigstore/_store/https%3A%2F%2Ftuf-repo-cdn.sigstage.dev/trusted_root.json"
  private static let staging = Root.fixture(stagingFile)

  // MARK: sigstore-go

  private static let release = Signer.identity(
    "https://github.com/sigstore/sigstore-js/.github/workflows/release.yml@refs/heads/main", issuer: actions)
  private static let brian = Signer.identity("brian@dehamer.com", issuer: github)

  private static let sigstoreGo: [ConformanceCase] = {
    let go = "sigstore-go/pkg/testing/data"
    let dex = Signer.identity("foo!oidc.local", issuer: "http://oidc.local:8080")
    return [
      valid("sigstore-go/examples/bundle-publish.json", .named, .key("sigstore-go/examples/publish_key.pub")),
      valid("sigstore-go/examples/bundle-provenance.json", .named, release),
      valid("\(go)/bundles/sigstore.js@2.0.0-provenance.sigstore.json", .named, release),
      valid("\(go)/bundles/dsse.sigstore.json", .named, brian),
      // sigstore-go #225.
      invalid("\(go)/bundles/dsse-2sigs.sigstore.json", .named, brian, .malformed, "2 signatures"),
      // A certificate whose only name is an OtherName, critical. The log's checkpoint names the Pod that it ran in, where
      // the root's baseUrl has its address: other verifiers compare neither, here that is another log.
      invalid(
        "\(go)/bundles/othername.sigstore.json", .named, dex, .fixture("\(go)/trusted-roots/scaffolding.json"),
        .logProofInvalid, "has the origin"),
      valid(
        "\(go)/bundles/othername.sigstore.json", .named, dex,
        .renamed("\(go)/trusted-roots/scaffolding.json", log: "https://rekor-00001-deployment-56bf7777c9-jds5x")),
      invalid(
        "\(go)/bundles/public-key-validity.sigstore.json", .named,
        .key("\(go)/public-keys/public-key-validity.pem"),
        .fixture("\(go)/trusted-roots/public-key-validity.json"), .logProofMissing, "no proof of a transparency log"),
    ]
  }()

  // MARK: sigstore-js

  private static let sigstoreJS: [ConformanceCase] =
    [
      "V01-dsse-no-proof", "V01-dsse-with-proof", "V01-full-cert-chain", "V01-intoto-no-proof", "V01-intoto-with-proof",
      "V02-dsse", "V02-intoto", "V03-dsse", "V03-intoto",
    ].map { valid("sigstore-js/tests/bundles/bundle\($0).sigstore", .named, brian) } + sigstoreJSEmbedded

  private static let sigstoreJSEmbedded: [ConformanceCase] = {
    let js = "sigstore-js/embedded"
    let artifact = Artifact.fixture("\(js)/artifact")
    let notInToto = "around \"text/plain\""
    return [
      valid("\(js)/client-valid/v1.messageSignature.withSigningCert.json", artifact, brian),
      valid("\(js)/client-valid/v2.messageSignature.withSigningCert.json", artifact, brian),
      valid("\(js)/client-valid/v3.messageSignature.withSigningCert.json", artifact, brian),
      invalid(
        "\(js)/client-valid/v1.dsse.withPublicKey.json", artifact, .key("\(js)/client-valid/key-1.pub"),
        .notAnImageSignature, notInToto),
      invalid(
        "\(js)/client-valid/v1.dsse.withSigningCert.json", artifact, brian, .notAnImageSignature, notInToto),
      invalid(
        "\(js)/client-valid/v3.dsse.withSigningCert.json", artifact, brian, .notAnImageSignature, notInToto),
      invalid(
        "\(js)/client-invalid/v1.dsse.invalidBadSignature.json", artifact, brian, .notAnImageSignature, notInToto),
      invalid(
        "\(js)/client-invalid/v1.messageSignature.invalidExpiredCert.json", artifact, brian, .logProofInvalid,
        "certificate"),
      // The log's entry is of a certificate over the key, not of the key.
      invalid(
        "\(js)/verify/V1.MESSAGE_SIGNATURE.WITH_PUBLIC_KEY.json", artifact, .key("\(js)/verify/key.pub"),
        .logProofInvalid, "key"),
      valid("\(js)/verify/V1.MESSAGE_SIGNATURE.WITH_SIGNING_CERT.json", artifact, brian),
      invalid(
        "\(js)/verify/V1.DSSE.WITH_SIGNING_CERT.TLOG_DSSE.json", artifact, brian, .notAnImageSignature, notInToto),
      invalid(
        "\(js)/verify/V1.DSSE.WITH_SIGNING_CERT.TLOG_INTOTO.json", artifact, brian, .notAnImageSignature, notInToto),
      invalid(
        "\(js)/verify/V3.DSSE.WITH_SIGNING_CERT.TLOG_DSSEV002.json", artifact, brian, .notAnImageSignature, notInToto),
      // The log's entry is of the bare key, the bundle has a certificate.
      invalid(
        "\(js)/verify/V3.MESSAGE_SIGNATURE.TLOG_HASHEDREKORDV002.json", artifact, brian, .logProofInvalid,
        "not the one of this signature"),
      invalid(
        "\(js)/verify/V3.MESSAGE_SIGNATURE.WITH_SIGNING_CERT.json", artifact, brian, .logProofMissing,
        "no proof of a transparency log"),
    ]
  }()

  // MARK: sigstore-java

  private static let sigstoreJava: [ConformanceCase] = {
    let java = "sigstore-java/sigstore-java/src/test/resources/dev/sigstore/samples/bundles"
    let artifact = Artifact.fixture("\(java)/artifact.txt")
    let untrusted = Signer.identity("untrusted-sa@sigstore-conformance.iam.gserviceaccount.com", issuer: google)
    let appu = Signer.identity("appu@google.com", issuer: google)
    let aaron = Signer.identity("aaronlew@google.com", issuer: google)
    let aaTest = Signer.identity(
      "https://github.com/loosebazooka/aa-test/.github/workflows/provenance.yaml@refs/heads/main", issuer: actions)
    let keys = [
      "PKIX_ECDSA_P256_SHA_256", "PKIX_ECDSA_P384_SHA_384", "PKIX_ECDSA_P521_SHA_512", "PKIX_RSA_PKCS1V15_2048_SHA256",
      "PKIX_RSA_PKCS1V15_3072_SHA256", "PKIX_RSA_PKCS1V15_4096_SHA256",
    ].map { valid("\(java)/\($0).sigstore.json", artifact, untrusted) }
    let versions = ["bundle", "bundle.v1", "bundle.v2", "bundle.v3", "bundle.v3_1", "bundle.v1.no.inclusion"].map {
      valid("\(java)/\($0).sigstore", artifact, appu)
    }
    let withoutProof = ["bundle.v2", "bundle.v3", "bundle.v3_1"].map {
      invalid("\(java)/\($0).no.inclusion.sigstore", artifact, appu, .logProofInvalid, "no inclusion proof")
    }
    let others = [
      valid("\(java)/bundle.dsse.sigstore", artifact, aaTest),
      valid("\(java)/bundle.dsse.rekor-v2.sigstore", artifact, untrusted),
      valid("\(java)/bundle-with-rekor-v2-entry.sigstore", artifact, aaron, staging),
      valid("\(java)/bundle-with-timestamp.sigstore", artifact, aaron, staging),
      invalid("\(java)/bundle-no-digest.sigstore", artifact, appu, .malformed, "messageDigest"),
      invalid(
        "\(java)/bundle-with-bad-checkpoint-signature.sigstore", artifact, beacon, .logProofInvalid, "checkpoint"),
      invalid("\(java)/bundle-with-expired-cert.sigstore", artifact, untrusted, .logProofInvalid, "certificate"),
      invalid("\(java)/bundle-with-mismatched-set.sigstore", artifact, beacon, .logProofInvalid, "entry timestamp"),
      // CVE-2024-53267.
      invalid("\(java)/bundle-with-wrong-tlog-entry.sigstore", artifact, appu, .logProofInvalid, "another"),
      invalid("\(java)/bundle.dsse.bad-signature.sigstore", artifact, aaTest, .otherKey, "certificate"),
      invalid("\(java)/bundle.dsse.mismatched-envelope.sigstore", artifact, beacon, .logProofInvalid, "another"),
      invalid("\(java)/bundle.dsse.mismatched-signature.sigstore", artifact, beacon, .logProofInvalid, "another"),
      invalid(
        "\(java)/bundle.dsse.rekor-v2.bad-signature.sigstore", artifact, beacon, staging, .otherKey, "certificate"),
      invalid(
        "\(java)/bundle.dsse.rekor-v2.mismatched-envelope.sigstore", artifact, beacon, staging, .logProofInvalid,
        "not the one of this signature"),
      invalid(
        "\(java)/bundle.dsse.rekor-v2.mismatched-signature.sigstore", artifact, beacon, staging, .logProofInvalid,
        "not the one of this signature"),
      invalid(
        "\(java)/bundle.dsse.rekor-v2.bad-entry-type.sigstore", artifact, aaron, staging, .logProofInvalid, "dsse"),
      // GitHub's instance for private repositories has no log, which this command demands.
      invalid(
        "\(java)/github-private-no-tlog/attestation.sigstore.json", .named,
        .identity(
          "https://github.com/neverendingsupport/slsa-attestations/.github/workflows/attest.yml@"
            + "9f6d9dc1bfc02986955721eb15f89ad618f1cedb", issuer: actions),
        .line(1, "\(java)/github-private-no-tlog/trusted_root.jsonl"), .logProofMissing,
        "no proof of a transparency log"),
    ]
    return keys + versions + withoutProof + others
  }()

  // MARK: sigstore-python

  private static let sigstorePython: [ConformanceCase] = {
    let python = "sigstore-python/test/assets"
    func file(_ name: String) -> Artifact { .fixture("\(python)/\(name)") }
    let alex = Signer.identity("alex.cameron@trailofbits.com", issuer: google)
    let william = Signer.identity("william@yossarian.net", issuer: github)
    let alexis = Signer.identity("alexis.challande@trailofbits.com", issuer: google)
    // A certificate of the public-good instance in the log of the staging instance.
    let mixed = Root.combined(stagingFile, "root-signing/targets/trusted_root.json")
    let stamps = Root.configuration("\(python)/tsa/trust_config.json")
    let stamper = Root.stamping("\(python)/tsa/trust_config.json", authority: "\(python)/tsa/ca.json")
    return [
      valid("\(python)/bundle.txt.sigstore", file("bundle.txt"), .identity("a@tny.town", issuer: github), staging),
      valid("\(python)/bundle_v3.txt.sigstore", file("bundle_v3.txt"), william, staging),
      valid("\(python)/integration/bundle_v3.txt.sigstore", file("integration/bundle_v3.txt"), william, staging),
      valid("\(python)/bundle_v3_alt.txt.sigstore", file("bundle_v3_alt.txt"), william, staging),
      valid(
        "\(python)/bundle_v3_github.whl.sigstore", file("bundle_v3_github.whl"),
        .identity(
          "https://github.com/trailofbits/rfc8785.py/.github/workflows/release.yml@refs/tags/v0.1.2", issuer: actions)),
      valid(
        "\(python)/staging-rekor-v2.txt.sigstore.json", file("staging-rekor-v2.txt"),
        .identity("jku@goto.fi", issuer: github), staging),
      valid("\(python)/a.dsse.staging-rekor-v2.txt.sigstore.json", .named, beacon, staging),
      // Version 0.1 with an inclusion proof, but without the checkpoint that would sign its root.
      invalid(
        "\(python)/integration/Python-3.12.5.tgz.sigstore", .named,
        .identity("thomas@python.org", issuer: google), .logProofInvalid, "no checkpoint"),
      // CVE-2022-36056.
      invalid(
        "\(python)/bundle_cve_2022_36056.txt.sigstore", file("bundle_cve_2022_36056.txt"), william, staging,
        .logProofInvalid, "another"),
      // CVE-2024-55655.
      invalid(
        "\(python)/bundle_v3_no_signed_time.txt.sigstore.json", file("bundle_v3_no_signed_time.txt"), william,
        .timestampInvalid, "nothing trusted says when"),
      invalid(
        "\(python)/bundle_no_log_entry.txt.sigstore", file("bundle_no_log_entry.txt"), alex, .logProofMissing,
        "no proof of a transparency log"),
      invalid(
        "\(python)/bundle_no_cert_v1.txt.sigstore", file("bundle_no_cert_v1.txt"), alex, .malformed, "is empty"),
      invalid(
        "\(python)/bundle_invalid_version.txt.sigstore", file("bundle_invalid_version.txt"), william, staging,
        .malformed,
        "mediaType"),
      invalid(
        "\(python)/bundle_no_checkpoint.txt.sigstore", file("bundle_no_checkpoint.txt"), william, staging,
        .logProofInvalid, "no checkpoint"),
      // Time-stamps of an authority that is not trusted neither help nor harm. Those of a trusted one must hold: here one is
      // over another message ("hello"), which sigstore-go passes over.
      valid("\(python)/tsa/bundle.txt.sigstore", file("tsa/bundle.txt"), alexis, stamps),
      valid("\(python)/tsa/bundle.duplicate.sigstore", file("tsa/bundle.txt"), alexis, stamps),
      invalid(
        "\(python)/tsa/bundle.txt.sigstore", file("tsa/bundle.txt"), alexis, stamper, .timestampInvalid,
        "another message"),
      invalid(
        "\(python)/tsa/bundle.duplicate.sigstore", file("tsa/bundle.txt"), alexis, stamper, .timestampInvalid,
        "another message"),
      // CVE-2024-45395.
      invalid(
        "\(python)/tsa/bundle.many_timestamp.sigstore", file("tsa/bundle.txt"), alexis, stamps, .malformed,
        "33 elements, at most 32"),
      invalid(
        "\(python)/tsa/bundle.txt.late_timestamp.sigstore", file("tsa/bundle.txt"),
        .identity("insecure-cloudtop-shared-user@cloudtop-prod-us-east.iam.gserviceaccount.com", issuer: google),
        mixed, .certificateInvalid, "not valid at"),
    ]
  }()
}
