public import Primitives
import Synchronization

/// libcurl's multi interface on one thread of its own.
///
/// HTTP/2 where TLS negotiates it, else HTTP/1.1; connections are kept and reused; no redirects, cookies, netrc or content
/// decoding. A header has 64 KiB and 256 fields at most. The client closes when the last reference to it goes.
public final class HTTPClient: HTTPExchanging {
  /// How a client connects and whom it trusts. Files and environment are read once, by `init`.
  public struct Configuration: Sendable {
    /// PEM file of extra authorities, added to the system's (libcurl's default file), for registries.
    public var additionalAuthoritiesFile: String?
    /// PEM bytes that are the only authorities trusted (Kubernetes' cluster CA); goes before `additionalAuthoritiesFile`.
    public var onlyAuthorities: [UInt8]?
    /// PEM certificate chain that is shown to servers that ask; goes with `clientKeyPEM`.
    public var clientCertificatePEM: [UInt8]?
    /// The unencrypted PEM key to `clientCertificatePEM`.
    public var clientKeyPEM: [UInt8]?
    /// `insecure-skip-tls-verify`, only where the operator asked for it.
    public var verifiesPeer: Bool = true
    /// Whether HTTPS_PROXY, HTTP_PROXY and NO_PROXY (or their lower-case spellings) are honoured.
    public var usesProxyEnvironment: Bool = true
    /// Proxies in place of the environment's.
    public var proxies: ProxySettings?
    /// Requests under way to one host and port, and so connections to it; further ones wait in order.
    public var maximumConnectionsPerHost: Int = 32
    /// Requests under way in all; and connections that are kept while idle.
    public var maximumConnections: Int = 512
    /// Streams open or being opened in all. They do not count among the requests; where HTTP/2 is spoken they share
    /// connections.
    public var maximumStreams: Int = 1024
    /// Bytes of body that all answers under way hold together; beyond it those of more than 64 KiB are given up, as if
    /// their connections had broken.
    public var maximumBufferedBytes: Int = 256 << 20
    /// For resolving, connecting and negotiating TLS together.
    public var connectTimeout: Duration = .seconds(5)
    /// The `User-Agent` field.
    public var userAgent: String = "pinseal"

    /// `HOST:PORT:ADDRESS` in place of what the resolver says; the address in numbers.
    public var pinnedNames: [String] = []

    /// The defaults.
    public init() {}
  }

  let loop: TransferLoop
  private let proxies: ProxySettings
  private let nextID = Atomic<UInt64>(0)

  /// Starts the client's thread; throws `invalidConfiguration` if authorities or certificates cannot be read.
  public init(_ configuration: Configuration = .init()) throws(HTTPClientError) {
    guard !configuration.userAgent.utf8.contains(where: { $0 < 0x20 || $0 == 0x7f }) else {
      throw HTTPClientError(code: .invalidConfiguration, description: "the user agent holds a control character")
    }
    proxies =
      configuration.proxies ?? (configuration.usesProxyEnvironment ? ProxySettings.ofProcess : ProxySettings())
    loop = try TransferLoop(configuration)
    try loop.start()
  }

  deinit {
    loop.stop()
  }

  /// Sends the request and waits for the whole answer. Cancelling the task aborts the transfer.
  public func send(_ request: HTTPRequest, deadline: Deadline) async throws(HTTPClientError) -> HTTPResponse {
    let transfer = try transfer(request, deadline: deadline)
    let loop = loop
    // The client must not close while somebody waits.
    defer { withExtendedLifetime(self) {} }
    let result = await withTaskCancellationHandler {
      await withCheckedContinuation { (continuation: Transfer.Continuation) in
        transfer.continuation = continuation
        loop.submit(transfer)
      }
    } onCancel: {
      loop.cancel(transfer)
    }
    return try result.get()
  }

  /// A transfer that may be made.
  func transfer(
    _ request: HTTPRequest, deadline: Deadline, stream: Transfer.Stream? = nil
  ) throws(HTTPClientError) -> Transfer {
    let url = try HTTPURL(parsing: request.url)
    guard url.isSecure || request.allowsPlainHTTP else {
      throw HTTPClientError(code: .invalidURL, description: "\(url.authority): plain HTTP is not allowed here")
    }
    if request.refusesLocalAddresses, let place = url.localPlace {
      throw HTTPClientError(
        code: .cannotConnect,
        description: "\(url.authority): not asked: that is \(place), and it was not the operator who chose it")
    }
    try Self.check(request.headers, for: url)
    if deadline.hasPassed {
      throw HTTPClientError(code: .timedOut, description: "\(url.authority): timed out before the request was begun")
    }
    let id = nextID.add(1, ordering: .relaxed).newValue
    return Transfer(
      id: id, request: request, url: url, proxy: proxies.proxy(for: url), deadline: deadline, stream: stream)
  }

  private static let ownFields: Set<String> = [
    "host", "content-length", "transfer-encoding", "accept-encoding", "connection", "expect",
  ]

  private static func check(_ headers: [(name: String, value: String)], for url: HTTPURL) throws(HTTPClientError) {
    for (name, value) in headers {
      let shown = name.printable(limit: 64)
      guard ResponseReader.isToken(name.utf8) else {
        throw HTTPClientError(code: .invalidRequest, description: "\(url.authority): \(shown) is no header name")
      }
      guard !ownFields.contains(name.lowercased()) else {
        throw HTTPClientError(code: .invalidRequest, description: "\(url.authority): \(shown) is the client's to write")
      }
      guard !value.utf8.contains(where: { ($0 < 0x20 && $0 != 0x09) || $0 == 0x7f }) else {
        throw HTTPClientError(
          code: .invalidRequest, description: "\(url.authority): the header \(shown) holds a control character")
      }
    }
  }
}
