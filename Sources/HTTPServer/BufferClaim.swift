import Synchronization

/// A share of the room that all connections have together for what clients send and nobody has answered yet. It is given
/// back when this goes.
///
/// Every connection has bounds of its own, but a thousand connections that each go to them would hold gigabytes.
struct BufferClaim: ~Copyable {
  private let core: ServerCore
  private var bytes = 0

  init(_ core: ServerCore) { self.core = core }

  deinit { core.bufferedBytes.subtract(bytes, ordering: .relaxed) }

  /// Makes the share `wanted` bytes large; false, and as it was, if there is no room for more.
  mutating func resize(to wanted: Int) -> Bool {
    if wanted > bytes {
      let more = wanted - bytes
      guard core.bufferedBytes.add(more, ordering: .relaxed).newValue <= core.limits.bufferedBytes else {
        core.bufferedBytes.subtract(more, ordering: .relaxed)
        return false
      }
    } else if wanted < bytes {
      core.bufferedBytes.subtract(bytes - wanted, ordering: .relaxed)
    }
    bytes = wanted
    return true
  }
}

extension Response {
  /// What is said when there is no room.
  static var noRoom: Response {
    var response = Response.text(503, "too much is waiting to be answered; ask again in a moment")
    response.headers.append(("retry-after", "1"))
    return response
  }
}
