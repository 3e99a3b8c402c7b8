import Synchronization

/// One HTTP/1.1 connection's conversation: one request after the other, each answered before the next is read.
final class HTTP1Connection {
  private enum Phase {
    case reading
    /// A task makes the answer.
    case answering(Task<Void, Never>)
    /// The last answer is given.
    case ended
  }

  /// How much of a refused request's body is read for the sake of the connection.
  private static let drainedBytes = 64 << 10
  /// How much of what follows an unanswered request is kept.
  private static let leftoverBound = 64 << 10

  private let connection: Connection
  private var claim: BufferClaim
  private var loop: EventLoop { connection.loop }
  private var parser: HTTP1Parser
  private var phase = Phase.reading
  /// The number of the present request; answers to others come too late.
  private var serial: Int64 = 0
  private var head: RequestHead?
  private var keepsAlive = true
  /// The answer to a request whose body is read only to get past it.
  private var refusal: Response?
  /// Bytes behind the present request.
  private var leftover: [UInt8] = []
  private var readingSince: UInt64?
  private var idleSince: UInt64

  init(_ connection: Connection) {
    self.connection = connection
    claim = BufferClaim(connection.loop.core)
    let limits = connection.loop.core.limits
    parser = HTTP1Parser(
      limits: .init(bodyBytes: limits.bodyBytes, headerBytes: limits.headerBytes, headerCount: limits.headerCount))
    idleSince = connection.loop.now
  }

  // MARK: Input

  func receive(_ bytes: UnsafeRawBufferPointer) {
    if case .ended = phase { return }
    guard leftover.isEmpty, isReady else {
      leftover.append(contentsOf: bytes)
      resume()
      return
    }
    bytes.withMemoryRebound(to: UInt8.self) { buffer in
      let used = process(buffer.span)
      if used < buffer.count, !hasEnded { leftover.append(contentsOf: buffer[used...]) }
    }
    limitLeftover()
  }

  /// Goes on with what lies there, after an answer or once output has gone out.
  func resume() {
    if !leftover.isEmpty, isReady {
      let bytes = leftover
      leftover = []
      let used = process(bytes.span)
      if used < bytes.count, !hasEnded { leftover = used == 0 ? bytes : Array(bytes[used...]) }
    }
    limitLeftover()
  }

  private func limitLeftover() { connection.pauseReading(leftover.count > Self.leftoverBound) }

  private var isReady: Bool {
    if case .reading = phase { connection.outputCount < Connection.outputBound } else { false }
  }

  private var hasEnded: Bool {
    if case .ended = phase { true } else { false }
  }

  /// Whether no request is being read or answered.
  var isAtRest: Bool {
    switch phase {
    case .reading: leftover.isEmpty && parser.isBetweenRequests
    case .answering: false
    case .ended: true
    }
  }

  /// How much of `bytes` was used up.
  private func process(_ bytes: Span<UInt8>) -> Int {
    var position = 0
    while isReady {
      if readingSince == nil, position < bytes.count { readingSince = loop.now }
      switch parser.next(bytes, &position) {
      case .needsMore:
        if !claim.resize(to: parser.bufferedBytes) {
          parser.abandon()
          keepsAlive = false
          answer(noRoom())
        }
        return position
      case .head(let head): headIsThere(head)
      case .complete(let body): requestIsThere(body)
      case .refused(let refused):
        keepsAlive = false
        answer(.text(refused.status, refused.reason))
      }
    }
    return position
  }

  private func headIsThere(_ parsed: HTTP1Head) {
    loop.counters.http1Requests.increment()
    keepsAlive = parsed.keepsAlive
    let head = RequestHead(
      version: .http11, method: parsed.method, path: parsed.path, query: parsed.query, headers: parsed.headers,
      hasVerifiedClientCertificate: connection.hasVerifiedClientCertificate)
    self.head = head
    let hasBody = parsed.framing != .none && parsed.framing != .length(0)
    if let response = loop.core.handler.check(head) {
      refuse(response, parsed)
    } else if parser.announcesTooMuch {
      refuse(.text(413, "the body is larger than \(loop.core.limits.bodyBytes) bytes"), parsed)
    } else if parsed.expectsContinue, hasBody {
      connection.write { $0.append(HTTP1Encoder.continueAnswer) }
    }
  }

  /// Refuses a request by its head: a small body is read past, any other ends the connection.
  private func refuse(_ response: Response, _ head: HTTP1Head) {
    let drained = min(Self.drainedBytes, loop.core.limits.bodyBytes)
    let isShort =
      switch head.framing {
      case .none: true
      case .length(let count): count == 0 || (count <= drained && !head.expectsContinue)
      case .chunked: false
      }
    if isShort {
      parser.discardBody()
      refusal = response
    } else {
      keepsAlive = false
      answer(response)
    }
  }

  private func requestIsThere(_ body: [UInt8]) {
    if let refusal {
      self.refusal = nil
      answer(refusal)
      return
    }
    guard let head else { return }
    guard claim.resize(to: body.count) else {
      answer(noRoom())
      return
    }
    switch loop.core.handler.handle(Request(head: head, body: body)) {
    case .now(let response): answer(response)
    case .later(let work):
      serial &+= 1
      readingSince = nil
      phase = .answering(AnswerTask.start(work, loop.mailbox, connection.key, serial))
    }
  }

  private func noRoom() -> Response {
    loop.reportNoRoom()
    return .noRoom
  }

  // MARK: Answers

  func deliver(_ response: Response, to request: Int64) {
    guard case .answering = phase, request == serial else { return }
    phase = .reading
    answer(response)
    resume()
  }

  private func answer(_ response: Response) {
    if loop.isDraining { keepsAlive = false }
    let isHead = head?.method == "HEAD"
    let date = loop.dates.bytes()
    connection.write {
      HTTP1Encoder.append(response, forHead: isHead, keepsAlive: keepsAlive, date: date, to: &$0)
    }
    head = nil
    _ = claim.resize(to: 0)
    readingSince = nil
    idleSince = loop.now
    if keepsAlive {
      phase = .reading
    } else {
      end()
    }
  }

  private func end() {
    phase = .ended
    leftover = []
    connection.finishAfterFlush()
  }

  /// Stops the present request's work, whose answer nobody waits for.
  func cancel() {
    if case .answering(let task) = phase { task.cancel() }
    phase = .ended
    leftover = []
  }

  // MARK: Deadlines

  var nextDeadline: UInt64 {
    let timeouts = loop.core.timeouts
    switch phase {
    case .reading:
      if let readingSince { return readingSince &+ timeouts.request }
      let idle = idleSince &+ timeouts.idle
      // Not at once when a drain begins: a request may be on its way already, which the client would not dare to repeat.
      return loop.isDraining ? min(idle, max(idleSince, loop.drainStartedAt) &+ timeouts.grace) : idle
    case .answering, .ended: return .max
    }
  }

  /// Called when `nextDeadline` has passed.
  func expire() {
    if readingSince != nil {
      keepsAlive = false
      answer(.text(408, "the request did not arrive within \(loop.core.limits.requestTimeout)"))
    } else {
      connection.close()
    }
  }
}

/// The tasks that make answers.
enum AnswerTask {
  /// Starts `work`, whose answer goes to the loop behind `mailbox` under these two names.
  static func start(
    _ work: @escaping @Sendable () async -> Response, _ mailbox: Mailbox, _ connection: UInt64, _ request: Int64
  ) -> Task<Void, Never> {
    Task {
      let response = await work()
      mailbox.post(.answer(connection: connection, request: request, response))
    }
  }
}
