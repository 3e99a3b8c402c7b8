import Admission
import Crypto
import EmbeddedRegistry
import JSON
import Logging
import OCI
import Policy
import Primitives
import Sigstore
import Telemetry
import Verification

/// Reviews whose answer is known: what a busy webhook mostly does.
struct AdmissionBenchmarks {
  let verifier: ImageVerifier
  let policies: KnownPolicy
  let digest: Digest

  init() async throws {
    let registry = EmbeddedRegistry()
    let key = try PrivateKey(generating: .p256)
    let log = MemoryLog(key: try PrivateKey(generating: .p256))
    digest = try registry.pushImage(repository: "team/db", tag: "v1")
    try registry.attachSignature(repository: "team/db", digest: digest, key: key, as: .bundle, log: log)
    policies = KnownPolicy(
      demand: SignatureDemand(keys: [key.publicKey], requiresLog: true), trustedRoot: try log.trustedRoot())
    verifier = ImageVerifier(registry: registry.client())
    guard case .verified = try await verifier.verify(request(), deadline: .after(.seconds(10))) else {
      throw Unexpected("the image does not verify")
    }
  }

  struct Unexpected: Error {
    let reason: String
    init(_ reason: String) { self.reason = reason }
  }

  /// A namespace whose policy is at hand.
  struct KnownPolicy: PolicySource {
    let policy: NamespacePolicy
    let demand: SignatureDemand
    let trustedRoot: TrustedRoot

    init(demand: SignatureDemand, trustedRoot: TrustedRoot) {
      policy = .enabled(VerificationPolicy(demand: demand))
      self.demand = demand
      self.trustedRoot = trustedRoot
    }

    func knownPolicy(ofNamespace name: String) -> NamespacePolicy? { policy }
    func policy(ofNamespace name: String, deadline: Deadline) async -> NamespacePolicy { policy }
    func credentials(namespace: String, policySecrets: [String], templateSecrets: [String]) -> CredentialsHandle {
      AnonymousCredentials()
    }
  }

  /// Knows tags as well: what remains of a review once tags are resolved.
  struct KnowingVerifier: ImageVerifying {
    let verifier: ImageVerifier
    let digest: Digest
    let signature: VerifiedSignature

    func known(_ request: VerificationRequest) -> Verdict? {
      .verified(
        VerifiedImage(image: request.image, digest: digest.description, signature: signature, fromCache: true))
    }
    func verify(_ request: VerificationRequest, deadline: Deadline) async -> Verdict {
      await verifier.verify(request, deadline: deadline)
    }
  }

  private var pinned: String { "registry.example/team/db:v1@\(digest)" }

  private func request() throws -> VerificationRequest {
    VerificationRequest(
      image: try RequestedImage(parsing: pinned), demand: policies.demand, trust: policies.trustedRoot,
      credentials: AnonymousCredentials())
  }

  func benchmarks() throws -> [Benchmark] {
    let request = try request()
    guard case .verified(let image)? = verifier.known(request) else { throw Unexpected("nothing is known") }
    let verifier = verifier
    let knowing = KnowingVerifier(verifier: verifier, digest: digest, signature: image.signature)
    let tagged = Review(image: "registry.example/team/db:v1", update: false).padded(to: 12_742)
    let review = Review(image: pinned, update: false).padded(to: 12_742)
    let update = Review(image: pinned, update: true).padded(to: 12_742)
    let large = Review(image: pinned, update: true).padded(to: 30_861)
    let output = LogOutput { _ in }
    let logging = Logger(label: "pinseal") {
      StructuredLogHandler(label: $0, format: .json, level: .info, output: output)
    }
    let quiet = Logger(label: "pinseal") {
      StructuredLogHandler(label: $0, format: .json, level: .critical, output: output)
    }
    func answering(
      _ name: String, _ body: [UInt8], _ verifier: any ImageVerifying,
      _ decision: AdmissionAnswer.Decision, logger: Logger = quiet, observer: (any AdmissionObserver)? = nil
    ) throws -> Benchmark {
      let controller = AdmissionController(
        policies: policies, verifier: verifier, logger: logger, observer: observer)
      guard case .now(let answer) = controller.review(body, endpoint: .mutate, query: "timeout=10s"),
        answer.decision == decision
      else { throw Unexpected("\(name): not \(decision)") }
      return Benchmark("\(name) (\(body.count) bytes)") {
        controller.review(body, endpoint: .mutate, query: "timeout=10s")
      }
    }
    let literal = pinned
    return [
      Benchmark("JSON: a review of \(review.count) bytes") { try JSONDocument(review) },
      Benchmark("JSON: a review of \(large.count) bytes") { try JSONDocument(large) },
      Benchmark("image reference: read") { try RequestedImage(parsing: literal) },
      Benchmark("verifier: known(), warm") { verifier.known(request) },
      try answering("review, create, 3 images pinned", review, verifier, .passed),
      try answering("review, update, 3 images pinned", update, verifier, .passed),
      try answering("review, update, 3 images pinned", large, verifier, .passed),
      try answering("review, create, 3 tags, patched", tagged, knowing, .pinned),
      try answering("the same, and a line in the log", tagged, knowing, .pinned, logger: logging),
      try answering("review, update, 3 images pinned, and told of", update, verifier, .passed, observer: Nobody()),
      try answering("review, create, 3 tags, patched, and told of", tagged, knowing, .pinned, observer: Nobody()),
    ]
  }
}

/// Is told of decisions, and tells nobody.
private struct Nobody: AdmissionObserver {
  func decided(_ report: AdmissionReport) {}
}

/// An AdmissionReview as an API server sends it.
struct Review {
  let image: String
  let update: Bool

  private func object(_ managers: Int) -> String {
    func container(_ name: String) -> String {
      #"{"name":"\#(name)","image":"\#(image)","args":["--data","/var/lib/db"],"ports":[{"name":"sql","containerPort":"#
        + #"5432,"protocol":"TCP"}],"env":[{"name":"POD","valueFrom":{"fieldRef":{"apiVersion":"v1","fieldPath":"#
        + #""metadata.name"}}}],"resources":{"requests":{"cpu":"100m","memory":"256Mi"}},"readinessProbe":{"tcpSocket":"#
        + #"{"port":"sql"},"timeoutSeconds":1,"periodSeconds":10,"successThreshold":1,"failureThreshold":3},"#
        + #""terminationMessagePath":"/dev/termination-log","terminationMessagePolicy":"File","imagePullPolicy":"#
        + #""IfNotPresent"}"#
    }
    let manager =
      #"{"manager":"kubectl-client-side-apply","operation":"Update","apiVersion":"apps/v1","time":"2026-11-23T23:16:41Z","#
      + #""fieldsType":"FieldsV1","fieldsV1":{"f:metadata":{"f:annotations":{".":{},"#
      + #""f:kubectl.kubernetes.io/last-applied-configuration":{}},"f:labels":{".":{},"f:app":{}}},"f:spec":{"#
      + #""f:podManagementPolicy":{},"f:replicas":{},"f:selector":{},"f:serviceName":{},"f:template":{"f:metadata":{"#
      + #""f:labels":{".":{},"f:app":{}}},"f:spec":{"f:containers":{"k:{\"name\":\"db\"}":{".":{},"f:image":{},"#
      + #""f:imagePullPolicy":{},"f:name":{},"f:resources":{},"f:terminationMessagePath":{}}},"f:dnsPolicy":{}}}}}}"#
    let applied =
      #"{\"apiVersion\":\"apps/v1\",\"kind\":\"StatefulSet\",\"metadata\":{\"name\":\"db\"},\"spec\":{\"replicas\":2,"#
      + #"\"template\":{\"spec\":{\"containers\":[{\"image\":\"registry.example/team/db:v1\",\"name\":\"db\"}]}}}}\n"#
    let managed = Array(repeating: manager, count: managers).joined(separator: ",")
    return
      #"{"kind":"StatefulSet","apiVersion":"apps/v1","metadata":{"name":"db","namespace":"shop","uid":"#
      + #""0aa942ad-e0da-4de5-91a5-be802302a34c","resourceVersion":"331","generation":2,"creationTimestamp":"#
      + #""2026-11-23T23:16:36Z","labels":{"app":"db"},"annotations":{"kubectl.kubernetes.io/last-applied-configuration":"#
      + #""\#(applied)"},"managedFields":[\#(managed)]},"spec":{"replicas":2,"selector":{"matchLabels":{"app":"db"}},"#
      + #""template":{"metadata":{"labels":{"app":"db"}},"spec":{"initContainers":[\#(container("init"))],"containers":["#
      + #"\#(container("db")),\#(container("metrics"))],"restartPolicy":"Always","terminationGracePeriodSeconds":30,"#
      + #""dnsPolicy":"ClusterFirst","securityContext":{},"schedulerName":"default-scheduler"}},"serviceName":"db","#
      + #""podManagementPolicy":"Parallel","updateStrategy":{"type":"RollingUpdate","rollingUpdate":{"partition":0}},"#
      + #""revisionHistoryLimit":10},"status":{"replicas":2,"currentRevision":"db-5f4bdc8666","collisionCount":0}}"#
  }

  private func text(_ managers: Int, _ filler: Int) -> String {
    let filled = String(repeating: "x", count: filler)
    return
      #"{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1","request":{"uid":"#
      + #""c2418c21-dd5a-4bd9-9d64-26823ed05aaa","kind":{"group":"apps","version":"v1","kind":"StatefulSet"},"resource":"#
      + #"{"group":"apps","version":"v1","resource":"statefulsets"},"name":"db","namespace":"shop","operation":"#
      + #""\#(update ? "UPDATE" : "CREATE")","userInfo":{"username":"admin","groups":["system:masters"],"extra":{"filler":"#
      + #"["\#(filled)"]}},"object":\#(object(managers)),"oldObject":\#(update ? object(managers) : "null"),"#
      + #""dryRun":false,"options":{"kind":"\#(update ? "Update" : "Create")Options","apiVersion":"meta.k8s.io/v1"}}}"#
  }

  /// The review with as many managers of fields as fit, and then as many bytes as lack.
  func padded(to size: Int) -> [UInt8] {
    var managers = 0
    while text(managers + 1, 0).utf8.count <= size { managers += 1 }
    return Array(text(managers, max(0, size - text(managers, 0).utf8.count)).utf8)
  }
}
