import Synchronization

extension Server {
  /// What a server has done so far.
  public struct Statistics: Sendable {
    /// Connections that are open now.
    public var openConnections = 0
    /// Requests answered by the handler over HTTP/1.1, refused ones included.
    public var http1Requests = 0
    /// Requests answered by the handler over HTTP/2, refused ones included.
    public var http2Requests = 0
    /// TLS handshakes that succeeded.
    public var handshakes = 0
    /// TLS handshakes that failed or ran out of time.
    public var failedHandshakes = 0
    /// How often a changed certificate was taken into use.
    public var certificateReloads = 0
    /// When the certificate in use ends, in seconds since 1970; 0 without TLS.
    public var certificateNotAfter: Int64 = 0

    /// Nothing done yet.
    public init() {}
  }
}

/// What one loop counts. Each loop has its own, so that loops do not share a cache line on the hot path.
final class LoopCounters: Sendable {
  /// Connections that this loop has or was given.
  let openConnections = Atomic<Int>(0)
  let http1Requests = Atomic<Int>(0)
  let http2Requests = Atomic<Int>(0)
  let handshakes = Atomic<Int>(0)
  let failedHandshakes = Atomic<Int>(0)
}

extension Atomic<Int> {
  func increment() { add(1, ordering: .relaxed) }
  func decrement() { subtract(1, ordering: .relaxed) }
  var current: Int { load(ordering: .relaxed) }
}
