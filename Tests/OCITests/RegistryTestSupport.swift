import Crypto
import HTTPClient
import Primitives
import Testing

@testable import OCI

/// A network of the test's own: each request is kept, and answered by what the test says.
final class FakeNetwork: HTTPExchanging {
  typealias Answer = @Sendable (HTTPRequest) async throws(HTTPClientError) -> HTTPResponse

  private let answer: Answer
  private let log = Locked<[HTTPRequest]>([])

  init(_ answer: @escaping Answer) { self.answer = answer }

  /// Answers by `METHOD URL`, a later request for the same with the next answer and then the last again; 404 else.
  convenience init(_ script: [String: [HTTPResponse]]) {
    let counts = Locked<[String: Int]>([:])
    self.init { (request) throws(HTTPClientError) in
      let name = request.line
      let count = counts.withLock { counts in
        counts[name, default: 0] += 1
        return (counts[name] ?? 1) - 1
      }
      guard let answers = script[name], let last = answers.last else { return HTTPResponse(status: 404) }
      return count < answers.count ? answers[count] : last
    }
  }

  func send(_ request: HTTPRequest, deadline: Deadline) async throws(HTTPClientError) -> HTTPResponse {
    log.withLock { $0.append(request) }
    return try await answer(request)
  }

  var requests: [HTTPRequest] { log.withLock { $0 } }
  var lines: [String] { requests.map(\.line) }
}

extension HTTPRequest {
  var line: String { "\(method.rawValue) \(url)" }
  var authorization: String? { headers.first { $0.name == "Authorization" }?.value }
}

extension HTTPResponse {
  static func text(_ status: Int, _ body: String, _ headers: [(name: String, value: String)] = []) -> HTTPResponse {
    HTTPResponse(status: status, headers: headers, body: Array(body.utf8))
  }

  static func redirect(_ location: String, status: Int = 307) -> HTTPResponse {
    HTTPResponse(status: status, headers: [("Location", location)])
  }

  static func challenge(_ text: String) -> HTTPResponse {
    .text(
      401, #"{"errors":[{"code":"UNAUTHORIZED","message":"authentication required"}]}"#, [("WWW-Authenticate", text)])
  }

  static func manifest(_ bytes: [UInt8], type: String = ManifestMediaType.image) -> HTTPResponse {
    HTTPResponse(status: 200, headers: [("Content-Type", type)], body: bytes)
  }
}

/// Credentials that count how often they are asked for.
final class FakeCredentials: CredentialsProviding {
  let scope: String
  private let sources: [RegistryCredentials]
  private let notes: [String]
  private let count = Locked(0)
  /// As their version; nil is one that cannot be told.
  let changed = Locked<String?>("1")

  init(scope: String = "ns", notes: [String] = [], _ sources: [RegistryCredentials] = []) {
    self.scope = scope
    self.notes = notes
    self.sources = sources
  }

  /// One source with these entries of `auths`.
  convenience init(scope: String = "ns", auths: String, source: String = "Secret ns/pull") throws {
    self.init(
      scope: scope, [try RegistryCredentials(dockerConfigJSON: Array("{\"auths\":\(auths)}".utf8), source: source)])
  }

  func credentials() async -> (sources: [RegistryCredentials], notes: [String]) {
    count.withLock { $0 += 1 }
    return (sources, notes)
  }

  func version() async -> String? { changed.withLock { $0 } }

  var timesAsked: Int { count.withLock { $0 } }
}

/// A client on a fake network, without pauses.
func client(
  _ network: FakeNetwork, insecure: Set<String> = [], _ change: (inout RegistryLimits) -> Void = { _ in }
) -> RegistryClient {
  var configuration = RegistryClient.Configuration()
  configuration.insecureRegistries = insecure
  change(&configuration.limits)
  return RegistryClient(http: network, configuration: configuration) { _ in }
}

/// The error that `body` throws, or nil.
func registryError(_ body: () async throws -> Void) async -> RegistryError? {
  do {
    try await body()
    return nil
  } catch { return error as? RegistryError }
}

func reference(_ text: String) throws -> ImageReference { try ImageReference(parsing: text) }

var soon: Deadline { .after(.seconds(60)) }
let anonymous = AnonymousCredentials()
let imageBytes = Array(
  #"{"schemaVersion":2,"mediaType":"\#(ManifestMediaType.image)","config":{},"layers":[]}"#.utf8)
let imageDigest = Digest(hashing: imageBytes)

/// An index that lists `count` manifests, the first being number `first`.
func referrersIndex(_ count: Int, from first: Int = 0) -> [UInt8] {
  let entries = (first..<first + count).map { number in
    let digest = Digest(hashing: Array("\(number)".utf8))
    return #"{"mediaType":"\#(ManifestMediaType.image)","digest":"\#(digest)","size":\#(number)}"#
  }
  return Array(
    #"{"schemaVersion":2,"mediaType":"\#(ManifestMediaType.index)","manifests":[\#(entries.joined(separator: ","))]}"#
      .utf8)
}
