import Crypto
public import HTTPServer
import Kubernetes
import Primitives
import Synchronization
import Telemetry
import Verification

/// The second, plain port: `/livez`, `/readyz`, `/metrics`. Probes need no certificate, and nothing here decides anything.
public final class OperationsHandler: RequestHandler {
  private let metrics: WebhookMetrics
  private let verifier: ImageVerifier
  private let cluster: any Cluster
  private let trust: any TrustSource
  private let events: EventRecorder?
  private let degraded: DegradedReporter?
  private let certificates: (@Sendable () -> CertificateStatus?)?
  private let webhook: @Sendable () -> Server.Statistics?
  private let isDraining = Atomic(false)

  init(
    metrics: WebhookMetrics, verifier: ImageVerifier, cluster: any Cluster, trust: any TrustSource,
    events: EventRecorder?, degraded: DegradedReporter?,
    certificates: (@Sendable () -> CertificateStatus?)? = nil,
    webhook: @escaping @Sendable () -> Server.Statistics?
  ) {
    self.metrics = metrics
    self.verifier = verifier
    self.cluster = cluster
    self.trust = trust
    self.events = events
    self.degraded = degraded
    self.certificates = certificates
    self.webhook = webhook
  }

  /// From now on `/readyz` says no. Whether it is the first to say so.
  func beginDraining() -> Bool { !isDraining.exchange(true, ordering: .acquiringAndReleasing) }

  /// 404 and 405 by the head alone.
  public func check(_ head: RequestHead) -> Response? {
    guard ["/livez", "/readyz", "/metrics"].contains(head.path) else {
      return .text(404, "this port answers /livez, /readyz and /metrics")
    }
    guard head.method == "GET" || head.method == "HEAD" else {
      var response = Response.text(405, "\(head.path) takes GET")
      response.headers.append(("allow", "GET, HEAD"))
      return response
    }
    return nil
  }

  /// Answers a probe or a scrape; never waits.
  public func handle(_ request: Request) -> Reply {
    switch request.head.path {
    case "/livez": .now(.text(200, "ok"))
    case "/readyz": .now(readiness(isVerbose: Self.isVerbose(request.head.query)))
    default:
      .now(
        Response(
          status: 200, headers: [("content-type", PrometheusRegistry.contentType)],
          body: metrics.exposition(
            server: webhook(), verifier: verifier.statistics, trust: trust.status(at: WallClock.seconds),
            cluster: cluster.status(), events: events?.statistics, degraded: degraded?.statistics,
            certificates: certificates?())))
    }
  }

  private static func isVerbose(_ query: String) -> Bool {
    query.split(separator: "&").contains { $0 == "verbose" || $0.hasPrefix("verbose=") }
  }

  /// The verdict, and below it what of the cluster has not been seen for long; with `?verbose`, a line for each of what
  /// it rests on and of what is worth knowing beside it.
  private func readiness(isVerbose: Bool) -> Response {
    let reason: String?
    if isDraining.load(ordering: .acquiring) {
      reason = "shutting down"
    } else if webhook() == nil {
      reason = "the webhook does not listen yet"
    } else {
      reason = cluster.notReadyReason().map { "cluster: \($0.printable())" }
    }
    let lines = [reason ?? "ok"] + cluster.status().lines(isVerbose: isVerbose) + (isVerbose ? trustLines() : [])
    return .text(reason == nil ? 200 : 503, lines.joined(separator: "\n"))
  }

  /// The trust root says nothing about readiness: an old one still verifies, and without one much can be verified too.
  private func trustLines() -> [String] {
    trust.status(at: WallClock.seconds).lines.prefix(16).map { $0.printable(limit: 600) }
  }
}

extension ClusterStatus {
  /// What is broken for long; if `isVerbose`, what is broken at all, and what there is.
  ///
  /// None of it makes Pinseal unready: it decides by what it knows, and another replica would know no more.
  func lines(isVerbose: Bool) -> [String] {
    let shown = troubles.filter { isVerbose || $0.isLong }
    var lines = shown.prefix(Self.maximumTroubles).map { trouble in
      let since = WallClock.seconds - Int64(clamping: trouble.duration.milliseconds / 1000)
      return "cluster: \(trouble.subject.printable()): not seen since \(CalendarTime.text(since)) "
        + "(\(trouble.duration.milliseconds / 1000) s), decisions go by what was known: "
        + trouble.reason.printable(limit: 600)
    }
    if shown.count > lines.count { lines.append("cluster: and \(shown.count - lines.count) more") }
    guard isVerbose else { return lines }
    return watches.map { watches in
      let age = watches.age.map { ", last sign of life \($0.milliseconds / 1000) s ago" } ?? ""
      let forbidden = watches.forbidden > 0 ? ", \(watches.forbidden) not allowed: those objects are read" : ""
      return "cluster: \(watches.name): \(watches.objects) known by \(watches.count) "
        + "watch\(watches.count == 1 ? "" : "es")\(age), broken \(watches.breaks) times\(forbidden)"
    } + lines
  }

  private static let maximumTroubles = 8
}
