import Foundation
import Glibc
import HTTPClient
import Primitives
import Testing

@testable import Kubernetes

/// A server of one collection over plain HTTP/1.1: it lists nothing, and to whoever watches it sends what the test says.
private final class ChunkedServer: Sendable {
  let port: Int
  private let listener: Int32
  private let watchers = Locked<[Int32]>([])
  private let heads = Locked<[String]>([])

  var requests: [String] { heads.withLock { $0 } }
  var watching: Int { watchers.withLock { $0.count } }

  init() {
    let listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    self.listener = listener
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_addr.s_addr = inet_addr("127.0.0.1")
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    withUnsafeMutableBytes(of: &address) { bytes in
      guard let pointer = bytes.bindMemory(to: sockaddr.self).baseAddress else { return }
      bind(listener, pointer, length)
      listen(listener, 16)
      getsockname(listener, pointer, &length)
    }
    port = Int(UInt16(bigEndian: address.sin_port))
    let (watchers, heads) = (watchers, heads)
    Thread.detachNewThread {
      while case let connection = accept(listener, nil, nil), connection >= 0 {
        Thread.detachNewThread { Self.serve(connection, watchers, heads) }
      }
      close(listener)
    }
  }

  private static func serve(_ connection: Int32, _ watchers: Locked<[Int32]>, _ heads: Locked<[String]>) {
    var head = ""
    var chunk = [UInt8](repeating: 0, count: 4096)
    while case let count = recv(connection, &chunk, chunk.count, 0), count > 0 {
      head += String(decoding: chunk[..<count], as: UTF8.self)
      guard head.contains("\r\n\r\n") else { continue }
      let line = String(head.prefix { $0 != "\r\n" })
      head = ""
      heads.withLock { $0.append(line) }
      if line.contains("watch=1") {
        send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", to: connection)
        watchers.withLock { $0.append(connection) }
        continue
      }
      let body = #"{"kind":"NamespaceList","apiVersion":"v1","metadata":{"resourceVersion":"1"},"items":[]}"#
      send("HTTP/1.1 200 OK\r\nContent-Length: \(body.utf8.count)\r\n\r\n\(body)", to: connection)
    }
    watchers.withLock { $0.removeAll { $0 == connection } }
    close(connection)
  }

  private static func send(_ text: String, to connection: Int32) {
    let bytes = Array(text.utf8)
    Glibc.send(connection, bytes, bytes.count, Int32(MSG_NOSIGNAL))
  }

  /// Sends a piece of a line, or of several, to whoever watches.
  func tell(_ text: String) {
    watchers.withLock { all in
      for connection in all {
        Self.send(String(text.utf8.count, radix: 16) + "\r\n" + text + "\r\n", to: connection)
      }
    }
  }

  /// Breaks the watches where they are, without the end that HTTP wants.
  func breakOff() {
    watchers.withLock { all in
      for connection in all { shutdown(connection, Int32(SHUT_RDWR)) }
    }
  }

  func stop() {
    shutdown(listener, Int32(SHUT_RDWR))
    breakOff()
  }
}

/// Through Pinseal's own HTTP client, in real time.
@Suite(.timeLimit(.minutes(5))) struct WatchOverSocketTests {
  @Test func `a watch over a real connection sees changes at once, and outlives the connection`() async throws {
    let server = ChunkedServer()
    let connection = Connection(
      server: try ServerAddress(parsing: "http://127.0.0.1:\(server.port)", allowsPlainHTTP: true))
    let cluster = try APICluster(connection, options: .init())
    let task = Task { await cluster.run() }
    #expect(await eventually { server.watching == 1 })
    #expect(cluster.notReadyReason() == nil)

    func event(_ name: String, _ version: Int) -> String {
      #"{"type":"ADDED","object":\#(ObjectWatchTests.object(name, version))}"# + "\n"
    }
    server.tell(event("one", 2))
    #expect(await eventually { cluster.knownNamespace("one") != nil })
    let half = event("two", 3)
    server.tell(String(half.prefix(40)))
    server.tell(String(half.dropFirst(40)) + event("three", 4) + event("four", 5).prefix(30))
    #expect(await eventually { cluster.knownNamespace("three") != nil })
    #expect(cluster.knownNamespace("two") != nil)

    server.breakOff()
    #expect(await eventually { server.requests.count == 3 && server.watching == 1 })
    #expect(server.requests.last?.contains("resourceVersion=4&") == true)
    server.tell(event("four", 5))
    #expect(await eventually { cluster.knownNamespace("four") != nil })
    #expect(cluster.status().watches.first?.breaks == 1)

    task.cancel()
    await task.value
    #expect(await eventually { server.watching == 0 })
    server.stop()
  }
}
