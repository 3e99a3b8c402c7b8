/// The bounds of a server. Each is enforced for HTTP/1.1 and HTTP/2 alike.
public struct ServerLimits: Sendable {
  /// The largest body, declared or sent; a larger one is answered with 413.
  public var bodyBytes = 3 << 20
  /// Bytes of bodies (and over HTTP/2 of heads) that all connections together hold until they are answered; what goes
  /// beyond is answered with 503. At least one request of the largest size fits.
  public var bufferedBytes = 128 << 20
  /// The largest head; a larger one is answered with 431. HTTP/2 counts 32 bytes more a header (RFC 9113 §6.5.2).
  public var headerBytes = 16 << 10
  /// The most headers of a request; more are answered with 431.
  public var headerCount = 100
  /// The most connections; one more is accepted and closed at once.
  public var connections = 1024
  /// The most requests that one HTTP/2 connection may have open.
  public var streamsPerConnection = 128
  /// From accepting a connection to the end of its TLS handshake.
  public var handshakeTimeout: Duration = .seconds(5)
  /// How long a connection may be without a request. PINGs do not prolong it.
  public var idleTimeout: Duration = .seconds(120)
  /// From a request's first byte to its last; what takes longer is answered with 408.
  public var requestTimeout: Duration = .seconds(20)
  /// How long a client may take none of an answer that lies ready.
  public var writeTimeout: Duration = .seconds(20)
  /// How long a drain waits for what is in flight.
  public var drainTimeout: Duration = .seconds(25)
  /// What a drain's second GOAWAY waits for the client to have seen the first, what a connection gets for one more
  /// request while the server drains, and what a client gets to stop sending to a stream that has its answer.
  var graceTimeout: Duration = .seconds(1)

  /// The defaults.
  public init() {}

  /// These limits with every count brought into the range that the server can honour.
  var clamped: ServerLimits {
    var limits = self
    // HTTP/2 windows are 31 bits wide, and a body's window is a little larger than the body.
    limits.bodyBytes = min(max(0, bodyBytes), 1 << 30)
    limits.headerBytes = min(max(256, headerBytes), 1 << 20)
    limits.headerCount = min(max(1, headerCount), 10_000)
    limits.bufferedBytes = max(bufferedBytes, limits.bodyBytes + limits.headerBytes)
    limits.connections = max(1, connections)
    limits.streamsPerConnection = min(max(1, streamsPerConnection), 10_000)
    return limits
  }
}

extension Duration {
  /// Nanoseconds for the loop's clock: at least one, at most a year.
  var loopNanoseconds: UInt64 {
    let (seconds, attoseconds) = components
    let bounded = UInt64(min(max(0, seconds), 31_536_000))
    return max(1, bounded * 1_000_000_000 + UInt64(max(0, attoseconds) / 1_000_000_000))
  }
}
