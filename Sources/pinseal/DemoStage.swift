import Crypto
import EmbeddedRegistry
import HTTPServer
import Logging
import Primitives
import Sigstore

/// What the demo plays on: a registry with images of every kind, a transparency log, and three namespaces: one that blocks,
/// one that warns, and one that wants each signature in the log.
struct DemoStage {
  /// `HOST:PORT` of the embedded registry.
  let registryAddress: String
  /// The key that both namespaces trust.
  let trustedKey: PublicKey
  /// The key of the transparency log, which namespace `demo-logged` trusts.
  let logKey: PublicKey
  /// What is asked, and the right answers.
  let cases: [DemoCase]
  private let server: Server

  init(logger: Logger) throws {
    let registry = EmbeddedRegistry()
    server = try Server.start(
      address: "127.0.0.1:0", tls: nil, limits: EmbeddedRegistry.serverLimits, loops: 1, handler: registry,
      logger: logger)
    registryAddress = server.boundAddress
    let key = try PrivateKey(generating: .p256)
    trustedKey = key.publicKey
    let log = MemoryLog(key: try PrivateKey(generating: .p256), url: "https://rekor.demo.example")
    logKey = log.key.publicKey
    cases = try Self.fill(registry, at: server.boundAddress, key: key, log: log)
  }

  func close() async { await server.drain() }

  /// The namespaces as the file-backed cluster reads them.
  var clusterYAML: String {
    func indented(_ key: PublicKey) -> String {
      key.pem.split(separator: "\n").map { "      " + $0 }.joined(separator: "\n")
    }
    func namespace(_ name: String, _ failurePolicy: String, _ log: String) -> String {
      """
      apiVersion: v1
      kind: Namespace
      metadata:
        name: \(name)
        annotations:
          pinseal.dev/image-verification: enabled
          pinseal.dev/failure-policy: \(failurePolicy)
          pinseal.dev/\(log)
          pinseal.dev/public-key: |
      \(indented(trustedKey))
      """
    }
    let ignored = "ignore-tlog: \"true\""
    let logged = "rekor-public-key: |\n\(indented(logKey))"
    return [
      namespace("demo", "Block", ignored), namespace("demo-warn", "Warn", ignored),
      namespace("demo-logged", "Block", logged),
    ].joined(separator: "\n---\n") + "\n"
  }

  private static func fill(
    _ registry: EmbeddedRegistry, at address: String, key: PrivateKey, log: MemoryLog
  ) throws -> [DemoCase] {
    func push(_ name: String) throws -> Digest { try registry.pushImage(repository: "demo/\(name)", tag: "v1") }
    func sign(
      _ name: String, _ digest: Digest, by key: PrivateKey, as format: SignatureFormat, in log: MemoryLog? = nil
    ) throws {
      try registry.attachSignature(
        repository: "demo/\(name)", digest: digest, key: key, as: format, dockerReference: "\(address)/demo/\(name)",
        log: log)
    }
    func review(_ name: String, namespace: String = "demo", endpoint: String = "mutate", suffix: String = "")
      -> DemoReview
    {
      DemoReview(endpoint: endpoint, namespace: namespace, name: name, image: "\(address)/demo/\(name):v1\(suffix)")
    }

    let signed = try push("signed")
    try sign("signed", signed, by: key, as: .signatureTag)
    let bundled = try push("bundled")
    try sign("bundled", bundled, by: key, as: .bundle)
    let unsigned = try push("unsigned")
    let stranger = try push("stranger")
    try sign("stranger", stranger, by: try PrivateKey(generating: .p256), as: .signatureTag)
    let copied = try push("copied")
    try registry.copySignatures(from: signed, in: "demo/signed", to: copied, in: "demo/copied")
    let tampered = try push("tampered")
    try tamper(registry, at: address, digest: tampered, key: key)
    let logged = try push("logged")
    try sign("logged", logged, by: key, as: .signatureTag, in: log)
    let entered = try push("entered")
    try sign("entered", entered, by: key, as: .bundle, in: log)
    let foreign = try push("foreign")
    try sign("foreign", foreign, by: key, as: .bundle, in: MemoryLog(key: try PrivateKey(generating: .p256)))

    return [
      DemoCase(
        title: "signed (cosign 2: tag .sig)", review: review("signed"), expectation: .pinned, digest: "\(signed)"),
      DemoCase(
        title: "signed (cosign 3: bundle)", review: review("bundled"), expectation: .pinned, digest: "\(bundled)"),
      DemoCase(
        title: "the signed one again, already pinned", review: review("signed", suffix: "@\(signed)"),
        expectation: .unchanged, digest: "\(signed)"),
      DemoCase(
        title: "the pinned one, second look", review: review("signed", endpoint: "validate", suffix: "@\(signed)"),
        expectation: .unchanged, digest: "\(signed)"),
      DemoCase(
        title: "unsigned", review: review("unsigned"), expectation: .refused(code: "SIGNATURE_NOT_FOUND"),
        digest: "\(unsigned)"),
      DemoCase(
        title: "signed by another key", review: review("stranger"),
        expectation: .refused(code: "SIGNATURE_KEY_MISMATCH"), digest: "\(stranger)"),
      DemoCase(
        title: "with the signature of another image", review: review("copied"),
        expectation: .refused(code: "SIGNATURE_INVALID"), digest: "\(copied)"),
      DemoCase(
        title: "with a tampered signature payload", review: review("tampered"),
        expectation: .refused(code: "SIGNATURE_KEY_MISMATCH"), digest: "\(tampered)"),
      DemoCase(
        title: "unsigned, not pinned, second look", review: review("unsigned", endpoint: "validate"),
        expectation: .refused(code: "IMAGE_NOT_PINNED"), digest: "\(unsigned)"),
      DemoCase(
        title: "unsigned, where the policy only warns", review: review("unsigned", namespace: "demo-warn"),
        expectation: .warned(code: "SIGNATURE_NOT_FOUND"), digest: "\(unsigned)"),
      DemoCase(
        title: "signed and logged (tag .sig)", review: review("logged", namespace: "demo-logged"),
        expectation: .pinned, digest: "\(logged)"),
      DemoCase(
        title: "signed and logged (bundle)", review: review("entered", namespace: "demo-logged"),
        expectation: .pinned, digest: "\(entered)"),
      DemoCase(
        title: "signed, in no log, where one is wanted", review: review("signed", namespace: "demo-logged"),
        expectation: .refused(code: "LOG_PROOF_MISSING"), digest: "\(signed)"),
      DemoCase(
        title: "signed, in a log that is not trusted", review: review("foreign", namespace: "demo-logged"),
        expectation: .refused(code: "LOG_PROOF_INVALID"), digest: "\(foreign)"),
    ]
  }

  /// Signs something else, then puts this image's digest into the signed payload.
  private static func tamper(_ registry: EmbeddedRegistry, at address: String, digest: Digest, key: PrivateKey) throws {
    let other = Digest(hashing: Array("another image".utf8))
    let reference = "\(address)/demo/tampered"
    let signed = try ImageSigner.simpleSigning(dockerReference: reference, digest: other, key: key)
    let payload = ImageSignature.defaultPayload(dockerReference: reference, digest: digest)
    try registry.attachSimpleSigning(
      repository: "demo/tampered", digest: digest, payload: payload,
      annotations: [MediaType.signatureAnnotation: signed.signature])
  }
}
