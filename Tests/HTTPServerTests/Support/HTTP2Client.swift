/// HTTP/2 frames by hand, over a plain connection: for what no well-behaved client would send.
struct HTTP2Client: Sendable {
  enum Kind: UInt8, Sendable {
    case data, headers, priority, reset, settings, push, ping, goaway, windowUpdate, continuation
  }

  struct Frame: Sendable, Equatable {
    var kind: UInt8
    var flags: UInt8
    var stream: Int
    var payload: [UInt8]

    /// Of a GOAWAY.
    var lastStream: Int { HTTP2Client.number(payload.prefix(4)) }
    /// Of a GOAWAY or RST_STREAM.
    var errorCode: Int { HTTP2Client.number(payload.suffix(from: kind == Kind.goaway.rawValue ? 4 : 0).prefix(4)) }
    func isA(_ kind: Kind) -> Bool { self.kind == kind.rawValue }
  }

  static let endStream: UInt8 = 1
  static let acknowledge: UInt8 = 1
  static let endHeaders: UInt8 = 4

  let connection: PlainClient

  init(port: Int) throws {
    connection = try PlainClient(port: port)
    try connection.send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
    try send(.settings)
  }

  func send(_ kind: Kind, flags: UInt8 = 0, stream: Int = 0, _ payload: [UInt8] = []) throws {
    try connection.send(Self.frame(kind, flags: flags, stream: stream, payload))
  }

  static func frame(_ kind: Kind, flags: UInt8 = 0, stream: Int = 0, _ payload: [UInt8] = []) -> [UInt8] {
    bytes(payload.count, 3) + [kind.rawValue, flags] + bytes(stream, 4) + payload
  }

  /// A header block without compression (RFC 7541 §6.2.2).
  static func block(_ fields: [(String, String)]) -> [UInt8] {
    var bytes: [UInt8] = []
    for (name, value) in fields {
      bytes += [0, UInt8(name.utf8.count)]
      bytes += name.utf8
      bytes.append(UInt8(value.utf8.count))
      bytes += value.utf8
    }
    return bytes
  }

  static func request(_ method: String, _ path: String, _ fields: [(String, String)] = []) -> [UInt8] {
    block([(":method", method), (":scheme", "http"), (":path", path), (":authority", "a")] + fields)
  }

  /// The next frame; nil when the server has ended the stream.
  func frame() throws -> Frame? {
    guard let head = try connection.read(9) else { return nil }
    let count = Self.number(head.prefix(3))
    guard let payload = try connection.read(count) else { return nil }
    return Frame(kind: head[3], flags: head[4], stream: Self.number(head.suffix(4)), payload: payload)
  }

  /// Reads on to the first frame of that kind.
  func next(_ kind: Kind) throws -> Frame {
    while let frame = try frame() { if frame.isA(kind) { return frame } }
    throw TestFailure("the connection ended before \(kind)")
  }

  /// All frames until the server ends the stream.
  func framesToEnd() throws -> [Frame] {
    var frames: [Frame] = []
    while let frame = try frame() { frames.append(frame) }
    return frames
  }

  static func bytes(_ number: Int, _ count: Int) -> [UInt8] {
    (0..<count).reversed().map { UInt8(truncatingIfNeeded: number >> ($0 * 8)) }
  }

  static func number(_ bytes: some Collection<UInt8>) -> Int { bytes.reduce(0) { $0 << 8 | Int($1) } }
}
