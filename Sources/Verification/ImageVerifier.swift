import Crypto
public import OCI
public import Primitives
import Sigstore

/// Verifies images: resolve once, find signatures everywhere, judge them, remember facts.
///
/// What a tag names is asked at every verification and never remembered; only digests meet the cache. A reference with
/// tag and digest is verified by its digest, and its tag is not looked up. Identical work that is wanted at the same time
/// is done once. All look-ups are scoped by credentials; facts alone are shared (see `FactCache`).
public final class ImageVerifier: ImageVerifying {
  /// Counts since the start.
  public struct Statistics: Sendable {
    /// Answers out of the cache: facts, and refusals of a moment ago.
    public var hits = 0
    /// Verifications for which the registry had to be searched.
    public var misses = 0
    /// Facts held now.
    public var entries = 0
    /// Look-ups of tags and searches that joined the same one under way.
    public var joined = 0

    /// All zero.
    public init() {}
  }

  private struct TagKey: Sendable, Hashable {
    let repository: String
    let tag: String
    let scope: String
  }

  private let registry: any RegistryReading
  private let limits: VerifierLimits
  private let now: @Sendable () -> Deadline
  private let clock: @Sendable () -> UnixTime
  private let logLookup: (any LogLookup)?
  private let cache: FactCache
  private let observer: (any VerificationObserver)?
  private let resolutions: SingleFlight<TagKey, Result<Digest, RegistryError>, Progress>
  private let searches: SingleFlight<SearchKey, (conclusion: SearchConclusion, judging: Duration), Progress>

  /// A verifier that reads from `registry`. With `logLookup`, logs are asked for proofs that are not attached. An `observer`
  /// is told of everything that happens; it is for a verifier that answers one question, since it is not told of which.
  public convenience init(
    registry: any RegistryReading, limits: VerifierLimits = .init(), logLookup: (any LogLookup)? = nil,
    observer: (any VerificationObserver)? = nil
  ) {
    self.init(
      registry: registry, limits: limits, logLookup: logLookup, timer: .monotonic, observer: observer, now: { .now },
      clock: { WallClock.seconds })
  }

  /// With clocks of one's own.
  init(
    registry: any RegistryReading, limits: VerifierLimits, logLookup: (any LogLookup)? = nil, timer: DeadlineTimer,
    observer: (any VerificationObserver)? = nil, now: @escaping @Sendable () -> Deadline,
    clock: @escaping @Sendable () -> UnixTime = { WallClock.seconds }
  ) {
    self.registry = registry
    self.limits = limits
    self.logLookup = logLookup
    self.now = now
    self.clock = clock
    cache = FactCache(limits: limits, now: now)
    self.observer = observer
    resolutions = SingleFlight(timer: timer) { Progress(observer: observer) }
    searches = SingleFlight(timer: timer) { Progress(observer: observer) }
  }

  /// How the cache does.
  public var statistics: Statistics { cache.statistics }

  /// A digest reference whose fact is cached is verified; of anything else nothing is known.
  public func known(_ request: VerificationRequest) -> Verdict? {
    guard let digest = request.image.reference.digest else { return nil }
    return cache.fact(of: digest, meeting: Terms(request, clock: clock))
      .map { verified(request, digest, $0, fromCache: true) }
  }

  /// Resolves, searches and judges, within `deadline`.
  public func verify(_ request: VerificationRequest, deadline: Deadline) async -> Verdict {
    guard !request.demand.keys.isEmpty || !request.demand.identities.isEmpty else {
      return .refused(Refusal(.policyInvalid, "no public key and no identity is configured, so no signature can count"))
    }
    let started = now()
    let digest: Digest
    if let given = request.image.reference.digest {
      digest = given
    } else {
      let begun = Deadline.now
      let resolution = await resolve(request, deadline: deadline, started: started)
      request.stopwatch?.resolved(since: begun)
      switch resolution {
      case .success(let resolved): digest = resolved
      case .failure(let refusal): return .refused(refusal)
      }
    }
    observer?.observe(.resolved(digest: digest.description))
    let terms = Terms(request, clock: clock)
    if let fact = cache.fact(of: digest, meeting: terms) {
      return verified(request, digest, fact, fromCache: true)
    }
    return await search(request, terms, digest, deadline: deadline, started: started)
  }

  private func resolve(
    _ request: VerificationRequest, deadline: Deadline, started: Deadline
  ) async -> Result<Digest, Refusal> {
    let reference = request.image.reference
    guard started < deadline else { return .failure(late("before the tag could be resolved,", since: started)) }
    let tag = reference.effectiveTag
    let key = TagKey(repository: reference.name, tag: tag, scope: request.credentials.scope)
    var steps = ""
    let outcome = await resolutions.value(
      of: key, deadline: deadline, joined: cache.countJoined, late: { steps = $0.description }
    ) {
      [registry, limits] progress in
      do throws(RegistryError) {
        return .success(
          try await progress.during(.resolvingTag(tag)) { () async throws(RegistryError) -> Digest in
            try await registry.resolve(
              reference, credentials: request.credentials, deadline: .after(limits.searchTime))
          })
      } catch {
        return .failure(error)
      }
    }
    switch outcome {
    case .value(.success(let digest)): return .success(digest)
    case .value(.failure(let error)):
      return .failure(
        Refusal(error.code, "the tag \(tag) could not be resolved: \(error.description.printable(limit: 1000))"))
    case .cancelled: return .failure(abandoned)
    case .timedOut:
      return .failure(late("while \(steps) from \(reference.endpoint.printable())", since: started))
    }
  }

  private func search(
    _ request: VerificationRequest, _ terms: Terms, _ digest: Digest, deadline: Deadline, started: Deadline
  ) async -> Verdict {
    let reference = request.image.reference
    let key = SearchKey(
      repository: reference.name, digest: digest, demand: request.demand.fingerprint,
      trust: request.trust.fingerprint, scope: request.credentials.scope, asksForImage: reference.digest != nil)
    if let refusal = cache.refusal(of: key) { return .refused(refusal) }
    cache.countMiss()
    guard now() < deadline else {
      return .refused(late("before signatures could be looked for,", since: started))
    }
    let begun = Deadline.now
    var steps = ""
    let outcome = await searches.value(
      of: key, deadline: deadline, joined: cache.countJoined, late: { steps = $0.description }
    ) {
      [registry, limits, cache, logLookup] progress in
      let search = SignatureSearch(
        registry: registry, reference: reference, digest: digest, terms: terms, asksForImage: key.asksForImage,
        credentials: request.credentials, limits: limits, deadline: .after(limits.searchTime), progress: progress,
        logLookup: logLookup, lookups: Budget(limits.logLookups))
      let findings = await search.run()
      let conclusion = search.conclude(findings)
      // What is proven is kept even if nobody waits for it any more; what was refused then may be due to that alone.
      for signature in search.facts(findings) { cache.remember(signature, of: digest, under: terms) }
      if case .refused(let refusal) = conclusion, !Task.isCancelled { cache.remember(refusal, of: key) }
      return (conclusion, progress.judging)
    }
    if case .value(let value) = outcome {
      request.stopwatch?.searched(since: begun, verify: value.judging)
    } else {
      request.stopwatch?.searched(since: begun, verify: nil)
    }
    switch outcome {
    case .value((.signed(let signature), _)): return verified(request, digest, signature, fromCache: false)
    case .value((.refused(let refusal), _)): return .refused(refusal)
    case .cancelled: return .refused(abandoned)
    case .timedOut:
      return .refused(late("while \(steps) from \(reference.endpoint.printable())", since: started))
    }
  }

  private func verified(
    _ request: VerificationRequest, _ digest: Digest, _ signature: VerifiedSignature, fromCache: Bool
  ) -> Verdict {
    .verified(
      VerifiedImage(
        image: request.image, digest: digest.description, signature: signature, fromCache: fromCache))
  }

  /// Nobody reads this, as a rule: the caller's task was cancelled.
  private var abandoned: Refusal { Refusal(.deadlineExceeded, "given up by whoever asked, before there was a verdict") }

  private func late(_ moment: String, since started: Deadline) -> Refusal {
    let elapsed = Duration.nanoseconds(Int64(clamping: now().nanoseconds &- started.nanoseconds)).milliseconds / 100
    return Refusal(
      .deadlineExceeded,
      "time ran out \(moment) after \(elapsed / 10).\(elapsed % 10) s")
  }
}
