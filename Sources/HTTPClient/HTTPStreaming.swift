public import Primitives

/// An answer whose body is read piece by piece while it arrives, as of a Kubernetes watch.
///
/// One task reads. What has arrived and was not read is bounded: a peer that sends faster than somebody reads is slowed
/// down by flow control. The transfer ends with the last reference to the stream, or by `close`.
public protocol HTTPStream: AnyObject, Sendable {
  /// The final status.
  var status: Int { get }
  /// Fields in the order received, names in lower case.
  var headers: [(name: String, value: String)] { get }
  /// The next piece, never empty; nil once the body has ended as the protocol wants it. Throws when the connection broke,
  /// when nothing arrived for as long as the opener allowed (`timedOut`), or `cancelled` after `close` or with the task.
  func next() async throws(HTTPClientError) -> [UInt8]?
  /// Gives the transfer up.
  func close()
}

/// What watches need of a client; tests give their own.
public protocol HTTPStreaming: Sendable {
  /// Sends the request and waits for the head of the answer until `deadline`; the body then has no deadline and no bound
  /// in all, but ends where nothing arrives for `silence`. `maximumResponseBytes` of the request is not looked at.
  func open(
    _ request: HTTPRequest, deadline: Deadline, silence: Duration
  ) async throws(HTTPClientError) -> any HTTPStream
}
