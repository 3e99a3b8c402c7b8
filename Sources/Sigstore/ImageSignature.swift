public import Crypto
import JSON

/// Signatures of container images, as cosign, skopeo and Podman make them with a key.
public enum ImageSignature {
  /// The one type of payload that is an image's signature.
  static let payloadType = "cosign container image signature"
  /// The one predicate type whose statement is an image's signature; all others are attestations.
  static let predicateType = "https://sigstore.dev/cosign/sign/v1"
  /// Bytes of a payload or bundle that are looked at.
  static let maximumByteCount = 1 << 20

  /// What one candidate proves about `imageDigest`, as far as `demand` asks for it and `trust` bears it out. Pure.
  ///
  /// Cheap checks come first, then the signature, then what it says, then logs, times and certificates. The signature is
  /// verified before anything in the payload is believed, and the payload's digest must be `imageDigest`. What a candidate
  /// says about itself (the bundle's hint, algorithms, descriptors) chooses neither the key nor the scheme. Keys are tried
  /// first, then, where there is a certificate, identities.
  ///
  /// The answer is a fact: whether it meets the demand, ask `demand.objection(to:now:)`. Evidence that is read and does not
  /// hold is a rejection here; evidence that is missing is left to the demand for keys, and a rejection for certificates,
  /// which mean nothing without it. An observer is told of each check.
  public static func verify(
    _ candidate: SignatureCandidate, imageDigest: Digest, demand: SignatureDemand, trust: TrustedRoot,
    observer: (any CandidateCheckObserver)? = nil
  ) throws(CandidateRejection) -> VerifiedSignature {
    guard !demand.keys.isEmpty || !demand.identities.isEmpty else {
      throw CandidateRejection(.otherKey, "no key is trusted, so nobody's signature counts")
    }
    switch candidate {
    case .simpleSigning(let payload, let layerMediaType, let annotations):
      let signed = try observer.during(.form) { () throws(CandidateRejection) in
        try SimpleSigning(payload: payload, layerMediaType: layerMediaType, annotations: annotations)
      }
      return try verify(signed, imageDigest: imageDigest, demand: demand, trust: trust, observer: observer)
    case .bundle(let bytes):
      let bundle = try observer.during(.form) { () throws(CandidateRejection) in try Bundle(parsing: bytes) }
      guard case .envelope(let envelope) = bundle.content else {
        throw CandidateRejection(.notAnImageSignature, "a bundle without a DSSE envelope")
      }
      let signed = SignedBundle(bundle, envelope)
      return try signed.verify(demand: demand, trust: trust, observer: observer) { signer throws(CandidateRejection) in
        try Statement.annotations(in: envelope.payload, naming: imageDigest, signedBy: signer)
      }
    }
  }

  /// Judges one candidate by keys alone (each tried; the first that verifies wins), whatever logs say.
  public static func verify(
    _ candidate: SignatureCandidate, imageDigest: Digest, keys: [PublicKey]
  ) throws(CandidateRejection) -> VerifiedSignature {
    try verify(
      candidate, imageDigest: imageDigest, demand: SignatureDemand(keys: keys, requiresLog: false), trust: .nothing)
  }

  private static func verify(
    _ signed: SimpleSigning, imageDigest: Digest, demand: SignatureDemand, trust: TrustedRoot,
    observer: (any CandidateCheckObserver)?
  ) throws(CandidateRejection) -> VerifiedSignature {
    let key = try observer.duringIfAny(.signature) { () throws(CandidateRejection) -> PublicKey? in
      do throws(CandidateRejection) {
        return try signed.signer(among: demand.keys.map(\.key))
      } catch {
        guard signed.isKeyless else { throw error }
        guard !demand.identities.isEmpty else {
          throw CandidateRejection(
            .keyless, "signed with a certificate (keyless), where only keys are trusted; \(error.description)")
        }
        return nil
      }
    }
    guard let key else {
      return try verifyKeyless(signed, imageDigest: imageDigest, demand: demand, trust: trust, observer: observer)
    }
    let signer = VerifiedSignature.Signer.key(key.fingerprint)
    let claims = try observer.during(.content) { () throws(CandidateRejection) in
      try signed.claims(naming: imageDigest, signedBy: signer.short)
    }
    let evidence = try signed.evidence(readingTimestamps: demand.readsTimestampsForKeys)
    let finding = try naming(signer) { () throws(CandidateRejection) in
      var verifier = LoggedSignature.Verifier.key(key)
      // cosign.md 3.1: with a certificate beside it, the log has it under that; it must then be of the same key.
      if demand.requiresLog, signed.hasLogProof, let certificate = try signed.certificate() {
        guard try certificate.signingKey() == key else {
          throw CandidateRejection(.logProofInvalid, "the certificate beside it is of another key")
        }
        verifier = .certificate(certificate)
      }
      return try evidence.finding(
        for: LoggedSignature(signature: signed.signature, verifier: verifier, content: .payload(signed.payload)),
        demand: demand, trust: trust, observer: observer)
    }
    return VerifiedSignature(
      signer: signer, format: .simpleSigning, log: finding.log, times: finding.times,
      dockerReference: claims.dockerReference, annotations: claims.annotations)
  }

  private static func verifyKeyless(
    _ signed: SimpleSigning, imageDigest: Digest, demand: SignatureDemand, trust: TrustedRoot,
    observer: (any CandidateCheckObserver)?
  ) throws(CandidateRejection) -> VerifiedSignature {
    guard let certificate = try signed.certificate() else {
      throw CandidateRejection(.otherKey, "signed without a certificate, where only identities are trusted")
    }
    let asked = try demand.requireAskedFor(certificate, observer: observer)
    let key = try certificate.signingKey()
    try observer.during(.signature) { () throws(CandidateRejection) in
      guard try Signer.made(signed.signature, over: signed.payload, by: key, format: .simpleSigning) else {
        throw CandidateRejection(.otherKey, "its signature is not by the key of its certificate")
      }
    }
    let evidence = try signed.evidence(readingTimestamps: true)
    let (identity, finding) = try evidence.identity(
      of: asked,
      signature: LoggedSignature(
        signature: signed.signature,
        verifier: .certificate(certificate),
        content: .payload(signed.payload)),
      demand: demand, trust: trust, observer: observer)
    let signer = VerifiedSignature.Signer.identity(identity)
    let claims = try observer.during(.content) { () throws(CandidateRejection) in
      try signed.claims(naming: imageDigest, signedBy: signer.short)
    }
    return VerifiedSignature(
      signer: signer, format: .simpleSigning, log: finding.log, times: finding.times,
      dockerReference: claims.dockerReference, annotations: claims.annotations)
  }

  /// Runs `body`, whose rejections then say first who signed.
  static func naming<Result>(
    _ signer: VerifiedSignature.Signer, _ body: () throws(CandidateRejection) -> Result
  ) throws(CandidateRejection) -> Result {
    do throws(CandidateRejection) { return try body() } catch {
      throw CandidateRejection(error.reason, "signed by \(signer.short), but \(error.description)")
    }
  }

  /// The default simple signing payload that cosign writes for this repository name and digest, to the byte.
  public static func defaultPayload(dockerReference: String, digest: Digest) -> [UInt8] {
    payload(dockerReference: dockerReference, digest: digest, annotations: [:])
  }

  /// The payload with `annotations` under `optional`, which is null without any.
  static func payload(dockerReference: String, digest: Digest, annotations: [String: String]) -> [UInt8] {
    var writer = JSONWriter()
    writer.object { root in
      root.name("critical")
      root.object { critical in
        critical.name("identity")
        critical.object { $0.member("docker-reference", dockerReference) }
        critical.name("image")
        critical.object { $0.member("docker-manifest-digest", digest.description) }
        critical.member("type", payloadType)
      }
      root.name("optional")
      if annotations.isEmpty {
        root.null()
      } else {
        root.object { members in
          for (name, value) in annotations.sorted(by: { $0.key < $1.key }) { members.member(name, value) }
        }
      }
    }
    return writer.bytes
  }

  /// The signature tag: `sha256-HEX.sig`.
  public static func signatureTag(_ digest: Digest) -> String { "\(digest.algorithm.rawValue)-\(digest.hex).sig" }
}
