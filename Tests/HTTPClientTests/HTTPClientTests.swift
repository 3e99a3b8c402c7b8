import HTTPClient
import Primitives
import Testing

private let ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"

private func plainClient(_ change: (inout HTTPClient.Configuration) -> Void = { _ in }) throws -> HTTPClient {
  var configuration = HTTPClient.Configuration()
  configuration.usesProxyEnvironment = false
  change(&configuration)
  return try HTTPClient(configuration)
}

private func get(_ url: String, maximum: Int = 1000) -> HTTPRequest {
  HTTPRequest(url: url, maximumResponseBytes: maximum, allowsPlainHTTP: true)
}

private func error(
  _ client: HTTPClient, _ request: HTTPRequest, deadline: Deadline = .after(.seconds(60))
) async -> HTTPClientError? {
  do {
    _ = try await client.send(request, deadline: deadline)
    return nil
  } catch { return error }
}

@Suite(.timeLimit(.minutes(5))) struct HTTPClientTests {
  @Test func `an answer comes with status, headers and body`() async throws {
    let server = SocketServer.answering(
      "HTTP/1.1 201 Created\r\nContent-Length: 5\r\nX-One:  a b \r\nx-one: second\r\n\r\nhello")
    let response = try await plainClient().send(get(server.url + "/a?b=c"), deadline: .after(.seconds(60)))
    #expect(response.status == 201)
    #expect(response.body == Array("hello".utf8))
    #expect(response.header("x-ONE") == "a b")
    #expect(response.headers(named: "X-One") == ["a b", "second"])
  }

  @Test func `a request says what it was told to say and little else`() async throws {
    let requests = Locked<[String]>([])
    let server = SocketServer.answering(ok, requests: requests)
    var request = get(server.url + "/v2/../x?y=%20z")
    request.headers = [("Accept", "application/json"), ("X-Empty", "")]
    _ = try await plainClient().send(request, deadline: .after(.seconds(60)))
    let lines = try #require(requests.withLock { $0.first }).split(separator: "\r\n").map(String.init)
    #expect(lines.first == "GET /v2/../x?y=%20z HTTP/1.1")
    #expect(
      Set(lines.dropFirst()) == [
        "Host: 127.0.0.1:\(server.port)", "User-Agent: pinseal", "Accept: application/json", "X-Empty:",
      ])
  }

  @Test(arguments: [HTTPRequest.Method.post, .put, .patch, .delete])
  func `a body is sent as it is`(method: HTTPRequest.Method) async throws {
    let requests = Locked<[String]>([])
    let server = SocketServer.answering(ok, requests: requests)
    var request = get(server.url)
    request.method = method
    request.headers = [("Content-Type", "application/json")]
    request.body = Array(#"{"a":1}"#.utf8)
    _ = try await plainClient().send(request, deadline: .after(.seconds(60)))
    let sent = try #require(requests.withLock { $0.first })
    #expect(sent.hasPrefix("\(method.rawValue) / HTTP/1.1\r\n"))
    #expect(sent.hasSuffix("\r\n\r\n{\"a\":1}"))
    #expect(sent.contains("Content-Type: application/json\r\n") && sent.contains("Content-Length: 7\r\n"))
    #expect(!sent.contains("Expect") && !sent.contains("urlencoded"))
  }

  @Test func `an empty body of a PUT has the length 0`() async throws {
    let requests = Locked<[String]>([])
    let server = SocketServer.answering(ok, requests: requests)
    var request = get(server.url)
    request.method = .put
    _ = try await plainClient().send(request, deadline: .after(.seconds(60)))
    #expect(try #require(requests.withLock { $0.first }).contains("Content-Length: 0\r\n"))
  }

  @Test func `an answer to HEAD has headers only`() async throws {
    let server = SocketServer.answering("HTTP/1.1 200 OK\r\nContent-Length: 9999999\r\n\r\n")
    var request = get(server.url, maximum: 10)
    request.method = .head
    let response = try await plainClient().send(request, deadline: .after(.seconds(60)))
    #expect(response.body.isEmpty)
    #expect(response.header("content-length") == "9999999")
  }

  @Test func `a connection is reused, and a handle forgets the request before`() async throws {
    let requests = Locked<[String]>([])
    let server = SocketServer.answering(ok, requests: requests)
    let client = try plainClient()
    var first = get(server.url)
    first.method = .post
    first.headers = [("Authorization", "Basic c2VjcmV0"), ("Content-Type", "text/plain")]
    first.body = Array("body".utf8)
    _ = try await client.send(first, deadline: .after(.seconds(60)))
    _ = try await client.send(get(server.url), deadline: .after(.seconds(60)))
    #expect(server.connectionCount == 1)
    let second = try #require(requests.withLock { $0.last })
    #expect(second.hasPrefix("GET / HTTP/1.1\r\n"))
    #expect(!second.contains("Authorization") && !second.contains("Content-Type") && !second.contains("body"))
  }

  @Test func `many requests share the connections that are allowed`() async throws {
    let server = SocketServer.answering(ok)
    let client = try plainClient { $0.maximumConnectionsPerHost = 4 }
    let url = server.url
    let statuses = try await withThrowingTaskGroup(of: Int.self) { group in
      for _ in 0..<50 {
        group.addTask { try await client.send(get(url), deadline: .after(.seconds(60))).status }
      }
      return try await group.reduce(into: []) { $0.append($1) }
    }
    #expect(statuses == Array(repeating: 200, count: 50))
    #expect(server.connectionCount <= 4)
  }

  @Test(arguments: [301, 302, 303, 307, 308])
  func `CVE-2026-49478: a redirect is answered, not followed`(status: Int) async throws {
    let server = SocketServer.answering(
      "HTTP/1.1 \(status) Moved\r\nLocation: http://127.0.0.1:1/secret\r\nContent-Length: 0\r\n\r\n")
    let response = try await plainClient().send(get(server.url), deadline: .after(.seconds(60)))
    #expect(response.status == status)
    #expect(response.header("location") == "http://127.0.0.1:1/secret")
    #expect(server.connectionCount == 1)
  }

  @Test func `cookies are not kept`() async throws {
    let requests = Locked<[String]>([])
    let server = SocketServer.answering(
      "HTTP/1.1 200 OK\r\nSet-Cookie: a=b; Path=/\r\nContent-Length: 0\r\n\r\n", requests: requests)
    let client = try plainClient()
    for _ in 0..<2 { _ = try await client.send(get(server.url), deadline: .after(.seconds(60))) }
    #expect(try #require(requests.withLock { $0.last }).lowercased().contains("cookie") == false)
  }
}

@Suite(.timeLimit(.minutes(5))) struct BoundsTests {
  @Test(arguments: [
    "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n0123456789",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\n0123\r\n6\r\n456789\r\n0\r\n\r\n",
  ])
  func `a body of exactly the bound is read, of one byte more refused`(response: String) async throws {
    let server = SocketServer.answering(response)
    let client = try plainClient()
    #expect(try await client.send(get(server.url, maximum: 10), deadline: .after(.seconds(60))).body.count == 10)
    let refused = try #require(await error(client, get(server.url, maximum: 9)))
    #expect(refused.code == .bodyTooLarge)
    #expect(refused.description == "127.0.0.1:\(server.port): the answer's body has more than 9 bytes")
  }

  @Test func `all answers together have a bound, which small ones pass`() async throws {
    func answer(_ bytes: Int) -> String {
      "HTTP/1.1 200 OK\r\nContent-Length: \(bytes)\r\n\r\n" + String(repeating: "x", count: bytes)
    }
    let slow = SocketServer { connection in
      guard connection.readRequest() != nil else { return }
      connection.write("HTTP/1.1 200 OK\r\nContent-Length: 100001\r\n\r\n" + String(repeating: "x", count: 100_000))
      // Until the client hangs up.
      _ = connection.readRequest()
    }
    let (large, small) = (SocketServer.answering(answer(100_000)), SocketServer.answering(answer(1000)))
    let client = try plainClient { $0.maximumBufferedBytes = 150_000 }
    // Asked for again where the large answer below was there first.
    let held = Task {
      while true {
        let ended = await error(client, get(slow.url, maximum: 200_000), deadline: .after(.seconds(60)))
        if ended?.code != .connectionLost { return ended }
      }
    }
    var refused: HTTPClientError?
    while refused == nil { refused = await error(client, get(large.url, maximum: 200_000)) }
    #expect(refused?.code == .connectionLost)
    #expect(refused?.description.hasSuffix("together have more than 150000 bytes now") == true)
    #expect(try await client.send(get(small.url), deadline: .after(.seconds(60))).body.count == 1000)
    held.cancel()
    #expect(await held.value?.code == .cancelled)
    let body = try await client.send(get(large.url, maximum: 200_000), deadline: .after(.seconds(60))).body
    #expect(body.count == 100_000)
  }

  @Test func `CVE-2023-46737, CVE-2023-33958, CVE-2020-1702: an endless body is given up`() async throws {
    let closed = Signal()
    let server = SocketServer { connection in
      guard connection.readRequest() != nil else { return }
      connection.write("HTTP/1.1 200 OK\r\n\r\n")
      while connection.write(String(repeating: "x", count: 1000)) {}
      closed.fire()
    }
    let refused = try #require(await error(try plainClient(), get(server.url, maximum: 100_000)))
    #expect(refused.code == .bodyTooLarge)
    await closed.wait()
  }

  enum Flood: String, CaseIterable, Sendable {
    case manyLongLines, longLine, endlessLine, manyFields

    var lines: String {
      switch self {
      case .manyLongLines: String(repeating: "x-filler: \(String(repeating: "y", count: 1000))\r\n", count: 80)
      case .longLine: "x-filler: " + String(repeating: "y", count: 70_000) + "\r\n"
      case .endlessLine: "x-filler: " + String(repeating: "y", count: 400_000)
      case .manyFields: String(repeating: "a: b\r\n", count: 300)
      }
    }
  }

  @Test(arguments: Flood.allCases) func `too much of a header is refused`(flood: Flood) async throws {
    let server = SocketServer.answering("HTTP/1.1 200 OK\r\n\(flood.lines)Content-Length: 0\r\n\r\n")
    #expect(await error(try plainClient(), get(server.url))?.code == .headersTooLarge)
  }

  @Test func `endless interim answers are refused`() async throws {
    let server = SocketServer { connection in
      guard connection.readRequest() != nil else { return }
      while connection.write("HTTP/1.1 103 Early Hints\r\nLink: <a>\r\n\r\n") {}
    }
    #expect(await error(try plainClient(), get(server.url))?.code == .headersTooLarge)
  }

  @Test func `an interim answer is not the answer`() async throws {
    let server = SocketServer.answering(
      "HTTP/1.1 103 Early Hints\r\nX-A: interim\r\n\r\nHTTP/1.1 200 OK\r\nX-A: final\r\nContent-Length: 0\r\n\r\n")
    let response = try await plainClient().send(get(server.url), deadline: .after(.seconds(60)))
    #expect(response.status == 200)
    #expect(response.headers(named: "x-a") == ["final"])
  }

  struct Broken: Sendable, CustomTestStringConvertible {
    let response: String
    let code: HTTPClientError.Code
    var testDescription: String { response.debugDescription }
  }

  @Test(arguments: [
    Broken(response: "hello\r\n\r\n", code: .protocolError),
    Broken(response: "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\nhi", code: .protocolError),
    Broken(response: "HTTP/1.1 200 OK\r\nContent-Encoding: zstd\r\n\r\n", code: .protocolError),
    Broken(response: "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", code: .protocolError),
    Broken(response: "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX: y\r\n folded\r\n\r\nhello", code: .protocolError),
    Broken(response: "HTTP/1.1 200 OK\r\nX : y\r\nContent-Length: 0\r\n\r\n", code: .protocolError),
    Broken(response: "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort", code: .connectionLost),
    Broken(response: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel", code: .connectionLost),
    Broken(response: "HTTP/1.1 200 OK\r\nX: y", code: .connectionLost),
    Broken(response: "HTTP/1.1 200 OK\r\nX: y\r\n", code: .connectionLost),
    Broken(response: "", code: .connectionLost),
  ])
  func `an answer that is not HTTP as asked for is an error`(broken: Broken) async throws {
    let server = SocketServer { connection in
      guard connection.readRequest() != nil else { return }
      connection.write(broken.response)
    }
    let refused = try #require(await error(try plainClient(), get(server.url)))
    #expect(refused.code == broken.code, "\(refused)")
    #expect(refused.description.hasPrefix("127.0.0.1:\(server.port): "))
  }

  @Test func `identity is no encoding`() async throws {
    let server = SocketServer.answering("HTTP/1.1 200 OK\r\nContent-Encoding: identity\r\nContent-Length: 2\r\n\r\nhi")
    #expect(try await plainClient().send(get(server.url), deadline: .after(.seconds(60))).body == Array("hi".utf8))
  }
}

@Suite(.timeLimit(.minutes(5))) struct WaitingTests {
  @Test func `a server that does not answer is waited for until the deadline`() async throws {
    let server = SocketServer { connection in
      while connection.readMore() {}
    }
    let client = try plainClient()
    let refused = try #require(
      await late("waiting for the answer") { await error(client, get(server.url + "/?token=secret"), deadline: $0) })
    #expect(refused.code == .timedOut)
    #expect(refused.description == "127.0.0.1:\(server.port): timed out waiting for the answer")
  }

  @Test func `a body that trickles is waited for until the deadline`() async throws {
    let server = SocketServer { connection in
      guard connection.readRequest() != nil else { return }
      connection.write("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc")
      while connection.readMore() {}
    }
    let client = try plainClient()
    let step = "reading the answer's body (3 bytes came)"
    let refused = try #require(await late(step) { await error(client, get(server.url), deadline: $0) })
    #expect(refused.code == .timedOut)
    #expect(refused.description.contains(step))
  }

  @Test func `whoever waits for a connection keeps the own deadline`() async throws {
    let asked = Signal()
    let server = SocketServer { connection in
      guard connection.readRequest() != nil else { return }
      asked.fire()
      while connection.readMore() {}
    }
    let client = try plainClient { $0.maximumConnectionsPerHost = 1 }
    let url = server.url
    let first = Task { await error(client, get(url), deadline: .after(.seconds(60))) }
    await asked.wait()
    let step = "waiting for a free connection"
    let second = try #require(await late(step) { await error(client, get(url), deadline: $0) })
    #expect(second.code == .timedOut)
    #expect(second.description.contains(step))
    first.cancel()
    #expect(await first.value?.code == .cancelled)
  }

  @Test func `a deadline that has passed sends nothing`() async throws {
    let server = SocketServer.answering(ok)
    #expect(await error(try plainClient(), get(server.url), deadline: .now)?.code == .timedOut)
    #expect(server.connectionCount == 0)
  }

  @Test func `cancelling the task closes the connection`() async throws {
    let asked = Signal()
    let closed = Signal()
    let server = SocketServer { connection in
      guard connection.readRequest() != nil else { return }
      asked.fire()
      while connection.readMore() {}
      closed.fire()
    }
    let client = try plainClient()
    let url = server.url
    let task = Task { await error(client, get(url), deadline: .after(.seconds(60))) }
    await asked.wait()
    task.cancel()
    #expect(await task.value?.code == .cancelled)
    await closed.wait()
  }

  @Test func `a task cancelled before it asks does not ask`() async throws {
    let server = SocketServer.answering(ok)
    let client = try plainClient()
    let url = server.url
    let task = Task {
      while !Task.isCancelled { await Task.yield() }
      return await error(client, get(url))
    }
    task.cancel()
    #expect(await task.value?.code == .cancelled)
    #expect(server.connectionCount == 0)
  }

  @Test func `nobody there is said in words`() async throws {
    let server = SocketServer { _ in }
    let port = server.port
    server.stop()
    let refused = try #require(await error(try plainClient(), get("http://127.0.0.1:\(port)/")))
    #expect(refused.code == .cannotConnect)
    #expect(refused.description == "127.0.0.1:\(port): cannot connect: Connection refused")
  }

  @Test func `a name without an address is said in words`() async throws {
    let refused = try #require(await error(try plainClient(), get("http://registry.invalid/")))
    // Where the resolver itself does not answer, time runs out.
    #expect(refused.code == .cannotResolve || refused.code == .timedOut)
    #expect(refused.description.contains("registry.invalid"))
  }
}

@Suite struct RefusedRequestTests {
  @Test(arguments: ["a\r\nX-Injected: b", "a\nb", "a\u{0}b", "\u{7f}"])
  func `a header value with control characters is refused, and not repeated`(value: String) async throws {
    var request = get("http://127.0.0.1:1/")
    request.headers = [("Authorization", "Bearer secret\(value)")]
    let refused = try #require(await error(try plainClient(), request))
    #expect(refused.code == .invalidRequest)
    #expect(!refused.description.contains("secret"))
  }

  @Test(arguments: ["", "a b", "a:b", "a\r\nb", "ä", "Host", "content-length", "Transfer-Encoding", "Accept-Encoding"])
  func `a header name that is none, or the client's own, is refused`(name: String) async throws {
    var request = get("http://127.0.0.1:1/")
    request.headers = [(name, "x")]
    #expect(await error(try plainClient(), request)?.code == .invalidRequest)
  }

  @Test(arguments: [
    "ftp://a/", "file:///etc/passwd", "https://user:secret@a/", "https://a/#b", "https://a/\r\nb", "//a", "a", "",
  ])
  func `an address of another form is refused`(url: String) async throws {
    let refused = try #require(await error(try plainClient(), get(url)))
    #expect(refused.code == .invalidURL)
    #expect(!refused.description.contains("secret"))
  }

  @Test func `plain HTTP must be allowed`() async throws {
    let server = SocketServer.answering(ok)
    #expect(await error(try plainClient(), HTTPRequest(url: server.url))?.code == .invalidURL)
    #expect(server.connectionCount == 0)
  }
}

@Suite(.timeLimit(.minutes(5))) struct ProxyTests {
  @Test func `plain HTTP goes to the proxy with the whole address`() async throws {
    let requests = Locked<[String]>([])
    let proxy = SocketServer.answering(ok, requests: requests)
    let client = try plainClient { $0.proxies = ProxySettings(http: proxy.url) }
    let response = try await client.send(get("http://registry.test/v2/"), deadline: .after(.seconds(60)))
    #expect(response.status == 200)
    #expect(try #require(requests.withLock { $0.first }).hasPrefix("GET http://registry.test/v2/ HTTP/1.1\r\n"))
  }

  @Test func `HTTPS asks the proxy for a tunnel, and shows it no credentials`() async throws {
    let requests = Locked<[String]>([])
    let proxy = SocketServer.answering(
      "HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n", requests: requests)
    let client = try plainClient { $0.proxies = ProxySettings(https: proxy.url) }
    let refused = try #require(
      await error(
        client, HTTPRequest(url: "https://registry.test/v2/", headers: [("Authorization", "Basic c2VjcmV0")])))
    #expect(refused.code == .cannotConnect)
    #expect(refused.description == "registry.test: the proxy refused to connect (407)")
    let sent = try #require(requests.withLock { $0.first })
    #expect(sent.hasPrefix("CONNECT registry.test:443 HTTP/1.1\r\n"))
    #expect(!sent.contains("c2VjcmV0"))
  }

  @Test func `an exception is asked directly`() async throws {
    let server = SocketServer.answering(ok)
    let proxy = SocketServer.answering(ok)
    let client = try plainClient { $0.proxies = ProxySettings(http: proxy.url, exceptions: "other,127.0.0.0/8") }
    _ = try await client.send(get(server.url), deadline: .after(.seconds(60)))
    #expect(proxy.connectionCount == 0)
    #expect(server.connectionCount == 1)
  }

  @Test func `the environment is read in both spellings, the upper case first`() {
    let both = ["HTTPS_PROXY": "a", "https_proxy": "b", "http_proxy": "c", "HTTP_PROXY": "", "no_proxy": "d"]
    #expect(ProxySettings { both[$0] } == ProxySettings(https: "a", http: "c", exceptions: "d"))
    #expect(ProxySettings { _ in nil } == ProxySettings())
  }

  @Test(arguments: [
    ("https://a.example/", "", true), ("https://a.example/", "*", false), ("https://a.example/", "a.example", false),
    ("https://b.a.example/", "a.example", false), ("https://ba.example/", "a.example", true),
    ("https://a.example/", ".example", false), ("https://a.example/", "*.example", false),
    ("https://example/", ".example", true), ("https://A.EXAMPLE/", "a.Example", false),
    ("https://a.example./", "a.example", false), ("https://a.example:8443/", "a.example:8443", false),
    ("https://a.example/", "a.example:8443", true), ("https://10.1.2.3/", "10.0.0.0/8", false),
    ("https://11.1.2.3/", "10.0.0.0/8", true), ("https://10.1.2.3/", "x, 10.1.2.3", false),
    ("https://[fd00::1]/", "fd00::/8", false), ("https://[fd00::1]/", "[fd00::1]", false),
    ("https://[fd00::1]/", "fd00::1", false), ("https://10.1.2.3/", "10.0.0.0/99", true),
    ("https://10.1.2.3/", "10.0.0.0/-1", true), ("https://127.0.0.1/", "", false), ("https://localhost/", "", false),
    ("http://a.example/", "", false),
  ])
  func `who is asked through the proxy`(url: String, exceptions: String, isProxied: Bool) throws {
    let settings = ProxySettings(https: "http://proxy:3128", exceptions: exceptions)
    #expect((settings.proxy(for: try HTTPURL(parsing: url)) != nil) == isProxied)
  }
}
