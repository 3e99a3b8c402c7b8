public import Admission
public import HTTPServer
public import Kubernetes
public import Logging
public import OCI
import Primitives
public import ServiceLifecycle
import Sigstore
public import Verification

/// What a running webhook is made of.
public struct WebhookConfiguration: Sendable {
  /// `ADDR:PORT` of the webhook.
  public var listen: String
  /// Certificate, key and optional client authorities of the webhook.
  public var tls: TLSConfiguration
  /// `ADDR:PORT` of the plain port for probes and metrics.
  public var operationsListen: String
  /// What a namespace without `image-verification` gets.
  public var enabledByDefault = false
  /// Bounds of both servers.
  public var serverLimits = ServerLimits()
  /// Bounds of the verifier.
  public var verifierLimits = VerifierLimits()
  /// Time and size of one admission.
  public var admission = AdmissionController.Options()
  /// The server's own registry credentials.
  public var serverCredentials = ServerCredentials()
  /// Whose logs and authorities count: asked at every review, so it must be cheap; `nothing` trusts none.
  public var trust: any TrustSource = StaticTrust(.nothing)
  /// Who asks transparency logs for proofs that are not attached; nil, as by default, if nobody does.
  public var logLookup: (any LogLookup)?
  /// Who writes Events about decisions; nil, as by default, if nobody does. Its `run` is the caller's to call.
  public var events: EventRecorder?
  /// Who keeps the condition Degraded; nil, as by default, if nobody does. Its `run` is the caller's to call.
  public var degraded: DegradedReporter?
  /// What is known about self-managed certificates, asked at every scrape; nil if there are none.
  public var certificateStatus: (@Sendable () -> CertificateStatus?)?
  /// How long keys in Secrets and ConfigMaps are taken for known.
  public var keyLifetime: Duration = .seconds(1)
  /// How long a webhook that is told to stop goes on answering, so that whoever sends to it learns that it leaves.
  public var shutdownDelay: Duration = .zero
  /// Event loops of the webhook; one a core if nil.
  public var loops: Int?

  /// A configuration with every bound at its default.
  public init(listen: String, tls: TLSConfiguration, operationsListen: String) {
    self.listen = listen
    self.tls = tls
    self.operationsListen = operationsListen
  }
}

/// The webhook and its plain port, from start to drain.
public final class WebhookService: Service {
  /// The webhook's server.
  public let server: Server
  /// The plain port's server.
  public let operations: Server
  private let operationsHandler: OperationsHandler
  private let shutdownDelay: Duration
  private let logger: Logger

  /// Binds both ports and starts answering.
  public init(
    _ configuration: WebhookConfiguration, cluster: any Cluster, registry: any RegistryReading,
    logger: Logger
  ) throws(ServerError) {
    let metrics = WebhookMetrics()
    let verifier = ImageVerifier(
      registry: registry, limits: configuration.verifierLimits, logLookup: configuration.logLookup)
    let trust = configuration.trust
    let policies = ClusterPolicySource(
      cluster: cluster, enabledByDefault: configuration.enabledByDefault,
      serverCredentials: configuration.serverCredentials, keyLifetime: configuration.keyLifetime,
      trust: { trust.trustedRoot })
    let events = configuration.events
    let eventObserver = events.map { events in EventObserver { events.record($0) } }
    let observers: [(any AdmissionObserver)?] = [eventObserver, configuration.degraded]
    let degraded = configuration.degraded
    let controller = AdmissionController(
      policies: policies, verifier: verifier, options: configuration.admission, logger: logger,
      observer: AdmissionObservers.of(observers.compactMap { $0 }))
    let webhook = Locked<Server?>(nil)
    let handler = OperationsHandler(
      metrics: metrics, verifier: verifier, cluster: cluster, trust: trust, events: events, degraded: degraded,
      certificates: configuration.certificateStatus,
      webhook: { webhook.withLock { $0 }?.statistics })
    let operations = try Server.start(
      address: configuration.operationsListen, tls: nil, limits: configuration.serverLimits, loops: 1, handler: handler,
      logger: logger)
    let server = try Server.start(
      address: configuration.listen, tls: configuration.tls, limits: configuration.serverLimits,
      loops: configuration.loops, handler: WebhookHandler(controller: controller, metrics: metrics), logger: logger)
    webhook.withLock { $0 = server }
    self.server = server
    self.operations = operations
    self.operationsHandler = handler
    shutdownDelay = configuration.shutdownDelay
    self.logger = logger
  }

  /// Waits for the signal to stop, then drains: readiness first, then the webhook, the plain port last.
  public func run() async throws {
    logger.notice("listening", metadata: ["webhook": "\(server.boundAddress)", "ops": "\(operations.boundAddress)"])
    try? await gracefulShutdown()
    await drain()
  }

  /// Fails readiness, goes on answering for the delay, finishes what is in flight, closes both ports.
  public func drain() async {
    if operationsHandler.beginDraining(), shutdownDelay > .zero {
      logger.notice("leaving", metadata: ["answers-for": "\(shutdownDelay)"])
      try? await Task.sleep(for: shutdownDelay)
    }
    logger.notice("draining")
    await server.drain()
    await operations.drain()
    logger.notice("stopped")
  }
}
