import ArgumentParser
import Crypto
import EmbeddedRegistry
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

/// `pinseal demo`: all of it on one machine, with no cluster and no network.
struct Demo: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Show the webhook at work: an embedded registry, throw-away keys, real reviews over TLS.",
    discussion: "Exit status 0 only if every answer was the expected one.")

  @Flag(help: "Leave registry and webhook running, and print a curl line that talks to them.")
  var serve = false

  @Option(help: "Where the webhook listens, ADDR:PORT; port 0 picks a free one.")
  var listen = "127.0.0.1:0"

  @Option(help: "The webhook's certificate chain, PEM; one is made if this is not given.")
  var tlsCert: String?

  @Option(help: "The certificate's private key, PEM.")
  var tlsKey: String?

  @Option(help: "The authority of --tls-cert, PEM.")
  var tlsCA: String?

  @Option(help: "How often each review is sent again, for the warm time.")
  var repeats = 50

  @Option(help: "What is logged to standard error.")
  var logLevel: String = "critical"

  func validate() throws {
    guard [tlsCert, tlsKey, tlsCA].allSatisfy({ $0 == nil }) || [tlsCert, tlsKey, tlsCA].allSatisfy({ $0 != nil })
    else {
      throw ValidationError("--tls-cert, --tls-key and --tls-ca go together")
    }
    guard (1...10_000).contains(repeats) else { throw ValidationError("--repeats: 1 to 10000") }
  }

  func run() async throws {
    let level = try Settings(environment: [:]).choice("log-level", flag: logLevel, default: Logger.Level.critical)
    let logger = Serve.logger(format: .text, level: level)
    let folder = try TemporaryFolder(name: "pinseal-demo")
    defer { folder.remove() }

    let stage = try DemoStage(logger: logger)
    let certificate = try certificate(in: folder)
    var configuration = WebhookConfiguration(
      listen: listen,
      tls: TLSConfiguration(certificateFile: certificate.chain, keyFile: certificate.key),
      operationsListen: "127.0.0.1:0")
    // The demo answers the same question many times; a "no" must come from the verifier each time.
    configuration.verifierLimits.negativeLifetime = .zero
    var registryConfiguration = RegistryClient.Configuration()
    registryConfiguration.insecureRegistries = [stage.registryAddress]
    let service = try WebhookService(
      configuration, cluster: try FileCluster(yaml: stage.clusterYAML),
      registry: RegistryClient(http: try HTTPClient(), configuration: registryConfiguration), logger: logger)

    StandardOutput.write("Pinseal: only signed images, pinned\n")
    StandardOutput.write("registry  \(stage.registryAddress) (embedded, in memory)")
    StandardOutput.write("webhook   https://\(service.server.boundAddress) (/mutate, /validate)")
    StandardOutput.write("key       \(stage.trustedKey.fingerprint)")
    StandardOutput.write("log key   \(stage.logKey.fingerprint)\n")

    let report = try await ask(stage, service: service, authority: try FileBytes.read(certificate.authority))
    StandardOutput.write(report.text)
    StandardOutput.write(
      report.isGood ? "Every answer was the expected one." : "Some answers were wrong, see WRONG above.")

    if serve {
      try printCurlLine(stage, service: service, authority: certificate.authority, folder: folder)
      let group = ServiceGroup(
        configuration: .init(services: [service], gracefulShutdownSignals: [.sigterm, .sigint], logger: logger))
      try await group.run()
    } else {
      await service.drain()
    }
    await stage.close()
    if !report.isGood { throw ExitCode.failure }
  }

  // MARK: Asking

  private func ask(_ stage: DemoStage, service: WebhookService, authority: [UInt8]) async throws -> DemoReport {
    var http = HTTPClient.Configuration()
    http.onlyAuthorities = authority
    http.usesProxyEnvironment = false
    let client = try HTTPClient(http)
    let base = "https://127.0.0.1:\(service.server.port)"
    // The connection stands before the first review is timed, as the API server's does.
    _ = try? await client.send(HTTPRequest(method: .get, url: base + "/mutate"), deadline: .after(.seconds(5)))

    var rows: [DemoReport.Row] = []
    for demoCase in stage.cases {
      let (answer, cold) = try await send(demoCase, to: base, by: client)
      var times: [Duration] = []
      for _ in 0..<repeats { times.append(try await send(demoCase, to: base, by: client).1) }
      rows.append(
        .init(
          demoCase: demoCase, answer: answer, cold: cold, warm: times.sorted()[times.count / 2],
          fault: demoCase.fault(in: answer)))
    }
    return DemoReport(rows: rows)
  }

  private func send(
    _ demoCase: DemoCase, to base: String, by client: HTTPClient
  ) async throws -> (DemoAnswer, Duration) {
    let request = HTTPRequest(
      method: .post, url: "\(base)/\(demoCase.review.endpoint)?timeout=10s",
      headers: [("content-type", "application/json")], body: demoCase.review.body)
    let start = Deadline.now.nanoseconds
    let response = try await client.send(request, deadline: .after(.seconds(15)))
    let elapsed = Duration.nanoseconds(Int64(clamping: Deadline.now.nanoseconds &- start))
    guard response.status == 200 else {
      throw DemoFault("HTTP \(response.status): \(String(decoding: response.body, as: UTF8.self).printable())")
    }
    return (try DemoAnswer(response.body), elapsed)
  }

  // MARK: Certificates and files

  private func certificate(in folder: TemporaryFolder) throws -> (chain: String, key: String, authority: String) {
    if let tlsCert, let tlsKey, let tlsCA { return (tlsCert, tlsKey, tlsCA) }
    let authority = try IssuedCertificate.authority(commonName: "Pinseal demo authority")
    let leaf = try authority.issueLeaf(
      commonName: "pinseal demo", dnsNames: ["localhost"], ipAddresses: ["127.0.0.1", "::1"])
    return (
      try folder.write("tls.crt", leaf.certificatePEM), try folder.write("tls.key", leaf.key.pem),
      try folder.write("ca.crt", authority.certificatePEM)
    )
  }

  private func printCurlLine(
    _ stage: DemoStage, service: WebhookService, authority: String, folder: TemporaryFolder
  ) throws {
    for (file, demoCase) in [
      ("signed.json", stage.cases.first), ("unsigned.json", stage.cases.first { $0.title.hasPrefix("unsigned") }),
    ] {
      guard let demoCase else { continue }
      let path = try folder.write(file, String(decoding: demoCase.review.body, as: UTF8.self))
      StandardOutput.write("\n\(demoCase.title):")
      StandardOutput.write(
        "  curl --cacert \(authority) -H content-type:application/json -d @\(path)"
          + " https://localhost:\(service.server.port)/\(demoCase.review.endpoint)")
    }
    StandardOutput.write(
      "\nprobes and metrics:  curl http://\(service.operations.boundAddress)/metrics\n\nControl-C ends it.")
  }
}

/// Why the demo could not go on.
struct DemoFault: Error, CustomStringConvertible {
  let description: String
  init(_ description: String) { self.description = description }
}
