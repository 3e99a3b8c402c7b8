import Crypto
import EmbeddedRegistry
import HTTPClient
import HTTPServer
import OCI
import Primitives
import Testing

@Suite struct `Faults of the embedded registry` {
  private let ask = Asker()
  private let digest: Digest
  private let path = "/v2/a/manifests/v1"
  private var registry: EmbeddedRegistry { ask.registry }

  init() throws { digest = try ask.registry.pushImage(repository: "a", tag: "v1") }

  @Test func `answers follow one another as the rules say`() async {
    registry.inject(.status(503), path: path, times: 2)
    registry.inject(.redirect(to: "https://elsewhere.example/"), method: "GET", path: path, times: 1)
    let answers = await [ask("GET", path), ask("HEAD", path), ask("HEAD", path), ask("GET", path), ask("GET", path)]
    #expect(answers.map(\.status) == [503, 503, 200, 307, 200])
    #expect(answers[3].header("location") == "https://elsewhere.example/")
  }

  @Test func `a body is altered, cut, padded or another's under the same headers`() async {
    let good = await ask("GET", path)
    func once(_ fault: Fault) async -> Response {
      registry.inject(fault, path: "/v2/a/*", times: 1)
      return await ask("GET", path)
    }
    let altered = await once(.alteredByte(at: 3))
    #expect(altered.body.count == good.body.count && altered.body[3] == good.body[3] ^ 1)
    #expect(altered.header("docker-content-digest") == digest.description)
    #expect(await once(.alteredByte(at: .max)).body.dropLast() == good.body.dropLast())
    #expect(await once(.truncated(to: 10)).body == Array(good.body.prefix(10)))
    #expect(await once(.padding(1000)).body.count == good.body.count + 1000)
    #expect(await once(.body([1])).body == [1])
    #expect(await once(.header("docker-content-digest", "sha256:0")).header("docker-content-digest") == "sha256:0")
    #expect(await once(.header("content-type", nil)).header("content-type") == nil)
    let other = await once(.answer(Response(status: 418)))
    #expect(other.status == 418)
    #expect(await ask("GET", path).body == good.body)
  }

  @Test func `several faults of one rule come together`() async {
    registry.inject(.delay(.milliseconds(1)), .header("x", "1"), .truncated(to: 0), path: path)
    let response = await ask("GET", path)
    #expect(response.header("x") == "1" && response.body.isEmpty)
    registry.clearFaults()
    #expect(await ask("GET", path).body.isEmpty == false)
  }

  @Test func `an interceptor sees requests first`() async {
    registry.inject(.status(500), path: path)
    registry.intercept { $0.header("user-agent") == "special" ? Response(status: 204) : nil }
    #expect(await ask("GET", path, headers: [("user-agent", "special")]).status == 204)
    #expect(await ask("GET", path).status == 500)
    registry.clearFaults()
    #expect(await ask("GET", path, headers: [("user-agent", "special")]).status == 200)
  }

  @Test func `requests are logged, counted and forgotten`() async {
    _ = await ask("GET", path)
    _ = await ask("HEAD", path)
    _ = await ask("GET", "/v2/a/tags/list?n=1", headers: [("accept", "x")])
    #expect(registry.requests.map(\.method) == ["GET", "HEAD", "GET"])
    #expect(registry.requests.last?.query == "n=1" && registry.requests.last?.header("accept") == "x")
    #expect(registry.requestCount(path: path) == 2)
    #expect(registry.requestCount(method: "GET", path: "/v2/a/*") == 2)
    registry.clearRequests()
    #expect(registry.requests.isEmpty)
  }

  @Test func `the log keeps the newest`() async {
    var configuration = EmbeddedRegistry.Configuration()
    configuration.maximumLoggedRequests = 2
    let ask = Asker(configuration)
    for number in 0..<5 { _ = await ask("GET", "/v2/\(number)/tags/list") }
    #expect(ask.registry.requests.map(\.path) == ["/v2/3/tags/list", "/v2/4/tags/list"])
  }

  @Test func `tampered content is served under its old digest`() async throws {
    let blob = try registry.put(blob: [1, 2, 3], repository: "a")
    #expect(registry.tamper(blob: blob.digest, repository: "a", with: [9]))
    #expect(await ask("GET", "/v2/a/blobs/\(blob.digest)").body == [9])
    #expect(registry.tamper(manifest: digest, repository: "a", with: [8]))
    let response = await ask("GET", path)
    #expect(response.body == [8] && response.header("docker-content-digest") == digest.description)
    #expect(!registry.tamper(blob: digest, repository: "a", with: []))
    #expect(!registry.tamper(manifest: blob.digest, repository: "a", with: []))
  }

  // MARK: Without sockets

  private var transport: InProcessTransport { InProcessTransport(["r.example": registry]) }

  @Test func `the in-process transport answers as the real client would`() async throws {
    let get = try await transport.send(HTTPRequest(url: "https://r.example\(path)?x=1"), deadline: .after(.seconds(60)))
    #expect(get.status == 200 && Digest(hashing: get.body) == digest)
    #expect(registry.requests.last?.query == "x=1")
    let head = try await transport.send(
      HTTPRequest(method: .head, url: "https://r.example\(path)"), deadline: .after(.seconds(60)))
    #expect(head.body.isEmpty && head.header("Content-Length") == String(get.body.count))
    let plain = HTTPRequest(url: "http://r.example\(path)", allowsPlainHTTP: true)
    #expect(try await transport.send(plain, deadline: .after(.seconds(60))).status == 200)
  }

  private func failure(_ request: HTTPRequest, within time: Duration = .seconds(60)) async -> HTTPClientError.Code? {
    do {
      _ = try await transport.send(request, deadline: .after(time))
      return nil
    } catch {
      return error.code
    }
  }

  @Test func `the in-process transport keeps the real client's bounds`() async {
    #expect(await failure(HTTPRequest(url: "http://r.example\(path)")) == .invalidURL)
    #expect(await failure(HTTPRequest(url: "ftp://r.example/")) == .invalidURL)
    #expect(await failure(HTTPRequest(url: "https://other.example/")) == .cannotConnect)
    #expect(await failure(HTTPRequest(url: "https://r.example\(path)", maximumResponseBytes: 10)) == .bodyTooLarge)
    registry.inject(.delay(.seconds(60)), path: path)
    #expect(await failure(HTTPRequest(url: "https://r.example\(path)"), within: .milliseconds(20)) == .timedOut)
  }
}
