import HTTPClient
import JSON
import Logging
import Primitives

@testable import Kubernetes

/// A recorder whose clock stands still until it is moved, before an API server that answers as it is told.
final class EventStage: Sendable {
  typealias Answer = @Sendable (HTTPRequest) -> (status: Int, body: String)

  let http: ScriptedHTTP
  let recorder: EventRecorder
  let log = Locked<[String]>([])
  private let time = Locked<UInt64>(1_000_000_000_000)

  init(bounds: EventBounds = .init(), instance: String = "pinseal-0", _ answer: @escaping Answer) throws {
    http = ScriptedHTTP { request throws(HTTPClientError) in
      let (status, body) = answer(request)
      return HTTPResponse(status: status, body: Array(body.utf8))
    }
    var connection = Connection(server: try ServerAddress(parsing: "https://api.example:6443"))
    connection.token = .fixed("t0ken")
    let http = http
    let transport = try APITransport(connection) { _ throws(HTTPClientError) in http }
    let (time, log) = (time, log)
    recorder = EventRecorder(
      EventAPI(client: APIClient(transport: transport), instance: instance), bounds: bounds,
      logger: Logger(label: "test") { _ in LineHandler(lines: log) },
      now: { Deadline(nanoseconds: time.withLock { $0 }) },
      clock: { EventTime(nanoseconds: 1_795_000_000_123_456_789 + Int64(time.withLock { $0 }) - 1_000_000_000_000) })
  }

  /// One that takes everything.
  static func willing(bounds: EventBounds = .init()) throws -> EventStage {
    try EventStage(bounds: bounds) { request in (request.method == .post ? 201 : 200, #"{"metadata":{"uid":"u-new"}}"#)
    }
  }

  func pass(_ duration: Duration) {
    let nanoseconds = UInt64(duration.milliseconds) * 1_000_000
    time.withLock { $0 += nanoseconds }
  }

  var requests: [String] { http.requests.map { "\($0.method.rawValue) \($0.url.dropFirst(24))" } }

  func bodies(_ method: HTTPRequest.Method) throws -> [JSONValue] {
    try http.requests.filter { $0.method == method }.map { try JSONDocument($0.body).root }
  }
}

/// Keeps the lines that were logged above debug.
struct LineHandler: LogHandler {
  let lines: Locked<[String]>
  var metadata: Logger.Metadata = [:]
  var metadataProvider: Logger.MetadataProvider?
  var logLevel: Logger.Level = .info

  subscript(metadataKey key: String) -> Logger.Metadata.Value? {
    get { metadata[key] }
    set { metadata[key] = newValue }
  }

  func log(event: LogEvent) { lines.withLock { $0.append("\(event.message) \(event.metadata ?? [:])") } }
}

func failure(
  _ note: String = "SIGNATURE_NOT_FOUND: no signature found",
  subject: ClusterEvent.Subject = .statefulSet(name: "db", uid: "u-1"),
  namespace: String = "shop"
) -> ClusterEvent {
  ClusterEvent(
    kind: .warning, reason: "ImageVerificationFailed", action: "Verify", namespace: namespace, subject: subject,
    note: note)
}
