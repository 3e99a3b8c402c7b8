import Crypto
import EmbeddedRegistry
import HTTPServer
import Logging
import Primitives
import Sigstore

/// What the demo plays on: a registry with images of every kind, and two namespaces, one that blocks and one that warns.
struct DemoStage {
  /// `HOST:PORT` of the embedded registry.
  let registryAddress: String
  /// The key that both namespaces trust.
  let trustedKey: PublicKey
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
    cases = try Self.fill(registry, at: server.boundAddress, key: key)
  }

  func close() async { await server.drain() }

  /// The namespaces as the file-backed cluster reads them.
  var clusterYAML: String {
    func namespace(_ name: String, _ failurePolicy: String) -> String {
      """
      apiVersion: v1
      kind: Namespace
      metadata:
        name: \(name)
        annotations:
          pinseal.dev/image-verification: enabled
          pinseal.dev/failure-policy: \(failurePolicy)
          pinseal.dev/ignore-tlog: "true"
          pinseal.dev/public-key: |
      \(trustedKey.pem.split(separator: "\n").map { "      " + $0 }.joined(separator: "\n"))
      """
    }
    return namespace("demo", "Block") + "\n---\n" + namespace("demo-warn", "Warn") + "\n"
  }

  private static func fill(_ registry: EmbeddedRegistry, at address: String, key: PrivateKey) throws -> [DemoCase] {
    func push(_ name: String) throws -> Digest { try registry.pushImage(repository: "demo/\(name)", tag: "v1") }
    func sign(_ name: String, _ digest: Digest, by key: PrivateKey, as format: SignatureFormat) throws {
      try registry.attachSignature(
        repository: "demo/\(name)", digest: digest, key: key, as: format, dockerReference: "\(address)/demo/\(name)")
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
