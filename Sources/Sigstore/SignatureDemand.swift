public import Crypto
import Primitives

/// A key that may sign, and when it may have.
public struct TrustedKey: Sendable, Hashable {
  /// The key.
  public let key: PublicKey
  /// When it is trusted, both ends included.
  public let validity: Validity

  /// A key that is trusted within `validity`, by default always.
  public init(_ key: PublicKey, validity: Validity = Validity()) {
    self.key = key
    self.validity = validity
  }

  /// Whether the time of signing matters for this key.
  public var isBounded: Bool { validity.start != nil || validity.end != nil }
}

/// Whether what is signed must name the image's repository.
public enum SignedIdentity: String, Sendable, Hashable, CaseIterable {
  /// It may name any, or none: as cosign.
  case any
  /// It must name this one. Only simple signing payloads name one; a bundle does not and then does not count.
  case repository
}

/// What a signature must be to count.
///
/// It has two uses that are kept apart. What it says of keys, logs and identities tells `ImageSignature.verify` which
/// evidence to read and against whom; what comes out is a fact that holds whatever the rest of the demand says. Whether
/// the fact suffices is asked of `objection(to:now:)`, at every request.
///
/// Two demands are equal if their fingerprints are, which cover every part to the byte.
public struct SignatureDemand: Sendable, Hashable {
  /// Keys, each once; a signature by any of them may count.
  public let keys: [TrustedKey]
  /// Identities; a signature with a certificate that one of them matches may count, beside those by keys.
  public let identities: [IdentityMatcher]
  /// Whether it must be proven that the signature is in a transparency log. If not, nothing about logs is read at all.
  public let requiresLog: Bool
  /// Keys of the only logs that count; empty for the logs of the trust root.
  public let logKeys: [PublicKey]
  /// Whether what is signed must name the repository. Judged where repositories have meaning, not by `objection`.
  public let signedIdentity: SignedIdentity
  /// What must be signed with it: names and values, compared to the byte. More than `maximumAnnotations` of
  /// `maximumAnnotationBytes` may be more than facts keep, and then nothing meets it.
  public let annotations: [String: String]
  /// SHA-256 over all of the above.
  public let fingerprint: [UInt8]

  /// The most annotations to ask for.
  public static let maximumAnnotations = 16
  /// The most bytes of their names and values together: half of what facts keep, so that whoever signs just what is asked
  /// for has as much left for what tools add to it.
  public static let maximumAnnotationBytes = VerifiedSignature.maximumAnnotationBytes / 2

  /// The logs of `logKeys`.
  let ownLogs: [TransparencyLog]
  private let logKeysFingerprint: [UInt8]

  /// A demand. Without keys and identities nothing ever meets it.
  public init(
    keys: [TrustedKey], identities: [IdentityMatcher] = [], requiresLog: Bool, logKeys: [PublicKey] = [],
    signedIdentity: SignedIdentity = .any, annotations: [String: String] = [:]
  ) {
    var seen: Set<TrustedKey> = []
    self.keys = keys.filter { seen.insert($0).inserted }
    self.identities = identities
    self.requiresLog = requiresLog
    self.logKeys = logKeys
    self.signedIdentity = signedIdentity
    self.annotations = annotations
    ownLogs = logKeys.isEmpty ? [] : TrustedRoot(transparencyLogKeys: logKeys).transparencyLogs
    logKeysFingerprint =
      logKeys.isEmpty ? [] : HashAlgorithm.sha256.hash(logKeys.flatMap(\.fingerprint.bytes))

    var text = Transcript()
    text.add(self.keys.map { "\($0.key.fingerprint) \($0.validity.start ?? .min) \($0.validity.end ?? .max)" }.sorted())
    text.add(identities.map { $0.identity.transcript })
    text.add(identities.map { $0.issuer.transcript })
    text.add([requiresLog ? "log" : "", signedIdentity.rawValue])
    text.add(logKeys.map { "\($0.fingerprint)" })
    text.add(annotations.sorted { $0.key.utf8.lexicographicallyPrecedes($1.key.utf8) }.flatMap { [$0.key, $0.value] })
    fingerprint = HashAlgorithm.sha256.hash(text.bytes)
  }

  /// A demand for a signature by one of `keys`, at any time.
  public init(keys: [PublicKey], requiresLog: Bool) {
    self.init(keys: keys.map { TrustedKey($0) }, requiresLog: requiresLog)
  }

  /// Whether the fingerprints are equal.
  public static func == (left: SignatureDemand, right: SignatureDemand) -> Bool {
    left.fingerprint == right.fingerprint
  }

  /// Hashes the fingerprint.
  public func hash(into hasher: inout Hasher) { hasher.combine(fingerprint) }

  // MARK: Evidence

  /// Which evidence beside the signature itself is read, and whom it is read against: facts that were found by another
  /// reading are other facts.
  public struct Reading: Sendable, Hashable {
    /// Whether log proofs are read.
    public let log: Bool
    /// Whether timestamps are.
    public let timestamps: Bool
    /// Fingerprints of the trust root and the log keys, as far as they matter; empty if nothing rests on them.
    let trust: [UInt8]

    /// Nothing but the signature: true whatever is trusted beside the key.
    public static let signatureOnly = Reading(log: false, timestamps: false, trust: [])
  }

  /// Whether timestamps are read beside signatures by keys: only where the time matters for one of them.
  var readsTimestampsForKeys: Bool { keys.contains(where: \.isBounded) }

  /// How signatures by keys are read.
  public func readingForKeys(_ trust: TrustedRoot) -> Reading {
    let timestamps = readsTimestampsForKeys
    guard requiresLog || timestamps else { return .signatureOnly }
    let restsOnRoot = timestamps || logKeys.isEmpty
    return Reading(
      log: requiresLog, timestamps: timestamps,
      trust: (restsOnRoot ? trust.fingerprint : []) + (requiresLog ? logKeysFingerprint : []))
  }

  /// How signatures with certificates are read.
  public func readingForIdentities(_ trust: TrustedRoot) -> Reading {
    Reading(
      log: requiresLog, timestamps: true, trust: trust.fingerprint + (requiresLog ? logKeysFingerprint : []))
  }

  /// The logs whose proofs count.
  func logs(_ trust: TrustedRoot) -> [TransparencyLog] { logKeys.isEmpty ? trust.transparencyLogs : ownLogs }

  // MARK: Judging facts

  /// Why `signature` does not meet this demand, or nil if it does; all but the repository's name.
  ///
  /// A key's validity is asked of every trusted time of the signature (CVE-2026-54787). Where there is none, `now`
  /// decides: a key that is trusted no longer, or not yet, then signs nothing, and neither does whoever stole it after
  /// its end, for only a log or a timestamp authority can show that a signature is older.
  public func objection(to signature: VerifiedSignature, now: @autoclosure () -> UnixTime) -> CandidateRejection? {
    switch signature.signer {
    case .key(let fingerprint):
      let trusted = keys.filter { $0.key.fingerprint == fingerprint }
      guard let first = trusted.first else {
        return CandidateRejection(.otherKey, "signed by \(fingerprint.short), which is not trusted here")
      }
      if let missing = logObjection(signature) { return missing }
      if trusted.allSatisfy(\.isBounded) {
        let times = signature.times.isEmpty ? [now()] : signature.times
        guard trusted.contains(where: { key in times.allSatisfy(key.validity.contains) }) else {
          let when = times.map(CalendarTime.text).joined(separator: " and ")
          let source = signature.times.isEmpty ? "nothing trusted says when, and now it is" : "signed at"
          return CandidateRejection(
            .keyOutsideValidity,
            "signed by \(fingerprint.short), which is trusted \(first.validity.phrase) only; \(source) \(when)")
        }
      }
    case .identity(let identity):
      guard identities.contains(where: { $0.matches(identity) }) else {
        let wanted = identities.isEmpty ? "no identity is trusted here" : "none of its names is one that is asked for"
        return CandidateRejection(.identityMismatch, "signed by \(identity.short), but \(wanted)")
      }
      if let missing = logObjection(signature) { return missing }
    }
    return annotationObjection(signature)
  }

  private func logObjection(_ signature: VerifiedSignature) -> CandidateRejection? {
    guard requiresLog, signature.log == nil else { return nil }
    return CandidateRejection(
      .logProofMissing, "signed by \(signature.signer.short), but no proof of a transparency log is attached")
  }

  private func annotationObjection(_ signature: VerifiedSignature) -> CandidateRejection? {
    if annotations.isEmpty { return nil }
    for (name, value) in annotations.sorted(by: { $0.key < $1.key }) {
      // By bytes: a dictionary takes two spellings for one name.
      let signed = signature.annotations.first { $0.key.isExactly(name) }?.value
      let prefix = "signed by \(signature.signer.short), but"
      guard let signed else {
        return CandidateRejection(
          .annotationMismatch, "\(prefix) without the annotation \(name.printable(limit: 64))")
      }
      guard signed.isExactly(value) else {
        return CandidateRejection(
          .annotationMismatch,
          "\(prefix) with the annotation \(name.printable(limit: 64))=\(signed.printable(limit: 64)), not "
            + value.printable(limit: 64))
      }
    }
    return nil
  }
}

/// Texts written one after another so that no two lists of them look alike.
private struct Transcript {
  private(set) var bytes: [UInt8] = []

  mutating func add(_ texts: [String]) {
    bytes += "\(texts.count):".utf8
    for text in texts {
      bytes += "\(text.utf8.count):".utf8
      bytes += text.utf8
    }
  }
}

extension TextMatcher {
  fileprivate var transcript: String {
    switch self {
    case .exact(let text): "=" + text
    case .pattern(let pattern): "~" + pattern.source
    }
  }
}

extension Validity {
  /// "from … to …", as far as there are ends.
  var phrase: String {
    let start = start.map { "from \(CalendarTime.text($0))" }
    let end = end.map { "to \(CalendarTime.text($0))" }
    return [start, end].compactMap(\.self).joined(separator: " ")
  }
}

extension TrustedRoot {
  /// Where no log and no authority is trusted.
  public static let nothing = TrustedRoot(transparencyLogKeys: [])
}
