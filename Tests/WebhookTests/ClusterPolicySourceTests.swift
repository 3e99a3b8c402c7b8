import Crypto
import Kubernetes
import OCI
import Policy
import Primitives
import Sigstore
import Testing

@testable import Webhook

@Suite struct ClusterPolicySourceTests {
  let key: PublicKey
  let other: PublicKey

  init() throws {
    key = try PrivateKey(generating: .p256).publicKey
    other = try PrivateKey(generating: .p256).publicKey
  }

  private func namespace(_ annotations: [String: String]) -> Namespace {
    Namespace(
      name: "shop",
      annotations: Dictionary(uniqueKeysWithValues: annotations.map { ("pinseal.dev/" + $0.key, $0.value) }))
  }

  private func keys(_ policy: NamespacePolicy?) -> [PublicKey]? {
    guard case .enabled(let policy)? = policy else { return nil }
    return policy.keys
  }

  @Test func `an inline key is known without waiting, and parsed once`() async {
    let cluster = FakeCluster([namespace(["image-verification": "enabled", "public-key": key.pem])])
    let source = ClusterPolicySource(cluster: cluster, enabledByDefault: false)
    #expect(keys(source.knownPolicy(ofNamespace: "shop")) == [key])
    let first = source.knownPolicy(ofNamespace: "shop")
    let second = source.knownPolicy(ofNamespace: "shop")
    guard case .enabled(let one)? = first, case .enabled(let two)? = second else {
      Issue.record("no policy")
      return
    }
    #expect(one.keys[0] === two.keys[0])
    #expect(cluster.asked.isEmpty)
  }

  @Test func `a changed annotation is in force at the next look`() {
    let cluster = FakeCluster([namespace(["image-verification": "enabled", "public-key": key.pem])])
    let source = ClusterPolicySource(cluster: cluster, enabledByDefault: false)
    #expect(keys(source.knownPolicy(ofNamespace: "shop")) == [key])
    cluster.set(namespace(["image-verification": "enabled", "public-key": other.pem]))
    #expect(keys(source.knownPolicy(ofNamespace: "shop")) == [other])
    cluster.set(namespace(["image-verification": "disabled"]))
    #expect(source.knownPolicy(ofNamespace: "shop") == .off(warning: nil))
  }

  @Test func `a change that Unicode takes for none is one`() {
    func identity(_ spelling: String) -> Namespace {
      namespace([
        "image-verification": "enabled", "certificate-identity": spelling,
        "certificate-oidc-issuer": "https://i.example",
      ])
    }
    let (composed, decomposed) = ("ren\u{e9}@example.com", "rene\u{301}@example.com")
    let cluster = FakeCluster([identity(composed)])
    let source = ClusterPolicySource(cluster: cluster, enabledByDefault: false)
    func wanted() -> String? {
      guard case .enabled(let policy)? = source.knownPolicy(ofNamespace: "shop"),
        let matcher = policy.demand.identities.first, case .exact(let text) = matcher.identity
      else { return nil }
      return text
    }
    #expect(wanted().map { Array($0.utf8) } == Array(composed.utf8))
    cluster.set(identity(decomposed))
    #expect(wanted().map { Array($0.utf8) } == Array(decomposed.utf8))
  }

  @Test func `keys are read from a Secret and from a ConfigMap of the same namespace`() async {
    let cluster = FakeCluster(
      [namespace(["image-verification": "enabled", "public-key": "secret://keys/cosign.pub"])],
      secrets: [Secret(namespace: "shop", name: "keys", type: "Opaque", data: ["cosign.pub": Array(key.pem.utf8)])],
      configMaps: [ConfigMap(namespace: "shop", name: "keys", data: ["cosign.pub": other.pem])])
    let source = ClusterPolicySource(cluster: cluster, enabledByDefault: false)
    #expect(source.knownPolicy(ofNamespace: "shop") == nil)
    #expect(keys(await source.policy(ofNamespace: "shop", deadline: .after(.seconds(60)))) == [key])
    #expect(keys(source.knownPolicy(ofNamespace: "shop")) == [key])

    cluster.set(namespace(["image-verification": "enabled", "public-key": "configmap://keys/cosign.pub"]))
    #expect(keys(await source.policy(ofNamespace: "shop", deadline: .after(.seconds(60)))) == [other])
  }

  @Test func `a key that is read again after its lifetime follows the Secret`() async {
    let cluster = FakeCluster(
      [namespace(["image-verification": "enabled", "public-key": "secret://keys/a"])],
      secrets: [Secret(namespace: "shop", name: "keys", type: "Opaque", data: ["a": Array(key.pem.utf8)])])
    let source = ClusterPolicySource(cluster: cluster, enabledByDefault: false, keyLifetime: .zero)
    #expect(keys(await source.policy(ofNamespace: "shop", deadline: .after(.seconds(60)))) == [key])
    cluster.state.withLock {
      $0.secrets["shop/keys"] = Secret(
        namespace: "shop", name: "keys", type: "Opaque", data: ["a": Array(other.pem.utf8)])
    }
    #expect(source.knownPolicy(ofNamespace: "shop") == nil)
    #expect(keys(await source.policy(ofNamespace: "shop", deadline: .after(.seconds(60)))) == [other])
  }

  @Test(arguments: ["secret", "configmap"])
  func `a key in a watched object is known without waiting, and changes with it`(scheme: String) {
    let cluster = FakeCluster([namespace(["image-verification": "enabled", "public-key": "\(scheme)://keys/a"])])
    cluster.state.withLock { $0.isWatched = true }
    func put(_ text: String?, version: String) {
      cluster.state.withLock {
        $0.secrets["shop/keys"] = text.map {
          Secret(namespace: "shop", name: "keys", type: "Opaque", data: ["a": Array($0.utf8)], resourceVersion: version)
        }
        $0.configMaps["shop/keys"] = text.map {
          ConfigMap(namespace: "shop", name: "keys", data: ["a": $0], resourceVersion: version)
        }
      }
    }
    let source = ClusterPolicySource(cluster: cluster, enabledByDefault: false, keyLifetime: .seconds(3600))
    func known() -> NamespacePolicy? { source.knownPolicy(ofNamespace: "shop") }
    guard case .invalid(let message, _)? = known() else {
      Issue.record("a key that is known to be absent is no policy")
      return
    }
    #expect(message.contains("was not found"))
    put(key.pem, version: "1")
    #expect(keys(known()) == [key])
    guard case .enabled(let one)? = known(), case .enabled(let two)? = known() else { return }
    #expect(one.keys[0] === two.keys[0], "parsed once")
    put(other.pem, version: "2")
    #expect(keys(known()) == [other])
    put(nil, version: "3")
    guard case .invalid? = known() else {
      Issue.record("a deleted key still counts")
      return
    }
    #expect(cluster.asked.isEmpty)
  }

  @Test func `without a version an object says nothing about being the same`() {
    let cluster = FakeCluster(
      [namespace(["image-verification": "enabled", "public-key": "configmap://keys/a"])],
      configMaps: [ConfigMap(namespace: "shop", name: "keys", data: ["a": key.pem])])
    cluster.state.withLock { $0.isWatched = true }
    let source = ClusterPolicySource(cluster: cluster, enabledByDefault: false)
    #expect(keys(source.knownPolicy(ofNamespace: "shop")) == [key])
    cluster.state.withLock {
      $0.configMaps["shop/keys"] = ConfigMap(namespace: "shop", name: "keys", data: ["a": other.pem])
    }
    #expect(keys(source.knownPolicy(ofNamespace: "shop")) == [other])
  }

  @Test func `what credentials give changes with the Secrets that they are in`() async {
    let cluster = FakeCluster()
    func put(_ version: String) {
      cluster.state.withLock {
        $0.secrets["shop/s"] = Secret(
          namespace: "shop", name: "s", type: "Opaque", data: [:], resourceVersion: version)
      }
    }
    let source = ClusterPolicySource(cluster: cluster, enabledByDefault: false)
    let handle = source.credentials(namespace: "shop", policySecrets: ["s"], templateSecrets: [])
    let absent = await handle.version()
    put("1")
    let first = await handle.version()
    #expect(first != nil && first != absent)
    #expect(await handle.version() == first)
    put("2")
    #expect(await handle.version() != first)
    cluster.state.withLock { $0.failure = ClusterError(.unavailable, "away") }
    #expect(await handle.version() == nil, "who cannot be asked says nothing")
    #expect(source.credentials(namespace: "shop", policySecrets: [], templateSecrets: []).scope.isEmpty)
  }

  @Test(arguments: [
    ("secret://absent/a", "Secret absent was not found"),
    ("secret://keys/absent", "Secret keys has no key absent, only: a, binary"),
    ("secret://keys/binary", "is not UTF-8"),
    ("configmap://absent/a", "ConfigMap absent was not found"),
  ])
  func `a key that is not there makes the policy invalid, and the message says what is`(value: String, reason: String)
    async
  {
    let cluster = FakeCluster(
      [namespace(["image-verification": "enabled", "public-key": value, "failure-policy": "Warn"])],
      secrets: [
        Secret(
          namespace: "shop", name: "keys", type: "Opaque", data: ["a": Array("junk".utf8), "binary": [0xFF, 0xFE]])
      ])
    let source = ClusterPolicySource(cluster: cluster, enabledByDefault: false)
    guard
      case .invalid(let message, let failurePolicy) = await source.policy(
        ofNamespace: "shop", deadline: .after(.seconds(60)))
    else {
      Issue.record("not invalid")
      return
    }
    #expect(message.contains("pinseal.dev/public-key") && message.contains(reason))
    #expect(failurePolicy == .warn)
  }

  @Test func `CVE-2025-46342: a cluster that does not answer makes the policy unavailable, under Block`() async {
    let cluster = FakeCluster([namespace(["image-verification": "disabled"])])
    cluster.state.withLock { $0.failure = ClusterError(.unavailable, "connection refused") }
    let source = ClusterPolicySource(cluster: cluster, enabledByDefault: false)
    guard
      case .unavailable(let message, .block) = await source.policy(
        ofNamespace: "shop", deadline: .after(.seconds(60)))
    else {
      Issue.record("not unavailable")
      return
    }
    #expect(message.contains("shop") && message.contains("connection refused"))
  }

  @Test func `credentials come in the order policy, template, server, and name what failed`() async throws {
    func config(_ user: String) -> [UInt8] {
      Array(#"{"auths":{"r.example":{"username":"\#(user)","password":"x"}}}"#.utf8)
    }
    let cluster = FakeCluster(
      secrets: [
        Secret(
          namespace: "shop", name: "first", type: "kubernetes.io/dockerconfigjson",
          data: [".dockerconfigjson": config("a")]),
        Secret(
          namespace: "shop", name: "second", type: "kubernetes.io/dockercfg",
          data: [".dockercfg": Array(#"{"r.example":{"username":"b","password":"x"}}"#.utf8)]),
        Secret(namespace: "shop", name: "opaque", type: "Opaque", data: [:]),
        Secret(
          namespace: "other", name: "foreign", type: "kubernetes.io/dockerconfigjson",
          data: [".dockerconfigjson": config("f")]),
      ])
    let source = ClusterPolicySource(cluster: cluster, enabledByDefault: false)
    let handle = source.credentials(
      namespace: "shop", policySecrets: ["first", "opaque"], templateSecrets: ["second", "first", "foreign"])
    #expect(cluster.asked.isEmpty)
    let (sources, notes) = await handle.credentials()
    #expect(sources.map(\.source) == ["Secret first", "Secret second"])
    #expect(notes.count == 2)
    #expect(
      notes[0].contains("opaque") && notes[0].contains("Opaque") && notes[0].contains("kubernetes.io/dockerconfigjson"))
    #expect(notes[1].contains("foreign") && notes[1].contains("not found"))
  }

  @Test func `look-ups are shared only by those who read with the same Secrets of the same namespace`() {
    let source = ClusterPolicySource(cluster: FakeCluster(), enabledByDefault: false)
    func scope(_ namespace: String, _ policy: [String], _ template: [String]) -> String {
      source.credentials(namespace: namespace, policySecrets: policy, templateSecrets: template).scope
    }
    let scopes = [
      scope("a", [], []), scope("a", ["s"], []), scope("b", ["s"], []), scope("a", [], ["s"]),
      scope("a", ["s", "t"], []), scope("a", [], ["s", "t"]), scope("a", [], ["s,t"]), scope("a", [], ["s/t"]),
      scope("a", ["s"], ["t"]), scope("a", [], ["s", "1:t"]), scope("a", [], ["s1:1:t"]),
    ]
    #expect(Set(scopes).count == scopes.count)
    #expect(scope("a", [], []) == scope("b", [], []))
  }
}
