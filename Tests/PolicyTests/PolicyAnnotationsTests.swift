import Crypto
import Policy
import Testing

@Suite struct PolicyAnnotationsTests {
  static let key = Keys.first.publicKey.pem

  /// The reading of these annotations, their names without prefix.
  static func read(_ annotations: [String: String], enabledByDefault: Bool = false) -> PolicyReading {
    PolicyAnnotations.read(
      Dictionary(uniqueKeysWithValues: annotations.map { ("pinseal.dev/" + $0.key, $0.value) }),
      enabledByDefault: enabledByDefault)
  }

  static func draft(_ annotations: [String: String]) throws -> PolicyDraft {
    let enabled = ["image-verification": "enabled", "public-key": key].merging(annotations) { $1 }
    guard case .enabled(let draft) = read(enabled) else {
      throw Unexpected(reading: read(enabled))
    }
    return draft
  }

  struct Unexpected: Error { let reading: PolicyReading }

  // MARK: On and off

  @Test func `nothing is off without a word where the default is off`() {
    #expect(Self.read([:]) == .off(warning: nil))
    #expect(PolicyAnnotations.read(["example.com/public-key": "x"], enabledByDefault: false) == .off(warning: nil))
    #expect(PolicyAnnotations.read(["a.pinseal.dev/pin": "x"], enabledByDefault: false) == .off(warning: nil))
  }

  @Test(arguments: [
    [:], ["public-key": "garbage"], ["pin": "sideways"], ["no-such-thing": "x"], ["failure-policy": "?"],
    ["certificate-identity": "me@example.com"],
  ])
  func `disabled is off without fuss, whatever else stands there`(others: [String: String]) {
    for value in ["disabled", " disabled\n"] {
      let annotations = others.merging(["image-verification": value]) { $1 }
      #expect(Self.read(annotations) == .off(warning: nil))
      #expect(Self.read(annotations, enabledByDefault: true) == .off(warning: nil))
    }
  }

  @Test func `policy annotations without the switch do nothing, with a warning that names them`() {
    guard case .off(let warning?) = Self.read(["public-key": "garbage", "failure-policy": "Warn"]) else {
      Issue.record("expected a warning")
      return
    }
    #expect(warning.contains("pinseal.dev/failure-policy, pinseal.dev/public-key have no effect"))
    #expect(warning.contains("pinseal.dev/image-verification (\"enabled\" or \"disabled\")"))
  }

  @Test func `a misspelt switch does not switch off`() {
    guard case .invalid(let error, .block) = Self.read(["image-verificaton": "enabled", "public-key": Self.key]) else {
      Issue.record("expected an invalid policy")
      return
    }
    #expect(error.annotation == "pinseal.dev/image-verificaton")
    #expect(error.description.contains("did you mean pinseal.dev/image-verification?"))
  }

  @Test func `the prefix in other letters is the prefix, misspelt`() {
    let reading = PolicyAnnotations.read(["Pinseal.Dev/image-verification": "enabled"], enabledByDefault: false)
    guard case .invalid(let error, .block) = reading else {
      Issue.record("expected an invalid policy")
      return
    }
    #expect(error.description.contains("Pinseal.Dev/image-verification is not known"))
    #expect(error.description.contains("did you mean pinseal.dev/image-verification?"))
  }

  @Test func `enabled with a key has the documented defaults`() throws {
    let draft = try Self.draft([:])
    #expect(draft.keySource == .inline([Keys.first.publicKey]))
    #expect(draft.failurePolicy == .block)
    #expect(draft.pin == .tagAndDigest)
    #expect(!draft.ignoresLog)
    #expect(draft.imagePullSecrets.isEmpty)
    #expect(draft.exemptImages.isEmpty)
  }

  @Test func `the server's default switches on, and asks for a key`() {
    guard case .enabled = Self.read(["public-key": Self.key], enabledByDefault: true) else {
      Issue.record("expected an enabled policy")
      return
    }
    guard case .invalid(let error, .warn) = Self.read(["failure-policy": "Warn"], enabledByDefault: true) else {
      Issue.record("expected an invalid policy")
      return
    }
    #expect(error.annotation == "pinseal.dev/public-key")
    #expect(error.description.contains("this server verifies images by default"))
  }

  // MARK: Good values

  @Test func `every value is read, white space around it left out`() throws {
    let draft = try Self.draft([
      "image-verification": " enabled\t", "failure-policy": "\nWarn ", "ignore-tlog": "true\r\n", "pin": " digest",
      "image-pull-secrets": " one ,two,\n three,one", "exempt-images": "\n  nginx\r\n\r\nghcr.io/org/** \n",
      "public-key": "\n\n  " + Self.key + "\n",
    ])
    #expect(draft.failurePolicy == .warn)
    #expect(draft.ignoresLog)
    #expect(draft.pin == .digest)
    #expect(draft.imagePullSecrets == ["one", "two", "three"])
    #expect(draft.exemptImages.map(\.text) == ["nginx", "ghcr.io/org/**"])
  }

  @Test(arguments: ["tag-and-digest", "digest", "none"])
  func `every way to pin is known`(value: String) throws {
    #expect(try Self.draft(["pin": value]).pin.rawValue == value)
  }

  // MARK: Refusals

  struct Bad: CustomTestStringConvertible {
    let annotation: String
    let value: String
    let says: [String]
    var testDescription: String { "\(annotation): \(value.prefix(40))" }
  }

  static let bad: [Bad] = [
    Bad(annotation: "image-verification", value: "Enabled", says: ["\"Enabled\"", "\"enabled\" and \"disabled\""]),
    Bad(annotation: "image-verification", value: "", says: ["is empty", "\"enabled\" and \"disabled\""]),
    Bad(annotation: "image-verification", value: "true", says: ["\"true\"", "\"enabled\" and \"disabled\""]),
    Bad(annotation: "failure-policy", value: "warn", says: ["\"warn\"", "\"Block\" and \"Warn\""]),
    Bad(annotation: "failure-policy", value: "Warn, please", says: ["\"Block\" and \"Warn\""]),
    Bad(annotation: "failure-policy", value: " ", says: ["is empty", "\"Block\" and \"Warn\""]),
    Bad(annotation: "ignore-tlog", value: "True", says: ["\"True\"", "\"true\" and \"false\""]),
    Bad(annotation: "ignore-tlog", value: "yes", says: ["\"yes\"", "\"true\" and \"false\""]),
    Bad(annotation: "ignore-tlog", value: "1", says: ["\"1\"", "\"true\" and \"false\""]),
    Bad(annotation: "ignore-tlog", value: "true\u{0}", says: ["\"true\\u{0}\"", "\"true\" and \"false\""]),
    Bad(
      annotation: "ignore-tlog", value: "\u{202E}eurt" + String(repeating: "x", count: 5000),
      says: ["\\u{202e}eurt", "…", "\"true\" and \"false\""]),
    Bad(annotation: "pin", value: "tag", says: ["\"tag\"", "\"tag-and-digest\" and \"digest\" and \"none\""]),
    Bad(annotation: "image-pull-secrets", value: "", says: ["is empty", "separated by commas"]),
    Bad(annotation: "image-pull-secrets", value: "one,,two", says: ["empty name", "separated by commas"]),
    Bad(annotation: "image-pull-secrets", value: "one,", says: ["empty name", "separated by commas"]),
    Bad(
      annotation: "image-pull-secrets", value: "other/one",
      says: ["\"other/one\"", "another namespace", "this namespace"]),
    Bad(annotation: "image-pull-secrets", value: "../one", says: ["\"../one\"", "not allowed"]),
    Bad(annotation: "image-pull-secrets", value: "One", says: ["\"One\"", "lower-case letters"]),
    Bad(annotation: "image-pull-secrets", value: "one two", says: ["\"one two\"", "cannot be the name"]),
    Bad(annotation: "image-pull-secrets", value: "a\u{7}b", says: ["\"a\\u{7}b\"", "cannot be the name"]),
    Bad(
      annotation: "image-pull-secrets", value: (0..<17).map { "s\($0)" }.joined(separator: ","),
      says: ["more than 16"]),
    Bad(
      annotation: "image-pull-secrets", value: String(repeating: ",", count: 40_000),
      says: ["40000 bytes", "at most 32768"]),
    Bad(annotation: "exempt-images", value: "\n \n", says: ["is empty", "ghcr.io/org/*"]),
    Bad(annotation: "exempt-images", value: "nginx\n*", says: ["\"*\"", "exempt everything"]),
    Bad(annotation: "exempt-images", value: "nginx redis", says: ["\"nginx redis\"", "one pattern a line"]),
    Bad(
      annotation: "exempt-images", value: (0..<129).map { "image\($0)" }.joined(separator: "\n"),
      says: ["more than 128 patterns"]),
    Bad(
      annotation: "exempt-images", value: String(repeating: "a", count: 32 << 10) + "a", says: ["32769 bytes"]),
    Bad(
      annotation: "certificate-identity", value: " \n", says: ["is empty"]),
    Bad(annotation: "certificate-identity-regexp", value: "(", says: ["no regular expression that is taken"]),
    Bad(annotation: "certificate-oidc-issuer", value: String(repeating: "x", count: 2049), says: ["2049 bytes"]),
    Bad(annotation: "certificate-oidc-issuer-regexp", value: "", says: ["a pattern is empty"]),
    Bad(annotation: "signed-identity", value: "Repository", says: ["allowed are \"any\" and \"repository\""]),
    Bad(annotation: "signature-annotations", value: "", says: ["is empty", "NAME=VALUE"]),
    Bad(annotation: "signature-annotations", value: "a=1,b", says: ["\"b\" has no \"=\""]),
    Bad(annotation: "signature-annotations", value: "=1", says: ["a pair without a name"]),
    Bad(annotation: "signature-annotations", value: "a=", says: ["a has no value"]),
    Bad(annotation: "signature-annotations", value: "a=1,a=2", says: ["a twice"]),
    Bad(
      annotation: "signature-annotations", value: (0..<17).map { "n\($0)=v" }.joined(separator: ","),
      says: ["more than 16 pairs"]),
    Bad(
      annotation: "signature-annotations", value: String(repeating: "n", count: 257) + "=v", says: ["is too long"]),
    Bad(annotation: "rekor-public-key", value: "", says: ["is empty", "secret://NAME/KEY"]),
    Bad(annotation: "rekor-public-key", value: "secret://other/log/key", says: ["without a namespace"]),
    Bad(annotation: "rekor-public-key", value: "https://rekor.example", says: ["\"https://\" is not supported"]),
    Bad(annotation: "rekor-pubic-key", value: "x", says: ["did you mean pinseal.dev/rekor-public-key?"]),
    Bad(annotation: "publickey", value: "x", says: ["is not known", "did you mean pinseal.dev/public-key?"]),
    Bad(annotation: "Failure-Policy", value: "Warn", says: ["did you mean pinseal.dev/failure-policy?"]),
    Bad(annotation: "ignore-tlgo", value: "x", says: ["did you mean pinseal.dev/ignore-tlog?"]),
    Bad(annotation: "image-pull-secret", value: "x", says: ["did you mean pinseal.dev/image-pull-secrets?"]),
    Bad(
      annotation: "pinning", value: "x", says: ["is not known", "known under pinseal.dev/ are image-verification, "]),
    Bad(annotation: "", value: "x", says: ["annotation pinseal.dev/ is not known", "public-key"]),
    Bad(annotation: String(repeating: "k", count: 4000), value: "x", says: ["kkk…", "is not known"]),
    Bad(
      annotation: "pin\n", value: "x", says: ["pinseal.dev/pin\\u{a} is not known", "did you mean pinseal.dev/pin?"]),
  ]

  @Test(arguments: bad)
  func `what is not allowed makes the policy invalid and says what is`(bad: Bad) {
    var annotations = ["image-verification": "enabled", "public-key": Self.key, "failure-policy": "Warn"]
    annotations[bad.annotation] = bad.value
    guard case .invalid(let error, let failurePolicy) = Self.read(annotations) else {
      Issue.record("expected an invalid policy")
      return
    }
    // Unreadable means Block; a fault elsewhere leaves what can be read.
    #expect(failurePolicy == (bad.annotation == "failure-policy" ? .block : .warn))
    if bad.annotation.utf8.count < 80, !bad.annotation.contains("\n") {
      #expect(error.annotation == "pinseal.dev/" + bad.annotation)
      #expect(error.description.hasPrefix("annotation pinseal.dev/\(bad.annotation)"))
    }
    for text in bad.says { #expect(error.description.contains(text), "\(error.description)") }
    #expect(error.description.utf8.count < 600)
    #expect(!error.description.unicodeScalars.contains { $0.properties.generalCategory == .control })
  }

  @Test func `several faults are told together, the first in full`() {
    let reading = Self.read([
      "image-verification": "on", "pin": "x", "ignore-tlog": "x", "image-pull-secrets": "/", "unknown": "",
      "public-key": "",
      "exempt-images": "*", "failure-policy": "x",
    ])
    guard case .invalid(let error, .block) = reading else {
      Issue.record("expected an invalid policy")
      return
    }
    #expect(error.annotation == "pinseal.dev/image-verification")
    #expect(
      error.description.hasSuffix(
        "(also wrong: pinseal.dev/unknown, pinseal.dev/failure-policy, pinseal.dev/public-key, pinseal.dev/ignore-tlog, "
          + "pinseal.dev/image-pull-secrets and 2 more)"))
  }

  @Test func `a misspelt switch is invalid also where the default is off`() {
    guard case .invalid(let error, .warn) = Self.read(["image-verification": "enable", "failure-policy": "Warn"]) else {
      Issue.record("expected an invalid policy")
      return
    }
    #expect(error.description.contains("\"enable\" is not allowed"))
  }

  @Test func `enabled without a key is invalid`() {
    guard case .invalid(let error, .block) = Self.read(["image-verification": "enabled"]) else {
      Issue.record("expected an invalid policy")
      return
    }
    #expect(error.annotation == "pinseal.dev/public-key")
    #expect(error.description.contains("is missing"))
    #expect(error.description.contains("pinseal.dev/image-verification is enabled"))
    #expect(error.description.contains("secret://NAME/KEY"))
  }
}
