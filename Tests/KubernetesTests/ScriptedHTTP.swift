import HTTPClient
import Primitives

/// Answers as a closure says, and remembers what it was asked.
final class ScriptedHTTP: HTTPExchanging {
  typealias Handler = @Sendable (HTTPRequest) async throws(HTTPClientError) -> HTTPResponse

  private struct State: Sendable {
    var requests: [HTTPRequest] = []
    var deadlines: [Deadline] = []
  }

  private let state = Locked(State())
  private let handler: Handler

  init(_ handler: @escaping Handler) { self.handler = handler }

  /// Always the same answer.
  convenience init(_ status: Int, _ body: String) {
    self.init { _ throws(HTTPClientError) in HTTPResponse(status: status, body: Array(body.utf8)) }
  }

  var requests: [HTTPRequest] { state.withLock { $0.requests } }
  var deadlines: [Deadline] { state.withLock { $0.deadlines } }

  func send(_ request: HTTPRequest, deadline: Deadline) async throws(HTTPClientError) -> HTTPResponse {
    state.withLock {
      $0.requests.append(request)
      $0.deadlines.append(deadline)
    }
    return try await handler(request)
  }
}

/// A place where tasks wait until it is opened.
final class Gate: Sendable {
  private struct State: Sendable {
    var isOpen = false
    var waiters: [CheckedContinuation<Void, Never>] = []
  }

  private let state = Locked(State())

  func wait() async {
    await withCheckedContinuation { continuation in
      let isOpen = state.withLock { state in
        if !state.isOpen { state.waiters.append(continuation) }
        return state.isOpen
      }
      if isOpen { continuation.resume() }
    }
  }

  func open() {
    let waiters = state.withLock { state in
      state.isOpen = true
      defer { state.waiters = [] }
      return state.waiters
    }
    for waiter in waiters { waiter.resume() }
  }
}
