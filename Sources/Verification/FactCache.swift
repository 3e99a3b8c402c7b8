import Crypto
import Primitives
import Sigstore

/// What one search is about. Everything that may change its answer is in here, and the flights and refusals kept by it
/// therefore never answer for another key, another namespace's credentials, another repository or another rule.
struct SearchKey: Sendable, Hashable {
  /// `registry/repository`.
  let repository: String
  let digest: Digest
  /// Full fingerprints, in order, without repetition.
  let keys: [KeyFingerprint]
  let requiresLog: Bool
  /// Whose credentials are used.
  let scope: String
  /// Whether the registry is asked that the image exists (a digest was given), or is known to say so (a tag was resolved).
  let asksForImage: Bool
}

/// What was proven, and for moments what was refused.
///
/// A fact is "digest D carries a valid signature by key K", kept under D and the whole fingerprint of K. It is true
/// whoever asks and whatever the policy, so it is shared; whether it suffices is decided at each request. It does not say
/// that the asker may read the image: the kubelet finds that out when it pulls, with the Pod's own credentials, and the
/// digest is all that an asker could learn from a fact, which it brought itself.
final class FactCache: Sendable {
  private struct FactKey: Sendable, Hashable {
    let digest: Digest
    let key: KeyFingerprint
  }

  private struct State {
    var facts: BoundedCache<FactKey, VerifiedSignature>
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
        facts: BoundedCache(capacity: limits.cachedFacts),
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

  /// The fact that `digest` is signed by one of `keys`, logged if that is wanted.
  func fact(of digest: Digest, by keys: [PublicKey], requiresLog: Bool) -> VerifiedSignature? {
    // Facts without a lifetime need no clock.
    let moment = factLifetime == nil ? Deadline(nanoseconds: 0) : now()
    return state.withLock { state in
      for key in keys {
        let fact = state.facts.value(forKey: FactKey(digest: digest, key: key.fingerprint), now: moment)
        if let fact, fact.isLogged || !requiresLog {
          state.statistics.hits &+= 1
          return fact
        }
      }
      return nil
    }
  }

  /// Remembers a fact. One that has a log proof is not given up for one that has none.
  func remember(_ signature: VerifiedSignature, of digest: Digest) {
    let moment = now()
    let key = FactKey(digest: digest, key: signature.key)
    let expires = factLifetime.map { moment.advanced(by: $0) }
    state.withLock { state in
      if !signature.isLogged, let held = state.facts.value(forKey: key, now: moment), held.isLogged { return }
      state.facts.insert(signature, forKey: key, expires: expires)
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
