import HTTPClient
import Primitives
import Testing

@testable import Kubernetes

/// One watch against servers that do as a script says.
@Suite(.timeLimit(.minutes(5))) struct ObjectWatchTests {
  typealias Step = ScriptedAPI.Step
  typealias Piece = ScriptedAPI.Piece

  // MARK: What servers say

  static func object(_ name: String, _ version: Int, kind: String = "Namespace") -> String {
    #"{"kind":"\#(kind)","apiVersion":"v1","metadata":{"name":"\#(name)","resourceVersion":"\#(version)"}}"#
  }

  static func page(_ items: [(String, Int)], version: String = "10", next: String = "") -> Step {
    // As the API server writes them: the items of a list do not say what they are.
    let items = items.map { #"{"metadata":{"name":"\#($0.0)","resourceVersion":"\#($0.1)"}}"# }
    return .list(
      200,
      #"{"kind":"NamespaceList","apiVersion":"v1","metadata":{"resourceVersion":"\#(version)","continue":"\#(next)"},"#
        + #""items":[\#(items.joined(separator: ","))]}"#)
  }

  static func event(_ type: String, _ name: String, _ version: Int) -> Piece {
    .text(#"{"type":"\#(type)","object":\#(object(name, version))}"# + "\n")
  }

  static let gone = APIClusterTests.status(410, "Expired", "too old resource version")
  static let ahead =
    #"{"kind":"Status","apiVersion":"v1","status":"Failure","message":"Too large resource version: 10, current: 4","#
    + #""reason":"Timeout","details":{"causes":[{"reason":"ResourceVersionTooLarge"}]},"code":504}"#
  static func errorEvent(_ code: Int) -> Piece {
    .text(#"{"type":"ERROR","object":\#(APIClusterTests.status(code, "Expired", "no more"))}"# + "\n")
  }

  // MARK: Running

  struct Seen {
    /// From `?` on.
    var queries: [String]
    var changes: [String]
    /// In milliseconds.
    var sleeps: [Int]
    var status: WatchStatus
    var requests: [HTTPRequest]
  }

  /// Runs a watch until the script is over.
  static func run(
    _ steps: [Step], name: String? = nil, limits: WatchLimits = WatchLimits(), token: BearerToken = .none
  ) async throws -> Seen {
    let api = ScriptedAPI(steps)
    var connection = Connection(server: try ServerAddress(parsing: "https://api.example:6443"))
    connection.token = token
    let client = APIClient(
      transport: try APITransport(
        connection, make: { _ throws(HTTPClientError) in api }, makeStreaming: { _ throws(HTTPClientError) in api }))
    let changes = Locked<[String]>([])
    let watch = ObjectWatch<Namespace>(
      client: client,
      target: WatchTarget(
        path: "/api/v1/namespaces", name: name, kind: "Namespace", apiVersion: "v1",
        permission: "namespaces in the whole cluster"),
      pace: api.clock.pace, limits: limits, decode: { try Namespace(watched: $0) },
      onChange: { change in
        let text =
          switch change {
          case .listed(let all): "listed " + all.map { "\($0.name)@\($0.resourceVersion)" }.joined(separator: " ")
          case .stored(let one): "stored \(one.name)@\(one.resourceVersion)"
          case .deleted(let one): "deleted \(one.name)@\(one.resourceVersion)"
          }
        changes.withLock { $0.append(text) }
      })
    let task = Task { await watch.run() }
    await api.waitForTheEnd()
    let status = watch.status
    task.cancel()
    await task.value
    return Seen(
      queries: api.paths.map { String($0.drop { $0 != "?" }) }, changes: changes.withLock { $0 },
      sleeps: api.clock.sleeps.map(\.milliseconds), status: status, requests: api.requests)
  }

  static let list = "?limit=500"
  static func watch(_ version: Int) -> String {
    "?watch=1&allowWatchBookmarks=true&resourceVersion=\(version)&timeoutSeconds=300"
  }

  // MARK: The table

  struct Case: Sendable, CustomTestStringConvertible {
    let testDescription: String
    let steps: [Step]
    var limits = WatchLimits()
    let queries: [String]
    let changes: [String]
    var sleeps: [Int] = []
    var breaks = 0

    init(
      _ description: String, _ steps: [Step], queries: [String], changes: [String], sleeps: [Int] = [], breaks: Int = 0,
      limits: (inout WatchLimits) -> Void = { _ in }
    ) {
      testDescription = description
      self.steps = steps
      self.queries = queries
      self.changes = changes
      self.sleeps = sleeps
      self.breaks = breaks
      limits(&self.limits)
    }
  }

  /// A stream whose one line is `text`, and what follows: the whole listed anew after a pause.
  static func unusable(_ what: String, _ text: String, limits: (inout WatchLimits) -> Void = { _ in }) -> Case {
    Case(
      what, [page([("a", 1)]), .watch([.text(text + "\n")]), page([("b", 2)], version: "20")],
      queries: [list, watch(10), list, watch(20)], changes: ["listed a@1", "listed b@2"], breaks: 1,
      limits: limits)
  }

  static let cases: [Case] = [
    Case(
      "pages of a list are put together, and the watch begins where the first was",
      [page([("a", 1), ("b", 2)], next: "x/1=&é"), page([("c", 3)], version: "11")],
      queries: [list, "?limit=500&continue=x%2F1%3D%26%C3%A9", watch(10)], changes: ["listed a@1 b@2 c@3"]),
    Case(
      "an empty collection is one", [page([], version: "7")], queries: [list, watch(7)], changes: ["listed "]),
    Case(
      "410 on a later page begins the list anew",
      [page([("a", 1)], next: "n"), .list(410, gone), page([("b", 2)])],
      queries: [list, list + "&continue=n", list, watch(10)], changes: ["listed b@2"], breaks: 1),
    Case(
      "events are told in their order, and a watch that ends goes on behind the last",
      [
        page([("a", 1)]),
        .watch([event("ADDED", "b", 11), event("MODIFIED", "a", 12), event("DELETED", "b", 13), .time(.seconds(300))]),
        .watch([.time(.seconds(300))]),
      ],
      queries: [list, watch(10), watch(13), watch(13)],
      changes: ["listed a@1", "stored b@11", "stored a@12", "deleted b@13"]),
    Case(
      "a bookmark moves on what is gone on from, and tells nothing",
      [page([("a", 1)]), .watch([event("BOOKMARK", "", 99), .time(.seconds(60))])],
      queries: [list, watch(10), watch(99)], changes: ["listed a@1"]),
    Case(
      "lines may come in any pieces",
      [
        page([]),
        .watch([
          .text(#"{"type":"ADDED","obj"#), .text(#"ect":\#(object("a", 11))}"# + "\n\n" + #"{"type":"ADD"#),
          .text(#"ED","object":\#(object("b", 12))}"#), .text("\n"), .time(.seconds(60)),
        ]),
      ], queries: [list, watch(10), watch(12)], changes: ["listed ", "stored a@11", "stored b@12"]),
    Case(
      "a connection that breaks in a line costs that line only",
      [
        page([]),
        .watch([event("ADDED", "a", 11), .text(#"{"type":"ADDED","object":{"kind"#), .fails(.connectionLost)]),
        .watch([event("ADDED", "b", 12), .time(.seconds(60))]),
      ], queries: [list, watch(10), watch(11), watch(12)], changes: ["listed ", "stored a@11", "stored b@12"],
      sleeps: [250], breaks: 1),
    Case(
      "a line without its end is none",
      [page([]), .watch([.text(#"{"type":"ADDED","object":\#(object("a", 11))}"#), .time(.seconds(60))])],
      queries: [list, watch(10), watch(10)], changes: ["listed "]),
    Case(
      "silence lists anew: what is dead says nothing, nor does a server whose past was put back",
      [
        page([]), .watch([event("ADDED", "a", 11), .time(.seconds(100)), .fails(.timedOut)]),
        page([("b", 3)], version: "4"),
      ], queries: [list, watch(10), list, watch(4)], changes: ["listed ", "stored a@11", "listed b@3"]),
    Case(
      "a version that the server does not know yet lists anew",
      [page([("a", 1)]), .watch([.text(ahead)], status: 504), page([("b", 2)], version: "4")],
      queries: [list, watch(10), list, watch(4)], changes: ["listed a@1", "listed b@2"], breaks: 1),
    Case(
      "an ERROR of 410 lists anew", [page([("a", 1)]), .watch([errorEvent(410)]), page([("b", 2)], version: "20")],
      queries: [list, watch(10), list, watch(20)], changes: ["listed a@1", "listed b@2"], breaks: 1),
    Case(
      "410 as the answer lists anew", [page([]), .watch([.text(gone)], status: 410), page([], version: "20")],
      queries: [list, watch(10), list, watch(20)], changes: ["listed ", "listed "], breaks: 1),
    Case(
      "a server that is back and has forgotten is listed at once, however long it was away; but not in a circle",
      [page([])] + Array(repeating: .watchFails(.cannotConnect), count: 4)
        + [.watch([errorEvent(410)]), page([], version: "20"), .watch([errorEvent(410)]), page([], version: "30")],
      queries: [list] + Array(repeating: watch(10), count: 5) + [list, watch(20), list, watch(30)],
      changes: ["listed ", "listed ", "listed "], sleeps: [250, 500, 1000, 2000, 4000], breaks: 6),
    Case(
      "any other ERROR goes on where it was", [page([]), .watch([event("ADDED", "a", 11), errorEvent(500)])],
      queries: [list, watch(10), watch(11)], changes: ["listed ", "stored a@11"], sleeps: [250], breaks: 1),
    Case(
      "a server that ends watches at once is not asked in a circle",
      [page([]), .watch([]), .watch([]), .watch([]), .watch([event("ADDED", "a", 11)]), .watch([])],
      queries: [list] + [10, 10, 10, 10, 11, 11].map(watch), changes: ["listed ", "stored a@11"],
      sleeps: [250, 500, 1000, 250, 500]),
    Case(
      "tries come less and less often, up to ten seconds, until something is seen",
      [page([])] + Array(repeating: .watchFails(.cannotConnect), count: 9)
        + [.watch([event("ADDED", "a", 11), .fails(.connectionLost)])],
      queries: [list] + Array(repeating: watch(10), count: 10) + [watch(11)], changes: ["listed ", "stored a@11"],
      sleeps: [250, 500, 1000, 2000, 4000, 5000, 5000, 5000, 5000, 250], breaks: 10),
    Case(
      "a list that fails is tried again",
      [.listFails(.cannotResolve), .list(500, ""), .list(200, "{"), .list(302, ""), page([("a", 1)])],
      queries: [list, list, list, list, list, watch(10)], changes: ["listed a@1"], sleeps: [250, 500, 1000, 2000],
      breaks: 4),
    Case(
      "Retry-After is waited for, within reason",
      [
        .list(429, "", ["Retry-After": "7"]), page([]), .watch([], status: 429, headers: ["retry-after": "9"]),
        .watch([], status: 503, headers: ["retry-after": "86400"]),
        .watch([], status: 429, headers: ["retry-after": "x"]),
      ], queries: [list, list, watch(10), watch(10), watch(10), watch(10)], changes: ["listed "],
      sleeps: [7000, 9000, 60000, 2000], breaks: 4),
    Case(
      "what stays forbidden is tried slowly; a server that has just begun may not know better",
      Array(repeating: .list(403, ""), count: 7) + [page([("a", 1)])],
      queries: Array(repeating: list, count: 8) + [watch(10)], changes: ["listed a@1"],
      sleeps: [250, 500, 1000, 2000, 4000, 30000, 30000], breaks: 7),
    Case(
      "what was allowed before is tried slowly only once it stays forbidden, and then listed each time",
      [page([("a", 1)])] + Array(repeating: .watch([], status: 403), count: 6)
        + [page([("a", 2)]), .watch([], status: 403), page([("a", 3)])],
      queries: [list] + Array(repeating: watch(10), count: 6) + [list, watch(10), list, watch(10)],
      changes: ["listed a@1", "listed a@2", "listed a@3"],
      sleeps: [250, 500, 1000, 2000, 4000, 30000, 30000], breaks: 7),
    Case(
      "a page that is too large is asked for in smaller ones, and then in larger again",
      [
        .listFails(.bodyTooLarge), .listFails(.bodyTooLarge), page([("a", 1)], next: "n"), page([("b", 2)], next: "m"),
        page([]),
      ],
      queries: ["?limit=500", "?limit=50", "?limit=5", "?limit=10&continue=n", "?limit=20&continue=m", watch(10)],
      changes: ["listed a@1 b@2"]),
    Case(
      "an object that is too large alone fails the list",
      [.listFails(.bodyTooLarge), .listFails(.bodyTooLarge), .listFails(.bodyTooLarge), .listFails(.bodyTooLarge)],
      queries: ["?limit=500", "?limit=50", "?limit=5", "?limit=1", "?limit=500"], changes: [], sleeps: [250], breaks: 1),
    Case(
      "more objects than are kept fail the list", [page([("a", 1), ("b", 2)], next: "n"), page([("c", 1)])],
      queries: [list, list + "&continue=n", list], changes: [], sleeps: [250], breaks: 1
    ) { $0.objects = 2 },
    Case(
      "pages without end fail the list", [page([], next: "n"), page([], next: "n"), page([], next: "n")],
      queries: [list, list + "&continue=n", list + "&continue=n", list], changes: [], sleeps: [250], breaks: 1
    ) { $0.pages = 2 },
    Case(
      "more bytes than are read fail the list", [page([], next: "n"), page([])],
      queries: [list, list + "&continue=n", list], changes: [], sleeps: [250], breaks: 1
    ) { $0.listBytes = 150 },
    Case(
      "a list of another kind is none",
      [.list(200, #"{"kind":"PodList","apiVersion":"v1","metadata":{"resourceVersion":"1"}}"#)],
      queries: [list, list], changes: [], sleeps: [250], breaks: 1),
    Case(
      "a listed object that cannot be read is left out", [page([("a", 1), ("not a name", 2), ("b", 3)])],
      queries: [list, watch(10)], changes: ["listed a@1 b@3"]),
    unusable("no JSON", "nonsense"),
    unusable("a member twice", #"{"type":"ADDED","type":"ADDED","object":\#(object("x", 11))}"#),
    unusable("another kind", #"{"type":"ADDED","object":\#(object("x", 11, kind: "Pod"))}"#),
    unusable("an unknown type", #"{"type":"RENAMED","object":\#(object("x", 11))}"#),
    unusable(
      "no version", #"{"type":"ADDED","object":{"kind":"Namespace","apiVersion":"v1","metadata":{"name":"x"}}}"#),
    unusable(
      "a version that does not print",
      #"{"type":"ADDED","object":{"kind":"Namespace","apiVersion":"v1","metadata":{"name":"x","resourceVersion":"1\n"}}}"#
    ),
    unusable("no name", #"{"type":"ADDED","object":\#(object("../x", 11))}"#),
    unusable("too long", #"{"type":"ADDED","object":\#(object(String(repeating: "x", count: 200), 11))}"#) {
      $0.lineBytes = 200
    },
    unusable("too deep", String(repeating: "[", count: 1000)),
  ]

  @Test(arguments: cases)
  func `a watch sees everything and asks no more than it must`(example: Case) async throws {
    let seen = try await Self.run(example.steps, limits: example.limits)
    #expect(seen.queries == example.queries)
    #expect(seen.changes == example.changes)
    #expect(seen.sleeps == example.sleeps)
    #expect(seen.status.breaks == example.breaks)
  }

  // MARK: More

  @Test func `one object is selected by its name`() async throws {
    let seen = try await Self.run([Self.page([])], name: "my.secret")
    #expect(
      seen.queries == [
        "?limit=500&fieldSelector=metadata.name%3Dmy.secret",
        Self.watch(10) + "&fieldSelector=metadata.name%3Dmy.secret",
      ])
  }

  @Test func `a watch says how it stands`() async throws {
    let broken = try await Self.run([Self.page([]), .watch([], status: 500)]).status
    #expect(broken.isSynced)
    #expect(broken.failure?.code == .unavailable)
    #expect(broken.brokenSince != nil)
    let whole = try await Self.run([Self.page([]), .watch([], status: 500), .watch([.time(.seconds(9))])]).status
    #expect(whole.failure == nil && whole.brokenSince == nil && whole.breaks == 1)
    let never = try await Self.run([.list(500, "")]).status
    #expect(!never.isSynced && never.lastSign == nil && never.brokenSince != nil)
  }

  @Test func `a refusal whose body never comes is not waited for`() async throws {
    let api = MuteAPI()
    let client = APIClient(
      transport: try APITransport(
        Connection(server: try ServerAddress(parsing: "https://api.example:6443")),
        make: { _ throws(HTTPClientError) in api }, makeStreaming: { _ throws(HTTPClientError) in api }))
    var limits = WatchLimits()
    limits.requestTimeout = .milliseconds(20)
    let watch = ObjectWatch<Namespace>(
      client: client, target: .namespaces, limits: limits, decode: { try Namespace(watched: $0) }, onChange: { _ in })
    let task = Task { await watch.run() }
    #expect(await eventually { watch.status.failure?.code == .unavailable })
    task.cancel()
    await task.value
  }

  @Test func `what RBAC must allow is said`() async throws {
    let status = try await Self.run([.list(403, APIClusterTests.status(403, "Forbidden", "no"))]).status
    #expect(status.failure?.code == .forbidden)
    #expect(
      status.failure?.description.contains("RBAC must allow the verb list on namespaces in the whole cluster") == true)
    let second = try await Self.run([
      Self.page([]), .watch([.text(APIClusterTests.status(403, "Forbidden", "no"))], status: 403),
    ]).status
    #expect(second.failure?.description.contains("the verb watch on namespaces in the whole cluster): no") == false)
    #expect(second.failure?.description.contains("the verb watch on namespaces in the whole cluster: no") == true)
  }

  @Test func `after 401 a renewed token is tried at once`() async throws {
    let folder = TemporaryFolder()
    let path = folder.write("old", to: "token")
    let token = BearerToken.file(try ReloadingFile(path: path, purpose: "token", limit: 64, interval: .seconds(3600)))
    folder.write("new", to: "token")
    let seen = try await Self.run(
      [Self.page([]), .watch([], status: 401), .watch([.time(.seconds(60))])], token: token)
    #expect(
      seen.requests.map { $0.headers.last?.value ?? "" } == ["Bearer old", "Bearer old", "Bearer new", "Bearer new"])
    #expect(seen.sleeps == [])
    #expect(seen.status.breaks == 0)
  }
}

/// Lists nothing, refuses to be watched, and does not go on to say why.
private final class MuteAPI: HTTPExchanging, HTTPStreaming {
  func send(_ request: HTTPRequest, deadline: Deadline) async throws(HTTPClientError) -> HTTPResponse {
    let body = #"{"kind":"NamespaceList","apiVersion":"v1","metadata":{"resourceVersion":"1"},"items":[]}"#
    return HTTPResponse(status: 200, body: Array(body.utf8))
  }

  func open(
    _ request: HTTPRequest, deadline: Deadline, silence: Duration
  ) async throws(HTTPClientError) -> any HTTPStream { MuteStream() }
}

private final class MuteStream: HTTPStream {
  let status = 503
  let headers: [(name: String, value: String)] = []
  private let end = Gate()

  func next() async throws(HTTPClientError) -> [UInt8]? {
    await withTaskCancellationHandler {
      await end.wait()
    } onCancel: {
      end.open()
    }
    throw ScriptedAPI.error(.cancelled)
  }

  func close() { end.open() }
}
