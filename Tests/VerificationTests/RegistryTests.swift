import Crypto
import EmbeddedRegistry
import HTTPServer
import OCI
import Primitives
import Sigstore
import Testing

@testable import Verification

/// The verifier, the real registry client and the embedded registry together, without sockets.
@Suite(.timeLimit(.minutes(5)))
struct RegistryTests {
  static let host = "registry.example"

  func verifier(for registry: EmbeddedRegistry) -> ImageVerifier {
    ImageVerifier(registry: RegistryClient(http: InProcessTransport([Self.host: registry])))
  }

  func verify(
    _ literal: String, in registry: EmbeddedRegistry, keys: [PrivateKey] = [Keys.mine],
    credentials: any CredentialsProviding = AnonymousCredentials()
  ) async throws -> Verdict {
    let request = VerificationRequest(
      image: try RequestedImage(parsing: literal), keys: keys.map(\.publicKey), requiresLog: false,
      credentials: credentials)
    return await verifier(for: registry).verify(request, deadline: .after(.seconds(50)))
  }

  static func registry(hasReferrersAPI: Bool = true) -> EmbeddedRegistry {
    var configuration = EmbeddedRegistry.Configuration()
    configuration.hasReferrersAPI = hasReferrersAPI
    return EmbeddedRegistry(configuration)
  }

  @Test(arguments: SignatureFormat.allCases, [true, false])
  func `each format is found at its place, with the referrers API and without`(
    format: SignatureFormat, hasReferrersAPI: Bool
  ) async throws {
    let registry = Self.registry(hasReferrersAPI: hasReferrersAPI)
    let digest = try registry.pushImage(repository: "team/app", tag: "v1")
    _ = try registry.attachSignature(repository: "team/app", digest: digest, key: Keys.stranger, as: format)
    let refused = try await verify("registry.example/team/app:v1", in: registry)
    #expect(refused.code == .signatureKeyMismatch)
    _ = try registry.attachSignature(repository: "team/app", digest: digest, key: Keys.mine, as: format)
    for literal in ["registry.example/team/app:v1", "registry.example/team/app@\(digest)"] {
      let image = try #require(try await verify(literal, in: registry).image)
      #expect(image.digest == digest.description)
      #expect(image.pinnedKeepingTag == literal.replacingTail(with: digest))
    }
  }

  @Test func `a signature copied from another image is told`() async throws {
    let registry = Self.registry()
    let signed = try registry.pushImage(repository: "team/app", tag: "signed")
    _ = try registry.attachSignature(repository: "team/app", digest: signed, key: Keys.mine)
    let victim = try registry.pushImage(repository: "team/app", tag: "v1")
    try registry.copySignatures(from: signed, in: "team/app", to: victim, in: "team/app")
    let verdict = try await verify("registry.example/team/app:v1", in: registry)
    #expect(verdict.code == .signatureInvalid)
    #expect(verdict.message.contains(signed.description))
  }

  @Test func `a signature that was deleted is none`() async throws {
    let registry = Self.registry()
    let digest = try registry.pushImage(repository: "team/app", tag: "v1")
    _ = try registry.attachSignature(repository: "team/app", digest: digest, key: Keys.mine)
    registry.setTag(ImageSignature.signatureTag(digest), repository: "team/app", to: nil)
    #expect(try await verify("registry.example/team/app:v1", in: registry).code == .signatureNotFound)
  }

  @Test func `a signature over a digest that is not there is refused: cosign issue 542`() async throws {
    let registry = Self.registry()
    let digest = try registry.pushImage(repository: "team/app", tag: "v1")
    _ = try registry.attachSignature(repository: "team/app", digest: digest, key: Keys.mine)
    #expect(registry.deleteManifest(digest, repository: "team/app"))
    #expect(try await verify("registry.example/team/app@\(digest)", in: registry).code == .imageNotFound)
  }

  @Test func `a registry in trouble is unavailable, and one that wants a password is not for strangers`() async throws {
    let registry = Self.registry()
    _ = try registry.pushImage(repository: "team/app", tag: "v1")
    registry.inject(.status(503), path: "/v2/team/app/referrers/*")
    let unavailable = try await verify("registry.example/team/app:v1", in: registry)
    #expect(unavailable.code == .registryUnavailable)
    registry.clearFaults()
    registry.inject(.status(403), path: "/v2/team/app/referrers/*")
    #expect(try await verify("registry.example/team/app:v1", in: registry).code == .registryUnauthorized)
  }

  @Test func `two requests to the registry for a tag, whose payload needs no fetching`() async throws {
    let registry = Self.registry()
    let digest = try registry.pushImage(repository: "team/app", tag: "v1")
    _ = try registry.attachSignature(repository: "team/app", digest: digest, key: Keys.mine)
    registry.clearRequests()
    #expect(try await verify("registry.example/team/app:v1", in: registry).image != nil)
    let paths = registry.requests.map(\.path).filter { !$0.contains("/referrers/") }
    #expect(
      paths == ["/v2/team/app/manifests/v1", "/v2/team/app/manifests/\(ImageSignature.signatureTag(digest))"])
  }
}

extension String {
  /// The literal as it is once pinned.
  fileprivate func replacingTail(with digest: Digest) -> String { contains("@") ? self : "\(self)@\(digest)" }
}
