import HTTPClient
import Primitives
import Testing

/// Streams over HTTP/2, where many share a connection.
@Suite(.timeLimit(.minutes(5))) struct StreamHTTP2Tests {
  private func client(_ change: (inout HTTPClient.Configuration) -> Void = { _ in }) throws -> HTTPClient {
    try streamClient {
      $0.verifiesPeer = false
      change(&$0)
    }
  }

  private func openMany(_ count: Int, _ client: HTTPClient, _ server: FrameServer) async throws -> [any HTTPStream] {
    try await withThrowingTaskGroup(of: (any HTTPStream).self) { group in
      for _ in 0..<count { group.addTask { try await open(client, server.server) } }
      return try await group.reduce(into: []) { $0.append($1) }
    }
  }

  @Test func `500 streams share a connection, and requests go on beside them`() async throws {
    let asked = Locked(0)
    let server = try FrameServer { connection, event in
      if case .request(let stream) = event {
        connection.sendHeaders(stream)
        let count = asked.withLock { asked in
          asked += 1
          return asked
        }
        connection.sendData(stream, Array("abc".utf8), isLast: count > 500)
      }
      return true
    }
    let client = try client()
    let streams = try await openMany(500, client, server)
    for stream in streams { #expect(try await stream.next() == Array("abc".utf8)) }
    let response = try await client.send(HTTPRequest(url: server.server.url), deadline: .after(.seconds(60)))
    #expect(response.body == Array("abc".utf8))
    #expect(server.server.connectionCount == 1)
  }

  @Test func `no more streams are put on a connection than the server allows`() async throws {
    let server = try FrameServer(maximumStreams: 10) { connection, event in
      if case .request(let stream) = event {
        connection.sendHeaders(stream)
        connection.sendData(stream, Array("abc".utf8))
      }
      return true
    }
    let client = try client()
    let streams = try await [open(client, server.server)] + openMany(29, client, server)
    for stream in streams { #expect(try await stream.next() == Array("abc".utf8)) }
    #expect(server.server.connectionCount == 3)
  }

  @Test func `a stream that nobody reads does not hold up the others on its connection`() async throws {
    let server = try flooding()
    let client = try client()
    let unread = try await open(client, server.server)
    for _ in 0..<20 {
      let stream = try await open(client, server.server)
      #expect(try await rest(stream) == Array("abc".utf8))
    }
    let response = try await client.send(HTTPRequest(url: server.server.url), deadline: .after(.seconds(60)))
    #expect(response.body == Array("abc".utf8))
    #expect(server.server.connectionCount == 1)
    #expect(try await rest(unread).count == 256 << 14 + 3)
  }

  @Test func `what libcurl reads of a stream that nobody reads counts among the answers`() async throws {
    let server = try flooding()
    let client = try client { $0.maximumBufferedBytes = 1 << 20 }
    let unread = try await open(client, server.server)
    for _ in 0..<20 {
      let stream = try await open(client, server.server)
      #expect(try await rest(stream) == Array("abc".utf8))
    }
    var count = 0
    let given = await failure { while let piece = try await unread.next() { count += piece.count } }
    #expect(given?.code == .connectionLost)
    #expect(given?.description.hasSuffix("together have more than 1048576 bytes now") == true)
    #expect(count < 300 << 10)
  }

  /// Sends 4 MiB to the first that asks, and `abc` to everybody.
  private func flooding() throws -> FrameServer {
    let asked = Locked(0)
    return try FrameServer { connection, event in
      if case .request(let stream) = event {
        connection.sendHeaders(stream)
        let isFirst = asked.withLock { asked in
          asked += 1
          return asked == 1
        }
        if isFirst {
          for _ in 0..<256 { connection.sendData(stream, [UInt8](repeating: 0x78, count: 16 << 10)) }
        }
        connection.sendData(stream, Array("abc".utf8), isLast: true)
      }
      return true
    }
  }
}
