import Crypto
import Policy
import Testing

@Suite struct KeySourceTests {
  private static func read(_ value: String) -> PolicyReading {
    PolicyAnnotationsTests.read(["image-verification": "enabled", "public-key": value])
  }

  @Test(arguments: [
    ("secret://keys/cosign.pub", KeySource.secret(name: "keys", key: "cosign.pub")),
    (" secret://my.keys-1/A_b-c.pem\n", .secret(name: "my.keys-1", key: "A_b-c.pem")),
    ("configmap://keys/.hidden", .configMap(name: "keys", key: ".hidden")),
  ])
  func `references are read`(value: String, source: KeySource) {
    guard case .enabled(let draft) = Self.read(value) else {
      Issue.record("\(Self.read(value))")
      return
    }
    #expect(draft.keySource == source)
  }

  @Test func `several inline keys are read, each once`() {
    let (first, second) = (Keys.first.publicKey, Keys.second.publicKey)
    guard case .enabled(let draft) = Self.read(first.pem + "\n" + second.pem + first.pem) else {
      Issue.record("expected an enabled policy")
      return
    }
    #expect(draft.keySource == .inline([first, second]))
    #expect(draft.keySource?.description == "2 inline public keys")
  }

  @Test(arguments: [
    ("", ["is empty", "configmap://NAME/KEY"]),
    ("secret://", ["lacks the name of the Secret", "secret://NAME/KEY"]),
    ("secret://keys", ["does not say which key", "secret://NAME/KEY"]),
    ("secret://keys/", ["does not say which key"]),
    ("secret:///key", ["lacks the name"]),
    ("secret://other/keys/cosign.pub", ["3 parts", "without a namespace", "secret://NAME/KEY"]),
    ("configmap://other/keys/cosign.pub", ["3 parts", "a ConfigMap of the namespace itself"]),
    ("secret://Keys/cosign.pub", ["\"Keys\" cannot be the name of a Secret", "lower-case"]),
    ("secret://-keys/a", ["cannot be the name"]),
    ("secret://a..b/c", ["cannot be the name"]),
    ("secret://..%2fother/a", ["cannot be the name"]),
    ("secret://keys?x=1/a", ["cannot be the name"]),
    ("secret://" + String(repeating: "a", count: 254) + "/k", ["cannot be the name", "…"]),
    ("secret://keys/..", ["\"..\" cannot be a key"]),
    ("secret://keys/a b", ["\"a b\" cannot be a key of a Secret's data"]),
    ("secret://keys/a\u{0}", ["\"a\\u{0}\" cannot be a key"]),
    ("secret://keys/a,secret://keys/b", ["parts"]),
    ("SECRET://keys/a", ["\"SECRET://\" is not supported", "in lower case"]),
    ("k8s://keys/a", ["\"k8s://\" is not supported", "secret://NAME/KEY or configmap://NAME/KEY"]),
    ("https://example.com/key.pem", ["\"https://\" is not supported"]),
    ("awskms://alias/x", ["\"awskms://\" is not supported"]),
    ("cosign.pub", ["neither a PEM public key nor a reference"]),
    ("secret:/keys/a", ["neither a PEM public key nor a reference"]),
    ("-----BEGIN PUBLIC KEY-----\ngarbage\n-----END PUBLIC KEY-----", ["is not usable"]),
    ("-----BEGIN PUBLIC KEY-----", ["is not usable"]),
    ("-----BEGIN CERTIFICATE-----\nMAAB\n-----END CERTIFICATE-----", ["is not usable"]),
    (String(repeating: "x", count: 70_000), ["70000 bytes", "at most 65536"]),
  ])
  func `what is no key source says what would be one`(value: String, says: [String]) {
    guard case .invalid(let error, .block) = Self.read(value) else {
      Issue.record("expected an invalid policy")
      return
    }
    #expect(error.annotation == "pinseal.dev/public-key")
    #expect(error.description.hasPrefix("annotation pinseal.dev/public-key: "))
    for text in says { #expect(error.description.contains(text), "\(error.description)") }
    #expect(error.description.utf8.count < 600)
  }

  @Test func `more than sixteen keys are refused`() {
    let pem = (0..<17).map { _ in Keys.make(.ed25519).publicKey.pem }.joined()
    guard case .invalid(let error, _) = Self.read(pem) else {
      Issue.record("expected an invalid policy")
      return
    }
    #expect(error.description.contains("16"))
  }

  @Test func `a private key is refused by name and never shown`() {
    let pem = Keys.first.pem
    let inside = Keys.inside(of: pem)
    let bare = pem.split(separator: "\n").dropFirst().dropLast().joined(separator: "\n")
    for value in [pem, Keys.second.publicKey.pem + pem, bare, bare.replacing("\n", with: ""), "x" + pem] {
      guard case .invalid(let error, _) = Self.read(value) else {
        Issue.record("expected an invalid policy")
        return
      }
      #expect(!error.description.contains(inside))
      #expect(!error.description.contains(inside.prefix(8)))
    }
    guard case .invalid(let error, _) = Self.read(pem) else { return }
    #expect(error.description.contains("holds a private key; put the public key there"))
  }

  // MARK: Keys that lie elsewhere

  private static func draft(_ source: KeySource) throws -> PolicyDraft {
    var draft = try PolicyAnnotationsTests.draft(["ignore-tlog": "true", "pin": "none", "exempt-images": "nginx"])
    draft.keySource = source
    return draft
  }

  @Test func `a draft with inline keys needs no text`() throws {
    let policy = try Self.draft(.inline([Keys.first.publicKey])).resolved(keyText: nil)
    #expect(policy.keys == [Keys.first.publicKey])
    #expect(policy.ignoresLog)
    #expect(policy.pin == .none)
    #expect(policy.exemptImages.map(\.text) == ["nginx"])
  }

  @Test func `the text at a reference becomes the keys`() throws {
    let text = "\n" + Keys.first.publicKey.pem + Keys.second.publicKey.pem + "\n\n"
    for source in [KeySource.secret(name: "a", key: "b"), .configMap(name: "a", key: "b")] {
      let policy = try Self.draft(source).resolved(keyText: text)
      #expect(policy.keys == [Keys.first.publicKey, Keys.second.publicKey])
    }
  }

  @Test(arguments: [
    (nil, "was not read"), ("", "is empty"), (" \n", "is empty"),
    ("correct horse battery staple", "line 1 is outside of a PEM block"),
    ("ssh-ed25519 AAAAC3NzaC1lZDI1 me@host", "ssh-keygen -e -m PKCS8"),
    ("secret://a/b", "line 1 is outside of a PEM block"),
  ])
  func `an unusable text is refused with its place`(text: String?, says: String) throws {
    let draft = try Self.draft(.secret(name: "keys", key: "cosign.pub"))
    let error = #expect(throws: PolicyError.self) { try draft.resolved(keyText: text) }
    #expect(error?.annotation == "pinseal.dev/public-key")
    #expect(error?.description.contains("secret://keys/cosign.pub") == true)
    #expect(error?.description.contains(says) == true, "\(error?.description ?? "")")
  }

  /// Whoever may annotate a namespace need not be allowed to read its Secrets.
  @Test(arguments: [
    "hunter2-hunter2", "\nhunter2-hunter2\n", "-----BEGIN PUBLIC KEY-----\nhunter2\n-----END PUBLIC KEY-----\nhunter2",
    "-----BEGIN PUBLIC KEY-----\nhunter2: hunter2\n-----END PUBLIC KEY-----",
    "-----BEGIN OPENSSH PRIVATE KEY-----\nhunter2\n-----END OPENSSH PRIVATE KEY-----",
    "{\"auths\":{\"ghcr.io\":{\"auth\":\"hunter2\"}}}",
  ])
  func `no message holds any of a Secret's value`(text: String) throws {
    let draft = try Self.draft(.secret(name: "a", key: "b"))
    let error = #expect(throws: PolicyError.self) { try draft.resolved(keyText: text) }
    #expect(error?.description.contains("hunter2") == false, "\(error?.description ?? "")")
  }
}
