import CLinux
import Glibc
import Primitives

/// What other threads tell a loop.
enum LoopMessage: Sendable {
  /// A connection that the loop shall have; counted already.
  case adopt(descriptor: Int32)
  /// The answer to a request that was to be answered later.
  case answer(connection: UInt64, request: Int64, Response)
  /// Finish; by `deadline` on the monotonic clock at the latest.
  case drain(deadline: UInt64)
}

/// The way into a loop from other threads: a queue and an eventfd that wakes the loop.
final class Mailbox: Sendable {
  private struct State {
    var messages: [LoopMessage] = []
    var isOpen = true
  }

  private let state = Locked(State())
  /// Readable when there are messages. Valid until `close`.
  let descriptor: Int32

  init() throws(ServerError) {
    descriptor = eventfd(0, Int32(EFD_CLOEXEC | EFD_NONBLOCK))
    guard descriptor >= 0 else { throw ServerError("cannot make an eventfd: \(systemMessage(errno))") }
  }

  /// Hands `message` to the loop; false if the loop has ended and never will see it.
  @discardableResult
  func post(_ message: LoopMessage) -> Bool {
    state.withLock { state in
      guard state.isOpen else { return false }
      state.messages.append(message)
      // Written under the lock so that `close` cannot come between. One wake-up is enough for any number of messages.
      if state.messages.count == 1 {
        var one: UInt64 = 1
        _ = write(descriptor, &one, 8)
      }
      return true
    }
  }

  /// All messages so far.
  func take() -> [LoopMessage] {
    var count: UInt64 = 0
    _ = read(descriptor, &count, 8)
    return state.withLock { state in
      let messages = state.messages
      state.messages = []
      return messages
    }
  }

  /// Refuses further messages, and gives back those that nobody took.
  func close() -> [LoopMessage] {
    state.withLock { state in
      let messages = state.messages
      state.messages = []
      if state.isOpen { _ = Glibc.close(descriptor) }
      state.isOpen = false
      return messages
    }
  }
}
