import Primitives
import Testing

@testable import HTTPServer

@Suite(.timeLimit(.minutes(5)))
struct DrainTests {
  private static func isRefused(_ port: Int) -> Bool { (try? PlainClient(port: port)) == nil }

  @Test func `an HTTP/1.1 request in flight is finished, idle connections end, new ones are refused`() async throws {
    let test = try TestServer()
    let port = test.port
    let (busy, idle) = try await blocking {
      let busy = try PlainClient(port: port)
      try busy.send("GET /later HTTP/1.1\r\nHost: a\r\n\r\n")
      let idle = try PlainClient(port: port)
      try #expect(idle.ask("GET /hello HTTP/1.1\r\nHost: a\r\n\r\n").status == 200)
      return (busy, idle)
    }
    try await eventually("the work has begun") { test.handler.entered.hasHappened }
    let drained = Event()
    let drain = Task {
      await test.server.drain()
      drained.happen()
    }
    try await blocking { try #expect(idle.readToEnd() == "") }
    try await eventually("new connections are refused") { Self.isRefused(port) }
    #expect(!drained.hasHappened)
    test.handler.release.happen()
    try await blocking {
      let answer = try busy.answer()
      #expect(answer.text == "late\n")
      #expect(answer.closes)
      try #expect(busy.readToEnd() == "")
    }
    withExtendedLifetime((busy, idle)) {}
    await drain.value
    #expect(test.server.statistics.openConnections == 0)
    #expect(!test.handler.cancelled.hasHappened)
  }

  @Test func `an HTTP/1.1 request that crosses the beginning of a drain is answered, and is the last`() async throws {
    let test = try TestServer { $0.graceTimeout = .seconds(30) }
    let port = test.port
    let client = try await blocking {
      let client = try PlainClient(port: port)
      try #expect(!client.ask("GET /hello HTTP/1.1\r\nHost: a\r\n\r\n").closes)
      return client
    }
    let drain = Task { await test.server.drain() }
    try await eventually("new connections are refused") { Self.isRefused(port) }
    try await blocking {
      let answer = try client.ask("GET /hello HTTP/1.1\r\nHost: a\r\n\r\n")
      #expect(answer.status == 200)
      #expect(answer.closes)
      try #expect(client.readToEnd() == "")
    }
    withExtendedLifetime(client) {}
    await drain.value
  }

  @Test func `an HTTP/1.1 connection without another request ends a moment after a drain began`() async throws {
    let test = try TestServer { $0.graceTimeout = .milliseconds(50) }
    let port = test.port
    let client = try await blocking {
      let client = try PlainClient(port: port)
      try #expect(client.ask("GET /hello HTTP/1.1\r\nHost: a\r\n\r\n").status == 200)
      return client
    }
    await test.server.drain()
    try await blocking { try #expect(client.readToEnd() == "") }
    #expect(test.server.statistics.openConnections == 0)
  }

  @Test func `HTTP/2 gets two GOAWAYs, and what came before the second is answered`() async throws {
    let test = try TestServer { $0.graceTimeout = .seconds(30) }
    let port = test.port
    let wholeRequest = HTTP2Client.endStream | HTTP2Client.endHeaders
    let client = try await blocking {
      let client = try HTTP2Client(port: port)
      try client.send(.headers, flags: wholeRequest, stream: 1, HTTP2Client.request("GET", "/later"))
      return client
    }
    try await eventually("the work has begun") { test.handler.entered.hasHappened }
    let drain = Task { await test.server.drain() }
    try await blocking {
      let notice = try client.next(.goaway)
      #expect(notice.lastStream == Int(Int32.max))
      #expect(notice.errorCode == 0)
      let ping = try client.next(.ping)
      // Sent before the client can know: still served.
      try client.send(.headers, flags: wholeRequest, stream: 3, HTTP2Client.request("GET", "/hello"))
      try client.send(.ping, flags: HTTP2Client.acknowledge, ping.payload)
      // In any order: nghttp2 sends the GOAWAY before the body if both are ready.
      var frames: [HTTP2Client.Frame] = []
      while !(frames.contains { $0.isA(.goaway) } && frames.contains { $0.isA(.data) }), let frame = try client.frame()
      {
        frames.append(frame)
      }
      #expect(frames.filter { $0.isA(.headers) || $0.isA(.data) }.map(\.stream) == [3, 3])
      let final = frames.first { $0.isA(.goaway) }
      #expect(final?.lastStream == 3)
      #expect(final?.errorCode == 0)
      // Sent against the second GOAWAY: not served.
      try client.send(.headers, flags: wholeRequest, stream: 5, HTTP2Client.request("GET", "/hello"))
    }
    try await eventually("new connections are refused") { Self.isRefused(port) }
    test.handler.release.happen()
    try await blocking {
      let frames = try client.framesToEnd()
      let data = frames.filter { $0.isA(.data) }
      #expect(data.map { String(decoding: $0.payload, as: UTF8.self) }.joined() == "late\n")
      #expect(data.allSatisfy { $0.stream == 1 })
    }
    await drain.value
    #expect(!test.handler.cancelled.hasHappened)
  }

  @Test func `a client that ignores the first GOAWAY's PING gets the second all the same`() async throws {
    let test = try TestServer { $0.graceTimeout = .milliseconds(50) }
    let port = test.port
    let client = try await blocking {
      let client = try HTTP2Client(port: port)
      _ = try client.next(.settings)
      return client
    }
    let drain = Task { await test.server.drain() }
    try await blocking {
      let goaways = try client.framesToEnd().filter { $0.isA(.goaway) }
      #expect(goaways.map(\.lastStream) == [Int(Int32.max), 0])
    }
    await drain.value
  }

  @Test func `what is not finished in time is cancelled`() async throws {
    let test = try TestServer { $0.drainTimeout = .milliseconds(100) }
    let port = test.port
    let client = try await blocking {
      let client = try PlainClient(port: port)
      try client.send("GET /later HTTP/1.1\r\nHost: a\r\n\r\n")
      return client
    }
    try await eventually("the work has begun") { test.handler.entered.hasHappened }
    await test.server.drain()
    try await eventually("the work is cancelled") { test.handler.cancelled.hasHappened }
    try await blocking { try #expect(client.readToEnd() == "") }
    #expect(test.server.statistics.openConnections == 0)
  }

  @Test func `a request whose body is still coming is finished`() async throws {
    let test = try TestServer()
    let port = test.port
    let client = try await blocking {
      let client = try PlainClient(port: port)
      try #expect(
        client.ask("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n").status == 100)
      try client.send("ab")
      return client
    }
    let drain = Task { await test.server.drain() }
    try await eventually("new connections are refused") { Self.isRefused(port) }
    try await blocking {
      let answer = try client.ask("cd")
      #expect(answer.text == "abcd")
      #expect(answer.closes)
    }
    withExtendedLifetime(client) {}
    await drain.value
  }

  @Test func `draining twice waits for the same end`() async throws {
    let test = try TestServer(loops: 3)
    async let first: Void = test.server.drain()
    async let second: Void = test.server.drain()
    _ = await (first, second)
    await test.server.drain()
    #expect(test.server.statistics.openConnections == 0)
  }
}
