import Primitives

/// What lies between the loop's thread, which fills it, and the task that reads a stream.
///
/// It holds no more than `maximumUnreadBytes` and what one call of libcurl brings on top of that.
final class StreamPipe: Sendable {
  struct Head: Sendable {
    let status: Int
    let headers: [(name: String, value: String)]
  }

  typealias Opener = CheckedContinuation<Result<Head, HTTPClientError>, Never>
  typealias Reader = CheckedContinuation<Result<[UInt8]?, HTTPClientError>, Never>

  private struct State: Sendable {
    var opener: Opener?
    var reader: Reader?
    var unread: [UInt8] = []
    var isPaused = false
    /// How the body ended: nil while it goes on.
    var end: Result<Void, HTTPClientError>?
  }

  /// From here on the peer waits for the reader.
  static let maximumUnreadBytes = 256 << 10

  private let authority: String
  private let state = Locked(State())

  init(authority: String) { self.authority = authority }

  private func error(_ code: HTTPClientError.Code, _ reason: String) -> HTTPClientError {
    HTTPClientError(code: code, description: "\(authority): \(reason)")
  }

  // MARK: The reader's side

  /// Waits for the head; before the transfer is submitted.
  func awaitHead(_ opener: Opener) { state.withLock { $0.opener = opener } }

  /// Answers with what is unread, else with the end, else as soon as there is either. True asks for the peer to be let go
  /// on.
  func read(_ reader: Reader) -> Bool {
    let (answer, wasPaused): (Result<[UInt8]?, HTTPClientError>?, Bool) = state.withLock { state in
      if state.reader != nil {
        return (.failure(error(.invalidRequest, "another task reads this stream already")), false)
      }
      if !state.unread.isEmpty {
        let piece = state.unread
        state.unread = []
        defer { state.isPaused = false }
        return (.success(piece), state.isPaused)
      }
      if let end = state.end { return (end.map { nil }, false) }
      state.reader = reader
      return (nil, false)
    }
    if let answer { reader.resume(returning: answer) }
    return wasPaused
  }

  /// Drops what is unread: whoever waits, or reads later, is told that the stream was given up. False if the transfer
  /// had already ended.
  func close() -> Bool {
    let cancelled = error(.cancelled, "the stream was closed")
    let (opener, reader, wasOpen): (Opener?, Reader?, Bool) = state.withLock { state in
      defer { (state.opener, state.reader, state.unread, state.isPaused) = (nil, nil, [], false) }
      let wasOpen = state.end == nil
      state.end = .failure(cancelled)
      return (state.opener, state.reader, wasOpen)
    }
    opener?.resume(returning: .failure(cancelled))
    reader?.resume(returning: .failure(cancelled))
    return wasOpen
  }

  // MARK: The loop's side

  func deliver(_ head: Head) {
    let opener: Opener? = state.withLock { state in
      defer { state.opener = nil }
      return state.opener
    }
    opener?.resume(returning: .success(head))
  }

  /// False if there is no room: the same bytes come again once the reader has made some.
  func write(_ bytes: UnsafeRawBufferPointer) -> Bool {
    if bytes.isEmpty { return true }
    let (reader, isTaken): (Reader?, Bool) = state.withLock { state in
      if let reader = state.reader {
        state.reader = nil
        return (reader, true)
      }
      // Whatever comes after `close` is nobody's.
      if state.end != nil { return (nil, true) }
      guard state.unread.count < Self.maximumUnreadBytes else {
        state.isPaused = true
        return (nil, false)
      }
      state.unread.append(contentsOf: bytes)
      return (nil, true)
    }
    reader?.resume(returning: .success(Array(bytes)))
    return isTaken
  }

  /// The transfer is over; what is unread may still be read.
  func end(_ result: Result<Void, HTTPClientError>) {
    let (opener, reader, end): (Opener?, Reader?, Result<Void, HTTPClientError>) = state.withLock { state in
      defer { (state.opener, state.reader, state.isPaused) = (nil, nil, false) }
      let end = state.end ?? result
      state.end = end
      return (state.opener, state.reader, end)
    }
    reader?.resume(returning: end.map { nil })
    opener?.resume(
      returning: end.flatMap { .failure(error(.protocolError, "the answer ended before its header")) })
  }
}
