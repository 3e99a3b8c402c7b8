import Admission
import HTTPServer
import Primitives
import Sigstore
import Testing
import Verification

@testable import Kubernetes
@testable import Webhook

/// That what alerts and dashboard look at is there, and is what its name says.
@Suite struct MetricsTests {
  private func exposed(certificates: CertificateStatus?) -> [String: Substring] {
    var server = Server.Statistics()
    (server.openConnections, server.failedHandshakes, server.certificateReloads) = (3, 4, 5)
    server.certificateNotAfter = 1_800_000_000
    var verifier = ImageVerifier.Statistics()
    (verifier.hits, verifier.misses, verifier.entries, verifier.joined) = (6, 7, 8, 9)
    var events = EventRecorder.Statistics()
    (events.created, events.repeated, events.limited, events.dropped, events.failed) = (10, 11, 12, 13, 14)
    var degraded = DegradedKeeper.Statistics()
    degraded.objects = 15
    degraded.writes = [.written: 16, .conflict: 17, .forbidden: 18, .unavailable: 19, .gone: 20, .invalid: 21]
    let watches = [
      ClusterStatus.Watches(name: "secrets", count: 1, objects: 22, age: .milliseconds(23_500), breaks: 24)
    ]
    let text = WebhookMetrics().exposition(
      server: server, verifier: verifier, trust: TrustStatus(source: "file", lines: [], age: 25, expiresAt: 26),
      cluster: ClusterStatus(watches: watches), events: events, degraded: degraded, certificates: certificates)
    var samples: [String: Substring] = [:]
    for line in String(decoding: text, as: UTF8.self).split(separator: "\n") where !line.hasPrefix("#") {
      guard let space = line.lastIndex(of: " ") else { continue }
      samples[String(line[..<space])] = line[line.index(after: space)...]
    }
    return samples
  }

  private static let ofCertificates: Set = [
    "pinseal_certificate_authority_not_after_seconds", "pinseal_certificate_last_pass_seconds",
    "pinseal_certificate_failed_passes_total",
  ]

  @Test func `every metric that is told of is exposed, those of self-managed certificates where there are any`() {
    var status = CertificateStatus(authorityNotAfter: 1_900_000_000, lastPass: 1_700_000_000, isComplete: true)
    status.failures = 27
    for certificates in [nil, status] {
      let names = Set(exposed(certificates: certificates).keys.map { $0.prefix { $0 != "{" } })
      for name in WebhookMetrics.help.keys {
        let isThere = names.contains(Substring(name)) || names.contains(name + "_bucket")
        #expect(isThere == (certificates != nil || !Self.ofCertificates.contains(name)), "\(name)")
      }
    }
  }

  @Test func `what is counted elsewhere stands under its own name`() {
    var status = CertificateStatus(authorityNotAfter: 1_900_000_000, lastPass: 1_700_000_000, isComplete: true)
    status.failures = 27
    let samples = exposed(certificates: status)
    for (series, value) in [
      ("pinseal_open_connections", "3"), ("pinseal_tls_handshake_failures_total", "4"),
      ("pinseal_certificate_reloads_total", "5"), ("pinseal_certificate_not_after_seconds", "1800000000"),
      ("pinseal_fact_cache_hits_total", "6"), ("pinseal_fact_cache_misses_total", "7"),
      ("pinseal_fact_cache_entries", "8"), ("pinseal_verifications_joined_total", "9"),
      (#"pinseal_events_total{outcome="created"}"#, "10"), (#"pinseal_events_total{outcome="repeated"}"#, "11"),
      (#"pinseal_events_total{outcome="limited"}"#, "12"), (#"pinseal_events_total{outcome="dropped"}"#, "13"),
      (#"pinseal_events_total{outcome="failed"}"#, "14"), ("pinseal_degraded_objects", "15"),
      (#"pinseal_condition_writes_total{outcome="written"}"#, "16"),
      (#"pinseal_condition_writes_total{outcome="conflict"}"#, "17"),
      (#"pinseal_condition_writes_total{outcome="forbidden"}"#, "18"),
      (#"pinseal_condition_writes_total{outcome="unavailable"}"#, "19"),
      (#"pinseal_condition_writes_total{outcome="gone"}"#, "20"),
      (#"pinseal_condition_writes_total{outcome="invalid"}"#, "21"),
      (#"pinseal_watched_objects{watch="secrets"}"#, "22"), (#"pinseal_watch_age_seconds{watch="secrets"}"#, "23.5"),
      (#"pinseal_watch_restarts_total{watch="secrets"}"#, "24"),
      (#"pinseal_trust_root_age_seconds{source="file"}"#, "25"),
      (#"pinseal_trust_root_expires_seconds{source="file"}"#, "26"),
      ("pinseal_certificate_failed_passes_total", "27"),
      ("pinseal_certificate_authority_not_after_seconds", "1900000000"),
      ("pinseal_certificate_last_pass_seconds", "1700000000"),
    ] {
      #expect(samples[series].map(String.init) == value, "\(series)")
    }
  }
}
