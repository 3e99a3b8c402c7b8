import ArgumentParser
import Crypto
import HTTPClient
import OCI
import Primitives
import Sigstore
import TrustRoot
import Verification

/// `pinseal verify`: judges one image as the webhook would, and shows how it came to its verdict.
struct Verify: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Verify one image as the webhook would, and show every step.",
    discussion: """
      Exit status 0: verified. 1: not verified. 2: could not be decided (a registry did not answer or wants \
      credentials, time ran out), or wrong usage.
      """)

  @Argument(help: "The image, as it would stand in a Pod.")
  var image: String

  @OptionGroup(title: "Signer") var signer: VerifySigner

  @Flag(help: "Do not ask for a proof of the transparency log.")
  var ignoreTlog = false

  @Option(help: "A trusted root, JSON, in place of the public-good one that is built in.")
  var trustedRoot: String?

  @Option(help: "The public key, PEM, of a private transparency log, in place of the trusted root's logs.")
  var rekorPublicKey: String?

  @Flag(
    help: "Ask the transparency log for a proof that is not attached: for signatures by keys in the older format only.")
  var rekorLookup = false

  @Option(help: ArgumentHelp("What must be signed with it. May be repeated.", valueName: "K=V"))
  var signatureAnnotation: [String] = []

  @Option(help: "Whether the signed name must be this repository: any or repository.")
  var signedIdentity = "any"

  @Option(help: "A registry, HOST:PORT, that is asked over plain HTTP. May be repeated.")
  var insecureRegistry: [String] = []

  @Option(help: "Authorities, PEM, trusted for registries beside the system's.")
  var registryCA: String?

  @Option(help: "A Docker configuration file with credentials.")
  var dockerConfig: String?

  @Option(help: "Time for all of it, such as 30s or 500ms.")
  var timeout = "30s"

  @Option(help: "text or json.")
  var output = OutputFormat.text

  func run() async throws {
    let report = try await report()
    output.write(text: report.text, json: report.json)
    guard report.status == VerifyExit.verified else { throw ExitCode(report.status) }
  }

  /// Verifies; throws where nothing can be asked.
  func report() async throws -> VerifyReport {
    let recorder = VerifyRecorder()
    let requested: RequestedImage
    do throws(Refusal) { requested = try RequestedImage(parsing: image) } catch {
      throw ValidationError("\(image.printable(limit: 300)): \(error.message)")
    }
    let time = try Settings(environment: [:]).duration("timeout", flag: timeout, default: .seconds(30))
    let (demand, trust) = try terms()
    let request = VerificationRequest(
      image: requested, demand: demand, trust: trust, credentials: try FileCredentials(dockerConfig: dockerConfig))
    let verifier = try makeVerifier(recorder)
    let verdict = await verifier.verify(request, deadline: .after(time))
    return recorder.report(of: requested, verdict)
  }

  private func makeVerifier(_ observer: any VerificationObserver) throws -> ImageVerifier {
    var http = HTTPClient.Configuration()
    http.additionalAuthoritiesFile = registryCA
    var registry = RegistryClient.Configuration()
    registry.insecureRegistries = try Settings(environment: [:]).registries(
      "insecure-registry", flags: insecureRegistry)
    do {
      let client = try HTTPClient(http)
      return ImageVerifier(
        registry: RegistryClient(http: client, configuration: registry),
        logLookup: rekorLookup ? RekorLookup(http: client) : nil, observer: observer)
    } catch {
      throw ValidationError("\(error)")
    }
  }

  /// What a signature must be, and whom to trust for the evidence.
  private func terms() throws -> (SignatureDemand, TrustedRoot) {
    let wanted = try signer.wanted()
    let logKeys = try rekorPublicKey.map { try VerifyFiles.keys($0, option: "rekor-public-key") } ?? []
    guard logKeys.isEmpty || !ignoreTlog else {
      throw ValidationError("--rekor-public-key and --ignore-tlog exclude each other")
    }
    var keys: [TrustedKey] = []
    var identities: [IdentityMatcher] = []
    switch wanted {
    case .keys(let given): keys = given.map { TrustedKey($0) }
    case .identity(let identity): identities = [identity]
    }
    let demand = SignatureDemand(
      keys: keys, identities: identities, requiresLog: !ignoreTlog, logKeys: logKeys,
      signedIdentity: try Settings(environment: [:]).choice(
        "signed-identity", flag: signedIdentity, default: SignedIdentity.any),
      annotations: try Self.annotations(signatureAnnotation))
    return (demand, try VerifyTrust.root(file: trustedRoot))
  }

  static func annotations(_ texts: [String]) throws -> [String: String] {
    var annotations: [String: String] = [:]
    for text in texts {
      let parts = text.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
      guard parts.count == 2, !parts[0].isEmpty else {
        throw ValidationError("--signature-annotation \(text.printable(limit: 100)): NAME=VALUE is expected")
      }
      guard annotations.updateValue(String(parts[1]), forKey: String(parts[0])) == nil else {
        throw ValidationError("--signature-annotation \(parts[0].description.printable(limit: 100)) is given twice")
      }
    }
    let bytes = annotations.reduce(0) { $0 + $1.key.utf8.count + $1.value.utf8.count }
    guard annotations.count <= SignatureDemand.maximumAnnotations, bytes <= SignatureDemand.maximumAnnotationBytes
    else {
      throw ValidationError(
        "--signature-annotation: at most \(SignatureDemand.maximumAnnotations) are taken, with "
          + "\(SignatureDemand.maximumAnnotationBytes) bytes of names and values together")
    }
    return annotations
  }
}

/// Whom to trust.
enum VerifyTrust {
  /// The root of this file, else the public-good one that is built in. Never the one for want of the other.
  static func root(file: String?) throws -> TrustedRoot {
    if let file { return try VerifyFiles.trustedRoot(file) }
    return try TrustedRoot(parsing: BundledTrustRoot.trustedRoot)
  }
}

/// The credentials of one Docker configuration file, or none.
struct FileCredentials: CredentialsProviding {
  private let sources: [RegistryCredentials]

  init(dockerConfig path: String?) throws {
    guard let path else {
      sources = []
      return
    }
    do {
      sources = [
        try RegistryCredentials(
          dockerConfigJSON: try VerifyFiles.read(path, option: "docker-config"), source: "--docker-config")
      ]
    } catch let error as CredentialsError {
      throw ValidationError("--docker-config \(path.printable()): \(error)")
    }
  }

  func credentials() async -> (sources: [RegistryCredentials], notes: [String]) { (sources, []) }

  var scope: String { "" }
}
