/// How much all answers under way hold together. Of the loop's thread alone.
///
/// Each answer has a bound of its own, but hundreds of servers that each send as much as that would fill the memory.
final class ResponseRoom {
  /// What an answer may hold whatever the others do, so that large ones cannot keep small ones out.
  static let smallBytes = 64 << 10

  let limit: Int
  /// The streams that wait for their readers. Over HTTP/2 libcurl goes on reading for them, so that the other streams of
  /// the connection get theirs, until the peer has used up a window of 32 MiB; what it keeps is counted here.
  var paused: Set<UInt64> = []
  private(set) var bytes = 0

  init(limit: Int) { self.limit = limit }

  /// Counts `more` bytes of an answer that now has `total`; whether it may go on.
  func take(_ more: Int, total: Int) -> Bool {
    bytes += more
    return bytes <= limit || total <= Self.smallBytes
  }

  /// Why an answer is given up for which there is no room.
  var overflow: String { "given up: the answers of all servers together have more than \(limit) bytes now" }

  func giveBack(_ total: Int) { bytes -= total }
}
