import Foundation
import HTTPClient
import Primitives
import Testing

private let chunkedHead = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"

private func chunk(_ text: String) -> String { String(text.utf8.count, radix: 16) + "\r\n\(text)\r\n" }

/// What a server's thread waits for until the test lets it go on.
private final class Gate: Sendable {
  private let semaphore = DispatchSemaphore(value: 0)

  func open() { semaphore.signal() }
  func wait() { semaphore.wait() }
}

/// Sends the text to whoever asks, then waits until the client hangs up.
private func holding(_ text: String, asked: Signal = Signal(), closed: Signal = Signal()) -> SocketServer {
  SocketServer { connection in
    guard connection.readRequest() != nil else { return }
    connection.write(text)
    asked.fire()
    while connection.readMore() {}
    closed.fire()
  }
}

@Suite(.timeLimit(.minutes(5))) struct StreamTests {
  private let client: HTTPClient

  init() throws { client = try streamClient() }

  @Test func `pieces arrive as they are sent, until the end`() async throws {
    let gate = Gate()
    let server = SocketServer { connection in
      guard connection.readRequest() != nil else { return }
      connection.write("HTTP/1.1 103 Early Hints\r\nX-A: b\r\n\r\n")
      connection.write("HTTP/1.1 200 OK\r\nX-One: 1\r\nTransfer-Encoding: chunked\r\n\r\n")
      for text in ["one", "two", "three"] {
        gate.wait()
        connection.write(chunk(text))
      }
      gate.wait()
      connection.write("0\r\nX-Trailer: ignored\r\n\r\n")
    }
    let stream = try await open(client, server)
    #expect(stream.status == 200)
    #expect(stream.headers.map(\.name) == ["x-one", "transfer-encoding"])
    for text in ["one", "two", "three"] {
      gate.open()
      #expect(try await stream.next() == Array(text.utf8))
    }
    gate.open()
    #expect(try await stream.next() == nil)
    #expect(try await stream.next() == nil)
  }

  @Test func `a refusal has a body that can be read`() async throws {
    let server = SocketServer.answering("HTTP/1.1 403 Forbidden\r\nContent-Length: 4\r\n\r\nno!\n")
    let stream = try await open(client, server)
    #expect(stream.status == 403)
    #expect(try await rest(stream) == Array("no!\n".utf8))
  }

  @Test(arguments: ["HTTP/1.1 204 No Content\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"])
  func `an empty body ends at once`(answer: String) async throws {
    let server = SocketServer.answering(answer)
    #expect(try await open(client, server).next() == nil)
  }

  @Test(arguments: [
    chunkedHead + "5\r\nhel", chunkedHead + chunk("hel"), "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhel",
  ])
  func `a body that breaks off is an error behind the pieces that came`(answer: String) async throws {
    let server = SocketServer { connection in
      guard connection.readRequest() != nil else { return }
      connection.write(answer)
    }
    let stream = try await open(client, server)
    #expect(try await stream.next() == Array("hel".utf8))
    let broken = await failure { _ = try await stream.next() }
    #expect(broken?.code == .connectionLost)
    #expect(broken?.description.hasPrefix("127.0.0.1:\(server.port): ") == true)
    #expect(await failure { _ = try await stream.next() }?.code == .connectionLost)
  }

  @Test(arguments: [
    ("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n", HTTPClientError.Code.protocolError),
    ("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", .protocolError),
    ("hello\r\n\r\n", .protocolError), ("", .connectionLost), ("HTTP/1.1 200 OK\r\nX: y", .connectionLost),
    ("HTTP/1.1 200 OK\r\n" + String(repeating: "a: b\r\n", count: 300) + "\r\n", .headersTooLarge),
    ("HTTP/1.1 200 OK\r\nx: " + String(repeating: "y", count: 70_000) + "\r\n\r\n", .headersTooLarge),
  ])
  func `a header that is not as asked for opens nothing`(answer: String, code: HTTPClientError.Code) async throws {
    let server = SocketServer { connection in
      guard connection.readRequest() != nil else { return }
      connection.write(answer)
    }
    #expect(await failure { _ = try await open(client, server) }?.code == code)
  }

  @Test func `an endless trailer is given up`() async throws {
    let server = SocketServer { connection in
      guard connection.readRequest() != nil else { return }
      connection.write(chunkedHead + chunk("a") + "0\r\n")
      while connection.write("X-Trailer: more\r\n") {}
    }
    let stream = try await open(client, server)
    #expect(await failure { _ = try await rest(stream) }?.code == .headersTooLarge)
  }

  @Test func `a header that does not come is waited for until the deadline`() async throws {
    let server = holding("HTTP/1.1 200 OK\r\n")
    let error = await late("waiting for the answer") { deadline in
      await failure { _ = try await open(client, server, deadline: deadline) }
    }
    #expect(error?.code == .timedOut)
    #expect(error?.description == "127.0.0.1:\(server.port): timed out waiting for the answer")
  }

  @Test func `a body that falls silent is given up`() async throws {
    let closed = Signal()
    let server = holding(chunkedHead + chunk("abc"), closed: closed)
    let stream = try await open(client, server, silence: .milliseconds(100))
    #expect(try await stream.next() == Array("abc".utf8))
    let silent = await failure { _ = try await stream.next() }
    #expect(silent?.code == .timedOut)
    #expect(
      silent?.description
        == "127.0.0.1:\(server.port): timed out: nothing came for 0.1 seconds (3 bytes of body before)")
    await closed.wait()
  }

  @Test func `a body may trickle for longer than the deadline and the silence`() async throws {
    let server = SocketServer { connection in
      guard connection.readRequest() != nil else { return }
      connection.write(chunkedHead)
      for _ in 0..<15 {
        usleep(300_000)
        connection.write(chunk("x"))
      }
      connection.write("0\r\n\r\n")
    }
    let stream = try await open(client, server, deadline: .after(.seconds(4)), silence: .seconds(4))
    #expect(try await rest(stream).count == 15)
  }

  @Test func `a peer that sends faster than somebody reads is slowed down, and is not silent`() async throws {
    let total = 64 << 20
    let sent = Locked(0)
    let server = SocketServer { connection in
      guard connection.readRequest() != nil else { return }
      connection.write("HTTP/1.1 200 OK\r\nContent-Length: \(total)\r\n\r\n")
      let piece = String(repeating: "x", count: 64 << 10)
      while sent.withLock({ $0 }) < total, connection.write(piece) { sent.withLock { $0 += piece.utf8.count } }
    }
    let stream = try await open(client, server, silence: .seconds(4))
    var (before, since) = (-1, Deadline.now)
    while since.advanced(by: .seconds(5)) > .now {
      let now = sent.withLock { $0 }
      if now != before { (before, since) = (now, .now) }
      try await Task.sleep(for: .milliseconds(50))
    }
    // The system's buffers hold some megabytes.
    #expect(before < 24 << 20)
    var (count, largest) = (0, 0)
    while let piece = try await stream.next() {
      count += piece.count
      largest = max(largest, piece.count)
    }
    #expect(count == total)
    #expect(largest < 300 << 10)
  }

  @Test func `one task reads`() async throws {
    let server = holding(chunkedHead)
    let stream = try await open(client, server)
    let outcomes = await withTaskGroup(of: HTTPClientError?.self) { group in
      for _ in 0..<2 { group.addTask { await failure { _ = try await stream.next() } } }
      let first = await group.next()
      group.cancelAll()
      return [first ?? nil, await group.next() ?? nil]
    }
    #expect(outcomes.map { $0?.code } == [.invalidRequest, .cancelled])
  }
}

@Suite(.timeLimit(.minutes(5))) struct StreamEndTests {
  @Test func `cancelling the opening task ends the transfer`() async throws {
    let (asked, closed) = (Signal(), Signal())
    let server = holding("HTTP/1.1 200 OK\r\n", asked: asked, closed: closed)
    let client = try streamClient()
    let task = Task { await failure { _ = try await open(client, server) } }
    await asked.wait()
    task.cancel()
    #expect(await task.value?.code == .cancelled)
    await closed.wait()
  }

  enum End: CaseIterable, Sendable { case cancel, close, drop }

  @Test(arguments: End.allCases) func `a reader that goes ends the transfer`(end: End) async throws {
    let closed = Signal()
    let server = holding(chunkedHead + chunk("abc"), closed: closed)
    let client = try streamClient { $0.maximumStreams = 1 }
    var stream: (any HTTPStream)? = try await open(client, server)
    #expect(try await stream?.next() == Array("abc".utf8))
    switch end {
    case .cancel, .close:
      let open = try #require(stream)
      let task = Task { await failure { _ = try await open.next() } }
      if end == .cancel { task.cancel() } else { open.close() }
      #expect(await task.value?.code == .cancelled)
      #expect(await failure { _ = try await open.next() }?.code == .cancelled)
    case .drop: stream = nil
    }
    await closed.wait()
    // Its place is free again.
    let answering = SocketServer.answering("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi")
    #expect(try await rest(open(client, answering)) == Array("hi".utf8))
  }

  @Test func `a stream that is closed while its peer waits ends`() async throws {
    let closed = Signal()
    let server = SocketServer { connection in
      guard connection.readRequest() != nil else { return }
      connection.write("HTTP/1.1 200 OK\r\n\r\n")
      while connection.write(String(repeating: "x", count: 1000)) {}
      closed.fire()
    }
    let client = try streamClient()
    let stream = try await open(client, server)
    try await Task.sleep(for: .milliseconds(200))
    stream.close()
    await closed.wait()
    #expect(await failure { _ = try await stream.next() }?.code == .cancelled)
  }

  @Test func `closing the client fails its streams`() async throws {
    let closed = Signal()
    let server = holding(chunkedHead + chunk("abc"), closed: closed)
    var client: HTTPClient? = try streamClient()
    let stream = try await open(#require(client), server)
    #expect(try await stream.next() == Array("abc".utf8))
    client = nil
    let gone = await failure { _ = try await stream.next() }
    #expect(gone?.code == .cancelled)
    #expect(gone?.description == "127.0.0.1:\(server.port): the client was closed")
    await closed.wait()
  }

  @Test func `streams have a bound of their own, and requests go on beside them`() async throws {
    let server = SocketServer { connection in
      while let request = connection.readRequest() {
        let isStream = request.hasPrefix("GET /watch")
        connection.write(
          isStream ? chunkedHead + chunk("abc") : "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi")
      }
    }
    let client = try streamClient {
      ($0.maximumStreams, $0.maximumConnectionsPerHost, $0.maximumConnections) = (60, 1, 1)
    }
    var streams = try await withThrowingTaskGroup(of: (any HTTPStream).self) { group in
      for _ in 0..<60 { group.addTask { try await open(client, server, path: "/watch") } }
      return try await group.reduce(into: []) { $0.append($1) }
    }
    for stream in streams { #expect(try await stream.next() == Array("abc".utf8)) }
    let request = HTTPRequest(url: server.url, allowsPlainHTTP: true)
    #expect(try await client.send(request, deadline: .after(.seconds(60))).body == Array("hi".utf8))
    let refused = await failure { _ = try await open(client, server, path: "/watch") }
    #expect(refused?.code == .cannotConnect)
    #expect(
      refused?.description == "127.0.0.1:\(server.port): not asked: 60 streams are open, and 60 are allowed")
    streams.removeLast()
    streams.append(try await open(client, server, path: "/watch"))
    #expect(try await streams[59].next() == Array("abc".utf8))
  }
}
