import Foundation

/// A key pair in cosign's encrypted form (with an empty password).
package struct SigningKey: Sendable {
  /// The file for `cosign --key`.
  package let file: String
  package let publicPEM: String
}

/// A kind of key that cosign signs with.
package enum KeyKind: String, Sendable, CaseIterable {
  case p256, p384, p521, rsa2048, rsa4096, ed25519
}

/// A program that signs images, in one of its formats.
package enum Signer: String, Sendable, CaseIterable {
  /// cosign 2: simple signing under a tag.
  case cosign2
  /// cosign 3: a Sigstore bundle as a referrer.
  case cosign3
  /// cosign 3 told to write simple signing.
  case cosign3Legacy
  /// skopeo's sigstore attachments: simple signing under a tag.
  case skopeo
}

/// Runs the signers, with a home folder of their own.
package struct Signing: Sendable {
  let folder: String
  /// Their environment, for those who run them otherwise.
  package let environment: [String: String]

  /// - Parameters:
  ///   - logins: registry address to `user:password`, for the signers' own Docker configuration.
  ///   - authority: the only authority that they trust.
  package init(in folder: String, logins: [String: String] = [:], authority: String? = nil) throws {
    self.folder = folder
    let auths = logins.map { #""\#($0)":{"auth":"\#(Data($1.utf8).base64EncodedString())"}"# }
    try write(#"{"auths":{\#(auths.joined(separator: ","))}}"#, to: "\(folder)/docker/config.json")
    try write("", to: "\(folder)/empty")
    try write("{}", to: "\(folder)/predicate.json")
    try write(#"{"default":[{"type":"insecureAcceptAnything"}]}"#, to: "\(folder)/policy.json")
    try write("default-docker:\n  use-sigstore-attachments: true\n", to: "\(folder)/registries.d/default.yaml")
    // No transparency log, no time stamps: nothing leaves this machine.
    try write(
      #"{"mediaType":"application/vnd.dev.sigstore.signingconfig.v0.2+json","rekorTlogConfig":{},"tsaConfig":{}}"#,
      to: "\(folder)/signing-config.json")
    var environment = [
      "COSIGN_PASSWORD": "", "HOME": folder, "DOCKER_CONFIG": "\(folder)/docker", "NO_PROXY": "127.0.0.1",
      "REGISTRY_AUTH_FILE": "\(folder)/docker/config.json",
    ]
    environment["SSL_CERT_FILE"] = authority
    self.environment = environment
  }

  func cosign(_ version: Tool, _ arguments: [String]) async throws {
    try await command(version.path(), arguments, environment: environment).checked()
  }

  /// A new key pair. P-256 is cosign 2's own; the others are imported by cosign 3, and both versions sign with them.
  package func key(_ kind: KeyKind, name: String? = nil) async throws -> SigningKey {
    let prefix = "\(folder)/\(name ?? kind.rawValue)"
    if kind == .p256 {
      try await cosign(.cosign2, ["generate-key-pair", "--output-key-prefix", prefix])
    } else {
      let options: [String] =
        switch kind {
        case .p256, .p384: ["EC", "-pkeyopt", "ec_paramgen_curve:P-384"]
        case .p521: ["EC", "-pkeyopt", "ec_paramgen_curve:P-521"]
        case .rsa2048: ["RSA", "-pkeyopt", "rsa_keygen_bits:2048"]
        case .rsa4096: ["RSA", "-pkeyopt", "rsa_keygen_bits:4096"]
        case .ed25519: ["ED25519"]
        }
      try await command("openssl", ["genpkey", "-algorithm"] + options + ["-out", "\(prefix).pem"]).checked()
      try await cosign(.cosign3, ["import-key-pair", "--key", "\(prefix).pem", "--output-key-prefix", prefix, "-y"])
    }
    return SigningKey(file: "\(prefix).key", publicPEM: try read("\(prefix).pub"))
  }

  /// Signs an image, by its digest.
  package func sign(_ image: TestImage, with key: SigningKey, by signer: Signer = .cosign2) async throws {
    switch signer {
    case .cosign2:
      try await cosign(.cosign2, ["sign", "--key", key.file, "--tlog-upload=false", "-y", image.digested])
    case .cosign3:
      let configuration = "\(folder)/signing-config.json"
      try await cosign(.cosign3, ["sign", "--key", key.file, "--signing-config", configuration, "-y", image.digested])
    case .cosign3Legacy:
      try await cosign(
        .cosign3,
        [
          "sign", "--key", key.file, "--new-bundle-format=false", "--use-signing-config=false", "--tlog-upload=false",
          "-y", image.digested,
        ])
    case .skopeo:
      try await command(
        Tool.skopeo.path(),
        [
          "--policy", "\(folder)/policy.json", "--registries.d", "\(folder)/registries.d", "copy", "--preserve-digests",
          "--remove-signatures", "--src-tls-verify=false", "--dest-tls-verify=false",
          "--sign-by-sigstore-private-key", key.file, "--sign-passphrase-file", "\(folder)/empty",
          "docker://\(image.tagged)", "docker://\(image.tagged)",
        ], environment: environment
      ).checked()
    }
  }

  /// Signs an image with a proof of the log at `url`, simple signing under a tag: by skopeo, else by cosign 2.
  package func sign(_ image: TestImage, with key: SigningKey, by signer: Signer, log url: String) async throws {
    if signer == .skopeo {
      let file = "\(folder)/skopeo-rekor.yaml"
      try write(
        "privateKeyFile: \(key.file)\nprivateKeyPassphraseFile: \(folder)/empty\nrekorURL: \(url)\n", to: file)
      try await command(
        Tool.skopeo.path(),
        [
          "--policy", "\(folder)/policy.json", "--registries.d", "\(folder)/registries.d", "copy", "--preserve-digests",
          "--remove-signatures", "--src-tls-verify=false", "--dest-tls-verify=false", "--sign-by-sigstore", file,
          "docker://\(image.tagged)", "docker://\(image.tagged)",
        ], environment: environment
      ).checked()
      return
    }
    // cosign 3 wants a trust root for a log of one's own, and crashes without one.
    try await cosign(.cosign2, ["sign", "--key", key.file, "--rekor-url", url, "-y", image.digested])
  }

  /// Attests something about an image, which is not signing it.
  package func attest(_ image: TestImage, with key: SigningKey, by signer: Signer) async throws {
    let arguments = [
      "attest", "--key", key.file, "--predicate", "\(folder)/predicate.json", "--type", "custom", "-y", image.digested,
    ]
    switch signer {
    case .cosign3: try await cosign(.cosign3, arguments + ["--signing-config", "\(folder)/signing-config.json"])
    default: try await cosign(.cosign2, arguments + ["--tlog-upload=false"])
    }
  }
}
