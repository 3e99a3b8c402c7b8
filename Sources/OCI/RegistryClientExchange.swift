import HTTPClient
import Primitives

/// Makes single HTTP exchanges: bounded in number and time, with failures in the registry's terms.
final class RegistryExchanger: Sendable {
  let limits: RegistryLimits
  let gate: RequestGate
  private let http: any HTTPExchanging
  private let sleep: @Sendable (Duration) async throws -> Void

  init(
    http: any HTTPExchanging, limits: RegistryLimits, sleep: @escaping @Sendable (Duration) async throws -> Void
  ) {
    self.http = http
    self.limits = limits
    self.sleep = sleep
    gate = RequestGate(limit: limits.concurrentRequestsPerRegistry)
  }

  /// One exchange with the host of `url`; a second one if the host asks for a short pause (429). `purpose` leads messages.
  func exchange(
    _ request: HTTPRequest, with url: HTTPURL, purpose: String, deadline: Deadline
  ) async throws(RegistryError) -> HTTPResponse {
    let response = try await once(request, with: url, purpose: purpose, deadline: deadline)
    guard response.status == 429, let pause = retryAfter(response), pause < deadline.remaining else { return response }
    do { try await sleep(pause) } catch { throw RegistryError(.deadlineExceeded, "\(purpose): cancelled in a pause") }
    return try await once(request, with: url, purpose: purpose, deadline: deadline)
  }

  private func once(
    _ request: HTTPRequest, with url: HTTPURL, purpose: String, deadline: Deadline
  ) async throws(RegistryError) -> HTTPResponse {
    let host = url.authority
    try await gate.enter(host, deadline: deadline)
    defer { gate.leave(host) }
    do throws(HTTPClientError) {
      return try await http.send(request, deadline: min(deadline, .after(limits.requestTimeout)))
    } catch {
      let reason = error.description.printable(limit: 300)
      switch error.code {
      case .timedOut where deadline.hasPassed, .cancelled:
        throw RegistryError(.deadlineExceeded, "\(purpose): \(reason)")
      case .timedOut, .cannotResolve, .cannotConnect, .tlsFailed, .connectionLost, .invalidConfiguration:
        throw RegistryError(.registryUnavailable, "\(purpose): \(reason)")
      case .bodyTooLarge, .headersTooLarge, .protocolError, .invalidURL, .invalidRequest:
        throw RegistryError(.registryMisbehaved, "\(purpose): \(reason)")
      }
    }
  }

  private func retryAfter(_ response: HTTPResponse) -> Duration? {
    guard let text = response.header("retry-after"), let seconds = Int(text), seconds >= 0,
      .seconds(min(seconds, 86_400)) <= limits.retryAfter
    else { return nil }
    return .seconds(seconds)
  }
}
