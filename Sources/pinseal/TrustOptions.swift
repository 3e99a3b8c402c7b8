import ArgumentParser
import HTTPClient
import Kubernetes
import Logging
import Primitives
import TrustRoot
import Webhook

/// Whose logs and authorities count, and how that is kept up to date.
struct TrustOptions: ParsableArguments {
  @Option(
    help:
      "A trusted_root.json in a file, or configmap://NAMESPACE/NAME/KEY: whose transparency logs, certificate authorities and timestamp authorities count. Read anew when it changes. (default: Sigstore's public-good instance, as bundled)"
  )
  var trustedRoot: String?

  @Flag(help: "Trust Sigstore's public-good instance beside --trusted-root. (default: instead of it)")
  var publicGoodBeside = false

  @Flag(help: "Refresh the public-good trust root through TUF, daily. If a refresh fails, the present one stays.")
  var tufRefresh = false

  @Option(help: "Where TUF's files are fetched. (default: \(TUFClient.publicGoodMirror))")
  var tufMirror: String?

  @Option(help: "A folder that keeps TUF's files over restarts. (default: none)")
  var tufCache: String?

  @Flag(
    help:
      "Ask the trust root's transparency logs (Rekor v1) for proofs that are not attached to signatures by keys in the older format. What they answer is checked as an attached proof is."
  )
  var rekorLookup = false

  static let names = [
    "trusted-root", "public-good-beside", "tuf-refresh", "tuf-mirror", "tuf-cache", "rekor-lookup",
  ]

  /// The store, and what looks after it in the background.
  func open(
    _ settings: Settings, cluster: any Cluster, http: any HTTPExchanging, logger: Logger
  ) async throws -> (store: TrustRootStore, service: TrustRootService) {
    let beside = try settings.isSet("public-good-beside", flag: publicGoodBeside)
    let selection: TrustRootSelection
    if let text = settings.value("trusted-root", flag: trustedRoot) {
      let source = try Self.source(text, cluster: cluster)
      selection = beside ? .userBesideBundled(source) : .user(source)
    } else {
      guard !beside else { throw ValidationError("--public-good-beside: beside what? Give --trusted-root too") }
      selection = .bundled
    }
    let store = try await TrustRootStore.open(selection, at: WallClock.seconds, logger: logger)
    let mirror = settings.value("tuf-mirror", flag: tufMirror)
    let cache = settings.value("tuf-cache", flag: tufCache)
    guard try settings.isSet("tuf-refresh", flag: tufRefresh) else {
      guard mirror == nil, cache == nil else {
        throw ValidationError("--tuf-mirror and --tuf-cache have no effect without --tuf-refresh")
      }
      return (store, TrustRootService(store: store))
    }
    let client = try TUFClient(
      http: http, mirror: mirror ?? TUFClient.publicGoodMirror, cacheFolder: cache)
    let refresher = try TUFRefresher(store: store, client: client, logger: logger, clock: { WallClock.seconds })
    return (store, TrustRootService(store: store, refresher: refresher))
  }

  static func source(_ text: String, cluster: any Cluster) throws -> any TrustRootSource {
    let scheme = "configmap://"
    guard text.hasPrefix(scheme) else {
      guard !text.isEmpty else { throw ValidationError("--trusted-root is empty: a file is expected") }
      return TrustRootFile(path: text)
    }
    let parts = text.dropFirst(scheme.count).split(separator: "/", omittingEmptySubsequences: false).map(String.init)
    guard parts.count == 3, parts.allSatisfy({ !$0.isEmpty }) else {
      throw ValidationError(
        "--trusted-root \(text.printable(limit: 100)): a file or configmap://NAMESPACE/NAME/KEY is expected")
    }
    return ConfigMapTrustRoot(cluster: cluster, namespace: parts[0], name: parts[1], key: parts[2])
  }
}
