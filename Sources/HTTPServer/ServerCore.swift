import Logging
import Primitives
import Synchronization

/// What all loops of a server share; nothing in it is changed after the start except the counts.
final class ServerCore: Sendable {
  /// One loop, as seen from other threads.
  struct LoopHandle: Sendable {
    let mailbox: Mailbox
    let counters: LoopCounters
  }

  /// The limits' times in nanoseconds.
  struct Timeouts: Sendable {
    let handshake, idle, request, write, drain, grace: UInt64
    /// How long a connection that has said its last waits for the peer to end, so that no reset overtakes the answer.
    let finish: UInt64 = 1_000_000_000
  }

  let handler: any RequestHandler
  let limits: ServerLimits
  let timeouts: Timeouts
  let logger: Logger
  let certificates: CertificateStore?
  let loops: [LoopHandle]
  let connections = Atomic<Int>(0)
  /// What all `BufferClaim`s come to.
  let bufferedBytes = Atomic<Int>(0)
  let ending: ServerEnding

  init(
    handler: any RequestHandler, limits: ServerLimits, logger: Logger, certificates: CertificateStore?,
    loops: [LoopHandle]
  ) {
    self.handler = handler
    self.limits = limits.clamped
    self.logger = logger
    self.certificates = certificates
    self.loops = loops
    timeouts = Timeouts(
      handshake: limits.handshakeTimeout.loopNanoseconds, idle: limits.idleTimeout.loopNanoseconds,
      request: limits.requestTimeout.loopNanoseconds, write: limits.writeTimeout.loopNanoseconds,
      drain: limits.drainTimeout.loopNanoseconds, grace: limits.graceTimeout.loopNanoseconds)
    ending = ServerEnding(loops: loops.count)
  }

  /// Whether one more connection may be open; if so it is counted.
  func admitConnection() -> Bool {
    if connections.add(1, ordering: .relaxed).newValue <= limits.connections { return true }
    connections.subtract(1, ordering: .relaxed)
    return false
  }
}

/// Lets `drain` wait for the loops without holding a thread.
final class ServerEnding: Sendable {
  private struct State {
    var running: Int
    var waiters: [CheckedContinuation<Void, Never>] = []
  }

  private let state: Locked<State>

  init(loops: Int) { state = Locked(State(running: loops)) }

  /// A loop's last act.
  func loopEnded() {
    let waiters = state.withLock { state -> [CheckedContinuation<Void, Never>] in
      state.running -= 1
      guard state.running == 0 else { return [] }
      let waiters = state.waiters
      state.waiters = []
      return waiters
    }
    for waiter in waiters { waiter.resume() }
  }

  /// Returns when every loop has ended.
  func wait() async {
    await withCheckedContinuation { continuation in
      let isOver = state.withLock { state in
        if state.running == 0 { return true }
        state.waiters.append(continuation)
        return false
      }
      if isOver { continuation.resume() }
    }
  }
}
