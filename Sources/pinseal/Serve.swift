import ArgumentParser
import HTTPClient
import HTTPServer
import Kubernetes
import Logging
import OCI
import Primitives
import ServiceLifecycle
import Telemetry
import UnixSignals
import Verification
import Webhook

/// `pinseal serve`: the webhook.
struct Serve: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Run the admission webhook.",
    discussion: """
      Options come from flags, then from the environment (PINSEAL_ and the option's name in capitals, as in \
      PINSEAL_LOG_LEVEL), then from the file named by --config.
      """)

  @Option(help: "A JSON file with options: {\"listen\": \"…\", \"insecure-registry\": [\"…\"]}.")
  var config: String?

  @Option(help: "Where the webhook listens, ADDR:PORT. (default: 0.0.0.0:8443)")
  var listen: String?

  @Option(help: "The webhook's certificate chain, PEM. Read anew when it changes.")
  var tlsCert: String?

  @Option(help: "The certificate's private key, PEM.")
  var tlsKey: String?

  @Option(help: "Authorities, PEM: only clients with a certificate by one of them may ask.")
  var clientCA: String?

  @Option(help: "Where /livez, /readyz and /metrics are answered in plain HTTP, ADDR:PORT. (default: 0.0.0.0:8081)")
  var opsListen: String?

  @Option(
    help:
      "Where namespaces, Secrets and ConfigMaps are read: in-cluster, kubeconfig, kubeconfig:FILE or file:PATH. (default: in-cluster)"
  )
  var cluster: String?

  @Flag(help: "Accept a kubeconfig that says insecure-skip-tls-verify.")
  var allowInsecureKubeconfig = false

  @Option(help: "A registry, HOST:PORT, that is asked over plain HTTP. May be repeated.")
  var insecureRegistry: [String] = []

  @Option(help: "Authorities, PEM, trusted for registries beside the system's.")
  var registryCA: String?

  @Option(help: "A Docker configuration file with credentials that serve every namespace.")
  var dockerConfig: String?

  @Option(
    help:
      "What a namespace without the annotation pinseal.dev/image-verification gets: enabled or disabled. (default: disabled)"
  )
  var defaultVerification: String?

  @Option(help: "Whether Events tell of decisions: enabled or disabled. A file: cluster has none. (default: enabled)")
  var events: String?

  @Option(help: "text or json. (default: text)")
  var logFormat: String?

  @Option(help: "trace, debug, info, notice, warning, error or critical. (default: info)")
  var logLevel: String?

  @OptionGroup(title: "Self-managed certificates") var certificates: CertificateOptions

  @OptionGroup(title: "Trust") var trust: TrustOptions

  @OptionGroup(title: "Degraded") var degraded: DegradedOptions

  @OptionGroup(title: "Bounds") var bounds: Bounds

  private enum Default: String, CaseIterable { case enabled, disabled }

  /// Where there is no host name either.
  private static let unnamedInstance = "pinseal"

  private static let optionNames: Set<String> = Set(
    [
      "listen", "tls-cert", "tls-key", "client-ca", "ops-listen", "cluster", "allow-insecure-kubeconfig",
      "insecure-registry", "registry-ca", "docker-config", "default-verification", "events",
      "log-format", "log-level",
    ] + CertificateOptions.names + TrustOptions.names + DegradedOptions.names + Bounds.names)

  func run() async throws {
    let settings = try Settings(configurationFile: config, known: Self.optionNames)
    let format = try settings.choice("log-format", flag: logFormat, default: LogFormat.text)
    let level = try settings.choice("log-level", flag: logLevel, default: Logger.Level.info)
    let output = LogOutput.standardErrorInBackground(format: format)
    let logger = Self.logger(format: format, level: level, output: output)
    // For the parts that make loggers of their own.
    LoggingSystem.bootstrap { StructuredLogHandler(label: $0, format: format, level: level, output: output) }
    let services: [any Service]
    do {
      services = try await makeServices(settings, logger: logger)
    } catch let error as ValidationError {
      throw error
    } catch {
      logger.critical("cannot start", metadata: ["reason": "\(error)"])
      throw ExitCode.failure
    }
    let group = ServiceGroup(
      configuration: .init(services: services, gracefulShutdownSignals: [.sigterm, .sigint], logger: logger))
    try await group.run()
  }

  private func makeServices(_ settings: Settings, logger: Logger) async throws -> [any Service] {
    guard tlsCert == nil && tlsKey == nil || !certificates.selfManagedTLS else {
      throw ValidationError("--tls-cert and --tls-key are not used with --self-managed-tls")
    }
    // Opened once, and only after what else may be wrong with the options was looked at.
    var opened: (any Cluster)?
    func openedCluster() throws -> any Cluster {
      let cluster = try opened ?? openCluster(settings)
      opened = cluster
      return cluster
    }
    let selfManaged = try await certificates.open(
      settings, objects: { try ClusterSource.certificateObjects(of: openedCluster()) }, logger: logger)
    var tls =
      try selfManaged?.tls
      ?? TLSConfiguration(
        certificateFile: try settings.required("tls-cert", flag: tlsCert),
        keyFile: try settings.required("tls-key", flag: tlsKey))
    tls.clientAuthoritiesFile = settings.value("client-ca", flag: clientCA)
    var configuration = WebhookConfiguration(
      listen: settings.value("listen", flag: listen) ?? "0.0.0.0:8443", tls: tls,
      operationsListen: settings.value("ops-listen", flag: opsListen) ?? "0.0.0.0:8081")
    if let selfManaged { configuration.certificateStatus = { selfManaged.keeper.status } }
    configuration.enabledByDefault =
      try settings.choice("default-verification", flag: defaultVerification, default: Default.disabled) == .enabled
    if let path = settings.value("docker-config", flag: dockerConfig) {
      configuration.serverCredentials = try ServerCredentials(path: path)
    }
    var registryConfiguration = RegistryClient.Configuration()
    registryConfiguration.insecureRegistries = try settings.registries(
      "insecure-registry", flags: insecureRegistry)
    var http = HTTPClient.Configuration()
    try bounds.apply(settings, to: &configuration, registry: &registryConfiguration.limits, http: &http)

    http.additionalAuthoritiesFile = settings.value("registry-ca", flag: registryCA)
    let client = try HTTPClient(http)
    let registry = RegistryClient(http: client, configuration: registryConfiguration)
    let cluster = try openedCluster()
    let (store, keeper) = try await trust.open(settings, cluster: cluster, http: client, logger: logger)
    configuration.trust = store
    if try settings.isSet("rekor-lookup", flag: trust.rekorLookup) {
      configuration.logLookup = RekorLookup(http: client)
    }
    var services: [any Service] = [ClusterService(cluster), keeper]
    if let selfManaged { services.append(selfManaged) }
    // Services end in reverse order: what the webhook says last is still written.
    if try settings.choice("events", flag: events, default: Default.enabled) == .enabled,
      let cluster = cluster as? APICluster
    {
      let recorder = cluster.eventRecorder(
        instance: Environment.variables(prefix: "HOSTNAME")["HOSTNAME"] ?? Self.unnamedInstance, logger: logger)
      configuration.events = recorder
      services.append(EventService(recorder: recorder))
    }
    if let reporter = try degraded.reporter(settings, cluster: cluster, logger: logger) {
      configuration.degraded = reporter
      services.append(reporter)
    }
    services.append(try WebhookService(configuration, cluster: cluster, registry: registry, logger: logger))
    return services
  }

  private func openCluster(_ settings: Settings) throws -> any Cluster {
    try ClusterSource(settings.value("cluster", flag: cluster) ?? "in-cluster", allowsFiles: true).open(
      allowsInsecure: settings.isSet("allow-insecure-kubeconfig", flag: allowInsecureKubeconfig))
  }

  static func logger(format: LogFormat, level: Logger.Level, output: LogOutput = .standardError) -> Logger {
    Logger(label: "pinseal") { StructuredLogHandler(label: $0, format: format, level: level, output: output) }
  }
}
