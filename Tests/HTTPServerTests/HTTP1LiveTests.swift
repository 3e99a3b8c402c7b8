import HTTPServer
import Logging
import Primitives
import Testing

@Suite(.timeLimit(.minutes(5)))
struct HTTP1LiveTests {
  @Test func `a connection carries one request after the other`() async throws {
    try await TestServer.run { test in
      let port = test.port
      try await blocking {
        let client = try PlainClient(port: port)
        for number in 0..<3 {
          let answer = try client.ask(
            "POST /echo?n=\(number) HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nh\(number)")
          #expect(answer.status == 200)
          #expect(answer.text == "h\(number)")
          #expect(answer.head.contains("x-query: n=\(number)"))
          #expect(answer.head.contains(" GMT"))
          #expect(!answer.closes)
        }
      }
      let statistics = test.server.statistics
      #expect(statistics.http1Requests == 3)
      #expect(statistics.openConnections <= 1)
    }
  }

  @Test func `pipelined requests are answered in order, also behind one that takes its time`() async throws {
    try await TestServer.run { test in
      let port = test.port
      let client = try await blocking {
        let client = try PlainClient(port: port)
        try client.send(
          "GET /later HTTP/1.1\r\nHost: a\r\n\r\nPOST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabcGET /hello HTTP/1.1\r\nHost: a\r\n\r\n"
        )
        return client
      }
      try await eventually("the work has begun") { test.handler.entered.hasHappened }
      test.handler.release.happen()
      try await blocking {
        try #expect(client.answer().text == "late\n")
        try #expect(client.answer().text == "abc")
        try #expect(client.answer().text == "hello\n")
      }
    }
  }

  @Test func `a chunked body is put together`() async throws {
    try await TestServer.run { test in
      let port = test.port
      try await blocking {
        let client = try PlainClient(port: port)
        let answer = try client.ask(
          "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n4;x\r\ndefg\r\n0\r\nt: u\r\n\r\n"
        )
        #expect(answer.text == "abcdefg")
      }
    }
  }

  @Test func `a client that waits is told to continue`() async throws {
    try await TestServer.run { test in
      let port = test.port
      try await blocking {
        let client = try PlainClient(port: port)
        let interim = try client.ask(
          "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n")
        #expect(interim.status == 100)
        let answer = try client.ask("abc")
        #expect(answer.status == 200)
        #expect(answer.text == "abc")
      }
    }
  }

  @Test(arguments: [
    ("POST /nowhere", "", 404), ("DELETE /hello", "", 405), ("POST /echo", "Content-Type: text/wrong\r\n", 415),
  ])
  func `a refused request is not told to continue`(line: String, header: String, status: Int) async throws {
    try await TestServer.run { test in
      let port = test.port
      try await blocking {
        let client = try PlainClient(port: port)
        let answer = try client.ask(
          "\(line) HTTP/1.1\r\nHost: a\r\n\(header)Content-Length: 3\r\nExpect: 100-continue\r\n\r\n")
        #expect(answer.status == status)
        #expect(answer.closes)
        try #expect(client.readToEnd() == "")
      }
      #expect(test.handler.handled.withLock { $0 } == [])
    }
  }

  @Test func `a short body of a refused request is read past`() async throws {
    try await TestServer.run { test in
      let port = test.port
      try await blocking {
        let client = try PlainClient(port: port)
        let refused = try client.ask("POST /nowhere HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc")
        #expect(refused.status == 404)
        #expect(!refused.closes)
        try #expect(client.ask("GET /hello HTTP/1.1\r\nHost: a\r\n\r\n").text == "hello\n")
      }
    }
  }

  @Test(arguments: [
    ("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 1001\r\n\r\n", 413),
    ("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 999999999999999\r\n\r\n", 413),
    ("POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3e9\r\n", 413),
    ("GET /hello HTTP/1.1\r\nHost: a\r\nX: " + String(repeating: "a", count: 17000), 431),
    ("GET /hello HTTP/1.1\r\nHost: a\r\n" + String(repeating: "a: b\r\n", count: 100) + "\r\n", 431),
    ("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
    ("POST /echo HTTP/1.1\nHost: a\n\n", 400),
    ("nonsense\r\n\r\n", 400),
  ])
  func `what breaks a rule is refused and the connection ends`(bytes: String, status: Int) async throws {
    try await TestServer.run(limits: { $0.bodyBytes = 1000 }) { test in
      let port = test.port
      try await blocking {
        let client = try PlainClient(port: port)
        // What follows must not be taken for a request.
        let answer = try client.ask(bytes + "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n")
        #expect(answer.status == status)
        #expect(answer.closes)
        try #expect(client.readToEnd() == "")
      }
      #expect(test.handler.handled.withLock { $0 } == [])
    }
  }

  @Test func `what all connections together hold is bounded, and given back`() async throws {
    try await TestServer.run(limits: {
      $0.bodyBytes = 100_000
      $0.bufferedBytes = 150_000
    }) { test in
      let port = test.port
      let half = [UInt8](repeating: 0x61, count: 90_000)
      let head = "POST /later HTTP/1.1\r\nHost: a\r\nContent-Length: 90000\r\n\r\n"
      let first = try await blocking {
        let client = try PlainClient(port: port)
        try client.send(head)
        try client.send(half)
        return client
      }
      try await eventually("the first is being worked on") { test.handler.entered.hasHappened }
      try await blocking {
        let second = try PlainClient(port: port)
        try second.send(head)
        try second.send(half)
        let answer = try second.answer()
        #expect(answer.status == 503)
        #expect(answer.head.contains("retry-after: 1"))
        try #expect(PlainClient(port: port).ask("GET /hello HTTP/1.1\r\nHost: a\r\n\r\n").status == 200)
      }
      test.handler.release.happen()
      try await blocking {
        try #expect(first.answer().status == 200)
        for _ in 0..<3 {
          let third = try PlainClient(port: port)
          try third.send("POST /length HTTP/1.1\r\nHost: a\r\nContent-Length: 90000\r\n\r\n")
          try third.send(half)
          try #expect(third.answer().text == "90000\n")
        }
      }
      #expect(test.log.withLock { $0.count { $0.contains("refused with 503") } } == 1)
    }
  }

  @Test func `a body of exactly the limit is taken`() async throws {
    try await TestServer.run { test in
      let port = test.port
      try await blocking {
        let client = try PlainClient(port: port)
        try client.send("POST /length HTTP/1.1\r\nHost: a\r\nContent-Length: \(3 << 20)\r\n\r\n")
        try client.send([UInt8](repeating: 0x61, count: 3 << 20))
        try #expect(client.answer().text == "\(3 << 20)\n")
      }
    }
  }

  @Test func `the answer to HEAD has a length and no body`() async throws {
    try await TestServer.run { test in
      let port = test.port
      try await blocking {
        let client = try PlainClient(port: port)
        try client.send("HEAD /hello HTTP/1.1\r\nHost: a\r\n\r\nGET /hello HTTP/1.1\r\nHost: a\r\n\r\n")
        let answer = try client.answer(toHead: true)
        #expect(answer.head.contains("content-length: 6"))
        try #expect(client.answer().text == "hello\n")
      }
    }
  }

  @Test func `a large answer goes out whole`() async throws {
    try await TestServer.run { test in
      let port = test.port
      try await blocking {
        let client = try PlainClient(port: port)
        for _ in 0..<2 {
          try #expect(client.ask("GET /big HTTP/1.1\r\nHost: a\r\n\r\n").body.count == 3 << 20)
        }
      }
    }
  }

  @Test func `the connection is closed when the client asks for it`() async throws {
    try await TestServer.run { test in
      let port = test.port
      try await blocking {
        for head in ["GET /hello HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", "GET /hello HTTP/1.0\r\n\r\n"] {
          let client = try PlainClient(port: port)
          let answer = try client.ask(head)
          #expect(answer.status == 200)
          #expect(answer.closes)
          try #expect(client.readToEnd() == "")
        }
      }
    }
  }

  @Test func `a client that stops sending after its request is answered`() async throws {
    try await TestServer.run { test in
      let port = test.port
      try await blocking {
        let client = try PlainClient(port: port)
        try client.send("GET /big HTTP/1.1\r\nHost: a\r\n\r\n")
        client.endSending()
        try #expect(client.answer().body.count == 3 << 20)
        try #expect(client.readToEnd() == "")
      }
    }
  }

  @Test(arguments: [
    "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc", "GET /hello HTTP/1.1\r\nHo", "PRI * HT",
  ])
  func `a request that comes too slowly is given up`(bytes: String) async throws {
    try await TestServer.run(limits: { $0.requestTimeout = .milliseconds(150) }) { test in
      let port = test.port
      try await blocking {
        let client = try PlainClient(port: port)
        try client.send(bytes)
        let text = try client.readToEnd()
        // A client that stops in the middle of HTTP/2's preface could not read an answer.
        #expect(text.hasPrefix("HTTP/1.1 408 ") || (bytes.hasPrefix("PRI") && text.isEmpty))
      }
    }
  }

  @Test func `an idle connection is closed`() async throws {
    try await TestServer.run(limits: { $0.idleTimeout = .milliseconds(100) }) { test in
      let port = test.port
      try await blocking {
        let silent = try PlainClient(port: port)
        try #expect(silent.readToEnd() == "")
        // One that asks before it is closed, which on a busy machine the first may not manage.
        for _ in 0..<100 {
          let client = try PlainClient(port: port)
          guard let answer = try? client.ask("GET /hello HTTP/1.1\r\nHost: a\r\n\r\n") else { continue }
          #expect(answer.status == 200)
          try #expect(client.readToEnd() == "")
          return
        }
        Issue.record("every connection was closed before it could ask")
      }
    }
  }

  @Test func `a client that does not read its answer is dropped`() async throws {
    try await TestServer.run(limits: { $0.writeTimeout = .milliseconds(150) }) { test in
      let port = test.port
      let client = try await blocking {
        let client = try PlainClient(port: port)
        for _ in 0..<8 { try client.send("GET /big HTTP/1.1\r\nHost: a\r\n\r\n") }
        return client
      }
      try await eventually("the request is handled") { !test.handler.handled.withLock { $0.isEmpty } }
      try await eventually("the connection is gone") { test.server.statistics.openConnections == 0 }
      // Answers are not piled up for one who does not read.
      #expect(test.handler.handled.withLock { $0.count } < 8)
      try await blocking { _ = try client.readToEnd() }
    }
  }

  @Test func `work for a client that went away is cancelled`() async throws {
    try await TestServer.run { test in
      let port = test.port
      var client: PlainClient? = try await blocking {
        let client = try PlainClient(port: port)
        try client.send("GET /later HTTP/1.1\r\nHost: a\r\n\r\n")
        return client
      }
      try await eventually("the work has begun") { test.handler.entered.hasHappened }
      _ = client
      client = nil
      try await eventually("the work is cancelled") { test.handler.cancelled.hasHappened }
      try await eventually("the connection is gone") { test.server.statistics.openConnections == 0 }
    }
  }

  @Test func `a connection too many is closed, and there is room again later`() async throws {
    try await TestServer.run(limits: { $0.connections = 2 }) { test in
      let port = test.port
      try await blocking {
        let hello = "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n"
        let first = try PlainClient(port: port)
        try #expect(first.ask(hello).status == 200)
        let second = try PlainClient(port: port)
        try #expect(second.ask(hello).status == 200)
        try #expect(PlainClient(port: port).readToEnd() == "")
        try #expect(first.ask("GET /hello HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").status == 200)
        try #expect(first.readToEnd() == "")
      }
      try await eventually("there is room") { test.server.statistics.openConnections < 2 }
      try await blocking {
        try #expect(PlainClient(port: port).ask("GET /hello HTTP/1.1\r\nHost: a\r\n\r\n").status == 200)
      }
      #expect(test.logged("too many connections"))
    }
  }

  @Test func `connections are spread over the loops`() async throws {
    try await TestServer.run(loops: 4) { test in
      let port = test.port
      try await blocking {
        let clients = try (0..<12).map { _ in try PlainClient(port: port) }
        for client in clients { try #expect(client.ask("GET /hello HTTP/1.1\r\nHost: a\r\n\r\n").status == 200) }
      }
    }
  }

  @Test func `an address in use is refused with its name`() async throws {
    try await TestServer.run { test in
      let address = test.server.boundAddress
      let error = #expect(throws: ServerError.self) {
        _ = try Server.start(
          address: address, tls: nil, handler: TestHandler(),
          logger: .init(label: "test") { _ in LogKeeper(lines: test.log) })
      }
      #expect(error?.description.contains(address) == true)
      #expect(error?.description.contains("in use") == true)
    }
  }
}
