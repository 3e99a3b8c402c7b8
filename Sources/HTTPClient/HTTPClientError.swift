/// Why there is no answer. The description names the host and the step, never a header or a query.
public struct HTTPClientError: Error, Sendable, CustomStringConvertible {
  /// What kind of failure it is.
  public enum Code: Sendable, Hashable {
    /// The host's name (or the proxy's) has no address.
    case cannotResolve
    /// No connection came about, or none was allowed.
    case cannotConnect
    /// The TLS handshake or the certificate's verification failed.
    case tlsFailed
    /// The deadline, or the time for connecting, ran out.
    case timedOut
    /// The task was cancelled, or the client closed.
    case cancelled
    /// The connection broke before the answer was whole.
    case connectionLost
    /// One byte more of body than allowed.
    case bodyTooLarge
    /// More header bytes or fields than allowed.
    case headersTooLarge
    /// The answer is not the HTTP that was asked for.
    case protocolError
    /// The address is none of the form that is taken, or of a scheme that is not allowed.
    case invalidURL
    /// A header of the request that may not be sent.
    case invalidRequest
    /// Authorities, a client certificate or a proxy that cannot be used.
    case invalidConfiguration
  }

  /// What kind of failure it is.
  public let code: Code
  /// Host, step and reason, printable.
  public let description: String

  /// An error; for fakes.
  public init(code: Code, description: String) {
    self.code = code
    self.description = description
  }
}
