public import Primitives

/// What the OCI and Kubernetes modules need of a client; tests give their own.
public protocol HTTPExchanging: Sendable {
  /// Sends the request and waits for the whole answer, until the deadline or the task's cancellation.
  func send(_ request: HTTPRequest, deadline: Deadline) async throws(HTTPClientError) -> HTTPResponse
}
