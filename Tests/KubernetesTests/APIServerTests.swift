import Crypto
import HTTPServer
import Logging
import Primitives
import Testing

@testable import Kubernetes

/// A server over TLS that answers as an API server with one namespace does, for one token or any client certificate.
private struct FakeAPI: RequestHandler {
  let token: Locked<String>

  func check(_ head: RequestHead) -> Response? { nil }

  func handle(_ request: Request) -> Reply {
    let isKnown =
      request.head.hasVerifiedClientCertificate
      || request.head.header("authorization") == "Bearer \(token.withLock { $0 })"
    guard isKnown else {
      return .now(Response(status: 401, body: Array(APIClusterTests.status(401, "Unauthorized", "Unauthorized").utf8)))
    }
    guard request.head.path == "/api/v1/namespaces/db", request.head.method == "GET" else {
      return .now(Response(status: 404, body: Array(APIClusterTests.status(404, "NotFound", "not found").utf8)))
    }
    return .now(Response(status: 200, body: Array(APIClusterTests.namespace("db").utf8)))
  }
}

/// Against a real socket, with the real client.
@Suite(.timeLimit(.minutes(5))) struct APIServerTests {
  private let folder = TemporaryFolder()
  private let authority: IssuedCertificate
  private let token = Locked("first")

  init() throws {
    authority = try .authority(commonName: "cluster authority")
    let leaf = try authority.issueLeaf(commonName: "api", dnsNames: [], ipAddresses: ["127.0.0.1"])
    folder.write(leaf.certificatePEM, to: "server.crt")
    folder.write(leaf.key.pem, to: "server.key")
    folder.write("first\n", to: "token")
  }

  private func start(clientAuthority: IssuedCertificate? = nil) throws -> Server {
    var tls = TLSConfiguration(certificateFile: folder.file("server.crt"), keyFile: folder.file("server.key"))
    if let clientAuthority {
      tls.clientAuthoritiesFile = folder.write(clientAuthority.certificatePEM, to: "clients.crt")
    }
    var logger = Logger(label: "test")
    logger.logLevel = .critical
    return try Server.start(
      address: "127.0.0.1:0", tls: tls, loops: 1, handler: FakeAPI(token: token), logger: logger)
  }

  private func inCluster(_ server: Server) throws -> APICluster {
    let connection = try Connection.inCluster(
      environment: {
        $0 == "KUBERNETES_SERVICE_HOST" ? "127.0.0.1" : $0 == "KUBERNETES_SERVICE_PORT" ? "\(server.port)" : nil
      },
      folder: folder.path)
    var options = APICluster.Options()
    options.lifetime = .zero
    return try APICluster(connection, options: options)
  }

  private static var soon: Deadline { .after(.seconds(60)) }

  @Test func `a service account reads over TLS, and a renewed token is noticed`() async throws {
    folder.write(authority.certificatePEM, to: "ca.crt")
    let server = try start()
    let cluster = try inCluster(server)
    #expect(try await cluster.namespace("db", deadline: Self.soon).annotations == ["pinseal.dev/pin": "x"])
    let missing = await #expect(throws: ClusterError.self) {
      try await cluster.secret("s", namespace: "db", deadline: Self.soon)
    }
    #expect(missing?.code == .notFound)
    token.withLock { $0 = "second" }
    let stale = await #expect(throws: ClusterError.self) { try await cluster.namespace("db", deadline: Self.soon) }
    #expect(stale?.code == .unauthorized)
    folder.write("second\n", to: "token")
    #expect(try await cluster.namespace("db", deadline: Self.soon).name == "db")
    await server.drain()
  }

  @Test func `a server of another authority is not believed`() async throws {
    folder.write(try IssuedCertificate.authority(commonName: "other").certificatePEM, to: "ca.crt")
    let server = try start()
    let cluster = try inCluster(server)
    let error = await #expect(throws: ClusterError.self) { try await cluster.namespace("db", deadline: Self.soon) }
    #expect(error?.code == .unavailable)
    #expect(server.statistics.http1Requests + server.statistics.http2Requests == 0)
    await server.drain()
  }

  @Test func `a kubeconfig's client certificate says who asks`() async throws {
    let clients = try IssuedCertificate.authority(commonName: "clients")
    let client = try clients.issueLeaf(commonName: "pinseal", dnsNames: [], ipAddresses: [], client: true)
    folder.write(client.certificatePEM, to: "me.crt")
    folder.write(client.key.pem, to: "me.key")
    let server = try start(clientAuthority: clients)
    let authorities = KubeconfigTests.base64(authority.certificatePEM)
    let text = KubeconfigTests.text(
      cluster: "{server: 'https://127.0.0.1:\(server.port)', certificate-authority-data: \(authorities)}",
      user: "{client-certificate: me.crt, client-key: me.key}")
    let cluster = try APICluster.kubeconfig(path: folder.write(text, to: "config"))
    #expect(try await cluster.namespace("db", deadline: Self.soon).name == "db")
    await server.drain()
  }
}
