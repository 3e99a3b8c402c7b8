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
  private let webhook: @Sendable () -> Server.Statistics?
  private let isDraining = Atomic(false)

  init(
    metrics: WebhookMetrics, verifier: ImageVerifier, cluster: any Cluster,
    webhook: @escaping @Sendable () -> Server.Statistics?
  ) {
    self.metrics = metrics
    self.verifier = verifier
    self.cluster = cluster
    self.webhook = webhook
  }

  /// From now on `/readyz` says no.
  func beginDraining() { isDraining.store(true, ordering: .releasing) }

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
    case "/readyz": .now(readiness())
    default:
      .now(
        Response(
          status: 200, headers: [("content-type", PrometheusRegistry.contentType)],
          body: metrics.exposition(server: webhook(), verifier: verifier.statistics)))
    }
  }

  private func readiness() -> Response {
    if isDraining.load(ordering: .acquiring) { return .text(503, "shutting down") }
    guard webhook() != nil else { return .text(503, "the webhook does not listen yet") }
    if let reason = cluster.notReadyReason() { return .text(503, "cluster: \(reason.printable())") }
    return .text(200, "ok")
  }
}
