import Testing

@testable import HTTPServer

struct PieceTests {
  @Test(
    arguments: [
      (0, "Thu, 01 Jan 1970 00:00:00 GMT"), (784_111_777, "Sun, 06 Nov 1994 08:49:37 GMT"),
      (951_782_400, "Tue, 29 Feb 2000 00:00:00 GMT"), (4_107_542_399, "Sun, 28 Feb 2100 23:59:59 GMT"),
      (4_107_542_400, "Mon, 01 Mar 2100 00:00:00 GMT"), (253_402_300_799, "Fri, 31 Dec 9999 23:59:59 GMT"),
      (Int64.max, "Fri, 31 Dec 9999 23:59:59 GMT"), (-1, "Thu, 01 Jan 1970 00:00:00 GMT"),
    ] as [(Int64, String)])
  func `a date is written as HTTP wants it`(moment: Int64, text: String) {
    #expect(HTTPDate.text(moment) == text)
  }

  @Test func `timers come out in order, and only when due`() {
    var heap = TimerHeap()
    for time in [50, 10, 40, 20, 30, 10] as [UInt64] { heap.insert(.init(time: time, key: time)) }
    #expect(heap.nextTime == 10)
    let early = heap.popDue(9)
    #expect(early == nil)
    var times: [UInt64] = []
    while let entry = heap.popDue(40) { times.append(entry.time) }
    #expect(times == [10, 10, 20, 30, 40])
    #expect(heap.nextTime == 50)
  }

  @Test func `large bodies get their room whole and in turn`() {
    var budget = WindowBudget(bytes: 10)
    // The third would fit, but a later comer must not starve an earlier one.
    let asked = [(6, 1), (6, 3), (2, 5), (4, 7)].map { budget.reserve($0.0, for: $0.1) }
    #expect(asked == [true, false, false, false])
    let granted = [7, 1, 3, 5].map { budget.release($0) }
    #expect(granted == [[], [.init(stream: 3, bytes: 6), .init(stream: 5, bytes: 2)], [], []])
    let all = budget.reserve(99, for: 9)
    #expect(all, "more than there ever is counts as all")
  }

  @Test func `glitches are forgiven slowly`() {
    var meter = GlitchMeter(capacity: 2, perSecond: 1, now: 0)
    let taken = [0, 0, 999_999_999, 1_000_000_000, 1_000_000_000, .max].map { meter.take(now: $0) }
    #expect(taken == [true, true, false, true, false, true])
  }

  @Test(arguments: [
    ("\u{2}h2", "h2"), ("\u{8}http/1.1", "http/1.1"), ("\u{8}http/1.1\u{2}h2", "h2"),
    ("\u{3}foo\u{8}http/1.1", "http/1.1"),
    ("\u{3}foo", nil), ("", nil), ("\u{9}h2", nil), ("\u{2}h", nil), ("\u{0}\u{0}", nil),
  ])
  func `the best protocol offered is chosen`(offered: String, chosen: String?) {
    let bytes = Array(offered.utf8)
    let range = ApplicationProtocol.select(from: bytes.span)
    #expect(range.map { String(decoding: bytes[$0], as: UTF8.self) } == chosen)
  }

  private func encode(_ response: Response, forHead: Bool = false, keepsAlive: Bool = true) -> String {
    var bytes: [UInt8] = []
    HTTP1Encoder.append(response, forHead: forHead, keepsAlive: keepsAlive, date: Array("D".utf8), to: &bytes)
    return String(decoding: bytes, as: UTF8.self)
  }

  @Test func `an answer has date, length and headers`() {
    #expect(
      encode(Response(status: 201, headers: [("x", "y")], body: Array("abc".utf8)))
        == "HTTP/1.1 201 Created\r\ndate: D\r\nx: y\r\ncontent-length: 3\r\n\r\nabc")
    #expect(
      encode(Response(status: 200, body: [1, 2]), forHead: true, keepsAlive: false)
        == "HTTP/1.1 200 OK\r\ndate: D\r\ncontent-length: 2\r\nconnection: close\r\n\r\n")
    #expect(encode(Response(status: 204, body: [1])) == "HTTP/1.1 204 No Content\r\ndate: D\r\n\r\n")
    #expect(encode(Response(status: 100)).hasPrefix("HTTP/1.1 500 Internal Server Error\r\n"))
  }

  @Test func `no header of a handler can split an answer or speak for the server`() {
    let text = encode(
      Response(
        status: 200,
        headers: [
          ("x", "a\r\nset-cookie: b"), ("y\r\n", "c"), ("content-length", "9"), ("transfer-encoding", "chunked"),
          ("Upper", "d"),
          ("", "e"),
        ]))
    #expect(text == "HTTP/1.1 200 OK\r\ndate: D\r\nx: a  set-cookie: b\r\ncontent-length: 0\r\n\r\n")
  }
}
