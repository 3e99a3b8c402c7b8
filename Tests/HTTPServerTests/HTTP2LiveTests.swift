import Primitives
import Testing

@testable import HTTPServer

@Suite(.timeLimit(.minutes(5)))
struct HTTP2LiveTests {
  private static let get = HTTP2Client.request("GET", "/hello")
  private static let wholeRequest = HTTP2Client.endStream | HTTP2Client.endHeaders

  @Test func `a client that begins with the preface is spoken HTTP/2 with, without TLS`() async throws {
    try await TestServer.run { test in
      let port = test.port
      try await blocking {
        let client = try HTTP2Client(port: port)
        for stream in [1, 3] {
          try client.send(.headers, flags: Self.wholeRequest, stream: stream, Self.get)
          let head = try client.next(.headers)
          #expect(head.stream == stream)
          // `:status: 200`, entry 8 of HPACK's static table.
          #expect(head.payload.first == 0x88)
          let data = try client.next(.data)
          #expect(String(decoding: data.payload, as: UTF8.self) == "hello\n")
          #expect(data.flags & HTTP2Client.endStream != 0)
        }
      }
      #expect(test.server.statistics.http2Requests == 2)
    }
  }

  @Test func `the preface may come byte by byte`() async throws {
    try await TestServer.run { test in
      let port = test.port
      try await blocking {
        let client = try PlainClient(port: port)
        for byte in Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8) + HTTP2Client.frame(.settings) {
          try client.send([byte])
        }
        let head = try client.read(9)
        #expect(head?[3] == HTTP2Client.Kind.settings.rawValue)
      }
    }
  }

  @Test func `work for a stream that is reset is cancelled, and the connection goes on`() async throws {
    try await TestServer.run { test in
      let port = test.port
      let client = try await blocking {
        let client = try HTTP2Client(port: port)
        try client.send(.headers, flags: Self.wholeRequest, stream: 1, HTTP2Client.request("GET", "/later"))
        return client
      }
      try await eventually("the work has begun") { test.handler.entered.hasHappened }
      try await blocking { try client.send(.reset, stream: 1, [0, 0, 0, 8]) }
      try await eventually("the work is cancelled") { test.handler.cancelled.hasHappened }
      try await blocking {
        try client.send(.headers, flags: Self.wholeRequest, stream: 3, Self.get)
        try #expect(client.next(.headers).stream == 3)
      }
    }
  }

  @Test func `work for a client that went away is cancelled`() async throws {
    try await TestServer.run { test in
      let port = test.port
      var client: HTTP2Client? = try await blocking {
        let client = try HTTP2Client(port: port)
        try client.send(.headers, flags: Self.wholeRequest, stream: 1, HTTP2Client.request("GET", "/later"))
        return client
      }
      try await eventually("the work has begun") { test.handler.entered.hasHappened }
      _ = client
      client = nil
      try await eventually("the work is cancelled") { test.handler.cancelled.hasHappened }
    }
  }

  @Test func `a refused request is answered before its body is there`() async throws {
    try await TestServer.run(limits: { $0.graceTimeout = .milliseconds(50) }) { test in
      let port = test.port
      try await blocking {
        let client = try HTTP2Client(port: port)
        try client.send(.headers, flags: HTTP2Client.endHeaders, stream: 1, HTTP2Client.request("POST", "/nowhere"))
        let head = try client.next(.headers)
        // `:status: 404`, entry 13 of HPACK's static table.
        #expect(head.payload.first == 0x8D)
        try #expect(client.next(.reset).errorCode == 0, "the rest is called off without blame")
      }
      #expect(test.handler.handled.withLock { $0 } == [])
    }
  }

  @Test func `what all streams together hold is bounded, and given back`() async throws {
    try await TestServer.run(limits: {
      $0.bodyBytes = 40_000
      $0.headerBytes = 1000
      $0.bufferedBytes = 100_000
      $0.graceTimeout = .milliseconds(50)
    }) { test in
      let port = test.port
      try await blocking {
        let piece = [UInt8](repeating: 0x61, count: 10_000)
        let client = try HTTP2Client(port: port)
        let streams = [1, 3, 5, 7]
        for stream in streams {
          try client.send(
            .headers, flags: HTTP2Client.endHeaders, stream: stream, HTTP2Client.request("POST", "/length"))
        }
        for stream in streams { for _ in 0..<3 { try client.send(.data, stream: stream, piece) } }
        // Three have room, the fourth has not.
        try #expect(client.next(.headers).stream == 7)
        try #expect(client.next(.reset).stream == 7)
        for stream in streams.dropLast() {
          try client.send(.data, flags: HTTP2Client.endStream, stream: stream)
          try #expect(client.next(.headers).stream == stream)
        }
        let other = try HTTP2Client(port: port)
        for stream in streams {
          try other.send(
            .headers, flags: HTTP2Client.endHeaders, stream: stream, HTTP2Client.request("POST", "/length"))
          for _ in 0..<3 { try other.send(.data, stream: stream, piece) }
          try other.send(.data, flags: HTTP2Client.endStream, stream: stream)
          let data = try other.next(.data)
          #expect(String(decoding: data.payload, as: UTF8.self) == "30000\n")
        }
      }
      #expect(test.handler.handled.withLock { $0.count } == 7)
    }
  }

  @Test func `a body that comes too slowly is given up`() async throws {
    try await TestServer.run(limits: { $0.requestTimeout = .milliseconds(100) }) { test in
      let port = test.port
      try await blocking {
        let client = try HTTP2Client(port: port)
        try client.send(.headers, flags: HTTP2Client.endHeaders, stream: 1, HTTP2Client.request("POST", "/echo"))
        try client.send(.data, stream: 1, [1, 2, 3])
        try #expect(client.next(.headers).stream == 1)
        try #expect(client.next(.reset).stream == 1)
        try client.send(.headers, flags: Self.wholeRequest, stream: 3, Self.get)
        try #expect(client.next(.headers).stream == 3)
      }
      #expect(test.handler.handled.withLock { $0.count } == 1)
    }
  }

  @Test func `headers that never end, end the connection`() async throws {
    try await TestServer.run(limits: { $0.requestTimeout = .milliseconds(100) }) { test in
      let port = test.port
      try await blocking {
        let client = try HTTP2Client(port: port)
        try client.send(.headers, stream: 1, Self.get)
        try #expect(client.framesToEnd().contains { $0.isA(.goaway) })
      }
    }
  }

  @Test func `PINGs do not keep an idle connection`() async throws {
    try await TestServer.run(limits: { $0.idleTimeout = .milliseconds(150) }) { test in
      let port = test.port
      try await blocking {
        let client = try HTTP2Client(port: port)
        var frames: [HTTP2Client.Frame] = []
        // Each PING is sent when the last one is answered, until the server has enough.
        while (try? client.send(.ping, [UInt8](repeating: 0, count: 8))) != nil, let frame = try client.frame() {
          frames.append(frame)
        }
        #expect(frames.contains { $0.isA(.goaway) && $0.errorCode == 0 })
      }
    }
  }

  @Test func `a client that gives no window loses its stream, not the connection`() async throws {
    try await TestServer.run(limits: { $0.writeTimeout = .milliseconds(100) }) { test in
      let port = test.port
      try await blocking {
        let client = try HTTP2Client(port: port)
        try client.send(.headers, flags: Self.wholeRequest, stream: 1, HTTP2Client.request("GET", "/big"))
        try #expect(client.next(.reset).stream == 1)
        try client.send(.windowUpdate, [0, 1, 0, 0])
        try client.send(.headers, flags: Self.wholeRequest, stream: 3, Self.get)
        try #expect(client.next(.headers).stream == 3)
      }
    }
  }

  // MARK: Attacks

  private func attack(
    limits: (inout ServerLimits) -> Void = { _ in }, _ bytes: [UInt8]
  ) async throws -> (frames: [HTTP2Client.Frame], handled: Int) {
    nonisolated(unsafe) var result: (frames: [HTTP2Client.Frame], handled: Int) = ([], 0)
    try await TestServer.run(limits: limits) { test in
      let port = test.port
      result.frames = try await blocking {
        let client = try HTTP2Client(port: port)
        // The server may end the connection before it has read everything.
        try? client.connection.send(bytes)
        return try client.framesToEnd()
      }
      result.handled = test.handler.handled.withLock { $0.count }
      try await eventually("the connection is gone") { test.server.statistics.openConnections == 0 }
    }
    return result
  }

  @Test func `rapid reset ends the connection`() async throws {
    var bytes: [UInt8] = []
    for stream in 0..<2000 {
      bytes += HTTP2Client.frame(
        .headers, flags: HTTP2Client.endHeaders, stream: 2 * stream + 1, HTTP2Client.request("POST", "/echo"))
      bytes += HTTP2Client.frame(.reset, stream: 2 * stream + 1, [0, 0, 0, 8])
    }
    let (frames, handled) = try await attack(bytes)
    #expect(frames.contains { $0.isA(.goaway) && $0.errorCode != 0 })
    #expect(handled == 0)
  }

  @Test func `making the server reset its own streams ends the connection`() async throws {
    var bytes: [UInt8] = []
    for stream in 0..<2000 {
      bytes += HTTP2Client.frame(
        .headers, flags: HTTP2Client.endHeaders, stream: 2 * stream + 1, HTTP2Client.request("POST", "/echo"))
      // A window that grows by nothing is an error of the stream (RFC 9113 §6.9).
      bytes += HTTP2Client.frame(.windowUpdate, stream: 2 * stream + 1, [0, 0, 0, 0])
    }
    let (frames, _) = try await attack(bytes)
    #expect(frames.contains { $0.isA(.goaway) && $0.errorCode != 0 })
  }

  @Test func `a flood of CONTINUATION ends the connection`() async throws {
    var bytes = HTTP2Client.frame(.headers, flags: HTTP2Client.endStream, stream: 1, Self.get)
    for number in 0..<64 {
      bytes += HTTP2Client.frame(.continuation, stream: 1, HTTP2Client.block([("x-\(number)", "a")]))
    }
    let (frames, handled) = try await attack(bytes)
    #expect(frames.contains { $0.isA(.goaway) && $0.errorCode != 0 })
    #expect(handled == 0)
  }

  @Test func `a flood of empty DATA ends the connection`() async throws {
    var bytes = HTTP2Client.frame(
      .headers, flags: HTTP2Client.endHeaders, stream: 1, HTTP2Client.request("POST", "/echo"))
    for _ in 0..<2000 { bytes += HTTP2Client.frame(.data, stream: 1) }
    let (frames, _) = try await attack(bytes)
    #expect(frames.contains { $0.isA(.goaway) && $0.errorCode == 11 })
  }

  @Test func `too many settings end the connection`() async throws {
    let (frames, _) = try await attack(
      HTTP2Client.frame(.settings, Array(repeating: [0, 3, 0, 0, 0, 1], count: 64).flatMap { $0 }))
    #expect(frames.contains { $0.isA(.goaway) && $0.errorCode != 0 })
  }

  @Test func `garbage ends the connection`() async throws {
    let (frames, _) = try await attack([UInt8](repeating: 0xFF, count: 1000))
    #expect(frames.contains { $0.isA(.goaway) && $0.errorCode != 0 })
  }

  @Test func `more streams than allowed are refused`() async throws {
    let bytes = (0..<20).flatMap {
      HTTP2Client.frame(
        .headers, flags: HTTP2Client.endHeaders, stream: 2 * $0 + 1, HTTP2Client.request("POST", "/echo"))
    }
    try await TestServer.run(limits: { $0.streamsPerConnection = 4 }) { test in
      let port = test.port
      try await blocking {
        let client = try HTTP2Client(port: port)
        // The bound holds once the client has seen it; before, streams are refused one by one.
        while case let frame? = try client.frame(),
          !(frame.isA(.settings) && frame.flags & HTTP2Client.acknowledge != 0)
        {}
        try client.send(.settings, flags: HTTP2Client.acknowledge)
        try? client.connection.send(bytes)
        try #expect(client.framesToEnd().contains { $0.isA(.goaway) && $0.errorCode != 0 })
      }
      #expect(test.server.statistics.http2Requests <= 4)
    }
  }

  @Test func `a client that has not seen the bound is refused streams, but not without end`() async throws {
    let bytes = (0..<5000).flatMap {
      HTTP2Client.frame(
        .headers, flags: HTTP2Client.endHeaders, stream: 2 * $0 + 1, HTTP2Client.request("POST", "/echo"))
    }
    let (frames, _) = try await attack(bytes)
    #expect(frames.contains { $0.isA(.goaway) && $0.errorCode == 11 })
    #expect(frames.count { $0.isA(.reset) } < 1000)
  }

  static let malformed: [(String, [(String, String)])] = [
    ("no method", [(":scheme", "http"), (":path", "/hello"), (":authority", "a")]),
    ("no path", [(":method", "GET"), (":scheme", "http"), (":authority", "a")]),
    (
      "two paths",
      [(":method", "GET"), (":scheme", "http"), (":path", "/hello"), (":path", "/hello"), (":authority", "a")]
    ),
    ("no authority", [(":method", "GET"), (":scheme", "http"), (":path", "/hello")]),
    (
      "an upper-case name",
      [(":method", "GET"), (":scheme", "http"), (":path", "/hello"), (":authority", "a"), ("X", "a")]
    ),
    (
      "a connection header",
      [
        (":method", "GET"), (":scheme", "http"), (":path", "/hello"), (":authority", "a"), ("connection", "close"),
      ]
    ),
    (
      "a transfer coding",
      [
        (":method", "GET"), (":scheme", "http"), (":path", "/hello"), (":authority", "a"),
        ("transfer-encoding", "chunked"),
      ]
    ),
    (
      "a line break in a value",
      [
        (":method", "GET"), (":scheme", "http"), (":path", "/hello"), (":authority", "a"), ("x", "a\r\nb"),
      ]
    ),
    (
      "a length that is none",
      [
        (":method", "GET"), (":scheme", "http"), (":path", "/hello"), (":authority", "a"), ("content-length", "1"),
      ]
    ),
  ]

  @Test(arguments: malformed)
  func `a malformed request is reset and reaches nobody`(what: String, fields: [(String, String)]) async throws {
    try await TestServer.run { test in
      let port = test.port
      try await blocking {
        let client = try HTTP2Client(port: port)
        try client.send(.headers, flags: Self.wholeRequest, stream: 1, HTTP2Client.block(fields))
        try #expect(client.next(.reset).stream == 1)
      }
      #expect(test.handler.handled.withLock { $0 } == [])
    }
  }

  @Test(arguments: [("host", "b"), (":path", "/hello#a")])
  func `what HTTP/1.1 would refuse is refused`(name: String, value: String) async throws {
    let fields =
      name == ":path"
      ? HTTP2Client.block([(":method", "GET"), (":scheme", "http"), (name, value), (":authority", "a")])
      : HTTP2Client.request("GET", "/hello", [(name, value)])
    try await TestServer.run { test in
      let port = test.port
      try await blocking {
        let client = try HTTP2Client(port: port)
        try client.send(.headers, flags: Self.wholeRequest, stream: 1, fields)
        // `:status: 400`, entry 12 of HPACK's static table.
        try #expect(client.next(.headers).payload.first == 0x8C)
      }
      #expect(test.handler.handled.withLock { $0 } == [])
    }
  }
}
