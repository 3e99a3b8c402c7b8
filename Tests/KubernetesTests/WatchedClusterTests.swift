import HTTPClient
import Primitives
import Testing

@testable import Kubernetes

/// A cluster that is watched, against an API server in memory, with a clock that stands.
@Suite(.timeLimit(.minutes(5))) struct WatchedClusterTests {
  let api = LiveAPI()
  let clock = TestClock(isAutomatic: false)
  static var soon: Deadline { .after(.seconds(60)) }

  /// Runs `body` beside the cluster's `run`, and afterwards expects nothing to be left.
  func watching(
    bounds: WatchedObjects.Bounds = .init(), lifetime: Duration = .zero, _ body: (APICluster) async throws -> Void
  ) async throws {
    var options = APICluster.Options()
    options.lifetime = lifetime
    let cluster = try APICluster(
      Connection(server: try ServerAddress(parsing: "https://api.example")), options: options, pace: clock.pace,
      bounds: bounds, make: { _ throws(HTTPClientError) in api }, makeStreaming: { _ throws(HTTPClientError) in api })
    let task = Task { await cluster.run() }
    #expect(await eventually { api.openStreams == 1 })
    try await body(cluster)
    task.cancel()
    await task.value
    #expect(api.openStreams == 0)
  }

  func secret(_ cluster: APICluster, _ name: String, in namespace: String) throws(ClusterError) -> String? {
    try cluster.knownSecret(name, namespace: namespace)?.data["k"].map { String(decoding: $0, as: UTF8.self) }
  }

  /// As `secret`, with `absent` for what is known not to be there.
  func state(_ cluster: APICluster, _ name: String = "s", in namespace: String = "db") -> String {
    do throws(ClusterError) {
      return try secret(cluster, name, in: namespace) ?? "unknown"
    } catch {
      return error.code == .notFound ? "absent" : "\(error)"
    }
  }

  func read(_ cluster: APICluster, _ name: String) async throws -> String {
    let secret = try await cluster.secret(name, namespace: "db", deadline: Self.soon)
    return String(decoding: secret.data["k"] ?? [], as: UTF8.self)
  }

  func map(_ cluster: APICluster) -> [String: String]? {
    do { return try cluster.knownConfigMap("c", namespace: "db")?.data } catch { return nil }
  }

  // MARK: Namespaces

  @Test func `all namespaces are known, with what may be policy, and follow what happens`() async throws {
    api.put(namespace: "a", ["pinseal.dev/pin": "digest", "PINSEAL.dev/x": "y", "other.example/z": "large"])
    try await watching { cluster in
      let a = try #require(cluster.knownNamespace("a"))
      #expect(a.annotations == ["pinseal.dev/pin": "digest", "PINSEAL.dev/x": "y"])
      #expect(cluster.notReadyReason() == nil)
      api.put(namespace: "a", ["pinseal.dev/pin": "none"])
      #expect(await eventually { cluster.knownNamespace("a")?.annotations == ["pinseal.dev/pin": "none"] })
      #expect(cluster.knownNamespace("a")?.resourceVersion != a.resourceVersion)
      api.put(namespace: "b")
      #expect(await eventually { cluster.knownNamespace("b") != nil })
      api.delete("/api/v1/namespaces/b")
      #expect(await eventually { cluster.knownNamespace("b") == nil })
      let read = try await cluster.namespace("a", deadline: Self.soon)
      #expect(read.annotations == ["pinseal.dev/pin": "none"])
      #expect(api.requests == ["LIST /api/v1/namespaces", "WATCH /api/v1/namespaces"])
      #expect(cluster.status().watches.first?.objects == 1)
    }
  }

  @Test func `a namespace that was not seen yet is read once, for all who ask`() async throws {
    try await watching(lifetime: .seconds(60)) { cluster in
      // The watch is broken, and so the namespace is not told of.
      api.setDown(true)
      #expect(await eventually { api.openStreams == 0 })
      api.setDown(false)
      api.put(namespace: "new", ["pinseal.dev/pin": "digest"])
      api.forget()
      #expect(cluster.knownNamespace("new") == nil)
      try await withThrowingTaskGroup(of: Namespace.self) { group in
        for _ in 0..<10 { group.addTask { try await cluster.namespace("new", deadline: Self.soon) } }
        for try await namespace in group {
          #expect(namespace.annotations == ["pinseal.dev/pin": "digest"])
        }
      }
      #expect(api.requests == ["GET /api/v1/namespaces/new"])
      let error = await #expect(throws: ClusterError.self) { try await cluster.namespace("no", deadline: Self.soon) }
      #expect(error?.code == .notFound)
    }
  }

  @Test func `it is not ready until the first list, and says why`() async throws {
    api.forbid("LIST")
    let cluster = try APICluster(
      Connection(server: try ServerAddress(parsing: "https://api.example")), options: .init(), pace: clock.pace,
      make: { _ throws(HTTPClientError) in api }, makeStreaming: { _ throws(HTTPClientError) in api })
    #expect(cluster.notReadyReason() == "the namespaces are not listed yet")
    let task = Task { await cluster.run() }
    #expect(
      await eventually {
        cluster.notReadyReason()?.contains("RBAC must allow the verb list on namespaces in the whole cluster") == true
      })
    api.forbid()
    // Again and again: it may not sleep yet.
    #expect(
      await eventually {
        clock.advance(by: .seconds(10))
        return cluster.notReadyReason() == nil
      })
    task.cancel()
    await task.value
  }

  @Test func `an API server that is away stops nothing that is known, and what changed meanwhile is seen after`()
    async throws
  {
    api.put(namespace: "a", ["pinseal.dev/pin": "digest"])
    api.put(secret: "s", in: "db", ["k": "one"])
    try await watching { cluster in
      _ = try await cluster.secret("s", namespace: "db", deadline: Self.soon)
      #expect(await eventually { state(cluster) == "one" })
      api.setDown(true)
      #expect(await eventually { cluster.status().troubles.count == 2 })
      for _ in 0..<90 {
        clock.advance(by: .seconds(1))
        await Task.yield()
      }
      #expect(cluster.knownNamespace("a") != nil && state(cluster) == "one")
      #expect(cluster.notReadyReason() == nil)
      let broken = cluster.status()
      #expect(broken.troubles.map(\.subject).sorted() == ["Secret db/s", "namespaces in the whole cluster"])
      #expect(broken.troubles.allSatisfy { $0.isLong && $0.reason.contains("https://api.example") })
      #expect(broken.watches.allSatisfy { $0.count == 0 || $0.age ?? .zero >= .seconds(90) })

      api.put(namespace: "a", ["pinseal.dev/pin": "none"])
      api.put(secret: "s", in: "db", ["k": "two"])
      api.setDown(false)
      #expect(
        await eventually {
          clock.advance(by: .seconds(1))
          return api.openStreams == 2
        })
      // What this server's watches begin with they tell; what was before them only a list would.
      api.put(namespace: "a", ["pinseal.dev/pin": "none"])
      api.put(secret: "s", in: "db", ["k": "two"])
      #expect(await eventually { cluster.knownNamespace("a")?.annotations == ["pinseal.dev/pin": "none"] })
      #expect(await eventually { state(cluster) == "two" })
      #expect(cluster.status().troubles.isEmpty)
      #expect(cluster.status().watches.allSatisfy { $0.count == 0 || $0.breaks > 0 })
    }
  }

  // MARK: Secrets and ConfigMaps

  @Test func `what is asked for is watched by its name from then on, also what is not there`() async throws {
    api.put(secret: "s", in: "db", ["k": "one"])
    api.put(secret: "other", in: "db", ["k": "x"])
    try await watching { cluster in
      let first = try await read(cluster, "s")
      #expect(first == "one")
      #expect(await eventually { state(cluster) == "one" })
      #expect(await eventually { state(cluster, "none") == "absent" })
      #expect(await eventually { api.openStreams == 3 })
      api.forget()
      api.put(secret: "s", in: "db", ["k": "two"])
      #expect(await eventually { state(cluster) == "two" })
      api.delete("/api/v1/namespaces/db/secrets/s")
      #expect(await eventually { state(cluster) == "absent" })
      let error = await #expect(throws: ClusterError.self) {
        try await cluster.secret("s", namespace: "db", deadline: Self.soon)
      }
      #expect(error?.code == .notFound && error?.description == "Secret db/s does not exist")
      api.put(secret: "none", in: "db", ["k": "there"])
      #expect(await eventually { state(cluster, "none") == "there" })
      #expect(api.requests.isEmpty, "everything came from the watches")
      #expect(cluster.status().watches.map(\.objects) == [0, 1, 0])
    }
  }

  @Test func `ConfigMaps are watched as Secrets are`() async throws {
    api.put(configMap: "c", in: "db", ["k": "one"])
    try await watching { cluster in
      let read = try await cluster.configMap("c", namespace: "db", deadline: Self.soon)
      #expect(read.data == ["k": "one"])
      #expect(await eventually { map(cluster) == ["k": "one"] })
      api.put(configMap: "c", in: "db", ["k": "two"])
      #expect(await eventually { map(cluster) == ["k": "two"] })
    }
  }

  @Test func `names that can be none are not watched`() async throws {
    try await watching { cluster in
      #expect(state(cluster, "../s").contains("cannot be the name"))
      #expect(state(cluster, in: "d/b").contains("cannot be the name"))
      #expect(api.openStreams == 1)
    }
  }

  @Test func `where watching is forbidden objects are read, until it is allowed`() async throws {
    api.put(secret: "s", in: "db", ["k": "one"])
    try await watching(lifetime: .seconds(60)) { cluster in
      api.forbid("LIST", "WATCH")
      let first = try await read(cluster, "s")
      #expect(first == "one")
      #expect(await eventually { cluster.status().watches[1].forbidden == 1 })
      #expect(state(cluster) == "one", "known for the lifetime of what was read")
      #expect(cluster.status().troubles.isEmpty)
      #expect(cluster.status().watches[1].age == nil)
      api.forbid()
      // Again and again: it may not sleep yet.
      #expect(
        await eventually {
          clock.advance(by: .seconds(10))
          return cluster.status().watches[1].objects == 1
        })
      api.put(secret: "s", in: "db", ["k": "two"])
      #expect(await eventually { state(cluster) == "two" })
    }
  }

  @Test func `what was known is forgotten when watching it becomes forbidden`() async throws {
    api.put(secret: "s", in: "db", ["k": "one"])
    try await watching { cluster in
      _ = state(cluster)
      #expect(await eventually { state(cluster) == "one" && api.openStreams == 2 })
      api.setDown(true)
      api.setDown(false)
      api.forbid("LIST", "WATCH", "GET")
      #expect(
        await eventually {
          clock.advance(by: .milliseconds(100))
          return state(cluster) == "unknown"
        })
      let error = await #expect(throws: ClusterError.self) {
        try await cluster.secret("s", namespace: "db", deadline: Self.soon)
      }
      #expect(error?.code == .forbidden)
    }
  }

  @Test func `objects that are too large are read each time`() async throws {
    api.put(secret: "s", in: "db", ["k": String(repeating: "x", count: 200_000)])
    try await watching { cluster in
      _ = state(cluster)
      #expect(await eventually { api.openStreams == 2 })
      api.forget()
      for _ in 0..<2 {
        let secret = try await cluster.secret("s", namespace: "db", deadline: Self.soon)
        #expect(secret.data["k"]?.count == 200_000)
      }
      #expect(api.requests.count == 2)
      api.put(secret: "s", in: "db", ["k": "small"])
      #expect(await eventually { state(cluster) == "small" })
      api.put(secret: "s", in: "db", ["k": String(repeating: "y", count: 200_000)])
      #expect(await eventually { state(cluster) == "unknown" })
    }
  }

  // MARK: Bounds

  @Test func `what nobody asks for any more is let go`() async throws {
    try await watching { cluster in
      for name in ["a", "b"] { _ = state(cluster, name) }
      #expect(await eventually { api.openStreams == 3 })
      for _ in 0..<20 {
        clock.advance(by: .seconds(30))
        _ = state(cluster, "b")
        await Task.yield()
      }
      #expect(
        await eventually {
          clock.advance(by: .seconds(1))
          _ = state(cluster, "b")
          return api.openStreams == 2
        })
      #expect(state(cluster, "b") == "absent")
      #expect(state(cluster, "a") == "unknown")
      #expect(await eventually { state(cluster, "a") == "absent" })
    }
  }

  @Test func `a watch that has ended leaves nothing in memory`() async throws {
    struct Weak: @unchecked Sendable { weak var object: WatchedObject? }
    let left = Locked<[Weak]>([])
    let count: @Sendable () -> Int = { left.withLock { $0.count { $0.object != nil } } }
    try await watching { cluster in
      for name in ["a", "b"] {
        _ = state(cluster, name)
        #expect(await eventually { state(cluster, name) == "absent" })
      }
      left.withLock { $0 = cluster.objects.watches(.secret).all.map { Weak(object: $0) } }
      #expect(count() == 2)
      #expect(
        await eventually {
          clock.advance(by: .seconds(60))
          _ = state(cluster, "b")
          return count() == 1
        })
    }
    #expect(await eventually { count() == 0 })
  }

  @Test func `beyond the bound objects are read, and the one not used for longest makes room`() async throws {
    var bounds = WatchedObjects.Bounds()
    bounds.watches = 2
    for name in ["a", "b", "c"] { api.put(secret: name, in: "db", ["k": name]) }
    try await watching(bounds: bounds) { cluster in
      for name in ["a", "b"] {
        _ = state(cluster, name)
        clock.advance(by: .seconds(1))
      }
      #expect(await eventually { state(cluster, "b") == "b" && api.openStreams == 3 })
      #expect(state(cluster, "c") == "unknown")
      let first = try await read(cluster, "c")
      #expect(first == "c")
      clock.advance(by: .seconds(59))
      _ = state(cluster, "b")
      clock.advance(by: .seconds(5))
      _ = state(cluster, "c")
      #expect(await eventually { state(cluster, "c") == "c" })
      #expect(state(cluster, "b") == "b")
      #expect(state(cluster, "a") == "unknown")
      #expect(await eventually { api.openStreams == 3 })
    }
  }

  @Test func `one namespace cannot take all the watches`() async throws {
    var bounds = WatchedObjects.Bounds()
    bounds.watchesPerNamespace = 3
    try await watching(bounds: bounds) { cluster in
      for number in 0..<50 { _ = state(cluster, "s\(number)", in: "greedy") }
      _ = state(cluster, "s", in: "modest")
      #expect(await eventually { state(cluster, "s", in: "modest") == "absent" })
      #expect(await eventually { api.openStreams == 5 })
      #expect(state(cluster, "s2", in: "greedy") == "absent")
      #expect(state(cluster, "s3", in: "greedy") == "unknown")
    }
  }

  @Test func `policies of namespaces that may no longer be listed are nobody's to go on with`() async throws {
    api.put(namespace: "a", ["pinseal.dev/pin": "digest"])
    try await watching { cluster in
      api.forbid("LIST", "WATCH")
      api.setDown(true)
      api.setDown(false)
      #expect(
        await eventually {
          clock.advance(by: .seconds(1))
          return cluster.knownNamespace("a") == nil
        })
      let read = try await cluster.namespace("a", deadline: Self.soon)
      #expect(read.annotations == ["pinseal.dev/pin": "digest"])
      api.forbid()
      #expect(
        await eventually {
          clock.advance(by: .seconds(1))
          return cluster.knownNamespace("a") != nil
        })
    }
  }

  @Test func `annotations beyond the store's bound are read when they are needed`() {
    let store = NamespaceStore(maximumBytes: 20)
    func namespace(_ name: String, _ value: String) -> Namespace {
      Namespace(name: name, annotations: ["pinseal.dev/x": value], resourceVersion: "1")
    }
    store.take(.listed([namespace("a", "1234567"), namespace("b", "1"), namespace("c", "")]))
    #expect(["a", "b", "c"].map { store.namespace($0) != nil } == [true, false, false])
    store.take(.stored(namespace("a", "")))
    store.take(.stored(namespace("b", "")))
    #expect(["a", "b", "c"].map { store.namespace($0) != nil } == [true, false, false])
    store.take(.deleted(namespace("a", "")))
    store.take(.stored(namespace("b", "1234567")))
    #expect(["a", "b", "c"].map { store.namespace($0) != nil } == [false, true, false])
    #expect(store.isSynced && store.count == 1)
  }
}
