public import Crypto
import Primitives

/// A bundle's signature with what it is over.
struct SignedBundle {
  let bundle: Bundle
  let signature: [UInt8]
  /// What the signature is over; nil where only a digest of it is at hand.
  let message: [UInt8]?
  let content: LoggedSignature.Content

  init(_ bundle: Bundle, _ envelope: Envelope) {
    self.bundle = bundle
    signature = envelope.signature
    let encoding = envelope.preAuthenticationEncoding
    message = encoding
    content = .dsse(payload: envelope.payload, pae: encoding)
  }

  init(_ bundle: Bundle, _ message: MessageSignature, artifact: SignedArtifact) {
    self.bundle = bundle
    signature = message.signature
    self.message = artifact.bytes
    content = .messageDigest(message.algorithm, message.digest)
  }

  /// Verifies the signature, then what it is of (`requireContent`, given the signer's name for messages, gives the signed
  /// annotations), then the evidence.
  func verify(
    demand: SignatureDemand, trust: TrustedRoot, observer: (any CandidateCheckObserver)? = nil,
    requireContent: (_ signer: String) throws(CandidateRejection) -> [String: String]
  ) throws(CandidateRejection) -> VerifiedSignature {
    switch bundle.verifier {
    case .key(let hint):
      let key = try observer.during(.signature) { () throws(CandidateRejection) in
        try self.signer(among: demand.keys.map(\.key), hint: hint)
      }
      let signer = VerifiedSignature.Signer.key(key.fingerprint)
      let annotations = try observer.during(.content) { () throws(CandidateRejection) in
        try requireContent(signer.short)
      }
      let finding = try ImageSignature.naming(signer) { () throws(CandidateRejection) in
        try bundle.evidence.finding(
          for: LoggedSignature(signature: signature, verifier: .key(key), content: content), demand: demand,
          trust: trust, observer: observer)
      }
      return VerifiedSignature(
        signer: signer, format: .bundle, log: finding.log, times: finding.times, annotations: annotations)
    case .certificate(let field):
      guard !demand.identities.isEmpty else {
        throw CandidateRejection(.keyless, "signed with a certificate (keyless), where only keys are trusted")
      }
      let certificate = try field.certificate()
      let asked = try demand.requireAskedFor(certificate, observer: observer)
      let key = try certificate.signingKey()
      try observer.during(.signature) { () throws(CandidateRejection) in
        guard try isMade(by: key) else {
          throw CandidateRejection(.otherKey, "its signature is not by the key of its certificate")
        }
      }
      let (identity, finding) = try bundle.evidence.identity(
        of: asked,
        signature: LoggedSignature(
          signature: signature,
          verifier: .certificate(certificate), content: content),
        demand: demand, trust: trust, observer: observer)
      let signer = VerifiedSignature.Signer.identity(identity)
      return VerifiedSignature(
        signer: signer, format: .bundle, log: finding.log, times: finding.times,
        annotations: try observer.during(.content) { () throws(CandidateRejection) in try requireContent(signer.short) }
      )
    }
  }

  private func signer(among keys: [PublicKey], hint: Signer.Hint?) throws(CandidateRejection) -> PublicKey {
    if let message {
      return try Signer.find(of: signature, over: message, among: keys, format: .bundle, hint: hint)
    }
    for key in keys where try isMade(by: key) { return key }
    throw CandidateRejection(.otherKey, "signed by none of the \(keys.count) trusted keys")
  }

  /// Whether the key made the signature, over the message or, where that is not at hand, over its digest.
  private func isMade(by key: PublicKey) throws(CandidateRejection) -> Bool {
    if let message { return try Signer.made(signature, over: message, by: key, format: .bundle) }
    guard case .messageDigest(let algorithm, let digest) = content else { return false }
    // The key says which hashes are taken; what the bundle calls its own may only be one of them.
    let isTaken = Signer.schemes(for: key.kind, .bundle).contains { scheme in
      switch scheme {
      case .ecdsa(let taken), .rsaPKCS1v15(let taken): taken == algorithm
      case .ed25519, .ed25519ph: false
      }
    }
    if !isTaken, key.kind != .ed25519 { return false }
    switch key.verify(signature, ofDigest: digest, by: algorithm) {
    case .valid: return true
    case .invalid: return false
    case .unsupported(let reason):
      throw CandidateRejection(.unsupported, "its signature cannot be checked here: \(reason)")
    }
  }
}

/// What a bundle is said to be a signature of: a file's bytes, or a digest where those are elsewhere.
public struct SignedArtifact: Sendable {
  /// The bytes, if they are at hand.
  let bytes: [UInt8]?
  private let digests: [HashAlgorithm: [UInt8]]

  /// A file's bytes.
  public init(bytes: [UInt8]) {
    self.bytes = bytes
    digests = Dictionary(uniqueKeysWithValues: HashAlgorithm.allCases.map { ($0, $0.hash(bytes)) })
  }

  /// A digest of bytes that are not at hand. What needs another digest, or the bytes, then does not verify.
  public init(digest: Digest) {
    bytes = nil
    digests = [digest.algorithm: digest.bytes]
  }

  /// Digests of bytes that are not at hand, all by the caller's own reckoning.
  public init(digests: [HashAlgorithm: [UInt8]]) {
    bytes = nil
    self.digests = digests
  }

  func digest(_ algorithm: HashAlgorithm) -> [UInt8]? { digests[algorithm] }
}

extension ImageSignature {
  /// Verifies a bundle of version 0.1 to 0.3 over any artifact: what `pinseal verify-bundle` does. No registry's bundle
  /// comes here.
  ///
  /// A message signature must be over the artifact; of a DSSE envelope, an in-toto statement of any predicate, one subject
  /// must be the artifact. Log entries by the version's rules: 0.1 needs a signed entry timestamp, later ones an inclusion
  /// proof with checkpoint. The whole demand must be met (`signedIdentity` has no meaning here); `now` is the time, in
  /// case a key's validity is asked for and the bundle has no trusted time.
  public static func verifyBundle(
    _ json: [UInt8], artifact: SignedArtifact, demand: SignatureDemand, trust: TrustedRoot, now: UnixTime
  ) throws(CandidateRejection) -> VerifiedSignature {
    let bundle = try Bundle(parsing: json, versions: [.v01, .v02, .v03])
    let verified: VerifiedSignature
    switch bundle.content {
    case .envelope(let envelope):
      let signed = SignedBundle(bundle, envelope)
      verified = try signed.verify(demand: demand, trust: trust) { _ throws(CandidateRejection) in
        try Statement.require(envelope.payload, about: artifact)
        return [:]
      }
    case .message(let message):
      guard let digest = artifact.digest(message.algorithm) else {
        throw CandidateRejection(
          .unsupported, "its digest is by \(message.algorithm.rawValue), of which the artifact's is not known")
      }
      guard digest == message.digest else {
        throw CandidateRejection(.otherDigest, "its messageDigest is not the artifact's")
      }
      verified = try SignedBundle(bundle, message, artifact: artifact).verify(demand: demand, trust: trust) {
        _ throws(CandidateRejection) in [:]
      }
    }
    if let objection = demand.objection(to: verified, now: now) { throw objection }
    return verified
  }
}
