import ArgumentParser
import HTTPServer
import Kubernetes
import Logging
import Primitives
import ServiceLifecycle
import Webhook

/// Where the serving certificate comes from: files, or Pinseal itself.
struct CertificateOptions: ParsableArguments {
  @Flag(
    help:
      "Make the certificate and its authority in --tls-secret, renew both in time, and write the authority into the webhook configurations. (default: --tls-cert and --tls-key)"
  )
  var selfManagedTLS = false

  @Option(
    help: ArgumentHelp(
      "The Secret that holds them, best made beforehand, empty and of type Opaque.", valueName: "namespace/name"))
  var tlsSecret: String?

  @Option(
    help: ArgumentHelp(
      "A name that the API server calls the webhook by: SERVICE.NAMESPACE.svc. May be repeated.", valueName: "name"))
  var tlsDNSName: [String] = []

  @Option(
    help: ArgumentHelp(
      "A webhook configuration whose caBundle is written, mutating/NAME or validating/NAME. May be repeated.",
      valueName: "kind/name"))
  var webhookConfiguration: [String] = []

  static let names = ["self-managed-tls", "tls-secret", "tls-dns-name", "webhook-configuration"]

  /// What is kept where, by these options.
  func keeperConfiguration(_ settings: Settings) throws -> CertificateKeeper.Configuration {
    let secret = try settings.required("tls-secret", flag: tlsSecret)
    let configurations = settings.values("webhook-configuration", flags: webhookConfiguration)
    guard !configurations.isEmpty else {
      throw ValidationError("--webhook-configuration is missing: which caBundle is to be written?")
    }
    do {
      return try CertificateKeeper.Configuration(
        secret: try SecretPlace(parsing: secret), dnsNames: settings.values("tls-dns-name", flags: tlsDNSName),
        registrations: try configurations.map { try WebhookRegistrationID(parsing: $0) })
    } catch let error as ClusterError {
      throw ValidationError(error.description)
    } catch let error as CertificateKeeperError {
      throw ValidationError("--tls-dns-name: \(error.description)")
    }
  }

  /// The keeper, if certificates are self-managed: it has something to serve when this returns.
  func open(
    _ settings: Settings, objects: () throws -> any CertificateObjects, logger: Logger
  ) async throws -> SelfManagedCertificates? {
    guard try settings.isSet("self-managed-tls", flag: selfManagedTLS) else {
      for name in Self.names.dropFirst() where !settings.values(name, flags: given(name)).isEmpty {
        throw ValidationError("--\(name) has no effect without --self-managed-tls")
      }
      return nil
    }
    for name in ["tls-cert", "tls-key"] where settings.value(name, flag: nil) != nil {
      throw ValidationError("--\(name) and --self-managed-tls exclude each other")
    }
    let made = try SelfManagedCertificates(
      try keeperConfiguration(settings), objects: try objects(), logger: logger)
    do {
      try await made.keeper.start()
    } catch {
      made.folder.remove()
      throw error
    }
    return made
  }

  private func given(_ name: String) -> [String] {
    switch name {
    case "tls-secret": tlsSecret.map { [$0] } ?? []
    case "tls-dns-name": tlsDNSName
    default: webhookConfiguration
    }
  }
}

/// The keeper, with the private folder from which the server reads what it keeps.
struct SelfManagedCertificates: Service {
  let keeper: CertificateKeeper
  let folder: TemporaryFolder
  /// Certificate and key in one file: they change together.
  let tls: TLSConfiguration

  init(_ configuration: CertificateKeeper.Configuration, objects: any CertificateObjects, logger: Logger) throws {
    folder = try TemporaryFolder(name: "pinseal-tls")
    let file = "\(folder.path)/tls.pem"
    keeper = CertificateKeeper(configuration, objects: objects, file: file, logger: logger)
    tls = TLSConfiguration(certificateFile: file, keyFile: file)
  }

  func run() async {
    await keeper.run()
    folder.remove()
  }
}
