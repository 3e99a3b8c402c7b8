/// What a handler answers.
public struct Response: Sendable {
  /// The status code, 200 to 599; anything else is sent as 500.
  public var status: Int
  /// Names in lower case. `content-length`, `date` and what concerns the connection are the server's to write: such
  /// headers are left out here. Control characters in a value are sent as spaces.
  public var headers: [(name: String, value: String)]
  /// The body; the answer to a `HEAD` request carries only its length.
  public var body: [UInt8]

  /// An answer with these parts.
  public init(status: Int, headers: [(name: String, value: String)] = [], body: [UInt8] = []) {
    self.status = status
    self.headers = headers
    self.body = body
  }

  /// A line of plain text.
  public static func text(_ status: Int, _ text: String) -> Response {
    Response(status: status, headers: [("content-type", "text/plain; charset=utf-8")], body: Array((text + "\n").utf8))
  }
}

/// What a handler answers: at once, on the loop's own thread, or later from a task that the server starts and that it
/// cancels when the client goes away.
public enum Reply: Sendable {
  /// The answer.
  case now(Response)
  /// Work that ends in the answer.
  case later(@Sendable () async -> Response)
}

/// The application behind a server.
public protocol RequestHandler: Sendable {
  /// Called when the head is there, before any of the body: a response refuses the request unread (404, 405, 415).
  /// Runs on the loop's thread: it must not block.
  func check(_ head: RequestHead) -> Response?
  /// Called with the whole request, on the loop's thread: it must not block.
  func handle(_ request: Request) -> Reply
}
