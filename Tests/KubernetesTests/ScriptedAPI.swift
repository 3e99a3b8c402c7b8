import HTTPClient
import Primitives
import Testing

@testable import Kubernetes

/// An API server that answers by a script, whatever it is asked; when the script is over it says so and answers nothing
/// more.
final class ScriptedAPI: HTTPExchanging, HTTPStreaming {
  enum Step: Sendable {
    case list(Int, String, [String: String] = [:])
    case listFails(HTTPClientError.Code)
    case watch([Piece], status: Int = 200, headers: [String: String] = [:])
    case watchFails(HTTPClientError.Code)
  }

  enum Piece: Sendable {
    case text(String)
    case time(Duration)
    case fails(HTTPClientError.Code)
  }

  private struct State: Sendable {
    var steps: ArraySlice<Step>
    var requests: [HTTPRequest] = []
  }

  let clock = TestClock(isAutomatic: true)
  private let state: Locked<State>
  private let isOver = Gate()

  init(_ steps: [Step]) { state = Locked(State(steps: steps[...])) }

  /// What was asked for, from the slash on.
  var paths: [String] {
    state.withLock { $0.requests.map { String($0.url.drop { $0 != "/" }.dropFirst(2).drop { $0 != "/" }) } }
  }

  var requests: [HTTPRequest] { state.withLock { $0.requests } }

  func waitForTheEnd() async { await isOver.wait() }

  static func error(_ code: HTTPClientError.Code) -> HTTPClientError {
    HTTPClientError(code: code, description: "scripted")
  }

  private func step(_ request: HTTPRequest) async throws(HTTPClientError) -> Step {
    let step = state.withLock { state in
      state.requests.append(request)
      return state.steps.popFirst()
    }
    if let step { return step }
    isOver.open()
    while !Task.isCancelled { try? await Task.sleep(for: .seconds(60)) }
    throw Self.error(.cancelled)
  }

  func send(_ request: HTTPRequest, deadline: Deadline) async throws(HTTPClientError) -> HTTPResponse {
    switch try await step(request) {
    case .list(let status, let body, let headers):
      return HTTPResponse(status: status, headers: headers.map { ($0.key, $0.value) }, body: Array(body.utf8))
    case .listFails(let code): throw Self.error(code)
    default:
      Issue.record("a list was asked for, which is not in the script: \(request.url)")
      throw Self.error(.cannotConnect)
    }
  }

  func open(
    _ request: HTTPRequest, deadline: Deadline, silence: Duration
  ) async throws(HTTPClientError) -> any HTTPStream {
    switch try await step(request) {
    case .watch(let pieces, let status, let headers):
      return ScriptedStream(status, headers.map { ($0.key, $0.value) }, pieces, clock)
    case .watchFails(let code): throw Self.error(code)
    default:
      Issue.record("a watch was asked for, which is not in the script: \(request.url)")
      throw Self.error(.cannotConnect)
    }
  }
}

private final class ScriptedStream: HTTPStream {
  let status: Int
  let headers: [(name: String, value: String)]
  private let pieces: Locked<ArraySlice<ScriptedAPI.Piece>>
  private let clock: TestClock

  init(_ status: Int, _ headers: [(String, String)], _ pieces: [ScriptedAPI.Piece], _ clock: TestClock) {
    self.status = status
    self.headers = headers.map { (name: $0.0, value: $0.1) }
    self.pieces = Locked(pieces[...])
    self.clock = clock
  }

  func next() async throws(HTTPClientError) -> [UInt8]? {
    while let piece = pieces.withLock({ $0.popFirst() }) {
      switch piece {
      case .text(let text): return Array(text.utf8)
      case .time(let time): clock.advance(by: time)
      case .fails(let code): throw ScriptedAPI.error(code)
      }
    }
    return nil
  }

  func close() {}
}
