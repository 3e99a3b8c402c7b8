import HTTPClient
import Primitives

func streamClient(_ change: (inout HTTPClient.Configuration) -> Void = { _ in }) throws -> HTTPClient {
  var configuration = HTTPClient.Configuration()
  configuration.usesProxyEnvironment = false
  change(&configuration)
  return try HTTPClient(configuration)
}

func open(
  _ client: HTTPClient, _ server: SocketServer, path: String = "/", deadline: Deadline = .after(.seconds(60)),
  silence: Duration = .seconds(60)
) async throws -> any HTTPStream {
  try await client.open(
    HTTPRequest(url: server.url + path, allowsPlainHTTP: true), deadline: deadline, silence: silence)
}

/// What there still is of a stream.
func rest(_ stream: any HTTPStream) async throws -> [UInt8] {
  var all: [UInt8] = []
  while let piece = try await stream.next() { all += piece }
  return all
}

/// The error that comes of running out of time at the step that its description names. `body` is given ever more of it: on
/// a busy machine a little may be over before that step.
func late(_ step: String, _ body: (_ deadline: Deadline) async -> HTTPClientError?) async -> HTTPClientError? {
  var error: HTTPClientError?
  for time in [Duration.milliseconds(100), .seconds(1), .seconds(5), .seconds(20)] {
    error = await body(.after(time))
    if error?.code != .timedOut || error?.description.contains(step) == true { break }
  }
  return error
}

/// The error that `body` throws; nil if it throws none.
func failure(_ body: () async throws -> Void) async -> HTTPClientError? {
  do {
    try await body()
    return nil
  } catch {
    return error as? HTTPClientError
  }
}
