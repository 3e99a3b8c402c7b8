public import HTTPServer
import Primitives

/// An OCI distribution v2 registry in memory: for `pinseal demo`, and the tests' importable fake.
///
/// Serves and takes what cosign, crane, skopeo, docker and containerd send. As a `RequestHandler` it runs behind the real
/// server; `InProcessTransport` reaches it without sockets. What hostile registries do is done by `inject(_:)`, and what
/// was asked is in `requests`.
public final class EmbeddedRegistry: RequestHandler {
  /// How a registry behaves; fixed once it is made.
  public struct Configuration: Sendable {
    /// Host and port as images are named by, for the `docker-reference` of signatures made here.
    public var name = "registry.example"
    /// Whether `/v2/NAME/referrers/` is there. Without it, clients keep an index at the fallback tag.
    public var hasReferrersAPI = true
    /// Whether descriptors in a list of referrers give the config's media type as `artifactType`, as go-containerregistry
    /// does, and not the manifest's own.
    public var listsConfigMediaTypeAsArtifactType = false
    /// Descriptors on one page of referrers; nil is all on one.
    public var referrersPerPage: Int?
    /// Whether a pushed manifest's config and layers must be there before it.
    public var requiresBlobs = true
    /// Who must say who they are.
    public var authentication = Authentication.none
    /// Who may come in.
    public var accounts: [Account] = []
    /// Repositories that anybody may pull from.
    public var publicRepositories: Set<String> = []
    /// How long a bearer token holds.
    public var tokenLifetime: Duration = .seconds(300)
    /// The registry whose tokens count here, if it is not this one's own token endpoint that issues them.
    public var tokenIssuer: EmbeddedRegistry?
    /// Bytes of all blobs, manifests and uploads together; what goes past them is refused.
    public var maximumBytes = 256 << 20
    /// Bytes of one manifest.
    public var maximumManifestBytes = 4 << 20
    /// Repositories, and manifests, blobs or tags in each.
    public var maximumEntries = 10_000
    /// Requests that are remembered; of more, the newest.
    public var maximumLoggedRequests = 10_000

    /// The referrers API on, no authentication.
    public init() {}
  }

  /// How it behaves.
  public let configuration: Configuration
  let state: Locked<RegistryState>

  /// An empty registry.
  public init(_ configuration: Configuration = .init()) {
    self.configuration = configuration
    state = Locked(RegistryState(configuration))
  }

  /// Limits for a server in front of it: bodies of 64 MiB, which is what a blob may have.
  public static var serverLimits: ServerLimits {
    var limits = ServerLimits()
    limits.bodyBytes = 64 << 20
    limits.bufferedBytes = 512 << 20
    return limits
  }

  /// Refuses nothing: every request is logged and answered with its body at hand.
  public func check(_ head: RequestHead) -> Response? { nil }

  /// Answers on the spot, or later where a fault says so.
  public func handle(_ request: Request) -> Reply {
    let call = RegistryRequest(
      method: request.head.method, path: request.head.path, query: request.head.query, headers: request.head.headers,
      body: request.body)
    let plan = plan(for: call)
    guard plan.delay > .zero else { return .now(answer(call, plan)) }
    return .later {
      // Cancelled: nobody waits for the answer any more.
      try? await Task.sleep(for: plan.delay)
      return self.answer(call, plan)
    }
  }

  /// The answer to a request, after `plan.delay` has passed.
  func answer(_ request: RegistryRequest, _ plan: FaultPlan) -> Response {
    var response = plan.instead?(request) ?? respond(request)
    for change in plan.changes { change(&response) }
    return response
  }
}
