import Admission
import Crypto
import EmbeddedRegistry
import HTTPServer
import JSON
import Kubernetes
import Logging
import OCI
import Primitives
import Sigstore
import Telemetry
import Testing
import Verification

@testable import Webhook

/// The lines that operators read, as they are written.
@Suite struct DecisionLogTests {
  static let password = "hunter2-and-more"

  let registry: EmbeddedRegistry
  let key: PrivateKey
  let lines = Locked<[String]>([])

  init() throws {
    key = try PrivateKey(generating: .p256)
    var configuration = EmbeddedRegistry.Configuration()
    configuration.authentication = .basic
    configuration.accounts = [Account(username: "robot", password: Self.password)]
    registry = EmbeddedRegistry(configuration)
  }

  private func controller(_ format: LogFormat, password: String = Self.password) -> AdmissionController {
    let lines = lines
    let output = LogOutput { line in lines.withLock { $0.append(String(decoding: line, as: UTF8.self)) } }
    let authentication = Base64.encode(Array("robot:\(password)".utf8))
    let cluster = FakeCluster(
      [
        Namespace(
          name: "shop",
          annotations: [
            "pinseal.dev/image-verification": "enabled", "pinseal.dev/ignore-tlog": "true",
            "pinseal.dev/public-key": key.publicKey.pem, "pinseal.dev/image-pull-secrets": "pull",
          ])
      ],
      secrets: [
        Secret(
          namespace: "shop", name: "pull", type: "kubernetes.io/dockerconfigjson",
          data: [
            ".dockerconfigjson": Array(#"{"auths":{"registry.example":{"auth":"\#(authentication)"}}}"#.utf8)
          ])
      ])
    cluster.state.withLock { $0.isWarm = false }
    return AdmissionController(
      policies: ClusterPolicySource(cluster: cluster, enabledByDefault: false),
      verifier: ImageVerifier(
        registry: RegistryClient(http: InProcessTransport(["registry.example": registry]))),
      logger: Logger(label: "pinseal") {
        StructuredLogHandler(label: $0, format: format, level: .trace, output: output)
      })
  }

  private func review(_ image: String, to controller: AdmissionController) async -> AdmissionAnswer {
    let body = #"""
      {"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{"uid":"u-1",
      "kind":{"group":"apps","version":"v1","kind":"StatefulSet"},"name":"db","namespace":"shop","operation":"CREATE",
      "object":{"metadata":{"name":"db"},"spec":{"template":{"spec":{"containers":[{"name":"app","image":"\#(image)"}]}}}}}}
      """#
    switch controller.review(Array(body.utf8), endpoint: .mutate, query: "timeout=10s") {
    case .now(let answer): return answer
    case .later(let judge): return await judge()
    }
  }

  private func signedImage() throws -> Digest {
    let digest = try registry.pushImage(repository: "team/app", tag: "v1")
    try registry.attachSignature(repository: "team/app", digest: digest, key: key, as: .bundle)
    return digest
  }

  private func onlyLine() throws -> String {
    let written = lines.withLock { $0 }
    #expect(written.count == 1, "\(written)")
    return try #require(written.first)
  }

  @Test func `a decision is one line of JSON with who, what, by which key and the time of each step`() async throws {
    let digest = try signedImage()
    let controller = controller(.json)
    #expect(await review("registry.example/team/app:v1", to: controller).decision == .pinned)
    let line = try JSONDocument(Array(try onlyLine().utf8)).root
    #expect(try line.member("message").string() == "review pinned")
    #expect(try line.member("level").string() == "info")
    let metadata = try line.member("metadata")
    for (name, value) in [
      "namespace": "shop", "name": "db", "operation": "CREATE", "uid": "u-1", "endpoint": "mutate",
    ] {
      #expect(try metadata.member(name).string() == value, "\(name)")
    }
    let image = try #require(try metadata.member("images").elements().first)
    #expect(try image.member("from").string() == "registry.example/team/app:v1")
    #expect(try image.member("to").string() == "registry.example/team/app:v1@\(digest)")
    #expect(try image.member("key").string() == "\(key.publicKey.fingerprint)")
    #expect(try image.member("cached").string() == "false")
    let took = try #require(Int(try metadata.member("took-us").string()))
    var sum = try #require(Int(try metadata.member("policy-us").string()))
    for step in ["resolve-us", "find-us", "verify-us"] {
      let time = try #require(Int(try image.member(step).string()), "\(step)")
      sum += time
      if step == "verify-us" { #expect(time > 0) }
    }
    #expect(sum <= took, "\(sum) of \(took)")

    // The second time the tag is asked for and nothing else.
    lines.withLock { $0 = [] }
    #expect(await review("registry.example/team/app:v1", to: controller).decision == .pinned)
    let second = try JSONDocument(Array(try onlyLine().utf8)).root
    let cached = try #require(try second.member("metadata").member("images").elements().first)
    #expect(try cached.member("cached").string() == "true" && cached["resolve-us"] != nil && cached["find-us"] == nil)
  }

  @Test func `a decision is one line of text`() async throws {
    let digest = try signedImage()
    #expect(await review("registry.example/team/app:v1", to: controller(.text)).decision == .pinned)
    let line = try onlyLine()
    for part in [
      " info pinseal: review pinned ", "namespace=shop", "name=db", "operation=CREATE", "uid=u-1",
      "from=registry.example/team/app:v1", "to=registry.example/team/app:v1@\(digest)",
      "key=\(key.publicKey.fingerprint)", "cached=false", "resolve-us=", "find-us=", "verify-us=", "policy-us=",
    ] {
      #expect(line.contains(part), "\(part) is not in \(line)")
    }
  }

  @Test(arguments: LogFormat.allCases)
  func `a refusal is one line with its text and the times, and no password or token is in any line`(format: LogFormat)
    async throws
  {
    try registry.pushImage(repository: "team/app", tag: "v1")
    #expect(await review("registry.example/team/app:v1", to: controller(format)).decision == .refused)
    let refused = try onlyLine()
    #expect(refused.contains("SIGNATURE_NOT_FOUND") && refused.contains("find-us") && refused.contains("warning"))
    // Credentials that the registry refuses are named by where they came from.
    lines.withLock { $0 = [] }
    #expect(
      await review("registry.example/team/app:v1", to: controller(format, password: "wr0ng-" + Self.password)).decision
        == .refused)
    #expect(try onlyLine().contains("REGISTRY_UNAUTHORIZED"))
    let all = refused + (try onlyLine())
    let secrets = [Self.password, "wr0ng", Base64.encode(Array("robot:\(Self.password)".utf8)), "Bearer", "Basic "]
    for secret in secrets { #expect(!all.contains(secret), "\(all)") }
  }

  @Test func `a flood of what is no review is a line a second at most`() {
    let controller = controller(.json)
    for _ in 0..<1000 { _ = controller.review(Array("{}".utf8), endpoint: .mutate, query: "") }
    let written = lines.withLock { $0 }
    #expect((1...20).contains(written.count), "\(written.count)")
    #expect(written.allSatisfy { $0.contains("review malformed") })
  }
}
