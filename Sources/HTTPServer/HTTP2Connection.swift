import CNghttp2
import Logging
import Synchronization

/// One HTTP/2 connection's conversation, on nghttp2.
///
/// nghttp2 calls back during `receive` and `produce`. A callback may submit frames but must not end the connection, and
/// nothing here holds on to a property while it calls into nghttp2.
final class HTTP2Connection {
  /// What a client begins with (RFC 9113 §3.4).
  static let preface = Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8)
  /// The window that every stream has from the start (RFC 9113 §6.9.2).
  private static let baseWindow = 65_535
  /// What a body of unknown length may exceed its bound by, so that it can be seen to.
  private static let windowMargin = 16 << 10
  private static let noFlags = UInt8(NGHTTP2_FLAG_NONE.rawValue)

  private enum Drain {
    case no
    /// The first GOAWAY is out, which announces the second (RFC 9113 §6.8).
    case announced(finalAt: UInt64)
    case final
  }

  private let connection: Connection
  private var session: HTTP2Session?
  private var streams: [Int32: HTTP2Stream] = [:]
  private var budget: WindowBudget
  private var glitches: GlitchMeter
  private var drain = Drain.no
  /// Whether the session is broken and only its last frames are still written.
  private var isTerminated = false
  private var idleSince: UInt64

  private var loop: EventLoop { connection.loop }
  private var limits: ServerLimits { connection.loop.core.limits }

  /// nil without memory.
  init?(_ connection: Connection) {
    self.connection = connection
    let now = connection.loop.now
    let limits = connection.loop.core.limits
    idleSince = now
    budget = WindowBudget(bytes: max(8 << 20, limits.bodyBytes + Self.windowMargin))
    glitches = GlitchMeter(
      capacity: Int(HTTP2Session.resetBurst), perSecond: Int(HTTP2Session.resetRate), now: now)
    // Unretained: the session dies with this object.
    session = HTTP2Session(limits: limits, context: Unmanaged.passUnretained(self).toOpaque())
    if session == nil { return nil }
  }

  // MARK: Bytes in and out

  func receive(_ bytes: UnsafeRawBufferPointer) {
    guard let session = session?.pointer, !isTerminated else { return }
    let code = nghttp2_session_mem_recv(session, bytes.baseAddress?.assumingMemoryBound(to: UInt8.self), bytes.count)
    if code < 0 { fail(code) }
  }

  private func fail(_ code: Int) {
    switch Int32(truncatingIfNeeded: code) {
    case NGHTTP2_ERR_FLOODED.rawValue, NGHTTP2_ERR_TOO_MANY_CONTINUATIONS.rawValue,
      NGHTTP2_ERR_TOO_MANY_SETTINGS.rawValue:
      terminate(NGHTTP2_ENHANCE_YOUR_CALM)
    case NGHTTP2_ERR_NOMEM.rawValue: terminate(NGHTTP2_INTERNAL_ERROR)
    default: terminate(NGHTTP2_PROTOCOL_ERROR)
    }
    isTerminated = true
  }

  private func terminate(_ code: nghttp2_error_code) {
    guard let session = session?.pointer else { return }
    if code != NGHTTP2_NO_ERROR {
      loop.core.logger.debug("HTTP/2 connection ended for the client's fault", metadata: ["code": "\(code.rawValue)"])
    }
    nghttp2_session_terminate_session(session, UInt32(code.rawValue))
  }

  /// Appends frames to the connection's output until there is a fair amount of it.
  func produce() {
    guard let session = session?.pointer else { return }
    while connection.outputCount < Connection.outputBound / 4 {
      var bytes: UnsafePointer<UInt8>?
      let count = nghttp2_session_mem_send(session, &bytes)
      guard count > 0, let bytes else {
        if count < 0 { isTerminated = true }
        return
      }
      connection.append { $0.append(contentsOf: UnsafeBufferPointer(start: bytes, count: count)) }
    }
  }

  /// Whether nothing more will be said in either direction.
  var isFinished: Bool {
    guard let session = session?.pointer else { return true }
    if nghttp2_session_want_write(session) != 0 { return false }
    return isTerminated || nghttp2_session_want_read(session) == 0
  }

  // MARK: Requests, called by nghttp2

  func headersBegin(_ frame: nghttp2_frame) {
    guard frame.hd.type == UInt8(NGHTTP2_HEADERS.rawValue), frame.headers.cat == NGHTTP2_HCAT_REQUEST else { return }
    let id = frame.hd.stream_id
    streams[id] = HTTP2Stream(id: id, core: loop.core, now: loop.now)
  }

  func header(_ frame: nghttp2_frame, _ name: UnsafeBufferPointer<UInt8>, _ value: UnsafeBufferPointer<UInt8>) {
    // Trailers are dropped, as in HTTP/1.1.
    guard frame.hd.type == UInt8(NGHTTP2_HEADERS.rawValue), frame.headers.cat == NGHTTP2_HCAT_REQUEST,
      let stream = streams[frame.hd.stream_id]
    else { return }
    stream.add(name, value, limits)
  }

  func frameReceived(_ frame: nghttp2_frame) {
    let endsStream = frame.hd.flags & UInt8(NGHTTP2_FLAG_END_STREAM.rawValue) != 0
    switch UInt32(frame.hd.type) {
    case NGHTTP2_HEADERS.rawValue:
      guard let stream = streams[frame.hd.stream_id] else { return }
      if frame.headers.cat == NGHTTP2_HCAT_REQUEST { headIsThere(stream, hasBody: !endsStream) }
      if endsStream { requestIsThere(stream) }
    case NGHTTP2_DATA.rawValue:
      if endsStream {
        if let stream = streams[frame.hd.stream_id] { requestIsThere(stream) }
      } else if frame.hd.length == 0 {
        noteGlitch()
      }
    case NGHTTP2_PING.rawValue:
      // The answer to our own: what the client sent before it knew of the first GOAWAY has arrived.
      if frame.hd.flags & UInt8(NGHTTP2_FLAG_ACK.rawValue) != 0, case .announced = drain { finalGoaway() }
    default: break
    }
  }

  /// A frame that nghttp2 has answered with a reset, or will end the connection for. Those of a stream that is known count
  /// when it closes; the others, streams beyond the bound above all, leave a frame to be written and no other trace.
  func invalidFrameReceived(_ frame: nghttp2_frame) {
    if streams[frame.hd.stream_id] == nil { noteGlitch() }
  }

  private func headIsThere(_ stream: HTTP2Stream, hasBody: Bool) {
    loop.counters.http2Requests.increment()
    stream.finishHead(hasVerifiedClientCertificate: connection.hasVerifiedClientCertificate)
    guard let head = stream.head else { return }
    guard stream.claim.resize(to: stream.keptBytes) else {
      refuseForRoom(stream)
      return
    }
    if let refusal = stream.headRefusal ?? loop.core.handler.check(head) {
      answer(stream, refusal)
      return
    }
    let declared = stream.declaredBytes ?? 0
    if declared > limits.bodyBytes {
      answer(stream, .text(413, "the body is larger than \(limits.bodyBytes) bytes"))
      return
    }
    guard hasBody else { return }
    stream.body.reserveCapacity(min(declared, Self.baseWindow))
    if declared > Self.baseWindow { askForWindow(stream, declared) }
    if head.header("expect")?.equalsIgnoringCase("100-continue") == true { submitContinue(stream) }
  }

  func dataReceived(_ id: Int32, _ bytes: UnsafeBufferPointer<UInt8>) {
    // The connection's window is opened again at once; the stream's is not.
    if let session = session?.pointer { nghttp2_session_consume_connection(session, bytes.count) }
    guard let stream = streams[id], !stream.isAnswered else { return }
    guard bytes.count <= limits.bodyBytes - stream.body.count else {
      answer(stream, .text(413, "the body is larger than \(limits.bodyBytes) bytes"))
      return
    }
    guard stream.claim.resize(to: stream.keptBytes + bytes.count) else {
      refuseForRoom(stream)
      return
    }
    stream.body.append(contentsOf: bytes)
    // A body of unknown length that outgrows what everybody has may become as large as any.
    if !stream.askedForWindow, stream.declaredBytes == nil, stream.body.count > Self.baseWindow / 2 {
      askForWindow(stream, limits.bodyBytes + Self.windowMargin)
    }
  }

  private func refuseForRoom(_ stream: HTTP2Stream) {
    loop.reportNoRoom()
    answer(stream, .noRoom)
  }

  private func requestIsThere(_ stream: HTTP2Stream) {
    guard !stream.requestIsComplete else { return }
    stream.requestIsComplete = true
    guard !stream.isAnswered, let head = stream.head else { return }
    let body = stream.body
    stream.body = []
    switch loop.core.handler.handle(Request(head: head, body: body)) {
    case .now(let response): answer(stream, response)
    case .later(let work): stream.task = AnswerTask.start(work, loop.mailbox, connection.key, Int64(stream.id))
    }
  }

  func streamClosed(_ id: Int32, _ code: UInt32) {
    guard let stream = streams.removeValue(forKey: id) else { return }
    stream.task?.cancel()
    if stream.askedForWindow {
      for grant in budget.release(id) { openWindow(grant.stream, grant.bytes) }
    }
    if streams.isEmpty { idleSince = loop.now }
    if code != UInt32(NGHTTP2_NO_ERROR.rawValue) { noteGlitch() }
  }

  /// Streams that end in an error, whichever side resets them, and frames without purpose cost more to serve than to
  /// send.
  private func noteGlitch() {
    if !glitches.take(now: loop.now) { terminate(NGHTTP2_ENHANCE_YOUR_CALM) }
  }

  // MARK: Windows

  private func askForWindow(_ stream: HTTP2Stream, _ bytes: Int) {
    stream.askedForWindow = true
    if budget.reserve(bytes, for: stream.id) { openWindow(stream.id, bytes) }
  }

  private func openWindow(_ id: Int32, _ bytes: Int) {
    guard let session = session?.pointer else { return }
    nghttp2_session_set_local_window_size(session, Self.noFlags, id, Int32(clamping: bytes))
  }

  // MARK: Answers

  func deliver(_ response: Response, to request: Int64) {
    guard let id = Int32(exactly: request), let stream = streams[id] else { return }
    stream.task = nil
    answer(stream, response)
  }

  private func answer(_ stream: HTTP2Stream, _ response: Response) {
    guard let session = session?.pointer, !stream.isAnswered else { return }
    stream.isAnswered = true
    stream.forgetRequest()
    stream.progressAt = loop.now
    let status = ResponseRules.status(response.status)
    var block = HTTP2HeaderBlock(status: status)
    block.add("date", loop.dates.bytes())
    for (name, value) in response.headers where ResponseRules.mayBeSent(name) { block.add(name, value) }
    let hasBody = ResponseRules.mayHaveBody(status)
    if hasBody {
      var length: [UInt8] = []
      HTTP1Encoder.append(response.body.count, to: &length)
      block.add("content-length", length)
    }
    if hasBody, stream.head?.method != "HEAD", !response.body.isEmpty { stream.answer = response.body }
    let hasData = !stream.answer.isEmpty
    let code = block.withFields { fields -> Int32 in
      guard hasData else { return nghttp2_submit_response(session, stream.id, fields.baseAddress, fields.count, nil) }
      var provider = nghttp2_data_provider(
        source: nghttp2_data_source(ptr: nil), read_callback: HTTP2Callbacks.readBody)
      return nghttp2_submit_response(session, stream.id, fields.baseAddress, fields.count, &provider)
    }
    if code != 0 { reset(stream.id, NGHTTP2_INTERNAL_ERROR) }
  }

  private func submitContinue(_ stream: HTTP2Stream) {
    guard let session = session?.pointer else { return }
    HTTP2HeaderBlock(status: 100).withFields {
      _ = nghttp2_submit_headers(session, Self.noFlags, stream.id, nil, $0.baseAddress, $0.count, nil)
    }
  }

  /// The next piece of an answer's body, and whether it is the last.
  func copyBody(of id: Int32, to buffer: UnsafeMutableRawBufferPointer) -> (count: Int, isLast: Bool) {
    guard let stream = streams[id] else { return (0, true) }
    let count = min(buffer.count, stream.answer.count - stream.answerOffset)
    stream.answer.withUnsafeBytes {
      buffer.copyMemory(from: UnsafeRawBufferPointer(rebasing: $0[stream.answerOffset..<stream.answerOffset + count]))
    }
    stream.answerOffset += count
    stream.progressAt = loop.now
    return (count, stream.answerOffset == stream.answer.count)
  }

  func frameSent(_ frame: nghttp2_frame) {
    let kind = UInt32(frame.hd.type)
    // nghttp2 sends a PING before all else, so the one that shall follow the first GOAWAY must wait for it.
    if kind == NGHTTP2_GOAWAY.rawValue, case .announced = drain, let session = session?.pointer {
      nghttp2_submit_ping(session, Self.noFlags, nil)
    }
    guard kind == NGHTTP2_HEADERS.rawValue || kind == NGHTTP2_DATA.rawValue,
      frame.hd.flags & UInt8(NGHTTP2_FLAG_END_STREAM.rawValue) != 0, let stream = streams[frame.hd.stream_id]
    else { return }
    stream.answerIsSent = true
    // Answered before the request was whole: its rest is given a moment (see `deadline(of:)`).
    stream.progressAt = loop.now
    if !stream.requestIsComplete { loop.wake(connection, at: loop.now &+ loop.core.timeouts.grace) }
  }

  private func reset(_ id: Int32, _ code: nghttp2_error_code) {
    guard let session = session?.pointer else { return }
    nghttp2_submit_rst_stream(session, Self.noFlags, id, UInt32(code.rawValue))
  }

  /// Stops all work: nobody waits for the answers.
  func cancel() {
    for stream in streams.values { stream.task?.cancel() }
    streams = [:]
    isTerminated = true
  }

  // MARK: Draining and deadlines

  /// Announces the end: a GOAWAY that still allows every stream, and a PING to know when the client has seen it.
  func beginDraining() {
    guard case .no = drain, let session = session?.pointer else { return }
    drain = .announced(finalAt: loop.now &+ loop.core.timeouts.grace)
    nghttp2_submit_shutdown_notice(session)
  }

  private func finalGoaway() {
    guard let session = session?.pointer else { return }
    drain = .final
    let last = nghttp2_session_get_last_proc_stream_id(session)
    nghttp2_submit_goaway(session, Self.noFlags, last, UInt32(NGHTTP2_NO_ERROR.rawValue), nil, 0)
  }

  /// A moment at or before `nextDeadline`, found without looking at every stream.
  var earliestDeadline: UInt64 {
    let timeouts = loop.core.timeouts
    var deadline = streams.isEmpty ? idleSince &+ timeouts.idle : loop.now &+ min(timeouts.request, timeouts.write)
    if case .announced(let finalAt) = drain { deadline = min(deadline, finalAt) }
    return deadline
  }

  var nextDeadline: UInt64 {
    var deadline = UInt64.max
    if streams.isEmpty { deadline = idleSince &+ loop.core.timeouts.idle }
    for stream in streams.values { deadline = min(deadline, self.deadline(of: stream)) }
    if case .announced(let finalAt) = drain { deadline = min(deadline, finalAt) }
    return deadline
  }

  private func deadline(of stream: HTTP2Stream) -> UInt64 {
    let timeouts = loop.core.timeouts
    if stream.isAnswered {
      if !stream.answerIsSent { return stream.progressAt &+ timeouts.write }
      // A client that has its answer and still sends is called off (RFC 9113 §8.1), but not at once: some, curl before
      // version 8 among them, take the reset for a failure even when they have read the answer.
      return stream.requestIsComplete ? .max : stream.progressAt &+ timeouts.grace
    }
    return stream.requestIsComplete ? .max : stream.openedAt &+ timeouts.request
  }

  /// Called when `nextDeadline` has passed.
  func expire() {
    let now = loop.now
    if case .announced(let finalAt) = drain, finalAt <= now { finalGoaway() }
    if streams.isEmpty, idleSince &+ loop.core.timeouts.idle <= now {
      terminate(NGHTTP2_NO_ERROR)
      idleSince = now
    }
    // A copy, for answering may close streams.
    for stream in Array(streams.values) where deadline(of: stream) <= now { expire(stream) }
  }

  private func expire(_ stream: HTTP2Stream) {
    if stream.head == nil {
      // Its header block is not whole, so nothing else can be said on this connection either.
      terminate(NGHTTP2_ENHANCE_YOUR_CALM)
      isTerminated = true
      streams.removeValue(forKey: stream.id)
    } else if stream.isAnswered {
      reset(stream.id, stream.answerIsSent ? NGHTTP2_NO_ERROR : NGHTTP2_CANCEL)
      // Once is enough: the stream is gone as soon as the reset is written.
      stream.requestIsComplete = true
      stream.answerIsSent = true
    } else {
      answer(stream, .text(408, "the request did not arrive within \(limits.requestTimeout)"))
    }
  }
}
