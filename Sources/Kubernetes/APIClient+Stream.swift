import HTTPClient
import Primitives

extension APIClient {
  /// The answer's head and its body as it arrives, whatever the status. `silence` is as in `HTTPStreaming`.
  func open(_ call: APICall, deadline: Deadline, silence: Duration) async throws(ClusterError) -> any HTTPStream {
    let token = try connection.token.current()
    let stream = try await open(call, token: token, deadline: deadline, silence: silence)
    guard stream.status == 401, case .file = connection.token else { return stream }
    let renewed = try connection.token.current(force: true)
    guard renewed != token else { return stream }
    stream.close()
    return try await open(call, token: renewed, deadline: deadline, silence: silence)
  }

  private func open(
    _ call: APICall, token: String?, deadline: Deadline, silence: Duration
  ) async throws(ClusterError) -> any HTTPStream {
    do throws(HTTPClientError) {
      return try await transport.streaming.open(request(call, token: token), deadline: deadline, silence: silence)
    } catch {
      throw failure(error, of: call)
    }
  }
}
