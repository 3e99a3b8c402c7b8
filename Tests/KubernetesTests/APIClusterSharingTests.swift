import HTTPClient
import Primitives
import Testing

@testable import Kubernetes

/// For how long what was read is known, and who shares a request.
extension APIClusterTests {
  @Test func `what was read is known for its lifetime`() async throws {
    let http = ScriptedHTTP(200, Self.namespace("db"))
    let cluster = try Self.cluster(http)
    #expect(cluster.knownNamespace("db") == nil)
    let namespace = try await cluster.namespace("db", deadline: Self.soon)
    #expect(cluster.knownNamespace("db") == namespace)
    _ = try await cluster.namespace("db", deadline: Self.soon)
    #expect(http.requests.count == 1)

    let forgetful = try Self.cluster(http, lifetime: .zero)
    _ = try await forgetful.namespace("db", deadline: Self.soon)
    #expect(forgetful.knownNamespace("db") == nil)
    _ = try await forgetful.namespace("db", deadline: Self.soon)
    #expect(http.requests.count == 3)

    let quick = try Self.cluster(http, lifetime: .nanoseconds(1))
    _ = try await quick.namespace("db", deadline: Self.soon)
    #expect(quick.knownNamespace("db") == nil)
  }

  @Test func `failures are not remembered`() async throws {
    let http = ScriptedHTTP(500, "")
    let cluster = try Self.cluster(http)
    for _ in 0..<2 {
      await #expect(throws: ClusterError.self) { try await cluster.namespace("db", deadline: Self.soon) }
    }
    #expect(http.requests.count == 2)
  }

  @Test func `that a Secret may not be read is known for some seconds, a namespace is asked for again`() async throws {
    let http = ScriptedHTTP(403, Self.status(403, "Forbidden", "no"))
    let cluster = try Self.cluster(http)
    for _ in 0..<3 {
      let error = await #expect(throws: ClusterError.self) {
        try await cluster.secret("pull", namespace: "db", deadline: Self.soon)
      }
      #expect(error?.code == .forbidden && error?.description.contains("RBAC must allow") == true)
    }
    #expect(http.requests.count == 1)
    await #expect(throws: ClusterError.self) {
      try await cluster.secret("other", namespace: "db", deadline: Self.soon)
    }
    for _ in 0..<2 {
      await #expect(throws: ClusterError.self) { try await cluster.namespace("db", deadline: Self.soon) }
    }
    #expect(http.requests.count == 4)
  }

  @Test func `a Secret that may be read again is read`() async throws {
    let answers = Locked([403])
    let http = ScriptedHTTP { _ throws(HTTPClientError) in
      guard answers.withLock({ $0.popLast() }) == nil else {
        return HTTPResponse(status: 403, body: Array(Self.status(403, "Forbidden", "no").utf8))
      }
      let body =
        #"{"kind":"Secret","apiVersion":"v1","metadata":{"name":"pull","namespace":"db","resourceVersion":"7"}}"#
      return HTTPResponse(status: 200, body: Array(body.utf8))
    }
    var options = APICluster.Options()
    options.refusalLifetime = .milliseconds(20)
    let connection = Connection(server: try ServerAddress(parsing: "https://api.example:6443"))
    let cluster = try APICluster(connection, options: options) { _ throws(HTTPClientError) in http }
    await #expect(throws: ClusterError.self) {
      try await cluster.secret("pull", namespace: "db", deadline: Self.soon)
    }
    try await Task.sleep(for: .milliseconds(40))
    #expect(try await cluster.secret("pull", namespace: "db", deadline: Self.soon).resourceVersion == "7")
  }

  @Test func `large objects are not kept`() async throws {
    let large = String(repeating: "x", count: 200_000)
    let http = ScriptedHTTP(
      200,
      "{\"kind\":\"ConfigMap\",\"apiVersion\":\"v1\",\"metadata\":{\"name\":\"c\",\"namespace\":\"db\"},\"data\":{\"k\":\"\(large)\"}}"
    )
    let cluster = try Self.cluster(http)
    for _ in 0..<2 {
      #expect(try await cluster.configMap("c", namespace: "db", deadline: Self.soon).data["k"]?.utf8.count == 200_000)
    }
    #expect(http.requests.count == 2)
  }

  @Test func `those who ask together share one request`() async throws {
    let gate = Gate()
    let http = ScriptedHTTP { request throws(HTTPClientError) in
      await gate.wait()
      return HTTPResponse(status: 200, body: Array(Self.namespace(request.url.hasSuffix("/db") ? "db" : "other").utf8))
    }
    let cluster = try Self.cluster(http, lifetime: .zero)
    try await withThrowingTaskGroup(of: Namespace.self) { group in
      for number in 0..<20 {
        group.addTask { try await cluster.namespace(number == 19 ? "other" : "db", deadline: Self.soon) }
      }
      // All are there before anything is answered; late comers would begin a third.
      func waiting(for name: String) throws -> Int {
        cluster.flights.waiterCount(try ObjectID(.namespace, namespace: "", name: name))
      }
      while try waiting(for: "db") < 19 || waiting(for: "other") < 1, !Task.isCancelled { await Task.yield() }
      gate.open()
      for try await namespace in group { #expect(["db", "other"].contains(namespace.name)) }
    }
    #expect(http.requests.count == 2)
  }

  @Test func `who must leave before the answer leaves alone`() async throws {
    let gate = Gate()
    let http = ScriptedHTTP { _ throws(HTTPClientError) in
      await gate.wait()
      return HTTPResponse(status: 200, body: Array(Self.namespace("db").utf8))
    }
    let cluster = try Self.cluster(http)
    async let patient = cluster.namespace("db", deadline: Self.soon)
    let error = await #expect(throws: ClusterError.self) {
      try await cluster.namespace("db", deadline: .after(.milliseconds(1)))
    }
    #expect(error?.code == .unavailable)
    #expect(error?.description.contains("did not answer in the time that was left") == true)
    let task = Task { try await cluster.namespace("db", deadline: Self.soon) }
    task.cancel()
    await #expect(throws: ClusterError.self) { try await task.value }
    gate.open()
    #expect(try await patient.name == "db")
    #expect(cluster.knownNamespace("db") != nil)
  }

  @Test func `the request has the cluster's time, not one caller's`() async throws {
    let http = ScriptedHTTP(200, Self.namespace("db"))
    let cluster = try Self.cluster(http)
    let before = Deadline.after(.seconds(19))
    _ = try await cluster.namespace("db", deadline: .after(.seconds(3600)))
    let deadline = try #require(http.deadlines.first)
    #expect(deadline > before && deadline < .after(.seconds(21)))
  }
}
