import ArgumentParser
import Crypto
import Kubernetes
import Logging
import Primitives
import Telemetry
import Webhook

/// `pinseal certs`: the webhook's certificates, made and looked at.
struct Certs: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Make, renew and show the webhook's certificates.",
    discussion: """
      `pinseal serve --self-managed-tls` does by itself what `certs apply` does once. cert-manager, the chart's own \
      certificate and any pair of PEM files serve as well; but caBundle must have one writer only.
      """,
    subcommands: [CertsFiles.self, CertsApply.self, CertsShow.self])

}

/// `pinseal certs files`: a pair for one's own machine.
struct CertsFiles: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "files", abstract: "Make an authority and a serving certificate in files, for development.",
    discussion: "The authority's key is thrown away. Files: ca.crt, tls.crt, tls.key (only this user may read it).")

  @Option(help: ArgumentHelp("The folder; it is made if its parent is there.", valueName: "dir"))
  var out: String

  @Option(help: ArgumentHelp("The name of a host. May be repeated.", valueName: "name"))
  var dnsName: [String] = []

  @Option(help: ArgumentHelp("An IP address. May be repeated.", valueName: "address"))
  var ipAddress: [String] = []

  @Option(help: "For how many days, 1 to 3650.")
  var days = 30

  @Flag(help: "Take the place of files that are there.")
  var force = false

  func validate() throws {
    guard !(dnsName.isEmpty && ipAddress.isEmpty) else {
      throw ValidationError("--dns-name or --ip-address is needed: whom is the certificate for?")
    }
    guard (1...IssuedCertificate.maximumDays).contains(days) else {
      throw ValidationError("--days \(days): 1 to \(IssuedCertificate.maximumDays) are possible")
    }
  }

  func run() throws {
    let names = ["ca.crt", "tls.crt", "tls.key"]
    do {
      try FileBytes.makeFolder(out)
      let present = names.filter { FileBytes.identity(of: "\(out)/\($0)") != nil }
      guard present.isEmpty || force else {
        throw CertsFault(
          "\(out.printable()) holds \(present.joined(separator: ", ")) already; --force takes their place")
      }
      let authority = try IssuedCertificate.authority(commonName: "Pinseal development authority", days: days)
      let leaf = try authority.issueLeaf(
        commonName: "pinseal", dnsNames: dnsName, ipAddresses: ipAddress, days: days)
      try FileBytes.replace("\(out)/ca.crt", with: Array(authority.certificatePEM.utf8), permissions: 0o644)
      // The key first: until its certificate is there, a server goes on with the pair that it has.
      try FileBytes.replace("\(out)/tls.key", with: Array(leaf.key.pem.utf8))
      try FileBytes.replace("\(out)/tls.crt", with: Array(leaf.certificatePEM.utf8), permissions: 0o644)
      StandardOutput.write(
        try CertsReport(pem: authority.certificatePEM + leaf.certificatePEM, source: out, at: WallClock.seconds).text)
    } catch {
      throw ValidationError("\(error)")
    }
  }
}

/// `pinseal certs apply`: one pass of what `serve --self-managed-tls` does.
struct CertsApply: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "apply",
    abstract: "Make or renew the certificate in a Secret, and write its authority into webhook configurations, once.",
    discussion: """
      One pass of what `pinseal serve --self-managed-tls` does by itself; for a Job, a CronJob (daily is often enough) or \
      by hand. A change of authorities takes several passes, some minutes apart. Exit status 0: everything is as it must \
      be. 1: a webhook configuration is missing. 2: something could not be done.
      """)

  @Option(help: "The cluster: in-cluster, kubeconfig or kubeconfig:FILE.")
  var cluster = "in-cluster"

  @Flag(help: "Accept a kubeconfig that says insecure-skip-tls-verify.")
  var allowInsecureKubeconfig = false

  @Option(help: ArgumentHelp("The Secret.", valueName: "namespace/name"))
  var tlsSecret: String

  @Option(help: ArgumentHelp("A name that the API server calls the webhook by. May be repeated.", valueName: "name"))
  var tlsDNSName: [String] = []

  @Option(
    help: ArgumentHelp(
      "A webhook configuration, mutating/NAME or validating/NAME. May be repeated.", valueName: "kind/name"))
  var webhookConfiguration: [String] = []

  @Option(help: "text or json.")
  var output = OutputFormat.text

  func run() async throws {
    let outcome: CertificateKeeper.Outcome
    do {
      let configuration = try CertificateKeeper.Configuration(
        secret: try SecretPlace(parsing: tlsSecret), dnsNames: tlsDNSName,
        registrations: try webhookConfiguration.map { try WebhookRegistrationID(parsing: $0) })
      let keeper = CertificateKeeper(
        configuration,
        objects: try ClusterSource.certificateObjects(cluster, allowsInsecure: allowInsecureKubeconfig), file: nil,
        logger: Serve.logger(format: .text, level: .error))
      outcome = try await keeper.pass()
    } catch {
      StandardError.write("\(error)")
      throw ExitCode(VerifyExit.undecided)
    }
    output.write(text: outcome.text, json: outcome.json)
    guard outcome.missing.isEmpty else { throw ExitCode(VerifyExit.refused) }
  }
}

/// `pinseal certs show`: what files or a Secret hold.
struct CertsShow: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "show", abstract: "Show certificates of a file or a Secret: whose, for what, how long. Never a key.",
    discussion: """
      Exit status 0: all of them are valid now. 1: one is not. 2: they could not be read.
      """)

  @Argument(help: "PEM files.")
  var file: [String] = []

  @Option(help: ArgumentHelp("A Secret.", valueName: "namespace/name"))
  var secret: String?

  @Option(help: "Where the Secret is: in-cluster, kubeconfig or kubeconfig:FILE.")
  var cluster = "kubeconfig"

  @Flag(help: "Accept a kubeconfig that says insecure-skip-tls-verify.")
  var allowInsecureKubeconfig = false

  @Option(help: "text or json.")
  var output = OutputFormat.text

  func validate() throws {
    guard !file.isEmpty || secret != nil else { throw ValidationError("a file or --secret NAMESPACE/NAME is needed") }
  }

  func run() async throws {
    var report = CertsReport(now: WallClock.seconds)
    do {
      for path in file { try report.add(try FileBytes.read(path), source: path) }
      if let secret {
        let place = try SecretPlace(parsing: secret)
        let objects = try ClusterSource.certificateObjects(cluster, allowsInsecure: allowInsecureKubeconfig)
        guard let found = try await objects.secret(place, deadline: .after(.seconds(10))) else {
          throw CertsFault("Secret \(place) does not exist")
        }
        for key in ["tls.crt", "ca.crt"] {
          guard let value = found.data[key], !value.isEmpty else { continue }
          try report.add(value, source: "\(place) \(key)")
        }
      }
      guard !report.rows.isEmpty else { throw CertsFault("there is no certificate") }
    } catch {
      StandardError.write("\(error)")
      throw ExitCode(VerifyExit.undecided)
    }
    output.write(text: report.text, json: report.json)
    guard report.isValid else { throw ExitCode(VerifyExit.refused) }
  }
}

/// Why certificates could not be made or shown.
struct CertsFault: Error, CustomStringConvertible {
  let description: String
  init(_ description: String) { self.description = description }
}
