/// Debian's docker-registry as a process.
package struct DockerRegistry: Sendable {
  package enum Access: Sendable {
    case open
    case passwords(file: String)
    case tokens(realm: String, service: String, issuer: String, certificate: String)
  }

  package let registry: Registry
  package let daemon: Daemon

  /// Runs `body` with a registry over the folder `storage`, on `port` or a free one; over TLS where a certificate is given.
  package static func with<Value: Sendable>(
    _ name: String, in folder: String, storage: String, port: Int? = nil, access: Access = .open,
    certificate: Certificate? = nil, perform body: (DockerRegistry) async throws -> Value
  ) async throws -> Value {
    let port = try port ?? freePort()
    var lines = [
      "version: 0.1", "log: {level: warn, accesslog: {disabled: true}}",
      "storage: {filesystem: {rootdirectory: \(storage)}, delete: {enabled: true}}",
      "http:", "  addr: 127.0.0.1:\(port)", "  secret: of-these-tests",
    ]
    if let certificate { lines += ["  tls: {certificate: \(certificate.chainFile), key: \(certificate.keyFile)}"] }
    switch access {
    case .open: break
    case .passwords(let file): lines += ["auth:", "  htpasswd: {realm: tests, path: \(file)}"]
    case .tokens(let realm, let service, let issuer, let bundle):
      lines += [
        "auth:",
        "  token: {realm: \"\(realm)\", service: \(service), issuer: \(issuer), rootcertbundle: \(bundle)}",
      ]
    }
    let configuration = "\(folder)/\(name).yml"
    try write(lines.joined(separator: "\n") + "\n", to: configuration)
    let registry = Registry(address: "127.0.0.1:\(port)", authority: certificate?.authorityFile)
    return try await withDaemon(
      name, in: folder, Tool.dockerRegistry.path(), ["serve", configuration], ready: { await registry.answers() }
    ) { daemon in
      try await body(DockerRegistry(registry: registry, daemon: daemon))
    }
  }
}

/// A serving certificate for 127.0.0.1 and its authority, as files.
package struct Certificate: Sendable {
  package let authorityFile: String
  package let chainFile: String
  package let keyFile: String

  package init(authorityFile: String, chainFile: String, keyFile: String) {
    self.authorityFile = authorityFile
    self.chainFile = chainFile
    self.keyFile = keyFile
  }

  /// Made by the script that makes the quickstart's.
  package static func make(in folder: String) async throws -> Certificate {
    try await command("\(EndToEnd.root)/scripts/tools/development-certificate", [folder]).checked()
    return Certificate(
      authorityFile: "\(folder)/ca.crt", chainFile: "\(folder)/tls.crt", keyFile: "\(folder)/tls.key")
  }
}
