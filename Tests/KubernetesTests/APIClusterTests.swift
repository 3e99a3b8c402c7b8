import HTTPClient
import Primitives
import Testing

@testable import Kubernetes

@Suite(.timeLimit(.minutes(5))) struct APIClusterTests {
  static var soon: Deadline { .after(.seconds(60)) }

  static func cluster(
    _ http: ScriptedHTTP, token: BearerToken = .fixed("abc"), lifetime: Duration = .seconds(60)
  ) throws -> APICluster {
    var connection = Connection(server: try ServerAddress(parsing: "https://api.example:6443"))
    connection.token = token
    var options = APICluster.Options()
    options.lifetime = lifetime
    options.requestTimeout = .seconds(20)
    return try APICluster(connection, options: options) { _ throws(HTTPClientError) in http }
  }

  static func namespace(_ name: String, annotation: String = "x") -> String {
    """
    {"kind":"Namespace","apiVersion":"v1","metadata":{"name":"\(name)","uid":"u","resourceVersion":"42",
    "annotations":{"pinseal.dev/pin":"\(annotation)","other.example/x":"y"},"labels":{"l":"m"},"managedFields":[{"fieldsV1":{"f:metadata":{}}}]},
    "spec":{"finalizers":["kubernetes"]},"status":{"phase":"Active"}}
    """
  }

  static func status(_ code: Int, _ reason: String, _ message: String) -> String {
    """
    {"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"\(message)","reason":"\(reason)","code":\(code)}
    """
  }

  // MARK: Reading

  @Test func `a namespace is asked for by its path, with the token`() async throws {
    let http = ScriptedHTTP(200, Self.namespace("db"))
    let cluster = try Self.cluster(http)
    let namespace = try await cluster.namespace("db", deadline: Self.soon)
    #expect(namespace.annotations == ["pinseal.dev/pin": "x"])
    #expect(namespace.labels.isEmpty)
    #expect(namespace.resourceVersion == "42")
    let request = try #require(http.requests.first)
    #expect(request.method == .get)
    #expect(request.url == "https://api.example:6443/api/v1/namespaces/db")
    #expect(
      request.headers.map { "\($0.name): \($0.value)" } == ["Accept: application/json", "Authorization: Bearer abc"])
    #expect(request.maximumResponseBytes == 2 << 20)
    #expect(!request.allowsPlainHTTP)
  }

  @Test func `Secrets and ConfigMaps are asked for in their namespace`() async throws {
    let http = ScriptedHTTP { request throws(HTTPClientError) in
      let kind = request.url.contains("secrets") ? "Secret" : "ConfigMap"
      let data = kind == "Secret" ? "{\"k\":\"dg==\"}" : "{\"k\":\"v\"}"
      let body =
        "{\"kind\":\"\(kind)\",\"apiVersion\":\"v1\",\"metadata\":{\"name\":\"a.b\",\"namespace\":\"db\",\"resourceVersion\":\"7\"},"
        + "\"type\":\"kubernetes.io/dockerconfigjson\",\"data\":\(data)}"
      return HTTPResponse(status: 200, body: Array(body.utf8))
    }
    let cluster = try Self.cluster(http)
    let secret = try await cluster.secret("a.b", namespace: "db", deadline: Self.soon)
    #expect(secret.data == ["k": Array("v".utf8)])
    #expect(secret.type == "kubernetes.io/dockerconfigjson")
    #expect(secret.resourceVersion == "7")
    let configMap = try await cluster.configMap("a.b", namespace: "db", deadline: Self.soon)
    #expect(configMap.data == ["k": "v"])
    #expect(
      http.requests.map(\.url) == [
        "https://api.example:6443/api/v1/namespaces/db/secrets/a.b",
        "https://api.example:6443/api/v1/namespaces/db/configmaps/a.b",
      ])
  }

  @Test(arguments: [
    "", ".", "..", "a/b", "../kube-system", "A", "a b", "a%2fb", "a?b", "-a", "a-", "é", "a.b",
    String(repeating: "a", count: 64),
  ])
  func `no name that can be none enters a path`(name: String) async throws {
    let http = ScriptedHTTP(200, Self.namespace("db"))
    let cluster = try Self.cluster(http)
    #expect(cluster.knownNamespace(name) == nil)
    let errors = [
      await #expect(throws: ClusterError.self) { try await cluster.namespace(name, deadline: Self.soon) },
      await #expect(throws: ClusterError.self) { try await cluster.secret("s", namespace: name, deadline: Self.soon) },
      await #expect(throws: ClusterError.self) {
        try await cluster.configMap(
          name == "a.b" || name.count == 64 ? "a..b" : name, namespace: "db", deadline: Self.soon)
      },
    ]
    #expect(errors.allSatisfy { $0?.code == .invalid })
    #expect(http.requests.isEmpty)
  }

  // MARK: Refusals and failures

  struct Failure: CustomTestStringConvertible {
    let status: Int
    let body: String
    let code: ClusterError.Code
    let says: [String]
    var testDescription: String { "\(status)" }
  }

  static let failures: [Failure] = [
    Failure(
      status: 404, body: status(404, "NotFound", "secrets s not found"), code: .notFound,
      says: ["Secret db/s does not exist"]),
    Failure(status: 404, body: "<html>", code: .unavailable, says: ["404", "is the address right?"]),
    Failure(
      status: 403, body: status(403, "Forbidden", "User \\\"x\\\" cannot get\\u001b[31m"), code: .forbidden,
      says: ["RBAC must allow the verb get on secrets in namespace db", "User \"x\" cannot get\\u{1b}[31m"]),
    Failure(status: 403, body: "", code: .forbidden, says: ["the verb get on secrets in namespace db"]),
    Failure(
      status: 401, body: status(401, "Unauthorized", "Unauthorized"), code: .unauthorized,
      says: ["does not know who asks for Secret db/s (401): Unauthorized"]),
    Failure(
      status: 429, body: status(429, "TooManyRequests", "try later"), code: .unavailable, says: ["(429): try later"]),
    Failure(status: 500, body: "{", code: .unavailable, says: ["cannot answer for Secret db/s now (500)"]),
    Failure(status: 503, body: String(repeating: "x", count: 100_000), code: .unavailable, says: ["(503)"]),
    Failure(status: 302, body: "", code: .unavailable, says: ["a redirect (302)"]),
    Failure(
      status: 400, body: status(400, "BadRequest", "no"), code: .invalid, says: ["answered 400 for Secret db/s: no"]),
    Failure(
      status: 403, body: status(403, "Forbidden", String(repeating: "y", count: 9000)), code: .forbidden, says: ["yyy…"]
    ),
    Failure(status: 204, body: "", code: .invalid, says: ["answered 204"]),
    // 200, but not with what was asked for.
    Failure(status: 200, body: "", code: .invalid, says: ["is not usable"]),
    Failure(status: 200, body: "[]", code: .invalid, says: ["is a list, expected a mapping"]),
    Failure(
      status: 200, body: namespace("db"), code: .invalid, says: ["is of kind \"Namespace\" (v1), expected Secret (v1)"]),
    Failure(
      status: 200,
      body: "{\"kind\":\"Secret\",\"apiVersion\":\"v1\",\"metadata\":{\"name\":\"other\",\"namespace\":\"db\"}}",
      code: .invalid, says: ["is Secret db/other"]),
    Failure(
      status: 200,
      body: "{\"kind\":\"Secret\",\"apiVersion\":\"v1\",\"metadata\":{\"name\":\"s\",\"namespace\":\"other\"}}",
      code: .invalid, says: ["is Secret other/s"]),
    Failure(
      status: 200,
      body:
        "{\"kind\":\"Secret\",\"apiVersion\":\"v1\",\"metadata\":{\"name\":\"s\",\"namespace\":\"db\"},\"data\":{\"k\":\"hunter2\"}}",
      code: .invalid, says: ["data.k is not base64"]),
    Failure(
      status: 200,
      body:
        "{\"kind\":\"Secret\",\"kind\":\"Secret\",\"apiVersion\":\"v1\",\"metadata\":{\"name\":\"s\",\"namespace\":\"db\"}}",
      code: .invalid, says: ["is not usable"]),
    Failure(
      status: 200, body: String(repeating: "[", count: 10_000), code: .invalid, says: ["is not usable"]),
    Failure(
      status: 200, body: "{\"kind\":\"Secret\\u0000\",\"apiVersion\":\"v1\"}", code: .invalid, says: ["Secret\\u{0}"]),
  ]

  @Test(arguments: failures)
  func `answers other than the object are told apart`(failure: Failure) async throws {
    let cluster = try Self.cluster(ScriptedHTTP(failure.status, failure.body))
    let error = await #expect(throws: ClusterError.self) {
      try await cluster.secret("s", namespace: "db", deadline: Self.soon)
    }
    #expect(error?.code == failure.code)
    for text in failure.says { #expect(error?.description.contains(text) == true, "\(error?.description ?? "")") }
    #expect((error?.description.utf8.count ?? 0) < 700)
    #expect(error?.description.contains("hunter2") == false)
    #expect(error?.description.contains("abc") == false, "the token")
  }

  @Test func `a namespace's refusal names the whole cluster`() async throws {
    let cluster = try Self.cluster(ScriptedHTTP(403, ""))
    let error = await #expect(throws: ClusterError.self) { try await cluster.namespace("db", deadline: Self.soon) }
    #expect(error?.description.contains("the verb get on namespaces in the whole cluster") == true)
  }

  @Test(arguments: [
    (HTTPClientError.Code.cannotResolve, ClusterError.Code.unavailable), (.cannotConnect, .unavailable),
    (.tlsFailed, .unavailable), (.timedOut, .unavailable), (.cancelled, .unavailable), (.connectionLost, .unavailable),
    (.protocolError, .unavailable), (.bodyTooLarge, .invalid), (.headersTooLarge, .invalid), (.invalidURL, .invalid),
    (.invalidRequest, .invalid),
  ])
  func `failures of the network are not failures of the object`(
    failure: HTTPClientError.Code, code: ClusterError.Code
  ) async throws {
    let http = ScriptedHTTP { _ throws(HTTPClientError) in throw HTTPClientError(code: failure, description: "no\u{7}")
    }
    let cluster = try Self.cluster(http)
    let error = await #expect(throws: ClusterError.self) { try await cluster.namespace("db", deadline: Self.soon) }
    #expect(error?.code == code)
    #expect(error?.description == "Namespace db cannot be read from https://api.example:6443: no\\u{7}")
    #expect(cluster.knownNamespace("db") == nil)
  }

  // MARK: Tokens and authorities

  @Test func `after 401 a renewed token is tried once`() async throws {
    let folder = TemporaryFolder()
    let path = folder.write("old\n", to: "token")
    let http = ScriptedHTTP { request throws(HTTPClientError) in
      let isNew = request.headers.contains { $0.value == "Bearer new" }
      if !isNew { folder.write("new\n", to: "token") }
      return HTTPResponse(status: isNew ? 200 : 401, body: Array(Self.namespace("db").utf8))
    }
    let token = BearerToken.file(try ReloadingFile(path: path, purpose: "token", limit: 1024, interval: .seconds(3600)))
    let cluster = try Self.cluster(http, token: token)
    #expect(try await cluster.namespace("db", deadline: Self.soon).name == "db")
    #expect(http.requests.count == 2)
  }

  @Test func `after 401 the same token is not tried again`() async throws {
    let folder = TemporaryFolder()
    let path = folder.write("old", to: "token")
    let http = ScriptedHTTP(401, "")
    let token = BearerToken.file(try ReloadingFile(path: path, purpose: "token", limit: 1024))
    let cluster = try Self.cluster(http, token: token)
    let error = await #expect(throws: ClusterError.self) { try await cluster.namespace("db", deadline: Self.soon) }
    #expect(error?.code == .unauthorized)
    #expect(http.requests.count == 1)
  }

  @Test func `a token's file is looked at once an interval, and its last content stays in use`() throws {
    let folder = TemporaryFolder()
    let path = folder.write("one", to: "token")
    let slow = try ReloadingFile(path: path, purpose: "token", limit: 16, interval: .seconds(3600))
    let quick = try ReloadingFile(path: path, purpose: "token", limit: 16, interval: .zero)
    folder.write("two", to: "token")
    #expect(slow.content().bytes == Array("one".utf8))
    #expect(quick.content().bytes == Array("two".utf8))
    #expect(quick.content().version == 2)
    folder.write("longer than sixteen bytes", to: "token")
    #expect(quick.content().bytes == Array("two".utf8))
    #expect(quick.failure?.contains("at most 16 are read") == true)
    folder.delete("token")
    #expect(quick.content().bytes == Array("two".utf8))
    #expect(quick.failure?.contains("No such file") == true)
    folder.write("three", to: "token")
    #expect(quick.failure == nil)
    #expect(quick.content().version == 3)
    #expect(slow.content(force: true).bytes == Array("three".utf8))
  }

  @Test func `readiness tells of a token that is gone, not of a server that is away`() async throws {
    let folder = TemporaryFolder()
    let path = folder.write("one", to: "token")
    let token = BearerToken.file(try ReloadingFile(path: path, purpose: "token", limit: 1024, interval: .zero))
    let http = ScriptedHTTP(503, "")
    let cluster = try Self.cluster(http, token: token)
    await #expect(throws: ClusterError.self) { try await cluster.namespace("db", deadline: Self.soon) }
    #expect(cluster.notReadyReason() == "the namespaces are not listed yet")
    cluster.namespaceStore.take(.listed([]))
    #expect(cluster.notReadyReason() == nil)
    folder.delete("token")
    #expect(cluster.notReadyReason()?.contains(path) == true)
    folder.write(" ", to: "token")
    #expect(cluster.notReadyReason()?.contains("is empty") == true)
    folder.write("two", to: "token")
    #expect(cluster.notReadyReason() == nil)
  }

  @Test func `changed authorities make a new client, unusable ones do not`() async throws {
    let folder = TemporaryFolder()
    let pem = KubeconfigTests.certificate
    let path = folder.write(pem + "first", to: "ca.crt")
    var connection = Connection(server: try ServerAddress(parsing: "https://api.example"))
    connection.authorities = .file(try ReloadingFile(path: path, purpose: "authority", limit: 1024, interval: .zero))
    let made = Locked<[String]>([])
    var options = APICluster.Options()
    options.lifetime = .zero
    let http = ScriptedHTTP(200, Self.namespace("db"))
    let cluster = try APICluster(connection, options: options) { configuration throws(HTTPClientError) in
      let text = String(decoding: configuration.onlyAuthorities?.dropFirst(pem.utf8.count) ?? [], as: UTF8.self)
      made.withLock { $0.append(text) }
      if text == "bad" { throw HTTPClientError(code: .invalidConfiguration, description: "no certificate") }
      return http
    }
    for content in [pem + "first", pem + "second", pem + "bad", pem + "bad", "no PEM at all", "", pem + "third"] {
      folder.write(content, to: "ca.crt")
      _ = try await cluster.namespace("db", deadline: Self.soon)
    }
    #expect(made.withLock { $0 } == ["first", "second", "bad", "third"])
    #expect(http.requests.count == 7)
  }

  @Test func `authorities that no client can be made of are refused at the start`() throws {
    let connection = Connection(server: try ServerAddress(parsing: "https://api.example"))
    let error = #expect(throws: ClusterError.self) {
      try APICluster(connection, options: .init()) { _ throws(HTTPClientError) in
        throw HTTPClientError(code: .invalidConfiguration, description: "no certificate")
      }
    }
    #expect(error?.description == "the connection to https://api.example cannot be set up: no certificate")
  }

  @Test func `certificates of the connection reach the client`() throws {
    var connection = Connection(server: try ServerAddress(parsing: "https://api.example"))
    connection.authorities = .fixed([1])
    connection.clientCertificatePEM = [2]
    connection.clientKeyPEM = [3]
    connection.verifiesPeer = false
    let seen = Locked<HTTPClient.Configuration?>(nil)
    _ = try APICluster(connection, options: .init()) { configuration throws(HTTPClientError) in
      seen.withLock { $0 = configuration }
      return ScriptedHTTP(200, "")
    }
    let configuration = try #require(seen.withLock { $0 })
    #expect(configuration.onlyAuthorities == [1])
    #expect(configuration.clientCertificatePEM == [2])
    #expect(configuration.clientKeyPEM == [3])
    #expect(!configuration.verifiesPeer)
  }

  @Test func `a kubeconfig leads to a real client`() async throws {
    let folder = TemporaryFolder()
    // Nobody listens on port 1.
    let path = folder.write(KubeconfigTests.text(cluster: "{server: 'https://127.0.0.1:1'}"), to: "config")
    let cluster = try APICluster.kubeconfig(path: path)
    let error = await #expect(throws: ClusterError.self) { try await cluster.namespace("db", deadline: Self.soon) }
    #expect(error?.code == .unavailable)
    #expect(error?.description.hasPrefix("Namespace db cannot be read from https://127.0.0.1:1: ") == true)
  }
}
