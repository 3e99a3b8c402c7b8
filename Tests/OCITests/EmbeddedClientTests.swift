import Crypto
import EmbeddedRegistry
import OCI
import Primitives
import Testing

/// Credentials from one file.
private struct FileCredentials: CredentialsProviding {
  let file: RegistryCredentials
  var scope: String { "file" }
  func credentials() async -> (sources: [RegistryCredentials], notes: [String]) { ([file], file.notes) }
}

@Suite struct `The registry client and the embedded registry` {
  private let key: PrivateKey
  init() throws { key = try PrivateKey(generating: .p256) }

  private static func credentials(_ entry: String) throws -> FileCredentials {
    let json = #"{"auths":{"registry.example":\#(entry)}}"#
    return FileCredentials(file: try RegistryCredentials(dockerConfigJSON: Array(json.utf8), source: "file"))
  }

  @Test(arguments: [Authentication.none, .basic, .bearer(realm: "https://registry.example/token")], [true, false])
  func `signatures are found behind every kind of authentication`(
    _ authentication: Authentication, _ hasReferrersAPI: Bool
  ) async throws {
    var configuration = EmbeddedRegistry.Configuration()
    configuration.authentication = authentication
    configuration.accounts = [Account(username: "u", password: "p:w", identityToken: "refresh")]
    configuration.hasReferrersAPI = hasReferrersAPI
    let registry = EmbeddedRegistry(configuration)
    let image = try registry.pushImage(repository: "team/app", tag: "v1")
    try registry.attachSignature(repository: "team/app", digest: image, key: key)
    let bundle = try registry.attachSignature(repository: "team/app", digest: image, key: key, as: .bundle)

    let client = registry.client()
    let reference = try ImageReference(parsing: "registry.example/team/app:v1")
    let credentials = try Self.credentials(#"{"username":"u","password":"p:w"}"#)
    let deadline = Deadline.after(.seconds(20))
    #expect(try await client.resolve(reference, credentials: credentials, deadline: deadline) == image)
    let signatures = try await client.manifest(
      reference, at: .tag("sha256-\(image.hex).sig"), credentials: credentials, deadline: deadline)
    guard case .image(_, _, let layers, _, _) = try Manifest(parsing: try #require(signatures)) else {
      Issue.record("not an image")
      return
    }
    let payload = try await client.blob(
      reference, descriptor: try #require(layers.first), maximumBytes: 1 << 20, credentials: credentials,
      deadline: deadline)
    #expect(String(decoding: payload, as: UTF8.self).contains(image.description))
    let referrers = try await client.referrers(reference, of: image, credentials: credentials, deadline: deadline)
    #expect(referrers.descriptors.map(\.digest) == [bundle])
    #expect(referrers.place == (hasReferrersAPI ? .api : .fallbackTag("sha256-\(image.hex)")))

    if authentication == .none { return }
    for wrong in [AnonymousCredentials() as any CredentialsProviding, try Self.credentials(#"{"auth":"dTp4"}"#)] {
      let error = try await #require(throws: RegistryError.self) {
        try await registry.client().resolve(reference, credentials: wrong, deadline: .after(.seconds(20)))
      }
      #expect(error.code == .registryUnauthorized, "\(error)")
    }
  }

  @Test func `tokens of both kinds open the door`() async throws {
    var configuration = EmbeddedRegistry.Configuration()
    configuration.authentication = .bearer(realm: "https://registry.example/token")
    configuration.accounts = [Account(username: "u", password: "p", identityToken: "refresh")]
    let registry = EmbeddedRegistry(configuration)
    let image = try registry.pushImage(repository: "a", tag: "v1")
    let reference = try ImageReference(parsing: "registry.example/a:v1")
    let token = registry.issueToken(repository: "a")
    for entry in [#"{"identitytoken":"refresh"}"#, #"{"registrytoken":"\#(token)"}"#] {
      let credentials = try Self.credentials(entry)
      let found = try await registry.client().resolve(
        reference, credentials: credentials, deadline: .after(.seconds(20)))
      #expect(found == image)
    }
  }

  @Test func `altered bytes are noticed`() async throws {
    let registry = EmbeddedRegistry()
    let image = try registry.pushImage(repository: "a", tag: "v1")
    registry.inject(.alteredByte(at: 40), method: "GET", path: "/v2/a/manifests/\(image)")
    let reference = try ImageReference(parsing: "registry.example/a:v1")
    let error = try await #require(throws: RegistryError.self) {
      try await registry.client().manifest(
        reference, at: .digest(image), credentials: AnonymousCredentials(), deadline: .after(.seconds(20)))
    }
    #expect(error.code == .digestMismatch, "\(error)")
  }
}
