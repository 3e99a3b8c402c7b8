import ArgumentParser
import HTTPClient
import Kubernetes
import Primitives

/// `pinseal check`: asks a running webhook as the API server does.
struct Check: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Ask a running webhook as an API server would: over TLS, for an allowance and a denial.",
    discussion: """
      It sends a review that must be allowed (a deletion) and one that must be denied (a kind that is none of Pinseal's), \
      to /mutate and to /validate; with --image, a StatefulSet with that image as a dry run. Nothing is created. \
      Exit status 0: every answer was the expected one. 1: an answer was another. 2: there was none, or wrong usage.
      """)

  enum Expectation: String, CaseIterable, ExpressibleByArgument { case allowed, refused }
  @Option(help: "The webhook, https://HOST[:PORT].")
  var url: String

  @Option(help: ArgumentHelp("The authorities that the API server trusts for it, PEM.", valueName: "file"))
  var ca: String?

  @Option(
    help: ArgumentHelp(
      "Take them from the caBundle of a webhook configuration, mutating/NAME or validating/NAME.",
      valueName: "kind/name"))
  var caFrom: String?

  @Option(help: "Where that configuration is: in-cluster, kubeconfig or kubeconfig:FILE.")
  var cluster = "kubeconfig"

  @Option(
    help: ArgumentHelp("The name that the certificate must be for; then HOST is an IP address.", valueName: "name"))
  var serverName: String?

  @Option(help: ArgumentHelp("A client's certificate chain, PEM, for a webhook with --client-ca.", valueName: "file"))
  var clientCert: String?

  @Option(help: ArgumentHelp("Its key, PEM.", valueName: "file"))
  var clientKey: String?

  @Option(help: "The namespace that the reviews name.")
  var namespace = "default"

  @Option(help: "Also ask for a StatefulSet with this image.")
  var image: String?

  @Option(help: "What must come of the image: allowed or refused.")
  var expect: Expectation?

  @Option(help: ArgumentHelp("Also ask for /readyz, http://HOST:PORT.", valueName: "url"))
  var opsURL: String?

  @Option(help: "Try again until everything is as expected, for so long, such as 30s.")
  var within: String?

  @Option(help: "Time for one answer.")
  var timeout = "10s"

  @Option(help: "text or json.")
  var output = OutputFormat.text

  func validate() throws {
    guard (ca == nil) != (caFrom == nil) else {
      throw ValidationError("one of --ca and --ca-from is needed: whom does the API server trust?")
    }
    guard (image == nil) == (expect == nil) else { throw ValidationError("--image and --expect go together") }
    guard (clientCert == nil) == (clientKey == nil) else {
      throw ValidationError("--client-cert and --client-key go together")
    }
    guard DNSName.isLabel(namespace) else {
      throw ValidationError("--namespace \(namespace.printable(limit: 64)): that is no namespace's name")
    }
  }

  func run() async throws {
    let report = try await report()
    output.write(text: report.text, json: report.json)
    guard report.status == VerifyExit.verified else { throw ExitCode(report.status) }
  }

  /// Asks, again and again if need be; throws where nothing can be asked.
  func report() async throws -> CheckReport {
    let settings = Settings(environment: [:])
    let timeout = try settings.duration("timeout", flag: timeout, default: .seconds(10))
    let end = try within.map { Deadline.after(try settings.duration("within", flag: $0, default: .zero)) } ?? .now
    let target = try CheckTarget(url: url, serverName: serverName)
    let ops = try opsURL.map { try CheckTarget.plain($0) }
    var pause = Duration.milliseconds(250)
    while true {
      let report = try await ask(target, ops: ops, timeout: timeout)
      guard report.status != VerifyExit.verified, end.remaining > pause else { return report }
      try await Task.sleep(for: pause)
      pause = min(pause * 2, .seconds(2))
    }
  }

  /// One round. Authorities and connection are new each time: the Secret may just be on its way.
  private func ask(_ target: CheckTarget, ops: String?, timeout: Duration) async throws -> CheckReport {
    var http = HTTPClient.Configuration()
    http.usesProxyEnvironment = false
    http.pinnedNames = target.pinnedNames
    http.connectTimeout = timeout
    do {
      http.onlyAuthorities = try await authorities(timeout)
      if let clientCert, let clientKey {
        http.clientCertificatePEM = try FileBytes.read(clientCert)
        http.clientKeyPEM = try FileBytes.read(clientKey)
      }
      let client = try HTTPClient(http)
      return await CheckRound(client: client, base: target.base, namespace: namespace, timeout: timeout)
        .run(image: image.flatMap { image in expect.map { (image, $0 == .allowed) } }, ops: ops)
    } catch {
      return CheckReport(steps: [.init(name: "authorities", verdict: .unanswered, message: "\(error)", duration: .zero)]
      )
    }
  }

  private func authorities(_ timeout: Duration) async throws -> [UInt8] {
    if let ca { return try FileBytes.read(ca) }
    let id = try WebhookRegistrationID(parsing: caFrom ?? "")
    let objects = try ClusterSource.certificateObjects(cluster, allowsInsecure: false)
    guard let found = try await objects.registration(id, deadline: .after(timeout)) else {
      throw CertsFault("\(id) does not exist")
    }
    guard let bundle = found.bundles.first(where: { !$0.isEmpty }) else {
      throw CertsFault("\(id) has no caBundle yet")
    }
    return bundle
  }
}

/// Where the webhook is, as its certificate must name it.
struct CheckTarget {
  /// `https://NAME:PORT`, without a path.
  let base: String
  /// Where that name really is, if it must not be resolved.
  let pinnedNames: [String]

  init(url: String, serverName: String?) throws {
    let (host, port) = try Self.split(url, scheme: "https://", option: "url", standardPort: "443")
    guard let serverName else {
      base = "https://\(host):\(port)"
      pinnedNames = []
      return
    }
    let address = host == "localhost" ? "127.0.0.1" : host
    guard address.hasPrefix("[") || address.utf8.allSatisfy({ ($0 >= 0x30 && $0 <= 0x39) || $0 == 0x2e }) else {
      throw ValidationError("--url with --server-name names an IP address, not \(host.printable(limit: 64))")
    }
    guard DNSName.isHost(serverName) else {
      throw ValidationError("--server-name \(serverName.printable(limit: 64)): that is no host's name")
    }
    base = "https://\(serverName):\(port)"
    pinnedNames = ["\(serverName):\(port):\(address)"]
  }

  /// The base of a plain address.
  static func plain(_ url: String) throws -> String {
    let (host, port) = try split(url, scheme: "http://", option: "ops-url", standardPort: "80")
    return "http://\(host):\(port)"
  }

  private static func split(
    _ url: String, scheme: String, option: String, standardPort: String
  ) throws -> (host: String, port: String) {
    var rest = url.hasPrefix(scheme) ? url.dropFirst(scheme.count) : ""
    if rest.hasSuffix("/") { rest.removeLast() }
    var (host, port) = (rest, Substring(standardPort))
    let literalEnd = rest.hasPrefix("[") ? rest.firstIndex(of: "]") : nil
    if let colon = rest[(literalEnd ?? rest.startIndex)...].firstIndex(of: ":") {
      host = rest[..<colon]
      port = rest[rest.index(after: colon)...]
    }
    let isHost =
      literalEnd != nil || !host.contains { !($0.isASCII && ($0.isLetter || $0.isNumber || $0 == "." || $0 == "-")) }
    guard !host.isEmpty, isHost, let number = UInt16(port), number > 0 else {
      throw ValidationError("--\(option) \(url.printable(limit: 128)): \(scheme)HOST[:PORT] is expected")
    }
    return (String(host), "\(number)")
  }
}
