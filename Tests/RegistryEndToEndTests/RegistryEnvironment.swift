import Crypto
import EmbeddedRegistry
import EndToEndSupport
import Foundation
import HTTPServer
import Logging
import Sigstore
import Testing

/// What the suite's tests share: registries, keys, signers, and `pinseal serve` over a file-backed cluster.
struct RegistryEnvironment: Sendable {
  /// Set while the suite's tests run.
  @TaskLocal static var shared: RegistryEnvironment?

  /// Debian's docker-registry (no referrers API) and the embedded one (which has it), both open and over plain HTTP.
  let docker: Registry
  let embedded: Registry
  /// docker-registry over TLS, with the storage of `docker`: by password, and by a token server's word.
  let passwords: Registry
  let tokens: Registry
  let tokenService: TokenService
  let signing: Signing
  let keys: [KeyKind: SigningKey]
  /// The key of namespace `other-key`.
  let otherKey: SigningKey
  let webhook: Webhook
  let folder: String
  /// A transparency log, whose key namespace `logged` trusts.
  let log: Registry
  /// Whether this machine's OpenSSL can check Ed25519ph.
  let checksPrehashedEd25519: Bool

  static let login = "reader:s3cret"

  /// The suite's environment, in a test of it.
  static func current() throws -> RegistryEnvironment {
    guard let shared else { throw EndToEndFailure("this test is not in the suite that has the environment") }
    return shared
  }

  /// The two open registries, by name.
  var openRegistries: [(name: String, registry: Registry)] { [("docker-registry", docker), ("embedded", embedded)] }

  /// The key pair of a kind.
  func key(_ kind: KeyKind) throws -> SigningKey {
    guard let key = keys[kind] else { throw EndToEndFailure("no key of kind \(kind)") }
    return key
  }

  static func with(_ body: @concurrent @Sendable () async throws -> Void) async throws {
    try await EndToEnd.withFolder("registries") { folder in
      let certificate = try await Certificate.make(in: "\(folder)/certificate")
      let storage = "\(folder)/storage"
      let parts = login.split(separator: ":").map(String.init)
      let htpasswd = try await command("htpasswd", ["-nbB", parts[0], parts[1]]).checked().output
      try write(htpasswd, to: "\(folder)/htpasswd")

      let embedded = try Server.start(
        address: "127.0.0.1:0", tls: nil, limits: EmbeddedRegistry.serverLimits, handler: EmbeddedRegistry(),
        logger: Logger(label: "embedded"))
      let tokenService = try await TokenService(login: login, in: folder)
      let tokenServer = try Server.start(
        address: "127.0.0.1:0",
        tls: TLSConfiguration(certificateFile: certificate.chainFile, keyFile: certificate.keyFile),
        handler: tokenService, logger: Logger(label: "tokens"))
      let tokenAccess = DockerRegistry.Access.tokens(
        realm: "https://127.0.0.1:\(tokenServer.port)/token", service: TokenService.service,
        issuer: TokenService.issuer,
        certificate: tokenService.certificateFile)

      let logHandler = EmbeddedLog(MemoryLog(key: try PrivateKey(generating: .p256)))
      let logServer = try Server.start(
        address: "127.0.0.1:0", tls: nil, handler: logHandler, logger: Logger(label: "log"))

      do {
        try await DockerRegistry.with("open", in: folder, storage: storage) { open in
          try await DockerRegistry.with(
            "passwords", in: folder, storage: storage, access: .passwords(file: "\(folder)/htpasswd"),
            certificate: certificate
          ) { passwords in
            try await DockerRegistry.with(
              "tokens", in: folder, storage: storage, access: tokenAccess, certificate: certificate
            ) { tokens in
              let registries = Registries(
                open: open.registry, embedded: Registry(address: "127.0.0.1:\(embedded.port)"),
                passwords: passwords.registry, tokens: tokens.registry,
                log: Registry(address: "127.0.0.1:\(logServer.port)"), logKey: logHandler.log.key.publicKey.pem)
              try await serve(registries, tokenService, certificate, folder, body)
            }
          }
        }
      } catch {
        await embedded.drain()
        await tokenServer.drain()
        await logServer.drain()
        throw error
      }
      await embedded.drain()
      await tokenServer.drain()
      await logServer.drain()
    }
  }

  private struct Registries {
    let open: Registry
    let embedded: Registry
    let passwords: Registry
    let tokens: Registry
    let log: Registry
    let logKey: String
  }

  private static func serve(
    _ registries: Registries, _ tokenService: TokenService, _ certificate: Certificate, _ folder: String,
    _ body: @concurrent @Sendable () async throws -> Void
  ) async throws {
    let signing = try Signing(
      in: "\(folder)/signing", logins: [registries.passwords.address: login, registries.tokens.address: login],
      authority: certificate.authorityFile)
    var keys: [KeyKind: SigningKey] = [:]
    for kind in KeyKind.allCases { keys[kind] = try await signing.key(kind) }
    let otherKey = try await signing.key(.p256, name: "other")
    let objects = try clusterObjects(
      keys: keys, otherKey: otherKey, logKey: registries.logKey,
      privateRegistries: [registries.passwords, registries.tokens])
    try write(objects.joined(separator: "---\n"), to: "\(folder)/cluster/objects.yaml")
    let version = try await command("openssl", ["version"]).checked().output.split(separator: " ")
    let openSSL = version.count > 1 ? version[1].split(separator: ".").compactMap { Int($0) } : []

    try await Webhook.with(
      in: folder, cluster: "file:\(folder)/cluster", certificate: certificate,
      arguments: [
        "--insecure-registry", registries.open.address, "--insecure-registry", registries.embedded.address,
        "--insecure-registry", silentAddress, "--registry-ca", certificate.authorityFile,
      ]
    ) { webhook in
      let environment = RegistryEnvironment(
        docker: registries.open, embedded: registries.embedded, passwords: registries.passwords,
        tokens: registries.tokens, tokenService: tokenService, signing: signing, keys: keys, otherKey: otherKey,
        webhook: webhook, folder: folder, log: registries.log,
        checksPrehashedEd25519: openSSL.lexicographicallyPrecedes([3, 2]) == false)
      try await $shared.withValue(environment) { try await body() }
    }
  }

  /// Where nobody listens: the discard port.
  static let silentAddress = "127.0.0.1:9"
}

extension Trait where Self == EnvironmentTrait {
  static var registryEnvironment: Self { EnvironmentTrait(RegistryEnvironment.with) }
}

/// Real signers, real registries, and the real executable between them and curl.
@Suite(.serialized, .enabled(if: EndToEnd.isWanted, "\(EndToEnd.reason)"), .registryEnvironment)
struct RegistryTests {}
