import Crypto
import EmbeddedRegistry
import HTTPServer
import Logging
import Sigstore

/// A transparency log of a test's own, with a key of its own, which signers reach over plain HTTP.
package struct TestLog: Sendable {
  /// The formats that it speaks, and the kind of its key.
  package enum Kind: String, Sendable, CaseIterable {
    case rekor1
    case rekor2
    /// A key of a kind with which an identifier does not tell Rekor v2 from v1.
    case rekor2P256
  }

  package let kind: Kind
  /// Where it listens.
  package let url: String
  /// What a namespace's `rekor-public-key` is for it.
  package let publicPEM: String
  /// The element of a trust root's `tlogs`.
  private let trustRootElement: String

  /// The API's version, as a signing configuration has it.
  package var version: Int { kind == .rekor1 ? 1 : 2 }

  /// Runs `body` with logs of these kinds.
  package static func with<Value: Sendable>(
    _ kinds: [Kind], perform body: ([TestLog]) async throws -> Value
  ) async throws -> Value {
    var logs: [TestLog] = []
    var servers: [Server] = []
    func stop() async {
      for server in servers { await server.drain() }
    }
    let value: Value
    do {
      for kind in kinds {
        let log = MemoryLog(
          key: try PrivateKey(generating: kind == .rekor2 ? .ed25519 : .p256), url: "http://127.0.0.1",
          version: kind == .rekor1 ? .rekor1 : .rekor2)
        let server = try Server.start(
          address: "127.0.0.1:0", tls: nil, loops: 1, handler: EmbeddedLog(log), logger: Logger(label: "log"))
        servers.append(server)
        logs.append(
          TestLog(
            kind: kind, url: "http://127.0.0.1:\(server.port)", publicPEM: log.key.publicKey.pem,
            trustRootElement: log.trustRootElement))
      }
      value = try await body(logs)
    } catch {
      await stop()
      throw error
    }
    await stop()
    return value
  }

  /// A `trusted_root.json` with these logs and nothing else.
  package static func trustRoot(of logs: [TestLog]) -> String {
    let elements = logs.map(\.trustRootElement).joined(separator: ",")
    return #"{"mediaType":"application/vnd.dev.sigstore.trustedroot+json;version=0.1","tlogs":[\#(elements)]}"#
  }
}

extension Signing {
  /// Signs an image with the entry of a log in the signature: a bundle by cosign 3, else simple signing under a tag.
  package func sign(_ image: TestImage, with key: SigningKey, by signer: Signer, log: TestLog) async throws {
    guard signer == .cosign3 else { return try await sign(image, with: key, by: signer, log: log.url) }
    // cosign 3 looks at what the log answers, with a trust root of this log.
    let name = "\(folder)/\(log.url.filter(\.isNumber))"
    try write(TestLog.trustRoot(of: [log]), to: "\(name).root.json")
    try write(
      #"{"mediaType":"application/vnd.dev.sigstore.signingconfig.v0.2+json","rekorTlogUrls":[{"url":"\#(log.url)","#
        + #""majorApiVersion":\#(log.version),"validFor":{"start":"2024-01-01T00:00:00Z"},"operator":"tests"}],"#
        + #""rekorTlogConfig":{"selector":"ANY"},"tsaConfig":{}}"#,
      to: "\(name).signing.json")
    try await cosign(
      .cosign3,
      [
        "sign", "--key", key.file, "--signing-config", "\(name).signing.json", "--trusted-root", "\(name).root.json",
        "-y", image.digested,
      ])
  }
}
