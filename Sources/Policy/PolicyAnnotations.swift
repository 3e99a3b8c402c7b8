import Primitives
import Sigstore

/// Reads a namespace's annotations.
///
/// The rules, for every annotation:
/// - Spaces, tabs and line breaks around a value (and around each name or pattern of a list) count for nothing; inside
///   they do. Values are compared exactly, case and all. An empty value is an error, not an absent one.
/// - A value that is not allowed, or an unknown name under the prefix (which is compared without regard to case, as the
///   API server stores any), makes the policy invalid, unless `image-verification` says `disabled`.
/// - If `failure-policy` is not readable it is Block.
/// - Where `image-verification` is absent and the server's default is off, the known annotations do nothing, with a
///   warning; an unknown one is still invalid, for it may be the switch, misspelt.
public enum PolicyAnnotations {
  /// What the names of the annotations begin with.
  public static let prefix = "pinseal.dev/"

  /// The most Secrets that `image-pull-secrets` may name.
  static let maximumPullSecrets = 16
  /// The most patterns of `exempt-images`.
  static let maximumPatterns = 128
  /// The most bytes of a list.
  static let maximumListBytes = 32 << 10

  /// Reads all annotations of a namespace. Pure.
  public static func read(_ annotations: [String: String], enabledByDefault: Bool) -> PolicyReading {
    var values: [PolicyAnnotation: String] = [:]
    var unknown: [String] = []
    for (name, value) in annotations where isOurs(name) {
      if name.utf8.starts(with: prefix.utf8),
        let known = PolicyAnnotation(rawValue: withoutPrefix(name))
      {
        values[known] = value
      } else {
        unknown.append(name)
      }
    }

    let isEnabled: Bool?
    var errors: [PolicyError] = []
    do throws(PolicyError) {
      isEnabled = try choice(Switch.self, .imageVerification, in: values).map { $0 == .enabled }
    } catch {
      isEnabled = nil
      errors.append(error)
    }
    if isEnabled == false { return .off(warning: nil) }
    if isEnabled == nil, errors.isEmpty, unknown.isEmpty, !enabledByDefault {
      return .off(warning: warning(about: values))
    }

    errors += unknown.sorted().map(unknownError)
    let draft = read(values, isByDefault: isEnabled == nil, errors: &errors)
    if let draft, errors.isEmpty { return .enabled(draft) }
    return .invalid(summary(errors), failurePolicy: failurePolicy(in: values))
  }

  private enum Switch: String, CaseIterable { case enabled, disabled }
  private enum Flag: String, CaseIterable { case `true`, `false` }

  /// Bytes, not characters, are dropped: a combining mark would make one character of the slash and itself.
  private static func withoutPrefix(_ name: String) -> String {
    String(decoding: name.utf8.dropFirst(prefix.utf8.count), as: UTF8.self)
  }

  private static func isOurs(_ name: String) -> Bool {
    name.utf8.prefix(prefix.utf8.count).elementsEqual(prefix.utf8) { asciiLowercase($0) == $1 }
  }

  /// Reads every value, noting each error; nil if one of them leaves nothing to build a draft of.
  private static func read(
    _ values: [PolicyAnnotation: String], isByDefault: Bool, errors: inout [PolicyError]
  ) -> PolicyDraft? {
    func attempt<Value>(_ body: () throws(PolicyError) -> Value) -> Value? {
      do throws(PolicyError) { return try body() } catch {
        errors.append(error)
        return nil
      }
    }
    let failurePolicy = attempt { () throws(PolicyError) in
      try choice(FailurePolicy.self, .failurePolicy, in: values) ?? .block
    }
    let signers = attempt { () throws(PolicyError) in try readSigners(in: values, isByDefault: isByDefault) }
    let logKeySource = attempt { () throws(PolicyError) in try readKeySource(.logKey, in: values) }
    let signedIdentity = attempt { () throws(PolicyError) in
      try choice(SignedIdentity.self, .signedIdentity, in: values) ?? .any
    }
    let annotations = attempt { () throws(PolicyError) in try signatureAnnotations(in: values) }
    let ignoresLog = attempt { () throws(PolicyError) in
      try choice(Flag.self, .ignoreLog, in: values).map { $0 == .true } ?? false
    }
    let secrets = attempt { () throws(PolicyError) in try pullSecrets(in: values) }
    let pin = attempt { () throws(PolicyError) in try choice(PinMode.self, .pin, in: values) ?? .tagAndDigest }
    let patterns = attempt { () throws(PolicyError) in try exemptImages(in: values) }
    guard let signers, let logKeySource, let signedIdentity, let annotations, let ignoresLog, let secrets,
      let failurePolicy, let pin, let patterns
    else { return nil }
    return PolicyDraft(
      keySource: signers.keys, identities: signers.identities, logKeySource: logKeySource.source,
      ignoresLog: ignoresLog,
      signedIdentity: signedIdentity, signatureAnnotations: annotations, failurePolicy: failurePolicy, pin: pin,
      imagePullSecrets: secrets, exemptImages: patterns)
  }

  /// What an invalid policy falls back to: the value if it can be read, else Block.
  private static func failurePolicy(in values: [PolicyAnnotation: String]) -> FailurePolicy {
    guard let value = values[.failurePolicy] else { return .block }
    return FailurePolicy(rawValue: trimmed(value)) ?? .block
  }

  // MARK: Values

  /// The value of an annotation that is one of a few words; nil if it is absent.
  static func choice<Choice: RawRepresentable<String> & CaseIterable>(
    _: Choice.Type, _ annotation: PolicyAnnotation, in values: [PolicyAnnotation: String]
  ) throws(PolicyError) -> Choice? {
    guard let text = values[annotation] else { return nil }
    // Longer than any word by far: not worth trimming.
    let word = text.utf8.count <= 1024 ? trimmed(text) : text
    if let choice = Choice(rawValue: word) { return choice }
    let allowed = Choice.allCases.map { "\"\($0.rawValue)\"" }.joined(separator: " and ")
    if word.isEmpty { throw PolicyError(annotation, "is empty; allowed are \(allowed)") }
    throw PolicyError(annotation, "\"\(word.printable(limit: 64))\" is not allowed; allowed are \(allowed)")
  }

  private static func pullSecrets(in values: [PolicyAnnotation: String]) throws(PolicyError) -> [String] {
    guard let text = try list(.imagePullSecrets, in: values) else { return [] }
    let form = "write names of Secrets of this namespace, separated by commas"
    guard !trimmed(text).isEmpty else { throw PolicyError(.imagePullSecrets, "is empty; \(form)") }
    var names: [String] = []
    for part in text.split(separator: ",", omittingEmptySubsequences: false) {
      let name = trimmed(part)
      guard !name.isEmpty else { throw PolicyError(.imagePullSecrets, "has an empty name between its commas; \(form)") }
      guard DNSName.isSubdomain(name) else {
        let reason =
          name.contains("/")
          ? "names another namespace or a path, which is not allowed"
          : "cannot be the name of a Secret (\(KubernetesName.subdomainRule))"
        throw PolicyError(.imagePullSecrets, "\"\(name.printable(limit: 64))\" \(reason); \(form)")
      }
      if !names.contains(name) { names.append(name) }
      guard names.count <= maximumPullSecrets else {
        throw PolicyError(.imagePullSecrets, "names more than \(maximumPullSecrets) Secrets, which is the most allowed")
      }
    }
    return names
  }

  private static func exemptImages(in values: [PolicyAnnotation: String]) throws(PolicyError) -> [ImagePattern] {
    guard let text = try list(.exemptImages, in: values) else { return [] }
    var patterns: [ImagePattern] = []
    for line in text.utf8.split(whereSeparator: { $0 == 0x0a || $0 == 0x0d }) {
      let pattern = trimmed(Substring(line))
      if pattern.isEmpty { continue }
      guard patterns.count < maximumPatterns else {
        throw PolicyError(.exemptImages, "holds more than \(maximumPatterns) patterns, which is the most allowed")
      }
      do throws(PatternError) {
        patterns.append(try ImagePattern(text: pattern))
      } catch {
        throw PolicyError(.exemptImages, "pattern \"\(pattern.printable(limit: 80))\" \(error.problem)")
      }
    }
    guard !patterns.isEmpty else {
      throw PolicyError(.exemptImages, "is empty; write patterns such as ghcr.io/org/*, one a line, or remove it")
    }
    return patterns
  }

  static func list(
    _ annotation: PolicyAnnotation, in values: [PolicyAnnotation: String]
  ) throws(PolicyError) -> String? {
    guard let text = values[annotation] else { return nil }
    guard text.utf8.count <= maximumListBytes else {
      throw PolicyError(annotation, "holds \(text.utf8.count) bytes, at most \(maximumListBytes) are read")
    }
    return text
  }

  // MARK: Messages

  private static func unknownError(_ name: String) -> PolicyError {
    let shown = name.printable(limit: 96)
    if let nearest = PolicyAnnotation.nearest(to: withoutPrefix(name)) {
      return PolicyError(annotation: shown, "annotation \(shown) is not known; did you mean \(nearest.fullName)?")
    }
    let known = PolicyAnnotation.allCases.map(\.rawValue).joined(separator: ", ")
    return PolicyError(annotation: shown, "annotation \(shown) is not known; known under \(prefix) are \(known)")
  }

  /// The first error, with the names of the other annotations that are wrong too.
  private static func summary(_ errors: [PolicyError]) -> PolicyError {
    guard let first = errors.first else {
      return PolicyError(annotation: prefix, "the annotations under \(prefix) do not make a policy")
    }
    let others = errors.dropFirst().map(\.annotation)
    guard !others.isEmpty else { return first }
    let more = others.count > 5 ? " and \(others.count - 5) more" : ""
    return PolicyError(
      annotation: first.annotation,
      first.description + " (also wrong: \(others.prefix(5).joined(separator: ", "))\(more))")
  }

  private static func warning(about values: [PolicyAnnotation: String]) -> String? {
    guard !values.isEmpty else { return nil }
    let names = values.keys.map(\.fullName).sorted().joined(separator: ", ")
    return "\(names) \(values.count == 1 ? "has" : "have") no effect: the namespace lacks the annotation "
      + "\(PolicyAnnotation.imageVerification.fullName) (\"enabled\" or \"disabled\"), and this server verifies nothing "
      + "by default"
  }
}
