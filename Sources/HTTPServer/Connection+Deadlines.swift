/// What a connection must have done by when.
extension Connection {
  func rearm() {
    if case .closed = stage { return }
    loop.wake(self, at: nextDeadline(quick: true))
  }

  /// When something will have taken too long. `quick` allows a moment before the real one.
  private func nextDeadline(quick: Bool) -> UInt64 {
    let timeouts = loop.core.timeouts
    var deadline: UInt64
    switch stage {
    case .handshake: return startedAt &+ timeouts.handshake
    case .finishing(let until): return until
    case .closed: return .max
    case .detecting(let matched):
      deadline = startedAt &+ (matched > 0 ? timeouts.request : timeouts.idle)
      if matched == 0, loop.isDraining {
        deadline = min(deadline, max(startedAt, loop.drainStartedAt) &+ timeouts.grace)
      }
    case .http1(let http1): deadline = http1.nextDeadline
    case .http2(let http2): deadline = quick ? http2.earliestDeadline : http2.nextDeadline
    }
    if outputCount > 0 { deadline = min(deadline, outputStalledSince &+ timeouts.write) }
    return deadline
  }

  /// Called when a deadline may have come.
  func checkDeadline() {
    let now = loop.now
    guard nextDeadline(quick: false) <= now else {
      rearmExactly()
      return
    }
    if case .handshake = stage {
      failHandshake("it took longer than \(loop.core.limits.handshakeTimeout)")
      return
    }
    if outputCount > 0, outputStalledSince &+ loop.core.timeouts.write <= now {
      close()
      return
    }
    switch stage {
    case .http1(let http1): http1.expire()
    case .http2(let http2): http2.expire()
    case .handshake, .detecting, .finishing, .closed: close()
    }
    loop.flushLater(self)
  }

  private func rearmExactly() { loop.wake(self, at: nextDeadline(quick: false)) }
}
