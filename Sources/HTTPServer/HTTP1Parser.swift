/// Turns the bytes of an HTTP/1.1 connection into requests: a state machine without I/O.
///
/// One call of `next` gives one event and says how far it read, so that a pipelined second request stays unread until
/// the first one is answered. After a refusal the parser reads nothing more.
struct HTTP1Parser {
  /// The bounds that matter to the parser.
  struct Limits {
    var bodyBytes: Int
    var headerBytes: Int
    var headerCount: Int
  }

  enum Event {
    case needsMore
    /// The head is there. The body's bytes, if any, follow as later events.
    case head(HTTP1Head)
    /// The request is there to its last byte; its body.
    case complete([UInt8])
    /// What came is refused; the connection ends with this answer.
    case refused(HTTP1Refusal)
  }

  private enum State {
    case head
    case body(left: Int)
    case chunked(HTTP1ChunkedDecoder)
    case failed
  }

  private let limits: Limits
  private var state = State.head
  private var scanner = HeadScanner()
  /// A head's bytes while it is incomplete.
  private var partialHead: [UInt8] = []
  private var body: [UInt8] = []
  /// Whether the present request's body is read but not kept.
  private(set) var discardsBody = false
  /// What the present request was said to hold, if it was said.
  private(set) var framing = HTTP1Framing.none

  init(limits: Limits) { self.limits = limits }

  /// Whether no byte of a request has come since the last one was complete.
  var isBetweenRequests: Bool {
    if case .head = state { scanner.isAtStart } else { false }
  }

  /// How much of the present request's body is kept.
  var bufferedBytes: Int { body.count }

  /// Forgets the present request, and reads nothing more.
  mutating func abandon() {
    state = .failed
    partialHead = []
    body = []
  }

  /// Reads the rest of the present request's body without keeping it. Call it after `head`.
  mutating func discardBody() { discardsBody = true }

  /// Whether the body that was announced by the last head is larger than is taken.
  var announcesTooMuch: Bool {
    if case .length(let count) = framing { count > limits.bodyBytes } else { false }
  }

  /// The next event in `input` from `position` on, which moves past what was read.
  mutating func next(_ input: Span<UInt8>, _ position: inout Int) -> Event {
    switch state {
    case .failed: return .needsMore
    case .head: return readHead(input, &position)
    case .body(let left): return readBody(input, &position, left)
    case .chunked(var decoder):
      // The state is moved out and back so that the decoder is not copied with a second reference.
      state = .failed
      let bounds = HTTP1ChunkedDecoder.Limits(body: limits.bodyBytes, trailers: limits.headerBytes)
      let outcome = decoder.decode(input, &position, limits: bounds, into: &body, storing: !discardsBody)
      switch outcome {
      case .needsMore:
        state = .chunked(decoder)
        return .needsMore
      case .complete: return completed()
      case .refused(let refusal): return .refused(refusal)
      }
    }
  }

  private mutating func readHead(_ input: Span<UInt8>, _ position: inout Int) -> Event {
    let start = position
    var requestStart = start
    do throws(HTTP1Refusal) {
      let isWhole = try scanner.scan(input, &position, requestStart: &requestStart, limit: limits.headerBytes)
      // The empty line that was skipped may have begun in an earlier piece.
      if requestStart != start { partialHead = [] }
      guard isWhole else {
        partialHead.append(input, requestStart..<position)
        return .needsMore
      }
      let head: HTTP1Head
      if partialHead.isEmpty {
        head = try HTTP1Head(parsing: input.extracting(requestStart..<position), maximumHeaders: limits.headerCount)
      } else {
        partialHead.append(input, requestStart..<position)
        head = try HTTP1Head(parsing: partialHead.span, maximumHeaders: limits.headerCount)
        partialHead = []
      }
      begin(head)
      return .head(head)
    } catch {
      state = .failed
      return .refused(error)
    }
  }

  private mutating func begin(_ head: HTTP1Head) {
    scanner = HeadScanner()
    discardsBody = false
    framing = head.framing
    switch head.framing {
    case .none: state = .body(left: 0)
    case .length(let count):
      // Not more than a client has shown that it sends: a thousand connections may each announce megabytes.
      body.reserveCapacity(min(count, limits.bodyBytes, 64 << 10))
      state = .body(left: count)
    case .chunked: state = .chunked(HTTP1ChunkedDecoder())
    }
  }

  private mutating func readBody(_ input: Span<UInt8>, _ position: inout Int, _ left: Int) -> Event {
    let count = min(left, input.count - position)
    if !discardsBody {
      guard left <= limits.bodyBytes - body.count else {
        state = .failed
        return .refused(HTTP1Refusal(status: 413, reason: "the body is larger than \(limits.bodyBytes) bytes"))
      }
      body.append(input, position..<position + count)
    }
    position += count
    if count == left { return completed() }
    state = .body(left: left - count)
    return .needsMore
  }

  private mutating func completed() -> Event {
    state = .head
    let whole = body
    body = []
    return .complete(whole)
  }
}

/// Finds the end of a head without reading it twice, and refuses what must not stand anywhere in one: a NUL, a CR or
/// LF alone, and in the request line anything that is not visible ASCII (a TLS record, for one).
private struct HeadScanner {
  private var previous: UInt8 = 0
  private var lineBytes = 0
  private var lines = 0
  private var total = 0
  private var skippedEmptyLine = false

  var isAtStart: Bool { total == 0 && previous == 0 }

  /// Whether the empty line that ends the head was reached. An empty line before the request is skipped, once
  /// (RFC 9112 §2.2): `requestStart` moves behind it.
  mutating func scan(
    _ input: Span<UInt8>, _ position: inout Int, requestStart: inout Int, limit: Int
  ) throws(HTTP1Refusal) -> Bool {
    while position < input.count {
      let byte = input[position]
      position += 1
      total += 1
      if byte == ASCII.lineFeed {
        guard previous == ASCII.carriageReturn else { throw .malformed("a line ends in LF without CR") }
        previous = byte
        if lineBytes > 0 {
          lines += 1
          lineBytes = 0
        } else if lines > 0 {
          return true
        } else {
          guard !skippedEmptyLine else { throw .malformed("there is no request line") }
          skippedEmptyLine = true
          requestStart = position
        }
        continue
      }
      guard previous != ASCII.carriageReturn else { throw .malformed("a CR stands alone") }
      previous = byte
      if byte != ASCII.carriageReturn {
        guard byte != 0, lines > 0 || (byte >= 0x20 && byte < 0x7F) else {
          throw .malformed(lines > 0 ? "a header holds a NUL" : "this is not HTTP")
        }
        lineBytes += 1
      }
      guard total <= limit else {
        throw lines == 0
          ? HTTP1Refusal(status: 414, reason: "the request line is longer than \(limit) bytes")
          : HTTP1Refusal(status: 431, reason: "the headers are larger than \(limit) bytes")
      }
    }
    return false
  }
}
