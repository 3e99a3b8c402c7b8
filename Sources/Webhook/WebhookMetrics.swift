import Admission
import Crypto
import HTTPServer
import Kubernetes
import Metrics
import Primitives
import Sigstore
import Telemetry
import Verification

/// What `/metrics` shows. Labels come from closed sets; no image and no namespace is one.
struct WebhookMetrics: Sendable {
  private let registry: PrometheusRegistry
  private let decisions: [Endpoint: [AdmissionAnswer.Decision: Counter]]
  private let requests: [RequestHead.ProtocolVersion: Counter]
  private let refusedRequests: [Int: Counter]
  private let codes: [RefusalCode: Counter]
  private let durations: [Endpoint: [Bool: Timer]]
  private let cache: CacheCounters
  private let signers: SignerMetrics
  private let events: EventCounters
  private let watches: [String: WatchMetrics]
  private let degraded: DegradedMetrics
  private let openConnections: Gauge
  private let certificateExpiry: Gauge
  private let certificates: CertificateMetrics
  private let handshakeFailures: Delta
  private let reloads: Delta

  static let help = [
    "pinseal_reviews_total": "AdmissionReviews answered, by the protocol they came over.",
    "pinseal_decisions_total": "What AdmissionReviews came to.",
    "pinseal_refusals_total": "Images refused or warned about, by the code of the message.",
    "pinseal_refused_requests_total": "Requests refused by their head alone, by HTTP status.",
    "pinseal_admission_duration_seconds": "Time to judge a review: at once from what is known, or waiting for others.",
    "pinseal_fact_cache_hits_total": "Verifications answered from the fact cache.",
    "pinseal_fact_cache_misses_total": "Verifications that asked a registry.",
    "pinseal_fact_cache_entries": "Facts in memory.",
    "pinseal_verifications_joined_total": "Verifications that waited for an identical one under way.",
    "pinseal_signer_verifications_total":
      "Images let in by whose signature: a key's fingerprint, identity, or other beyond the first keys.",
    "pinseal_signer_last_verified_seconds": "When that was last, in seconds since 1970.",
    "pinseal_trust_root_age_seconds": "Seconds since the trust root in force was last known to be the present one.",
    "pinseal_trust_root_expires_seconds":
      "When the trust root in force stops vouching for new signatures, in seconds since 1970; 0 if it has no end.",
    "pinseal_events_total":
      "Events recorded: created, repeated (counted up), limited (too many about one object), dropped (queue full), failed.",
    "pinseal_watch_age_seconds":
      "Seconds since the last sign of life of the watch of the cluster that has been silent for longest.",
    "pinseal_watch_restarts_total": "Times that a watch of the cluster broke and was begun again.",
    "pinseal_watched_objects": "Objects of the cluster that watches keep in memory.",
    "pinseal_degraded_objects": "StatefulSets whose condition Degraded is looked after.",
    "pinseal_condition_writes_total":
      "Writes of the condition Degraded: written, or why not (conflict, forbidden, unavailable, gone, invalid).",
    "pinseal_open_connections": "Connections of the webhook port.",
    "pinseal_certificate_not_after_seconds": "When the serving certificate expires, in seconds since 1970.",
    "pinseal_certificate_authority_not_after_seconds":
      "When the self-managed authority that signs expires, in seconds since 1970.",
    "pinseal_certificate_last_pass_seconds":
      "When self-managed certificates and webhook configurations were last found or made right, in seconds since 1970.",
    "pinseal_certificate_failed_passes_total": "Times that self-managed certificates could not be looked after.",
    "pinseal_tls_handshake_failures_total": "TLS handshakes that failed.",
    "pinseal_certificate_reloads_total": "Times that a changed certificate was taken.",
  ]

  init() {
    let registry = PrometheusRegistry(help: Self.help)
    self.registry = registry
    func counter(_ label: String, _ dimensions: [(String, String)] = []) -> Counter {
      Counter(label: label, dimensions: dimensions, factory: registry)
    }
    var decisions: [Endpoint: [AdmissionAnswer.Decision: Counter]] = [:]
    var durations: [Endpoint: [Bool: Timer]] = [:]
    for endpoint in [Endpoint.mutate, .validate] {
      for decision in AdmissionAnswer.Decision.allCases {
        decisions[endpoint, default: [:]][decision] = counter(
          "pinseal_decisions_total", [("endpoint", endpoint.rawValue), ("decision", decision.rawValue)])
      }
      for waited in [false, true] {
        durations[endpoint, default: [:]][waited] = Timer(
          label: "pinseal_admission_duration_seconds",
          dimensions: [("endpoint", endpoint.rawValue), ("path", waited ? "waited" : "known")],
          preferredDisplayUnit: .seconds, factory: registry)
      }
    }
    self.decisions = decisions
    self.durations = durations
    requests = [
      .http11: counter("pinseal_reviews_total", [("protocol", "http/1.1")]),
      .http2: counter("pinseal_reviews_total", [("protocol", "h2")]),
    ]
    refusedRequests = Dictionary(
      uniqueKeysWithValues: [404, 405, 415].map {
        ($0, counter("pinseal_refused_requests_total", [("status", String($0))]))
      })
    codes = Dictionary(
      uniqueKeysWithValues: RefusalCode.allCases.map {
        ($0, counter("pinseal_refusals_total", [("code", $0.rawValue)]))
      })
    cache = CacheCounters(
      hits: Delta(counter("pinseal_fact_cache_hits_total")), misses: Delta(counter("pinseal_fact_cache_misses_total")),
      joined: Delta(counter("pinseal_verifications_joined_total")),
      entries: Gauge(label: "pinseal_fact_cache_entries", factory: registry))
    signers = SignerMetrics(registry)
    func events(_ outcome: String) -> Delta { Delta(counter("pinseal_events_total", [("outcome", outcome)])) }
    self.events = EventCounters(
      created: events("created"), repeated: events("repeated"), limited: events("limited"), dropped: events("dropped"),
      failed: events("failed"))
    watches = Dictionary(
      uniqueKeysWithValues: ["namespaces", "secrets", "configmaps"].map { ($0, WatchMetrics($0, registry)) })
    degraded = DegradedMetrics(objects: Gauge(label: "pinseal_degraded_objects", factory: registry)) {
      counter("pinseal_condition_writes_total", [("outcome", $0)])
    }
    openConnections = Gauge(label: "pinseal_open_connections", factory: registry)
    certificateExpiry = Gauge(label: "pinseal_certificate_not_after_seconds", factory: registry)
    certificates = CertificateMetrics(registry)
    handshakeFailures = Delta(counter("pinseal_tls_handshake_failures_total"))
    reloads = Delta(counter("pinseal_certificate_reloads_total"))
  }

  func refusedRequest(status: Int) { refusedRequests[status]?.increment() }

  func answered(
    _ answer: AdmissionAnswer, endpoint: Endpoint, version: RequestHead.ProtocolVersion, since start: Deadline,
    waited: Bool
  ) {
    requests[version]?.increment()
    decisions[endpoint]?[answer.decision]?.increment()
    for signer in answer.signers { signers.count(signer) }
    for code in answer.codes { codes[code]?.increment() }
    let elapsed = Deadline.now.nanoseconds &- start.nanoseconds
    durations[endpoint]?[waited]?.recordNanoseconds(Int64(clamping: elapsed))
  }

  /// The text of `/metrics`, with what others count brought up to date.
  func exposition(
    server: Server.Statistics?, verifier: ImageVerifier.Statistics, trust: TrustStatus,
    cluster: ClusterStatus, events: EventRecorder.Statistics? = nil, degraded: DegradedKeeper.Statistics? = nil,
    certificates: CertificateStatus? = nil
  ) -> [UInt8] {
    let source = [("source", trust.source)]
    Gauge(label: "pinseal_trust_root_age_seconds", dimensions: source, factory: registry).record(trust.age ?? 0)
    Gauge(label: "pinseal_trust_root_expires_seconds", dimensions: source, factory: registry)
      .record(trust.expiresAt ?? 0)
    for status in cluster.watches { watches[status.name]?.update(status) }
    if let certificates { self.certificates.update(certificates) }
    cache.hits.update(to: verifier.hits)
    cache.misses.update(to: verifier.misses)
    cache.joined.update(to: verifier.joined)
    cache.entries.record(verifier.entries)
    if let events { self.events.update(to: events) }
    if let degraded { self.degraded.update(to: degraded) }
    if let server {
      openConnections.record(server.openConnections)
      certificateExpiry.record(server.certificateNotAfter)
      handshakeFailures.update(to: server.failedHandshakes)
      reloads.update(to: server.certificateReloads)
    }
    return registry.exposition()
  }
}

private struct EventCounters: Sendable {
  let created: Delta
  let repeated: Delta
  let limited: Delta
  let dropped: Delta
  let failed: Delta

  func update(to statistics: EventRecorder.Statistics) {
    created.update(to: statistics.created)
    repeated.update(to: statistics.repeated)
    limited.update(to: statistics.limited)
    dropped.update(to: statistics.dropped)
    failed.update(to: statistics.failed)
  }
}

/// How the watches of one kind of object stand; 0 where there is none.
private struct WatchMetrics: Sendable {
  private let age: Gauge
  private let objects: Gauge
  private let restarts: Delta

  init(_ name: String, _ registry: PrometheusRegistry) {
    let dimensions = [("watch", name)]
    age = Gauge(label: "pinseal_watch_age_seconds", dimensions: dimensions, factory: registry)
    objects = Gauge(label: "pinseal_watched_objects", dimensions: dimensions, factory: registry)
    restarts = Delta(Counter(label: "pinseal_watch_restarts_total", dimensions: dimensions, factory: registry))
  }

  func update(_ watches: ClusterStatus.Watches) {
    age.record(Double(watches.age?.milliseconds ?? 0) / 1000)
    objects.record(watches.objects)
    restarts.update(to: watches.breaks)
  }
}

/// Shown only where certificates are self-managed.
private struct CertificateMetrics: Sendable {
  private let registry: PrometheusRegistry
  private let failures = Locked<Delta?>(nil)

  init(_ registry: PrometheusRegistry) { self.registry = registry }

  func update(_ status: CertificateStatus) {
    Gauge(label: "pinseal_certificate_authority_not_after_seconds", factory: registry).record(status.authorityNotAfter)
    Gauge(label: "pinseal_certificate_last_pass_seconds", factory: registry).record(status.lastPass)
    let delta = failures.withLock { failures in
      let delta = failures ?? Delta(Counter(label: "pinseal_certificate_failed_passes_total", factory: registry))
      failures = delta
      return delta
    }
    delta.update(to: status.failures)
  }
}

private struct CacheCounters: Sendable {
  let hits: Delta
  let misses: Delta
  let joined: Delta
  let entries: Gauge
}

/// Which key verified how often and when last: whoever rotates keys sees when an old one is no longer needed.
///
/// The label is the short form of the fingerprint, for no more keys than fit; identities, whose names belong to people,
/// count as one.
private final class SignerMetrics: Sendable {
  private struct Series: Sendable {
    let count: Counter
    let last: Gauge
  }

  /// Fingerprints that get a label of their own.
  static let maximumKeys = 64

  private let registry: PrometheusRegistry
  private let keys: Locked<[KeyFingerprint: Series]> = Locked([:])
  private let identity: Series
  private let other: Series

  init(_ registry: PrometheusRegistry) {
    self.registry = registry
    identity = Self.series("identity", registry)
    other = Self.series("other", registry)
  }

  private static func series(_ label: String, _ registry: PrometheusRegistry) -> Series {
    let dimensions = [("signer", label)]
    return Series(
      count: Counter(label: "pinseal_signer_verifications_total", dimensions: dimensions, factory: registry),
      last: Gauge(label: "pinseal_signer_last_verified_seconds", dimensions: dimensions, factory: registry))
  }

  func count(_ signer: VerifiedSignature.Signer) {
    let series: Series
    switch signer {
    case .identity: series = identity
    case .key(let fingerprint):
      series = keys.withLock { keys in
        if let known = keys[fingerprint] { return known }
        guard keys.count < Self.maximumKeys else { return other }
        // The short form without its ellipsis.
        let made = Self.series("SHA256:" + Hex.encode(fingerprint.bytes.prefix(8)), registry)
        keys[fingerprint] = made
        return made
      }
    }
    series.count.increment()
    series.last.record(WallClock.seconds)
  }
}

/// A counter that follows a total which somebody else keeps.
struct Delta: Sendable {
  private let counter: Counter
  private let seen = Locked(0)

  init(_ counter: Counter) { self.counter = counter }

  func update(to total: Int) {
    let step = seen.withLock { seen in
      defer { seen = max(seen, total) }
      return max(0, total - seen)
    }
    counter.increment(by: Int64(step))
  }
}
