import Kubernetes
import Logging
import Primitives
import Sigstore
import Testing
import TrustRoot
import Webhook

/// `--trusted-root configmap://…`.
@Suite struct ConfigMapTrustRootTests {
  private let cluster = FakeCluster()
  private let now: Int64 = 1_800_000_000
  private let publicGood = String(decoding: BundledTrustRoot.trustedRoot, as: UTF8.self)
  private let empty = #"{"mediaType":"application/vnd.dev.sigstore.trustedroot+json;version=0.1"}"#

  private func put(_ text: String?, key: String = "root.json", version: String) {
    let map = ConfigMap(
      namespace: "pinseal", name: "trust", data: text.map { [key: $0] } ?? [:], resourceVersion: version)
    cluster.state.withLock { $0.configMaps["pinseal/trust"] = map }
  }

  private func open() async throws(TrustRootError) -> TrustRootStore {
    let source = ConfigMapTrustRoot(cluster: cluster, namespace: "pinseal", name: "trust", key: "root.json")
    return try await TrustRootStore.open(
      .user(source), at: now, logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
  }

  @Test(arguments: [["1", "2", "3"], ["", "", ""]])
  func `a changed ConfigMap puts another root in use, with and without resource versions`(
    _ versions: [String]
  ) async throws {
    put(publicGood, version: versions[0])
    let store = try await open()
    #expect(store.current.root.transparencyLogs.count == 2)
    #expect(store.status.label == "configmap")
    #expect(await !store.reload(at: now + 10))
    #expect(store.status.checked == now + 10 && store.status.reloads == 0)
    put(empty, version: versions[1])
    #expect(await store.reload(at: now + 20))
    #expect(store.current.root.transparencyLogs.isEmpty)
    #expect(store.current.parts.map(\.place) == ["configmap://pinseal/trust/root.json"])
    put(publicGood, version: versions[2])
    #expect(await store.reload(at: now + 30))
    #expect(store.status.reloads == 2 && store.status.failure == nil)
  }

  @Test func `what is broken or gone is not used, and nothing takes its place`() async throws {
    put(empty, version: "1")
    let store = try await open()
    func failure(_ words: String, _ change: () -> Void) async {
      change()
      #expect(await !store.reload(at: now + 10))
      #expect(store.current.root.transparencyLogs.isEmpty, "neither the bundled root nor half of a new one")
      #expect(store.status.failure?.hasPrefix("configmap://pinseal/trust/root.json: ") == true)
      #expect(store.status.failure?.contains(words) == true, "\(store.status.failure ?? "")")
      #expect(store.status.checked == now)
    }
    await failure("malformed") { put("{", version: "2") }
    await failure("malformed") { put("{", version: "2") }
    await failure("the ConfigMap has no key root.json") { put(publicGood, key: "other", version: "3") }
    await failure("it has 1048577 bytes, at most 1048576 are read") {
      put(String(repeating: " ", count: (1 << 20) + 1), version: "4")
    }
    await failure("was not found") { cluster.state.withLock { $0.configMaps = [:] } }
    await failure("connection refused") {
      cluster.state.withLock { $0.failure = ClusterError(.unavailable, "connection refused") }
    }
    cluster.state.withLock { $0.failure = nil }
    put(publicGood, version: "5")
    #expect(await store.reload(at: now + 20))
    #expect(store.status.failure == nil && store.current.root.transparencyLogs.count == 2)
  }

  @Test func `a start without it, or with a broken one, is none`() async {
    await #expect(throws: TrustRootError.self) { try await open() }
    put("{", version: "1")
    await #expect(throws: TrustRootError.self) { try await open() }
    put(publicGood, key: "other", version: "2")
    await #expect(throws: TrustRootError.self) { try await open() }
  }
}
