import Admission
import ArgumentParser
import HTTPClient
import HTTPServer
import OCI
import Verification
import Webhook

/// The bounds that may be set: each has a default that fits, and a range beyond which it would protect nothing.
struct Bounds: ParsableArguments {
  @Option(help: "Bytes of a review. (default: 3145728)") var maxBodyBytes: String?
  @Option(help: "Bytes of reviews that all connections hold together. (default: 134217728)") var maxBufferedBytes:
    String?
  @Option(help: "Connections at a time. (default: 1024)") var maxConnections: String?
  @Option(help: "HTTP/2 streams a connection. (default: 128)") var maxStreams: String?
  @Option(help: "Time for a TLS handshake. (default: 5s)") var handshakeTimeout: String?
  @Option(help: "How long a connection may be idle. (default: 120s)") var idleTimeout: String?
  @Option(help: "From a request's first byte to its last. (default: 20s)") var requestTimeout: String?
  @Option(help: "How long a shutdown goes on answering first, not ready any more. (default: not at all)")
  var shutdownDelay: String?
  @Option(help: "How long a shutdown waits for what is in flight. (default: 25s)") var drainTimeout: String?
  @Option(help: "Time for a review whose caller names none. (default: 10s)") var defaultTimeout: String?
  @Option(help: "Taken off the caller's time for the way back, half of it at most. (default: 2s)") var timeoutMargin:
    String?
  @Option(help: "Bytes of a manifest, an index or a list of referrers. (default: 4194304)") var maxManifestBytes:
    String?
  @Option(help: "Bytes of a signature's payload or bundle. (default: 1048576)") var maxSignatureBytes: String?
  @Option(help: "Bytes of answers under way that are held together. (default: 268435456)") var maxFetchedBytes: String?
  @Option(help: "Candidates judged per place where signatures lie. (default: 50)") var maxCandidates: String?
  @Option(help: "Pages of a list of referrers. (default: 3)") var maxReferrerPages: String?
  @Option(help: "Redirects followed for one blob. (default: 5)") var maxRedirects: String?
  @Option(help: "Time for one request to a registry. (default: 10s)") var registryTimeout: String?
  @Option(help: "Requests to one registry at a time. (default: 32)") var registryConcurrency: String?
  @Option(help: "Verified facts kept in memory. (default: 65536)") var cacheEntries: String?
  @Option(help: "Bytes of memory that they take, about. (default: 67108864)") var cacheBytes: String?
  @Option(help: "How long a definitive no is remembered. (default: 5s)") var negativeCache: String?

  static let names = [
    "max-body-bytes", "max-buffered-bytes", "max-connections", "max-streams", "handshake-timeout", "idle-timeout",
    "request-timeout", "shutdown-delay", "drain-timeout", "default-timeout", "timeout-margin", "max-manifest-bytes",
    "max-signature-bytes", "max-fetched-bytes", "max-candidates", "max-referrer-pages", "max-redirects",
    "registry-timeout", "registry-concurrency", "cache-entries", "cache-bytes", "negative-cache",
  ]

  /// Bytes of memory that many share.
  private static let memory = 1 << 20...16 << 30

  func apply(
    _ settings: Settings, to configuration: inout WebhookConfiguration, registry: inout RegistryLimits,
    http: inout HTTPClient.Configuration
  ) throws {
    func integer(_ name: String, _ flag: String?, _ value: inout Int, _ range: ClosedRange<Int>) throws {
      value = try settings.integer(name, flag: flag, default: value, in: range)
    }
    func duration(_ name: String, _ flag: String?, _ value: inout Duration) throws {
      value = try settings.duration(name, flag: flag, default: value)
    }
    try integer("max-body-bytes", maxBodyBytes, &configuration.serverLimits.bodyBytes, 1024...(16 << 20))
    configuration.admission.maximumBytes = configuration.serverLimits.bodyBytes
    try integer(
      "max-buffered-bytes", maxBufferedBytes, &configuration.serverLimits.bufferedBytes, Self.memory)
    try integer("max-connections", maxConnections, &configuration.serverLimits.connections, 1...65_536)
    try integer("max-streams", maxStreams, &configuration.serverLimits.streamsPerConnection, 1...1024)
    try duration("handshake-timeout", handshakeTimeout, &configuration.serverLimits.handshakeTimeout)
    try duration("idle-timeout", idleTimeout, &configuration.serverLimits.idleTimeout)
    try duration("request-timeout", requestTimeout, &configuration.serverLimits.requestTimeout)
    try duration("shutdown-delay", shutdownDelay, &configuration.shutdownDelay)
    try duration("drain-timeout", drainTimeout, &configuration.serverLimits.drainTimeout)
    try duration("default-timeout", defaultTimeout, &configuration.admission.defaultTimeout)
    try duration("timeout-margin", timeoutMargin, &configuration.admission.margin)

    try integer("max-manifest-bytes", maxManifestBytes, &registry.manifestBytes, 1024...(64 << 20))
    try integer("max-signature-bytes", maxSignatureBytes, &registry.blobBytes, 1024...(16 << 20))
    configuration.verifierLimits.payloadBytes = registry.blobBytes
    configuration.verifierLimits.bundleBytes = registry.blobBytes
    try integer("max-fetched-bytes", maxFetchedBytes, &http.maximumBufferedBytes, Self.memory)
    // One of the largest answers always fits, as one of the largest reviews does.
    http.maximumBufferedBytes = max(http.maximumBufferedBytes, registry.manifestBytes, registry.blobBytes)
    try integer("max-candidates", maxCandidates, &configuration.verifierLimits.candidatesPerStore, 1...1000)
    try integer("max-referrer-pages", maxReferrerPages, &registry.referrerPages, 1...100)
    try integer("max-redirects", maxRedirects, &registry.redirects, 0...20)
    try duration("registry-timeout", registryTimeout, &registry.requestTimeout)
    try integer("registry-concurrency", registryConcurrency, &registry.concurrentRequestsPerRegistry, 1...1024)
    try integer("cache-entries", cacheEntries, &configuration.verifierLimits.cachedFacts, 1...10_000_000)
    try integer("cache-bytes", cacheBytes, &configuration.verifierLimits.cachedFactBytes, Self.memory)
    try duration("negative-cache", negativeCache, &configuration.verifierLimits.negativeLifetime)
  }
}
