import CertificateForge
import Crypto
import Primitives
import Sigstore

/// Signatures of one image in every form, and what it costs to check them.
struct SignatureBenchmarks {
  let digest = Digest(hashing: Array("an image".utf8))
  let key: PrivateKey
  let log: MemoryLog
  let log2: MemoryLog
  let sigstore: ForgedSigstore
  let trust: TrustedRoot

  init() throws {
    key = try PrivateKey(generating: .p256)
    log = MemoryLog(key: try PrivateKey(generating: .p256))
    log2 = MemoryLog(key: try PrivateKey(generating: .ed25519), url: "https://rekor2.example", version: .rekor2)
    sigstore = try ForgedSigstore()
    trust = try TrustedRoot(parsing: sigstore.trustedRoot(logs: [log.trustRootElement, log2.trustRootElement]))
  }

  func benchmarks() throws -> [Benchmark] { try keyed() + keyless() }

  private func verifying(
    _ name: String, _ candidate: SignatureCandidate, _ demand: SignatureDemand
  ) throws -> Benchmark {
    let digest = digest
    let trust = trust
    let found = try ImageSignature.verify(candidate, imageDigest: digest, demand: demand, trust: trust)
    if let objection = demand.objection(to: found, now: ForgedSigstore.now) { throw objection }
    return Benchmark(name) {
      try ImageSignature.verify(candidate, imageDigest: digest, demand: demand, trust: trust)
    }
  }

  // MARK: By a key

  private func keyed() throws -> [Benchmark] {
    let pem = key.publicKey.pem
    let payload = ImageSignature.defaultPayload(dockerReference: "registry.example/team/db", digest: digest)
    let signature = try key.sign(payload, scheme: .ecdsa(.sha256))
    let publicKey = key.publicKey
    let plain = SignatureDemand(keys: [key.publicKey], requiresLog: false)
    let logged = SignatureDemand(keys: [key.publicKey], requiresLog: true)
    let layer = try ImageSigner.layer(dockerReference: "registry.example/team/db", digest: digest, key: key, log: log)
    let simple = SignatureCandidate.simpleSigning(
      payload: layer.payload, layerMediaType: MediaType.simpleSigning, annotations: layer.annotations)
    let bundle = SignatureCandidate.bundle(try ImageSigner.bundle(digest: digest, key: key))
    let rekor1 = try ImageSigner.bundle(digest: digest, key: key, log: log)
    let rekor2 = try ImageSigner.bundle(digest: digest, key: key, log: log2)
    return [
      Benchmark("key: read from PEM (P-256)") { try PublicKey.parsePEM(pem) },
      Benchmark("ECDSA P-256 over 250 bytes, alone") {
        publicKey.verify(signature, of: payload, scheme: .ecdsa(.sha256))
      },
      try verifying("simple signing, no log", simple, plain),
      try verifying("simple signing, SET", simple, logged),
      try verifying("bundle, no log", bundle, plain),
      try verifying("bundle with a proof, log not read", .bundle(rekor1), plain),
      try verifying("bundle, proof and checkpoint, no SET", .bundle(Self.withoutPromise(rekor1)), logged),
      try verifying("bundle, Rekor v1: SET, proof, checkpoint", .bundle(rekor1), logged),
      try verifying("bundle, Rekor v2 (Ed25519): proof, checkpoint", .bundle(rekor2), logged),
    ]
  }

  private static func withoutPromise(_ bundle: [UInt8]) -> [UInt8] {
    let text = String(decoding: bundle, as: UTF8.self)
    guard let start = text.firstRange(of: #""inclusionPromise":"#),
      let end = text[start.upperBound...].firstRange(of: "},")
    else { return bundle }
    return Array((text[..<start.lowerBound] + text[end.upperBound...]).utf8)
  }

  // MARK: By an identity

  private func keyless() throws -> [Benchmark] {
    let certificate = try sigstore.issue(sigstore.leaf(key: key))
    let parsed = try X509Certificate(der: certificate)
    let root = trust
    let time = ForgedSigstore.now
    let chain = try CertificatePath.verify(
      leaf: parsed, intermediates: Array(root.certificateAuthorities[0].chain.dropLast()),
      roots: root.certificateAuthorities[0].chain.suffix(1), at: time, purpose: .codeSigning)
    let message = Array("a signature".utf8)
    let stamp = try sigstore.stamp(message)
    let identity = IdentityMatcher(identity: .exact("jane@example.com"), issuer: .exact("https://issuer.example.com"))
    let logged = SignatureDemand(keys: [], identities: [identity], requiresLog: true)
    let stamped = SignatureDemand(keys: [], identities: [identity], requiresLog: false)
    return [
      Benchmark("certificate: read from DER") { try X509Certificate(der: certificate) },
      Benchmark("certificate: chain of \(chain.count) (P-256)") {
        try CertificatePath.verify(
          leaf: X509Certificate(der: certificate),
          intermediates: Array(root.certificateAuthorities[0].chain.dropLast()),
          roots: root.certificateAuthorities[0].chain.suffix(1), at: time, purpose: .codeSigning)
      },
      Benchmark("certificate: chain, SCT, identity") {
        try KeylessCertificate(X509Certificate(der: certificate)).verify(signedTimes: [time], root: root)
      },
      Benchmark("time-stamp (RFC 3161, P-256)") { try SignedTimes.verify([stamp], over: message, root: root) },
      try verifying("keyless bundle: Rekor v1", bundle(certificate, isStamped: false), logged),
      try verifying("keyless bundle: Rekor v1 and time-stamp", bundle(certificate, isStamped: true), logged),
      try verifying("keyless bundle: time-stamp, log not read", bundle(certificate, isStamped: true), stamped),
    ]
  }

  private func bundle(_ certificate: [UInt8], isStamped: Bool) throws -> SignatureCandidate {
    let type = "application/vnd.in-toto+json"
    let statement = Array(
      (#"{"_type":"https://in-toto.io/Statement/v1","subject":[{"digest":{"sha256":"\#(digest.hex)"},"annotations":{}}],"#
        + #""predicateType":"https://sigstore.dev/cosign/sign/v1","predicate":{}}"#).utf8)
    let encoding = Array("DSSEv1 \(type.utf8.count) \(type) \(statement.count) ".utf8) + statement
    let signature = try key.sign(encoding, scheme: .ecdsa(.sha256))
    let entry = try log.logEnvelope(
      payload: statement, preAuthenticationEncoding: encoding, signature: signature,
      verifierPEM: "-----BEGIN CERTIFICATE-----\n\(Base64.encode(certificate))\n-----END CERTIFICATE-----\n",
      at: ForgedSigstore.now)
    var material = #""certificate":{"rawBytes":"\#(Base64.encode(certificate))"},"tlogEntries":[\#(entry)]"#
    if isStamped {
      let stamp = Base64.encode(try sigstore.stamp(signature))
      material += #","timestampVerificationData":{"rfc3161Timestamps":[{"signedTimestamp":"\#(stamp)"}]}"#
    }
    let text =
      #"{"mediaType":"\#(MediaType.bundleV03)","verificationMaterial":{\#(material)},"dsseEnvelope":{"payload":""#
      + Base64.encode(statement) + #"","payloadType":"\#(type)","signatures":[{"sig":""# + Base64.encode(signature)
      + #""}]}}"#
    return .bundle(Array(text.utf8))
  }
}
