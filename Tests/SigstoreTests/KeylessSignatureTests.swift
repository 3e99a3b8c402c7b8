import CertificateForge
import Crypto
import JSON
import Primitives
import Testing

@testable import Sigstore

/// Signatures with certificates, judged by identities.
@Suite struct KeylessSignatureTests {
  let sigstore: ForgedSigstore
  let log: MemoryLog
  let signer: PrivateKey
  let certificate: [UInt8]
  let digest = Digest(hashing: Array("an image".utf8))
  static let now = ForgedSigstore.now

  init() throws {
    sigstore = try ForgedSigstore()
    log = MemoryLog(key: try PrivateKey(generating: .p256))
    signer = try PrivateKey(generating: .p256)
    certificate = try sigstore.issue(sigstore.leaf(key: signer))
  }

  func trust(logs: [String]? = nil) throws -> TrustedRoot {
    try TrustedRoot(parsing: sigstore.trustedRoot(logs: logs ?? [log.trustRootElement]))
  }

  static let jane = IdentityMatcher(identity: .exact("jane@example.com"), issuer: .exact("https://issuer.example.com"))

  func demand(
    keys: [PublicKey] = [], _ identities: [IdentityMatcher] = [jane], requiresLog: Bool = true
  ) -> SignatureDemand {
    SignatureDemand(keys: keys.map { TrustedKey($0) }, identities: identities, requiresLog: requiresLog)
  }

  enum Form: CaseIterable, Sendable { case legacy, bundle }

  /// A signature with the certificate; `loggedAt` and `stampedAt` nil for none.
  func candidate(
    _ form: Form, certificate: [UInt8]? = nil, signedBy key: PrivateKey? = nil, loggedAt: UnixTime? = now,
    stampedAt: UnixTime? = nil, loggedVerifier: [UInt8]? = nil, second: (log: MemoryLog, time: UnixTime)? = nil
  ) throws -> SignatureCandidate {
    let certificate = certificate ?? self.certificate
    let key = key ?? signer
    let pem =
      "-----BEGIN CERTIFICATE-----\n\(Base64.encode(loggedVerifier ?? certificate))\n-----END CERTIFICATE-----\n"
    switch form {
    case .legacy:
      let payload = ImageSignature.defaultPayload(dockerReference: "r/i", digest: digest)
      let signature = try key.sign(payload, scheme: .ecdsa(.sha256))
      var annotations = [
        MediaType.signatureAnnotation: Base64.encode(signature),
        "dev.sigstore.cosign/certificate":
          "-----BEGIN CERTIFICATE-----\n\(Base64.encode(certificate))\n-----END CERTIFICATE-----\n",
      ]
      if let loggedAt {
        annotations[MediaType.logAnnotation] =
          try log.logPayload(payload, signature: signature, verifierPEM: pem, at: loggedAt).annotation
      }
      if let stampedAt {
        let stamp = Base64.encode(try sigstore.stamp(signature, at: stampedAt))
        annotations["dev.sigstore.cosign/rfc3161timestamp"] = #"{"SignedRFC3161Timestamp":"\#(stamp)"}"#
      }
      return .simpleSigning(payload: payload, layerMediaType: MediaType.simpleSigning, annotations: annotations)
    case .bundle:
      let statement = ImageSigner.statement(digest: digest, predicateType: ImageSignature.predicateType)
      let encoding = Envelope.preAuthenticationEncoding(of: statement)
      let signature = try key.sign(encoding, scheme: .ecdsa(.sha256))
      var material = #""certificate":{"rawBytes":"\#(Base64.encode(certificate))"}"#
      let logs = (loggedAt.map { [(log, $0)] } ?? []) + (second.map { [($0.log, $0.time)] } ?? [])
      let entries = try logs.map { log, time in
        try log.logEnvelope(
          payload: statement, preAuthenticationEncoding: encoding, signature: signature, verifierPEM: pem, at: time)
      }
      if !entries.isEmpty { material += #","tlogEntries":[\#(entries.joined(separator: ","))]"# }
      if let stampedAt {
        let stamp = Base64.encode(try sigstore.stamp(signature, at: stampedAt))
        material += #","timestampVerificationData":{"rfc3161Timestamps":[{"signedTimestamp":"\#(stamp)"}]}"#
      }
      let text =
        #"{"mediaType":"\#(MediaType.bundleV03)","verificationMaterial":{\#(material)},"dsseEnvelope":{"payload":""#
        + Base64.encode(statement) + #"","payloadType":"application/vnd.in-toto+json","signatures":[{"sig":""#
        + Base64.encode(signature) + #""}]}}"#
      return .bundle(Array(text.utf8))
    }
  }

  func verify(
    _ candidate: SignatureCandidate, _ demand: SignatureDemand? = nil, trust: TrustedRoot? = nil
  ) throws -> VerifiedSignature {
    try ImageSignature.verify(
      candidate, imageDigest: digest, demand: demand ?? self.demand(), trust: trust ?? self.trust())
  }

  func verdict(
    _ candidate: SignatureCandidate, _ demand: SignatureDemand? = nil, trust: TrustedRoot? = nil
  ) throws -> Verdict {
    let trust = try trust ?? self.trust()
    return try Verdict { try verify(candidate, demand, trust: trust) }
  }

  @Test(arguments: Form.allCases) func `a logged signature by the identity is a fact that names it`(_ form: Form) throws
  {
    let found = try verify(candidate(form))
    guard case .identity(let identity) = found.signer else {
      Issue.record("no identity")
      return
    }
    #expect(identity.subjects == ["jane@example.com"])
    #expect(identity.issuer == "https://issuer.example.com")
    #expect(found.times == [Self.now])
    #expect(found.isLogged && found.key == nil && found.withoutEvidence == nil)
    #expect(demand().objection(to: found, now: 0) == nil)
  }

  @Test(arguments: Form.allCases)
  func `TOB-SIGSTORE-2..12: without a log it takes a timestamp authority's time, never the clock nor an unread log`(
    _ form: Form
  ) throws {
    let lax = demand(requiresLog: false)
    #expect(try verify(candidate(form, loggedAt: nil, stampedAt: Self.now), lax).times == [Self.now])
    #expect(
      try verdict(candidate(form), lax).isRefused(.timestampInvalid, "no time-stamp of a trusted authority is attached")
    )
    #expect(try verdict(candidate(form, loggedAt: nil), lax).reason == .timestampInvalid)
  }

  @Test(arguments: Form.allCases) func `where a log is wanted a time-stamp is no proof of it`(_ form: Form) throws {
    #expect(try verdict(candidate(form, loggedAt: nil, stampedAt: Self.now)).reason == .logProofMissing)
    #expect(try verdict(candidate(form, loggedAt: nil)).reason == .logProofMissing)
  }

  @Test(arguments: Form.allCases)
  func `TOB-SIGSTORE-2..12: the certificate must be valid at every trusted time, not at the earliest`(_ form: Form)
    throws
  {
    let end = Self.now + ForgedSigstore.lifetime
    #expect(try verify(candidate(form, loggedAt: end)).times == [end])
    #expect(try verify(candidate(form, stampedAt: end)).times == [Self.now, end])
    #expect(
      try verdict(candidate(form, loggedAt: end + 1)).isRefused(.logProofInvalid, "when its certificate was not valid"))
    // One time inside does not make up for one outside (sigstore-go's observer timestamps).
    #expect(try verdict(candidate(form, stampedAt: end + 1)).isRefused(.certificateInvalid, "does not hold"))
    #expect(
      try verdict(candidate(form, loggedAt: nil, stampedAt: Self.now - 1), demand(requiresLog: false)).reason
        == .certificateInvalid)
  }

  @Test func `TOB-SIGSTORE-2..12: the time of every log counts, not the first one's alone`() throws {
    let other = MemoryLog(key: try PrivateKey(generating: .p256), url: "https://other.example")
    func trust(until end: UnixTime) throws -> TrustedRoot {
      try TrustedRoot(
        parsing: sigstore.trustedRoot(
          logs: [log.trustRootElement, other.trustRootElement],
          authorityValidity: Validity(start: ForgedSigstore.start, end: end)))
    }
    let twice = try candidate(.bundle, second: (other, Self.now + 2))
    #expect(try verify(twice, trust: trust(until: Self.now + 2)).times == [Self.now, Self.now + 2])
    let verdict = try verdict(twice, trust: trust(until: Self.now + 1))
    #expect(verdict.isRefused(.certificateInvalid, "was in service at 2026-06-01T00:00:02Z"), "\(verdict)")
  }

  @Test(arguments: Form.allCases) func `another identity or issuer is not who is asked for`(_ form: Form) throws {
    for matcher in [
      IdentityMatcher(identity: .exact("joe@example.com"), issuer: .exact("https://issuer.example.com")),
      IdentityMatcher(identity: .exact("jane@example.com"), issuer: .exact("https://other.example.com")),
      IdentityMatcher(identity: .exact("Jane@example.com"), issuer: .exact("https://issuer.example.com")),
      IdentityMatcher(
        identity: .pattern(try AnchoredPattern("jane")), issuer: .exact("https://issuer.example.com")),
    ] {
      let verdict = try verdict(candidate(form), demand([matcher]))
      #expect(verdict.isRefused(.identityMismatch, "jane@example.com"), "\(verdict)")
    }
    let pattern = IdentityMatcher(
      identity: .pattern(try AnchoredPattern(".*@example\\.com")), issuer: .exact("https://issuer.example.com"))
    #expect(try verify(candidate(form), demand([pattern])).isLogged)
  }

  @Test(arguments: Form.allCases) func `key and identity together: either may match, neither borrows`(_ form: Form)
    throws
  {
    let key = try PrivateKey(generating: .p256)
    let both = demand(keys: [key.publicKey])
    #expect(try verify(candidate(form), both).key == nil)
    let byKey: SignatureCandidate
    switch form {
    case .legacy:
      let layer = try ImageSigner.layer(dockerReference: "r/i", digest: digest, key: key, log: log)
      byKey = .simpleSigning(
        payload: layer.payload, layerMediaType: MediaType.simpleSigning, annotations: layer.annotations)
    case .bundle: byKey = .bundle(try ImageSigner.bundle(digest: digest, key: key, log: log))
    }
    #expect(try verify(byKey, both).key == key.publicKey.fingerprint)
    #expect(try verdict(byKey).isRefused(.otherKey, "signed with a key, where only identities are trusted"))
    #expect(try verdict(candidate(form), SignatureDemand(keys: [key.publicKey], requiresLog: true)).reason == .keyless)
    let stranger = IdentityMatcher(identity: .exact("joe"), issuer: .exact("x"))
    #expect(try verdict(candidate(form), demand(keys: [key.publicKey], [stranger])).reason == .identityMismatch)
  }

  @Test(arguments: Form.allCases) func `a genuine certificate on another's signature is worth nothing`(_ form: Form)
    throws
  {
    let thief = try PrivateKey(generating: .p256)
    let verdict = try verdict(candidate(form, signedBy: thief))
    #expect(verdict.isRefused(.otherKey, "its signature is not by the key of its certificate"), "\(verdict)")
  }

  @Test(arguments: Form.allCases) func `a certificate of another authority is refused`(_ form: Form) throws {
    let other = try ForgedSigstore()
    let forged = try other.issue(other.leaf(key: signer))
    #expect(try verdict(candidate(form, certificate: forged)).reason == .certificateInvalid)
    #expect(try verdict(candidate(form), trust: log.trustedRoot()).reason == .certificateInvalid)
  }

  @Test(arguments: Form.allCases) func `a certificate that no certificate log has is refused`(_ form: Form) throws {
    let unlogged = try sigstore.issue(sigstore.leaf(key: signer), timestamps: [])
    #expect(try verdict(candidate(form, certificate: unlogged)).reason == .certificateInvalid)
  }

  @Test(arguments: Form.allCases)
  func `CVE-2026-22703: a log entry of another certificate with the same key is refused`(_ form: Form) throws {
    let other = try sigstore.issue(sigstore.leaf(.email("joe@example.com"), key: signer))
    let verdict = try verdict(candidate(form, loggedVerifier: other))
    #expect(verdict.isRefused(.logProofInvalid, "another certificate"), "\(verdict)")
  }

  @Test(arguments: Form.allCases)
  func `a time-stamp of nobody who is trusted is no time; a broken one of a trusted one is a refusal`(_ form: Form)
    throws
  {
    let lax = demand(requiresLog: false)
    let other = try ForgedSigstore()
    // The same logs and authorities, but another's time-stamps.
    let text = String(decoding: sigstore.trustedRoot(logs: [log.trustRootElement]), as: UTF8.self)
    let swapped = text.replacing(Base64.encode(sigstore.stamper), with: Base64.encode(other.stamper))
      .replacing(Base64.encode(sigstore.root), with: Base64.encode(sigstore.root))
    if let trust = try? TrustedRoot(parsing: Array(swapped.utf8)) {
      #expect(
        try verdict(candidate(form, loggedAt: nil, stampedAt: Self.now), lax, trust: trust).reason == .timestampInvalid)
    }
    guard case .simpleSigning(let payload, let type, var annotations) = try candidate(.legacy, stampedAt: Self.now)
    else { return }
    for broken in ["{}", "x", #"{"SignedRFC3161Timestamp":""}"#, #"{"SignedRFC3161Timestamp":"AAAA"}"#] {
      annotations["dev.sigstore.cosign/rfc3161timestamp"] = broken
      let verdict = try verdict(.simpleSigning(payload: payload, layerMediaType: type, annotations: annotations))
      #expect(verdict.reason == .timestampInvalid || verdict.reason == .malformed, "\(verdict)")
    }
  }

  @Test func `the first certificate of the annotation counts, and a chain beside it does not`() throws {
    guard case .simpleSigning(let payload, let type, var annotations) = try candidate(.legacy) else { return }
    annotations["dev.sigstore.cosign/chain"] = "junk"
    #expect(
      try verify(.simpleSigning(payload: payload, layerMediaType: type, annotations: annotations)).isLogged)
    annotations["dev.sigstore.cosign/certificate"] = "junk"
    let verdict = try verdict(.simpleSigning(payload: payload, layerMediaType: type, annotations: annotations))
    #expect(verdict.isRefused(.certificateInvalid, "dev.sigstore.cosign/certificate cannot be read"), "\(verdict)")
  }

  @Test func `the annotation with the certificate is bounded`() throws {
    guard case .simpleSigning(let payload, let type, var annotations) = try candidate(.legacy) else { return }
    let one = try #require(annotations["dev.sigstore.cosign/certificate"])
    for (text, words) in [
      (one + String(repeating: "\n", count: 65_537), "has more than 65536 characters"),
      (String(repeating: one, count: 11), "more than 10 certificates"),
    ] {
      annotations["dev.sigstore.cosign/certificate"] = text
      let verdict = try verdict(.simpleSigning(payload: payload, layerMediaType: type, annotations: annotations))
      #expect(verdict.isRefused(.certificateInvalid, words), "\(verdict)")
    }
    annotations["dev.sigstore.cosign/certificate"] = String(repeating: one, count: 10)
    #expect(
      try verify(.simpleSigning(payload: payload, layerMediaType: type, annotations: annotations)).isLogged)
  }

  @Test func `a bundle of version 0.3 has one certificate, no chain`() throws {
    guard case .bundle(let bytes) = try candidate(.bundle) else { return }
    let text = String(decoding: bytes, as: UTF8.self)
    let chained = text.replacing(
      #""certificate":{"rawBytes""#, with: #""x509CertificateChain":{"certificates":[{"rawBytes""#
    )
    .replacing(#""},"tlogEntries""#, with: #""}]},"tlogEntries""#)
    #expect(try verdict(.bundle(Array(chained.utf8))).isRefused(.malformed, "a chain of certificates"))
  }
}
