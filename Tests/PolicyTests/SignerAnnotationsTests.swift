import Crypto
import Policy
import Sigstore
import Testing

/// Keys and identities, their logs and times, and what must be signed.
@Suite struct SignerAnnotationsTests {
  static let identity = [
    "certificate-identity": "jane@example.com", "certificate-oidc-issuer": "https://issuer.example",
  ]

  func reading(_ annotations: [String: String]) -> PolicyReading {
    PolicyAnnotationsTests.read(["image-verification": "enabled"].merging(annotations) { $1 })
  }

  func policy(_ annotations: [String: String]) throws -> VerificationPolicy {
    guard case .enabled(let draft) = reading(annotations) else {
      throw PolicyAnnotationsTests.Unexpected(reading: reading(annotations))
    }
    return try draft.resolved(keyText: nil)
  }

  func error(_ annotations: [String: String]) -> PolicyError? {
    guard case .invalid(let error, _) = reading(annotations) else { return nil }
    return error
  }

  @Test func `an identity with its issuer is enough, without a key`() throws {
    let demand = try policy(Self.identity).demand
    #expect(demand.keys.isEmpty)
    #expect(
      demand.identities == [
        IdentityMatcher(identity: .exact("jane@example.com"), issuer: .exact("https://issuer.example"))
      ])
    #expect(demand.requiresLog)
  }

  @Test func `key and identity together are both trusted`() throws {
    let demand = try policy(Self.identity.merging(["public-key": PolicyAnnotationsTests.key]) { $1 }).demand
    #expect(demand.keys.map(\.key) == [Keys.first.publicKey])
    #expect(demand.identities.count == 1)
  }

  @Test func `patterns are anchored`() throws {
    let demand = try policy([
      "certificate-identity-regexp": " https://github.com/org/.* ",
      "certificate-oidc-issuer-regexp": "https://a\\.example",
    ]).demand
    let matcher = try #require(demand.identities.first)
    guard case .pattern(let pattern) = matcher.identity else {
      Issue.record("expected a pattern")
      return
    }
    #expect(pattern.matches("https://github.com/org/app"))
    #expect(!pattern.matches("https://evil/?https://github.com/org/app"))
    #expect(!matcher.issuer.matches("https://aXexample"))
  }

  @Test(arguments: [
    (["certificate-identity": "a"], "pinseal.dev/certificate-oidc-issuer", "is missing"),
    (["certificate-identity-regexp": "a"], "pinseal.dev/certificate-oidc-issuer", "is missing"),
    (["certificate-oidc-issuer": "a"], "pinseal.dev/certificate-identity", "is missing"),
    (["certificate-oidc-issuer-regexp": "a"], "pinseal.dev/certificate-identity", "is missing"),
    (
      ["certificate-identity": "a", "certificate-identity-regexp": "a", "certificate-oidc-issuer": "b"],
      "pinseal.dev/certificate-identity-regexp", "only one of the two"
    ),
    (
      ["certificate-identity": "a", "certificate-oidc-issuer": "b", "certificate-oidc-issuer-regexp": "b"],
      "pinseal.dev/certificate-oidc-issuer-regexp", "only one of the two"
    ),
    (
      ["certificate-identity-regexp": "(?=a)", "certificate-oidc-issuer": "b"],
      "pinseal.dev/certificate-identity-regexp", "no regular expression that is taken"
    ),
    ([:], "pinseal.dev/public-key", "pinseal.dev/certificate-identity with pinseal.dev/certificate-oidc-issuer"),
  ])
  func `half an identity, two at once and none at all are refused`(
    annotations: [String: String], annotation: String, says: String
  ) throws {
    let error = try #require(self.error(annotations))
    #expect(error.annotation == annotation)
    #expect(error.description.contains(says), "\(error)")
  }

  @Test func `half an identity is refused beside a key too`() {
    #expect(error(["public-key": PolicyAnnotationsTests.key, "certificate-identity": "a"]) != nil)
  }

  @Test func `the rest of the demand is read`() throws {
    let demand = try policy([
      "public-key": PolicyAnnotationsTests.key, "rekor-public-key": Keys.second.publicKey.pem,
      "signed-identity": " repository\n", "signature-annotations": " env=prod , url=https://x?a=b ",
    ]).demand
    #expect(demand.logKeys == [Keys.second.publicKey])
    #expect(demand.signedIdentity == .repository)
    #expect(demand.annotations == ["env": "prod", "url": "https://x?a=b"])
    let plain = try policy(["public-key": PolicyAnnotationsTests.key]).demand
    #expect(plain.logKeys.isEmpty && plain.signedIdentity == .any && plain.annotations.isEmpty && plain.requiresLog)
  }

  @Test func `a log's key where no log is read is warned about`() throws {
    let key = ["public-key": PolicyAnnotationsTests.key]
    let logKey = ["rekor-public-key": Keys.second.publicKey.pem]
    func warning(_ others: [String: String]...) throws -> String? {
      try policy(others.reduce(key) { $0.merging($1) { $1 } }).warning
    }
    let text = try #require(try warning(logKey, ["ignore-tlog": "true"]))
    #expect(text.contains("pinseal.dev/rekor-public-key") && text.contains("no effect beside pinseal.dev/ignore-tlog"))
    #expect(text.utf8.count <= 256)
    #expect(try warning(logKey, ["ignore-tlog": "false"]) == nil)
    #expect(try warning(logKey) == nil)
    #expect(try warning(["ignore-tlog": "true"]) == nil)
  }

  // MARK: What must be signed

  /// So many pairs that together have this many bytes.
  private func pairs(_ count: Int, bytes: Int) -> [String: String] {
    var pairs: [String: String] = [:]
    var left = bytes
    for number in 0..<count {
      let name = "name-\(number / 10)\(number % 10)"
      let size = number == count - 1 ? left - name.utf8.count : bytes / count - name.utf8.count
      pairs[name] = String(repeating: "v", count: size)
      left -= name.utf8.count + size
    }
    return pairs
  }

  private func asked(_ pairs: [String: String]) -> [String: String] {
    [
      "public-key": PolicyAnnotationsTests.key,
      "signature-annotations": pairs.map { "\($0)=\($1)" }.joined(separator: ","),
    ]
  }

  /// As much beside it is no obstacle: tools write annotations of their own.
  @Test func `the most that may be asked for can be signed`() throws {
    let wanted = pairs(SignatureDemand.maximumAnnotations, bytes: SignatureDemand.maximumAnnotationBytes)
    let demand = try policy(asked(wanted)).demand
    #expect(demand.annotations == wanted)
    let others = Dictionary(
      uniqueKeysWithValues: pairs(48, bytes: SignatureDemand.maximumAnnotationBytes - 48 * 6)
        .map { ("other-\($0)", $1) })
    let digest = Digest(hashing: [1])
    let bundle = try ImageSigner.bundle(
      digest: digest, key: Keys.first, annotations: wanted.merging(others) { $1 })
    let found = try ImageSignature.verify(.bundle(bundle), imageDigest: digest, keys: [Keys.first.publicKey])
    #expect(found.annotations.count == 64)
    let bare = SignatureDemand(keys: demand.keys, requiresLog: false, annotations: demand.annotations)
    #expect(bare.objection(to: found, now: 0) == nil)
  }

  @Test func `more than can be kept of a signature may not be asked for`() throws {
    let wanted = pairs(SignatureDemand.maximumAnnotations, bytes: SignatureDemand.maximumAnnotationBytes + 1)
    let refusal = try #require(error(asked(wanted)))
    #expect(refusal.annotation == "pinseal.dev/signature-annotations")
    #expect(refusal.description.contains("asks for 4097 bytes"), "\(refusal)")
    #expect(refusal.description.contains("at most 4096 are taken"), "\(refusal)")
  }

  // MARK: Validity

  func draft(_ source: String = "configmap://keys/team") throws -> PolicyDraft {
    guard case .enabled(let draft) = reading(["public-key": source, "rekor-public-key": "secret://log/key"]) else {
      throw PolicyAnnotationsTests.Unexpected(reading: reading(["public-key": source]))
    }
    return draft
  }

  @Test func `a key's times stand beside it`() throws {
    let policy = try draft().resolved(
      publicKey: KeyMaterial(
        text: Keys.first.publicKey.pem, notBefore: "2026-01-01T00:00:00Z\n", notAfter: " 2026-12-31T23:59:59Z"),
      logKey: KeyMaterial(text: Keys.second.publicKey.pem))
    #expect(
      policy.demand.keys
        == [TrustedKey(Keys.first.publicKey, validity: Validity(start: 1_767_225_600, end: 1_798_761_599))])
    #expect(policy.demand.logKeys == [Keys.second.publicKey])
  }

  @Test(arguments: [
    "", "2026-01-01", "2026-01-01T00:00:00", "2026-01-01T00:00:00+01:00", "2026-02-30T00:00:00Z", "1767225600",
    "2026-01-01t00:00:00z", "2026-01-01T00:00:00.5Z", "2026-01-01T00:00:60Z", "never",
  ])
  func `a time that is none makes the policy invalid, and is not quoted`(text: String) throws {
    let draft = try draft("secret://keys/team")
    for material in [
      KeyMaterial(text: Keys.first.publicKey.pem, notBefore: text),
      KeyMaterial(text: Keys.first.publicKey.pem, notAfter: text),
    ] {
      let error = try #require(throws: PolicyError.self) {
        try draft.resolved(publicKey: material, logKey: KeyMaterial(text: Keys.second.publicKey.pem))
      }
      #expect(error.description.contains("is no time in UTC"))
      #expect(text.count < 5 || !error.description.contains(text))
    }
  }

  @Test func `a key that would never be trusted, and a log with times, are refused`() throws {
    let never = try #require(throws: PolicyError.self) {
      try draft().resolved(
        publicKey: KeyMaterial(
          text: Keys.first.publicKey.pem, notBefore: "2026-01-02T00:00:00Z", notAfter: "2026-01-01T00:00:00Z"),
        logKey: KeyMaterial(text: Keys.second.publicKey.pem))
    }
    #expect(never.description.contains("would never be trusted"))
    let log = try #require(throws: PolicyError.self) {
      try draft().resolved(
        publicKey: KeyMaterial(text: Keys.first.publicKey.pem),
        logKey: KeyMaterial(text: Keys.second.publicKey.pem, notAfter: "2026-01-01T00:00:00Z"))
    }
    #expect(log.annotation == "pinseal.dev/rekor-public-key")
  }

  @Test func `which sources must be read is known, and one that was not is an error`() throws {
    let draft = try draft()
    #expect(draft.sourcesToRead == [.configMap(name: "keys", key: "team"), .secret(name: "log", key: "key")])
    #expect(throws: PolicyError.self) {
      try draft.resolved(publicKey: KeyMaterial(text: Keys.first.publicKey.pem), logKey: nil)
    }
    #expect(throws: PolicyError.self) {
      try draft.resolved(publicKey: nil, logKey: KeyMaterial(text: Keys.second.publicKey.pem))
    }
  }
}
