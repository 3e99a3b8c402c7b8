import Kubernetes
import Logging
import Primitives
import Sigstore
import Testing
import TrustRoot

@testable import Webhook

/// A trusted root under a key of a ConfigMap.
@Suite struct ConfigMapTrustRootTests {
  private let text = String(decoding: BundledTrustRoot.trustedRoot, as: UTF8.self)

  private func map(_ text: String, key: String = "root.json", version: String) -> ConfigMap {
    ConfigMap(namespace: "pinseal", name: "trust", data: [key: text], resourceVersion: version)
  }

  private func set(_ map: ConfigMap, in cluster: FakeCluster) {
    cluster.state.withLock { $0.configMaps["pinseal/trust"] = map }
  }

  private func open(_ cluster: FakeCluster) async throws -> TrustRootStore {
    let source = ConfigMapTrustRoot(cluster: cluster, namespace: "pinseal", name: "trust", key: "root.json")
    return try await TrustRootStore.open(.user(source), at: 1, logger: Logger(label: "test"))
  }

  @Test func `another content is taken up once, and the same version is not read again`() async throws {
    let cluster = FakeCluster(configMaps: [map(text, version: "7")])
    let store = try await open(cluster)
    #expect(store.current.root.transparencyLogs.count == 2 && store.status.label == "configmap")
    #expect(await !store.reload(at: 2))
    set(map(text + "\n", version: "8"), in: cluster)
    #expect(await store.reload(at: 3))
    #expect(await !store.reload(at: 4))
    #expect(store.current.since == 3)
  }

  @Test func `what becomes unusable leaves the root before it in use, and says so until it is mended`() async throws {
    let cluster = FakeCluster(configMaps: [map(text, version: "7")])
    let store = try await open(cluster)
    let large = String(repeating: " ", count: TrustRootFile.maximumByteCount) + text
    for (broken, reason) in [
      (map("{}", key: "other.json", version: "8"), "has no key root.json"), (map("{", version: "9"), "root.json: "),
      (map(large, version: "10"), "at most"),
    ] {
      set(broken, in: cluster)
      #expect(await !store.reload(at: 3))
      #expect(store.status.failure?.contains(reason) == true, "\(store.status.failure ?? "none")")
      #expect(store.current.since == 1)
    }
    cluster.state.withLock { $0.configMaps = [:] }
    #expect(await !store.reload(at: 4))
    #expect(store.status.failure?.contains("not found") == true)
    set(map(text, version: "11"), in: cluster)
    await store.reload(at: 5)
    #expect(store.status.failure == nil && store.current.since == 1)
  }

  @Test func `without one nothing starts`() async throws {
    await #expect(throws: TrustRootError.self) { try await open(FakeCluster()) }
  }
}
