import Testing

@testable import HTTPServer

/// What a parser made of a connection's bytes.
private struct Conversation: Equatable {
  var requests: [String] = []
  var bodies: [[UInt8]] = []
  var refusal: Int?
}

private func converse(
  _ pieces: [[UInt8]], limits: HTTP1Parser.Limits = .init(bodyBytes: 1000, headerBytes: 400, headerCount: 8)
) -> Conversation {
  var parser = HTTP1Parser(limits: limits)
  var result = Conversation()
  for piece in pieces {
    var position = 0
    reading: while true {
      switch parser.next(piece.span, &position) {
      case .needsMore: break reading
      case .head(let head): result.requests.append("\(head.method) \(head.path) \(head.query)")
      case .complete(let body): result.bodies.append(body)
      case .refused(let refusal):
        result.refusal = refusal.status
        return result
      }
    }
  }
  return result
}

private func converse(_ text: String) -> Conversation { converse([Array(text.utf8)]) }

private func head(_ text: String) throws -> HTTP1Head {
  try HTTP1Head(parsing: Array(text.utf8).span, maximumHeaders: 100)
}

struct HTTP1ParserTests {
  struct Refused: Sendable, CustomTestStringConvertible {
    let what: String
    let bytes: String
    var status = 400
    var testDescription: String { what }
  }

  static let host = "Host: a\r\n"
  static let chunked = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"

  static let refused: [Refused] = [
    Refused(
      what: "both length headers",
      bytes: "POST / HTTP/1.1\r\n\(host)Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    Refused(
      what: "both, the other way round",
      bytes: "POST / HTTP/1.1\r\n\(host)Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n"),
    Refused(
      what: "two lengths that differ",
      bytes: "POST / HTTP/1.1\r\n\(host)Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd"),
    Refused(
      what: "the same length twice",
      bytes: "POST / HTTP/1.1\r\n\(host)Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc"),
    Refused(what: "a list of lengths", bytes: "POST / HTTP/1.1\r\n\(host)Content-Length: 3, 3\r\n\r\nabc"),
    Refused(what: "a signed length", bytes: "POST / HTTP/1.1\r\n\(host)Content-Length: +3\r\n\r\nabc"),
    Refused(what: "a negative length", bytes: "POST / HTTP/1.1\r\n\(host)Content-Length: -1\r\n\r\n"),
    Refused(what: "a hexadecimal length", bytes: "POST / HTTP/1.1\r\n\(host)Content-Length: 0x3\r\n\r\nabc"),
    Refused(what: "an empty length", bytes: "POST / HTTP/1.1\r\n\(host)Content-Length:\r\n\r\n"),
    Refused(
      what: "a length that overflows", bytes: "POST / HTTP/1.1\r\n\(host)Content-Length: 18446744073709551617\r\n\r\n"),
    Refused(
      what: "another transfer coding", bytes: "POST / HTTP/1.1\r\n\(host)Transfer-Encoding: gzip, chunked\r\n\r\n"),
    Refused(what: "a misspelt transfer coding", bytes: "POST / HTTP/1.1\r\n\(host)Transfer-Encoding: xchunked\r\n\r\n"),
    Refused(
      what: "chunked twice",
      bytes: "POST / HTTP/1.1\r\n\(host)Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n"),
    Refused(
      what: "a vertical tab in the coding", bytes: "POST / HTTP/1.1\r\n\(host)Transfer-Encoding: \u{0B}chunked\r\n\r\n"),
    Refused(
      what: "chunked in HTTP/1.0", bytes: "POST / HTTP/1.0\r\n\(host)Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    Refused(what: "a folded header", bytes: "GET / HTTP/1.1\r\n\(host)X: a\r\n b\r\n\r\n"),
    Refused(what: "a fold by tab", bytes: "GET / HTTP/1.1\r\n\(host)X: a\r\n\tb\r\n\r\n"),
    Refused(what: "a fold of nothing", bytes: "GET / HTTP/1.1\r\n Host: a\r\n\r\n"),
    Refused(what: "LF alone after the request line", bytes: "GET / HTTP/1.1\nHost: a\r\n\r\n"),
    Refused(what: "LF alone after a header", bytes: "GET / HTTP/1.1\r\nHost: a\n\r\n"),
    Refused(what: "LF alone at the end", bytes: "GET / HTTP/1.1\r\nHost: a\r\n\n"),
    Refused(what: "CR alone in a header", bytes: "GET / HTTP/1.1\r\nHost: a\rb\r\n\r\n"),
    Refused(what: "CR twice", bytes: "GET / HTTP/1.1\r\r\nHost: a\r\n\r\n"),
    Refused(what: "a blank before the colon", bytes: "GET / HTTP/1.1\r\nHost : a\r\n\r\n"),
    Refused(what: "a header without a name", bytes: "GET / HTTP/1.1\r\n\(host): a\r\n\r\n"),
    Refused(what: "a header without a colon", bytes: "GET / HTTP/1.1\r\n\(host)abc\r\n\r\n"),
    Refused(what: "a bracket in a name", bytes: "GET / HTTP/1.1\r\n\(host)a[0]: b\r\n\r\n"),
    Refused(what: "NUL in a value", bytes: "GET / HTTP/1.1\r\nHost: a\u{0}\r\n\r\n"),
    Refused(what: "NUL in the target", bytes: "GET /\u{0} HTTP/1.1\r\n\(host)\r\n"),
    Refused(what: "a control character in a value", bytes: "GET / HTTP/1.1\r\n\(host)X: a\u{1}\r\n\r\n"),
    Refused(what: "no Host", bytes: "GET / HTTP/1.1\r\nX: a\r\n\r\n"),
    Refused(what: "two Hosts", bytes: "GET / HTTP/1.1\r\n\(host)\(host)\r\n"),
    Refused(what: "a Host list", bytes: "GET / HTTP/1.1\r\nHost: a, b\r\n\r\n"),
    Refused(what: "a Host with user", bytes: "GET / HTTP/1.1\r\nHost: a@b\r\n\r\n"),
    Refused(what: "a method in lower case", bytes: "get / HTTP/1.1\r\n\(host)\r\n"),
    Refused(what: "an absurdly long method", bytes: String(repeating: "A", count: 25) + " / HTTP/1.1\r\n\(host)\r\n"),
    Refused(what: "no method", bytes: " / HTTP/1.1\r\n\(host)\r\n"),
    Refused(what: "two blanks", bytes: "GET  / HTTP/1.1\r\n\(host)\r\n"),
    Refused(what: "a tab for a blank", bytes: "GET\t/ HTTP/1.1\r\n\(host)\r\n"),
    Refused(what: "a blank in the target", bytes: "GET /a b HTTP/1.1\r\n\(host)\r\n"),
    Refused(what: "a fragment", bytes: "GET /#a HTTP/1.1\r\n\(host)\r\n"),
    Refused(what: "a target that is no path", bytes: "GET a HTTP/1.1\r\n\(host)\r\n"),
    Refused(what: "a target with an empty authority", bytes: "GET http:///a HTTP/1.1\r\n\(host)\r\n"),
    Refused(what: "an asterisk for GET", bytes: "GET * HTTP/1.1\r\n\(host)\r\n"),
    Refused(what: "CONNECT", bytes: "CONNECT a:443 HTTP/1.1\r\n\(host)\r\n"),
    Refused(what: "HTTP/0.9", bytes: "GET /\r\n\r\n"),
    Refused(what: "a lower-case version", bytes: "GET / http/1.1\r\n\(host)\r\n"),
    Refused(what: "something after the version", bytes: "GET / HTTP/1.1 x\r\n\(host)\r\n"),
    Refused(what: "HTTP/1.2", bytes: "GET / HTTP/1.2\r\n\(host)\r\n", status: 505),
    Refused(what: "a TLS hello", bytes: "\u{16}\u{3}\u{1}"),
    Refused(what: "two empty lines first", bytes: "\r\n\r\nGET / HTTP/1.1\r\n\(host)\r\n"),
    Refused(what: "another expectation", bytes: "GET / HTTP/1.1\r\n\(host)Expect: tea\r\n\r\n", status: 417),
    Refused(
      what: "too many headers", bytes: "GET / HTTP/1.1\r\n\(host)" + String(repeating: "a:b\r\n", count: 8) + "\r\n",
      status: 431),
    Refused(
      what: "too large headers", bytes: "GET / HTTP/1.1\r\n\(host)X: " + String(repeating: "a", count: 400), status: 431
    ),
    Refused(what: "a too long request line", bytes: "GET /" + String(repeating: "a", count: 400), status: 414),
    Refused(what: "no chunk size", bytes: chunked + "\r\n"),
    Refused(what: "a chunk size that is none", bytes: chunked + "g\r\n"),
    Refused(what: "a chunk size with 0x", bytes: chunked + "0x1\r\na\r\n"),
    Refused(what: "a signed chunk size", bytes: chunked + "+1\r\na\r\n"),
    Refused(what: "a blank after the chunk size", bytes: chunked + "1 \r\na\r\n"),
    Refused(what: "a chunk size that overflows", bytes: chunked + "10000000000000001\r\na"),
    Refused(what: "a chunk size of zeros without end", bytes: chunked + String(repeating: "0", count: 16)),
    Refused(what: "LF alone after a chunk size", bytes: chunked + "1\na\r\n"),
    Refused(what: "LF alone after a chunk", bytes: chunked + "1\r\na\n"),
    Refused(what: "a chunk longer than said", bytes: chunked + "1\r\nab\r\n"),
    Refused(what: "a chunk extension without end", bytes: chunked + "1;" + String(repeating: "a", count: 255)),
    Refused(what: "a control character in an extension", bytes: chunked + "1;\u{1}"),
    Refused(what: "LF alone in an extension", bytes: chunked + "1;a\n"),
    Refused(
      what: "many chunk extensions",
      bytes: chunked + String(repeating: "1;" + String(repeating: "a", count: 200) + "\r\nb\r\n", count: 21)),
    Refused(what: "LF alone after the last chunk", bytes: chunked + "0\r\n\n"),
    Refused(what: "a malformed trailer", bytes: chunked + "0\r\na b: c\r\n\r\n"),
    Refused(what: "a folded trailer", bytes: chunked + "0\r\na: b\r\n c\r\n\r\n"),
    Refused(
      what: "trailers without end", bytes: chunked + "0\r\n" + String(repeating: "a: b\r\n", count: 70), status: 431),
    Refused(what: "a body that is too large, in one chunk", bytes: chunked + "3e9\r\n", status: 413),
    Refused(what: "a body that is too large, in two chunks", bytes: chunked + "1\r\na\r\n3e8\r\n", status: 413),
    Refused(what: "a chunk of exabytes", bytes: chunked + "fffffffffffffff\r\n", status: 413),
    Refused(
      what: "a declared body that is too large", bytes: "POST / HTTP/1.1\r\n\(host)Content-Length: 1001\r\n\r\n",
      status: 413),
  ]

  @Test(arguments: refused)
  func `what two readers could read differently is refused`(_ attack: Refused) {
    let bytes = Array(attack.bytes.utf8)
    #expect(converse([bytes]).refusal == attack.status)
    #expect(converse(bytes.map { [$0] }).refusal == attack.status, "byte by byte")
  }

  struct Good: Sendable, CustomTestStringConvertible {
    let text: String
    let requests: [String]
    let bodies: [String]
    init(_ text: String, _ requests: [String], _ bodies: [String]) {
      (self.text, self.requests, self.bodies) = (text, requests, bodies)
    }
    var testDescription: String { String(reflecting: text.prefix(60)) }
  }

  static let good: [Good] = [
    Good("GET /a?b=c HTTP/1.1\r\nHost: a\r\n\r\n", ["GET /a b=c"], [""]),
    Good("\r\nGET / HTTP/1.1\r\nHost:a:80 \r\n\r\n", ["GET / "], [""]),
    Good("GET / HTTP/1.0\r\n\r\n", ["GET / "], [""]),
    Good("GET http://h:1/x?y HTTP/1.1\r\nHost: h:1\r\n\r\n", ["GET /x y"], [""]),
    Good("GET https://h HTTP/1.1\r\nHost: h\r\n\r\n", ["GET / "], [""]),
    Good("GET https://h?q HTTP/1.1\r\nHost: h\r\n\r\n", ["GET / q"], [""]),
    Good("OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n", ["OPTIONS * "], [""]),
    Good("GET /?a?b HTTP/1.1\r\nHost:\r\n\r\n", ["GET / a?b"], [""]),
    Good("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc", ["POST / "], ["abc"]),
    Good("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 003\r\n\r\nabc", ["POST / "], ["abc"]),
    Good(chunked + "3\r\nabc\r\n0A;x=\"y\"\r\n0123456789\r\n0\r\n\r\n", ["POST / "], ["abc0123456789"]),
    Good(chunked + "0\r\n\r\n", ["POST / "], [""]),
    Good(chunked + "1\r\na\r\n000\r\nTrailer: b\r\nContent-Length: 5\r\n\r\n", ["POST / "], ["a"]),
    Good(
      "POST /1 HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nabGET /2 HTTP/1.1\r\nHost: a\r\n\r\n",
      ["POST /1 ", "GET /2 "], ["ab", ""]
    ),
  ]

  @Test(arguments: good)
  func `requests are read alike in whatever pieces they come`(_ good: Good) {
    let expected = Conversation(requests: good.requests, bodies: good.bodies.map { Array($0.utf8) })
    let bytes = Array(good.text.utf8)
    #expect(converse([bytes]) == expected)
    #expect(converse(bytes.map { [$0] }) == expected)
    for cut in bytes.indices { #expect(converse([Array(bytes[..<cut]), Array(bytes[cut...])]) == expected) }
  }

  @Test func `any bytes are read without a trap`() {
    var generator = SystemRandomNumberGenerator()
    let seeds = Self.good.map { Array($0.text.utf8) } + Self.refused.map { Array($0.bytes.utf8) }
    for seed in seeds {
      for _ in 0..<50 {
        var bytes = seed
        for _ in 0..<3 where !bytes.isEmpty {
          let index = Int.random(in: bytes.indices, using: &generator)
          switch Int.random(in: 0..<3, using: &generator) {
          case 0: bytes[index] = UInt8.random(in: 0...255, using: &generator)
          case 1: bytes.remove(at: index)
          default: bytes.insert(UInt8.random(in: 0...255, using: &generator), at: index)
          }
        }
        let cut = Int.random(in: 0...bytes.count, using: &generator)
        let pieces = [Array(bytes[..<cut]), Array(bytes[cut...])]
        #expect(converse([bytes]) == converse(pieces))
      }
    }
  }

  @Test func `headers keep their order, names are in lower case, values are trimmed`() throws {
    let head = try head("GET / HTTP/1.1\r\nHOST: a\r\nX-A-Long-Header-Name: \t b c\t\r\nempty:\r\n\r\n")
    #expect(head.headers.map(\.name) == ["host", "x-a-long-header-name", "empty"])
    #expect(head.headers.map(\.value) == ["a", "b c", ""])
  }

  @Test(arguments: [
    ("GET / HTTP/1.1\r\nHost: a\r\n\r\n", true), ("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", false),
    ("GET / HTTP/1.1\r\nHost: a\r\nConnection: Close\r\n\r\n", false),
    ("GET / HTTP/1.1\r\nHost: a\r\nConnection: x , close\r\n\r\n", false),
    ("GET / HTTP/1.1\r\nHost: a\r\nConnection: closed\r\n\r\n", true),
  ])
  func `a connection is kept as the client says`(text: String, keepsAlive: Bool) throws {
    try #expect(head(text).keepsAlive == keepsAlive)
  }

  @Test func `a discarded body is read past without being kept`() {
    var parser = HTTP1Parser(limits: .init(bodyBytes: 10, headerBytes: 400, headerCount: 8))
    let bytes = Array("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 20\r\n\r\n01234567890123456789".utf8)
    var position = 0
    guard case .head = parser.next(bytes.span, &position) else {
      Issue.record("no head")
      return
    }
    #expect(parser.announcesTooMuch)
    parser.discardBody()
    guard case .complete(let body) = parser.next(bytes.span, &position) else {
      Issue.record("not complete")
      return
    }
    #expect(body.isEmpty)
    #expect(position == bytes.count)
    #expect(parser.isBetweenRequests)
  }
}
