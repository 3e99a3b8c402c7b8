import Primitives

/// HTTP/2 frame by frame, over TLS with a certificate that nobody knows.
final class FrameServer: Sendable {
  /// What came for a stream, told on the connection's thread.
  enum Event: Sendable {
    case request(stream: UInt32)
    case reset(stream: UInt32)
    case window(stream: UInt32, increment: UInt32)
  }

  let server: SocketServer

  /// `handle` answers on each connection; false ends it.
  init(maximumStreams: UInt32 = 1000, _ handle: @escaping @Sendable (FrameConnection, Event) -> Bool) throws {
    server = SocketServer(tls: try SecureSocketContext()) { socket in
      let connection = FrameConnection(socket)
      // The greeting: 24 bytes.
      guard connection.take(24) != nil else { return }
      // SETTINGS_MAX_CONCURRENT_STREAMS.
      connection.send(type: 4, stream: 0, [0, 3] + FrameConnection.bytes(maximumStreams))
      while let event = connection.next() { guard handle(connection, event) else { return } }
    }
  }
}

/// One connection of a `FrameServer`.
final class FrameConnection {
  private let socket: SocketConnection

  init(_ socket: SocketConnection) { self.socket = socket }

  static func bytes(_ number: UInt32) -> [UInt8] { (0..<4).map { UInt8(truncatingIfNeeded: number >> (24 - 8 * $0)) } }

  func take(_ count: Int) -> [UInt8]? { socket.take(count) }

  @discardableResult
  func send(type: UInt8, flags: UInt8 = 0, stream: UInt32, _ payload: [UInt8] = []) -> Bool {
    var frame = Array(FrameConnection.bytes(UInt32(payload.count)).dropFirst())
    frame += [type, flags]
    frame += FrameConnection.bytes(stream)
    return socket.write(frame + payload)
  }

  /// `:status: 200` and no more.
  func sendHeaders(_ stream: UInt32) { send(type: 1, flags: 4, stream: stream, [0x88]) }

  @discardableResult
  func sendData(_ stream: UInt32, _ data: [UInt8], isLast: Bool = false) -> Bool {
    send(type: 0, flags: isLast ? 1 : 0, stream: stream, data)
  }

  /// The next of what matters; nil when the peer has closed.
  func next() -> FrameServer.Event? {
    while let head = socket.take(9) {
      let number = { (bytes: ArraySlice<UInt8>) in bytes.reduce(UInt32(0)) { $0 << 8 | UInt32($1) } }
      guard let payload = socket.take(Int(number(head[0..<3]))) else { return nil }
      let (stream, flags) = (number(head[5..<9]), head[4])
      switch head[3] {
      case 1: return .request(stream: stream)
      case 3: return .reset(stream: stream)
      case 4 where flags & 1 == 0: send(type: 4, flags: 1, stream: 0)
      case 6 where flags & 1 == 0: send(type: 6, flags: 1, stream: 0, payload)
      case 8: return .window(stream: stream, increment: number(payload[...]))
      default: break
      }
    }
    return nil
  }
}
