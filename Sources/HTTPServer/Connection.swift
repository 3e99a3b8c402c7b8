import CLinux
import Logging
import Synchronization

/// One client's connection: its socket, its TLS, what waits to be written, its deadlines. It belongs to one loop and is
/// touched by that loop's thread only. What the bytes mean is `HTTP1Connection`'s and `HTTP2Connection`'s business.
final class Connection {
  enum Stage {
    case handshake
    /// Plain, and so far equal to the first bytes of HTTP/2's preface.
    case detecting(matched: Int)
    case http1(HTTP1Connection)
    case http2(HTTP2Connection)
    /// All is said; what the client still sends is thrown away until it ends.
    case finishing(until: UInt64)
    case closed
  }

  /// Above this much unwritten output no further requests are read.
  static let outputBound = 256 << 10

  let loop: EventLoop
  let key: UInt64
  private let transport: Transport
  private(set) var stage: Stage
  private(set) var hasVerifiedClientCertificate = false

  /// Bytes for the client, in clear; those before `outputStart` are written.
  private var output: [UInt8] = []
  private var outputStart = 0
  /// Since when the client takes none of the output.
  private(set) var outputStalledSince: UInt64 = 0
  private var finishesAfterFlush = false
  private var readingIsPaused = false
  private var inputHasEnded = false
  private var readWantsWrite = false
  private var isWriteBlocked = false
  private(set) var startedAt: UInt64

  /// What epoll watches the socket for.
  private(set) var interest = EPOLLIN.rawValue | EPOLLRDHUP.rawValue
  // Bookkeeping of the loop.
  var wakesAt = UInt64.max
  var isDirty = false
  var isUnfinished = false

  init(loop: EventLoop, key: UInt64, transport: Transport) {
    self.loop = loop
    self.key = key
    self.transport = transport
    stage = transport.isTLS ? .handshake : .detecting(matched: 0)
    startedAt = loop.now
  }

  /// Called once the loop watches the socket.
  func begin() { rearm() }

  // MARK: Events

  func handleEvents(_ events: UInt32) {
    if events & EPOLLOUT.rawValue != 0 {
      isWriteBlocked = false
      if outputStart < output.count || finishesAfterFlush { flush() } else { loop.flushLater(self) }
    }
    let broken = EPOLLERR.rawValue | EPOLLHUP.rawValue
    let ended = broken | EPOLLRDHUP.rawValue
    // Where nothing is read that could tell, the end is learnt here; epoll would not stop reporting it.
    if events & broken != 0, !isReading {
      close()
      return
    }
    if events & ended != 0, readingIsPaused, !finishesAfterFlush {
      close()
      return
    }
    if events & (EPOLLIN.rawValue | ended) != 0 || readWantsWrite { readAvailable() }
  }

  /// Reads what there is, within a bound so that other connections have their turn.
  func readAvailable() {
    for _ in 0..<16 {
      switch stage {
      case .handshake:
        guard advanceHandshake() else { return }
        continue
      case .finishing:
        discardInput()
        return
      case .closed: return
      case .detecting, .http1, .http2: break
      }
      if !isReading { return }
      let result = transport.read(into: loop.scratch)
      readWantsWrite = false
      switch result {
      case .moved(let count):
        receive(UnsafeRawBufferPointer(rebasing: loop.scratch[..<count]))
        // What the socket holds beyond this, epoll will tell; what OpenSSL holds, only OpenSSL knows.
        if !transport.hasBufferedInput { return }
      case .wantsRead, .done:
        updateInterest()
        return
      case .wantsWrite:
        readWantsWrite = true
        updateInterest()
        return
      case .ended:
        inputEnded()
        return
      case .failed(let reason):
        broken(reason)
        return
      }
    }
    loop.resume(self)
  }

  private func receive(_ bytes: UnsafeRawBufferPointer) {
    switch stage {
    case .detecting(let matched): detect(bytes, matched)
    case .http1(let http1): http1.receive(bytes)
    case .http2(let http2): http2.receive(bytes)
    case .handshake, .finishing, .closed: break
    }
    loop.flushLater(self)
  }

  /// HTTP/2 without TLS begins with a preface that is no HTTP/1.1 request (RFC 9113 §3.4).
  private func detect(_ bytes: UnsafeRawBufferPointer, _ matched: Int) {
    let preface = HTTP2Connection.preface
    var count = matched
    while count < preface.count, count - matched < bytes.count, bytes[count - matched] == preface[count] { count += 1 }
    if count < preface.count, count - matched == bytes.count {
      if matched == 0 { startedAt = loop.now }
      stage = .detecting(matched: count)
      return
    }
    let begun = preface[..<matched]
    if count == preface.count { startHTTP2() } else { startHTTP1() }
    if !begun.isEmpty { begun.withUnsafeBytes { receive($0) } }
    receive(bytes)
  }

  private func inputEnded() {
    // Without a whole request, or with one whose answer is still to be made, nobody is there to be answered. What is
    // answered already is still written.
    if case .http1(let http1) = stage, http1.isAtRest, outputStart < output.count {
      inputHasEnded = true
      finishAfterFlush()
      updateInterest()
    } else {
      close()
    }
  }

  // MARK: Stages

  /// Whether the connection is ready to be read.
  private func advanceHandshake() -> Bool {
    switch transport.handshake() {
    case .done, .moved:
      loop.counters.handshakes.increment()
      hasVerifiedClientCertificate = transport.hasVerifiedClientCertificate
      readWantsWrite = false
      if transport.negotiatedHTTP2 { startHTTP2() } else { startHTTP1() }
      updateInterest()
      loop.flushLater(self)
      return true
    case .wantsRead:
      readWantsWrite = false
      updateInterest()
    case .wantsWrite:
      readWantsWrite = true
      updateInterest()
    case .ended: failHandshake("the client closed the connection")
    case .failed(let reason): failHandshake(reason)
    }
    return false
  }

  func failHandshake(_ reason: String) {
    loop.counters.failedHandshakes.increment()
    loop.core.logger.debug("TLS handshake failed", metadata: ["reason": "\(reason)"])
    close()
  }

  private func startHTTP1() { stage = .http1(HTTP1Connection(self)) }

  private func startHTTP2() {
    guard let http2 = HTTP2Connection(self) else {
      close()
      return
    }
    stage = .http2(http2)
    if loop.isDraining { http2.beginDraining() }
  }

  /// An answer that a task has made.
  func deliver(_ response: Response, to request: Int64) {
    switch stage {
    case .http1(let http1): http1.deliver(response, to: request)
    case .http2(let http2): http2.deliver(response, to: request)
    default: return
    }
    loop.flushLater(self)
  }

  func beginDraining() {
    // The others have new deadlines now.
    if case .http2(let http2) = stage { http2.beginDraining() }
    loop.flushLater(self)
  }

  // MARK: Output

  /// How many bytes wait to be written.
  var outputCount: Int { output.count - outputStart }

  /// Appends to the output, which goes out at the end of the loop's round.
  func write(_ body: (inout [UInt8]) -> Void) {
    append(body)
    loop.flushLater(self)
  }

  /// As `write`, during a flush.
  func append(_ body: (inout [UInt8]) -> Void) {
    if output.isEmpty {
      output = loop.takeBuffer()
      outputStalledSince = loop.now
    }
    body(&output)
  }

  /// Ends the connection once all output is written.
  func finishAfterFlush() {
    finishesAfterFlush = true
    loop.flushLater(self)
  }

  /// Writes as much as the socket takes, and decides what comes then.
  func flush() {
    while true {
      if case .http2(let http2) = stage, outputCount < Self.outputBound / 4 { http2.produce() }
      if case .closed = stage { return }
      guard outputCount > 0 else { break }
      guard !isWriteBlocked else { break }
      let result = output.withUnsafeBytes { transport.write(UnsafeRawBufferPointer(rebasing: $0[outputStart...])) }
      switch result {
      case .moved(let count):
        outputStart += count
        outputStalledSince = loop.now
        if outputStart == output.count { clearOutput() }
      case .wantsWrite, .wantsRead, .done: isWriteBlocked = true
      case .ended:
        close()
        return
      case .failed(let reason):
        broken(reason)
        return
      }
    }
    afterFlush()
  }

  private func clearOutput() {
    let buffer = output
    output = []
    outputStart = 0
    loop.giveBack(buffer)
  }

  private func afterFlush() {
    if outputCount == 0 {
      switch stage {
      case .http1(let http1): if !finishesAfterFlush { http1.resume() }
      case .http2(let http2): if http2.isFinished { finishesAfterFlush = true }
      case .handshake, .detecting, .finishing, .closed: break
      }
      if finishesAfterFlush, outputCount == 0 { finish() }
    }
    updateInterest()
    rearm()
  }

  /// Whether input is wanted.
  private var isReading: Bool { !readingIsPaused && !inputHasEnded && !finishesAfterFlush }

  /// Stops or resumes reading.
  func pauseReading(_ isPaused: Bool) {
    guard isPaused != readingIsPaused else { return }
    readingIsPaused = isPaused
    updateInterest()
    if !isPaused { loop.resume(self) }
  }

  private func updateInterest() {
    if case .closed = stage { return }
    var wanted: UInt32 = 0
    if isReading { wanted |= EPOLLIN.rawValue }
    // Not once the client's end is known or of no interest: epoll would report it without pause.
    if !inputHasEnded, !finishesAfterFlush { wanted |= EPOLLRDHUP.rawValue }
    if isWriteBlocked || readWantsWrite { wanted |= EPOLLOUT.rawValue }
    guard wanted != interest else { return }
    interest = wanted
    loop.change(transport.descriptor, wanted, key)
  }

  // MARK: Ending

  /// Says goodbye, and waits a little for the client's: closing a socket that holds unread bytes sends a reset, which
  /// may destroy the answer on its way.
  private func finish() {
    if case .finishing = stage { return }
    cancelWork()
    transport.finishWriting()
    finishesAfterFlush = false
    readingIsPaused = false
    inputHasEnded = false
    readWantsWrite = false
    isWriteBlocked = false
    stage = .finishing(until: loop.now &+ loop.core.timeouts.finish)
    discardInput()
  }

  private func discardInput() {
    for _ in 0..<16 {
      switch transport.discard(into: loop.scratch) {
      case .moved: continue
      case .wantsRead: return
      default:
        close()
        return
      }
    }
  }

  private func cancelWork() {
    switch stage {
    case .http1(let http1): http1.cancel()
    case .http2(let http2): http2.cancel()
    case .handshake, .detecting, .finishing, .closed: break
    }
  }

  private func broken(_ reason: String) {
    loop.core.logger.debug("connection broken", metadata: ["reason": "\(reason)"])
    close()
  }

  /// Closes at once; work for this client is cancelled.
  func close() {
    if case .closed = stage { return }
    cancelWork()
    stage = .closed
    transport.close()
    output = []
    outputStart = 0
    loop.remove(self)
  }
}
