/// One HTTP exchange to make. Redirects are never followed here: who knows what a redirect may mean decides.
public struct HTTPRequest: Sendable {
  /// The methods of RFC 9110 and RFC 5789 that Pinseal uses.
  public enum Method: String, Sendable {
    case get = "GET"
    case head = "HEAD"
    case post = "POST"
    case put = "PUT"
    case patch = "PATCH"
    case delete = "DELETE"
  }

  /// The method.
  public var method: Method
  /// Absolute, `https://` or (only if `allowsPlainHTTP`) `http://`, by the rules of `HTTPURL`.
  public var url: String
  /// Fields in order. `Host`, `Content-Length`, `Transfer-Encoding` and `Accept-Encoding` are the client's to write, and
  /// a value with control characters is refused.
  public var headers: [(name: String, value: String)]
  /// The content; sent as it is, for every method but GET and HEAD.
  public var body: [UInt8]
  /// The most bytes of body that are read; one more is an error.
  public var maximumResponseBytes: Int
  /// Whether `http://` will do.
  public var allowsPlainHTTP: Bool
  /// Whether a host that turns out to be loopback, link-local or a cloud's metadata service is refused, also when only
  /// the name's resolution shows it. For addresses that somebody else's answer named. Where a proxy connects, the proxy
  /// resolves the name and must refuse it.
  public var refusesLocalAddresses: Bool

  /// A request; all but the address has a default.
  public init(
    method: Method = .get, url: String, headers: [(name: String, value: String)] = [], body: [UInt8] = [],
    maximumResponseBytes: Int = 4 << 20, allowsPlainHTTP: Bool = false, refusesLocalAddresses: Bool = false
  ) {
    self.method = method
    self.url = url
    self.headers = headers
    self.body = body
    self.maximumResponseBytes = maximumResponseBytes
    self.allowsPlainHTTP = allowsPlainHTTP
    self.refusesLocalAddresses = refusesLocalAddresses
  }
}
