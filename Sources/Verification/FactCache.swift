import Crypto
import Primitives
import Sigstore

/// What one search is about. Everything that may change its answer is in here, and the flights and refusals kept by it
/// therefore never answer for another key, another namespace's credentials, another repository or another rule.
struct SearchKey: Sendable, Hashable {
  /// `registry/repository`.
  let repository: String
  let digest: Digest
  /// `SignatureDemand.fingerprint`: keys with their validity, identities, the log rule and its keys, what must be signed.
  let demand: [UInt8]
  /// `TrustedRoot.fingerprint`.
  let trust: [UInt8]
  /// Whose credentials are used.
  let scope: String
  /// Whether the registry is asked that the image exists (a digest was given), or is known to say so (a tag was resolved).
  let asksForImage: Bool
}

/// What was proven, and for moments what was refused.
///
/// A fact is "digest D carries a valid signature by key K", kept under D, the whole fingerprint of K, and how evidence was
/// read: whether log proofs and timestamps were looked at, and the fingerprint of whom was trusted for them. Signatures
/// with certificates are kept under D alone in place of K, since any number of identities may have signed. A fact is true
/// whoever asks and whatever the policy, so it is shared; whether it suffices is decided at each request. It does not say
/// that the asker may read the image: the kubelet finds that out when it pulls, with the Pod's own credentials, and the
/// digest is all that an asker could learn from a fact, which it brought itself.
///
/// A signer may have signed one digest several times, for other repositories or with other annotations: the latest few
/// such facts are kept side by side.
final class FactCache: Sendable {
  private struct FactKey: Sendable, Hashable {
    let digest: Digest
    /// Nil for certificates.
    let key: KeyFingerprint?
    let reading: SignatureDemand.Reading
  }

  /// About what a key and its place in the tables take: digest, fingerprints, and the tables' own entries.
  static let keyByteCount = 400

  /// Facts of one signer, or identities, about one digest.
  private static let maximumFactsPerKey = 8

  private struct State {
    var facts: BoundedCache<FactKey, [VerifiedSignature]>
    var refusals: BoundedCache<SearchKey, Refusal>
    var statistics = ImageVerifier.Statistics()
  }

  private let state: Locked<State>
  private let factLifetime: Duration?
  private let negativeLifetime: Duration
  private let now: @Sendable () -> Deadline

  init(limits: VerifierLimits, now: @escaping @Sendable () -> Deadline) {
    state = Locked(
      State(
        facts: BoundedCache(capacity: limits.cachedFacts, maximumCost: limits.cachedFactBytes),
        refusals: BoundedCache(capacity: limits.cachedRefusals)))
    factLifetime = limits.factLifetime
    negativeLifetime = limits.negativeLifetime
    self.now = now
  }

  var statistics: ImageVerifier.Statistics {
    state.withLock { state in
      var statistics = state.statistics
      statistics.entries = state.facts.count
      return statistics
    }
  }

  /// The fact about `digest` that meets the terms, if there is one.
  func fact(of digest: Digest, meeting terms: Terms) -> VerifiedSignature? {
    // Facts without a lifetime need no clock.
    let moment = factLifetime == nil ? Deadline(nanoseconds: 0) : now()
    let demand = terms.demand
    let reading = demand.readingForKeys(terms.trust)
    let candidates = state.withLock { state in
      var found: [VerifiedSignature] = []
      for key in demand.keys {
        found +=
          state.facts.value(forKey: FactKey(digest: digest, key: key.key.fingerprint, reading: reading), now: moment)
          ?? []
      }
      if !demand.identities.isEmpty {
        let key = FactKey(digest: digest, key: nil, reading: demand.readingForIdentities(terms.trust))
        found += state.facts.value(forKey: key, now: moment) ?? []
      }
      return found
    }
    guard let fact = candidates.first(where: { terms.objection(to: $0) == nil }) else { return nil }
    state.withLock { state in state.statistics.hits &+= 1 }
    return fact
  }

  /// Remembers what was found under `terms`: with its evidence for those who read evidence in the same way, and without
  /// for those who read none.
  func remember(_ signature: VerifiedSignature, of digest: Digest, under terms: Terms) {
    let moment = now()
    let expires = factLifetime.map { moment.advanced(by: $0) }
    let reading =
      signature.key == nil
      ? terms.demand.readingForIdentities(terms.trust) : terms.demand.readingForKeys(terms.trust)
    var kept: [(SignatureDemand.Reading, VerifiedSignature)] = []
    // One without the proof that was looked for serves nobody who looks for it.
    if !reading.log || signature.isLogged { kept.append((reading, signature)) }
    if reading != .signatureOnly, let bare = signature.withoutEvidence { kept.append((.signatureOnly, bare)) }
    state.withLock { state in
      for (reading, signature) in kept {
        let key = FactKey(digest: digest, key: signature.key, reading: reading)
        var facts = state.facts.value(forKey: key, now: moment) ?? []
        facts.removeAll { $0 == signature }
        facts.insert(signature, at: 0)
        facts = Array(facts.prefix(Self.maximumFactsPerKey))
        let cost = facts.reduce(Self.keyByteCount) { $0 + $1.approximateByteCount }
        state.facts.insert(facts, forKey: key, cost: cost, expires: expires)
      }
    }
  }

  /// The refusal that the same search came to a moment ago.
  func refusal(of search: SearchKey) -> Refusal? {
    let moment = now()
    return state.withLock { state in
      guard let refusal = state.refusals.value(forKey: search, now: moment) else { return nil }
      state.statistics.hits &+= 1
      return refusal
    }
  }

  /// Remembers a refusal for moments, unless it is one that the next try may turn.
  func remember(_ refusal: Refusal, of search: SearchKey) {
    guard !refusal.code.isTransient else { return }
    let expires = now().advanced(by: negativeLifetime)
    state.withLock { state in state.refusals.insert(refusal, forKey: search, expires: expires) }
  }

  func countMiss() { state.withLock { state in state.statistics.misses &+= 1 } }
  func countJoined() { state.withLock { state in state.statistics.joined &+= 1 } }
}

extension VerifiedSignature {
  /// About how much memory this takes: all that a signer may make longer, and an allowance for what holds it.
  var approximateByteCount: Int {
    // What an array or a text takes beside its content, and an entry of a dictionary.
    let (buffer, entry) = (48, 96)
    func bytes(_ text: String) -> Int { text.utf8.count + buffer }
    var count = 256 + times.count * 8
    switch signer {
    case .key(let fingerprint): count += fingerprint.bytes.count + buffer
    case .identity(let identity): count += identity.subjects.reduce(bytes(identity.issuer)) { $0 + bytes($1) }
    }
    if let log { count += log.logID.count + buffer + bytes(log.logURL) }
    if let dockerReference { count += bytes(dockerReference) }
    return annotations.reduce(count) { $0 + bytes($1.key) + bytes($1.value) + entry }
  }
}
