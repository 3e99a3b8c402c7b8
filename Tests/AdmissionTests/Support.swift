import Crypto
import Foundation
import JSON
import Logging
import OCI
import Policy
import Primitives
import Sigstore
import Testing
import Verification

@testable import Admission

/// A policy source that answers what it is told to, and remembers whose credentials it was asked for.
final class FakePolicies: PolicySource {
  struct Credentials: Sendable, Equatable {
    let namespace: String
    let policySecrets: [String]
    let templateSecrets: [String]
  }

  let known: NamespacePolicy?
  let read: NamespacePolicy
  let asked = Locked<[Credentials]>([])
  let reads = Locked<[String]>([])

  init(known: NamespacePolicy?, read: NamespacePolicy) {
    self.known = known
    self.read = read
  }

  func knownPolicy(ofNamespace name: String) -> NamespacePolicy? { known }

  func policy(ofNamespace name: String, deadline: Deadline) async -> NamespacePolicy {
    reads.withLock { $0.append(name) }
    return read
  }

  func credentials(namespace: String, policySecrets: [String], templateSecrets: [String]) -> CredentialsHandle {
    let credentials = Credentials(namespace: namespace, policySecrets: policySecrets, templateSecrets: templateSecrets)
    asked.withLock { $0.append(credentials) }
    return AnonymousCredentials()
  }
}

/// A verifier with a verdict for each image; whatever it has none for is unsigned.
final class FakeVerifier: ImageVerifying {
  enum Behaviour: Sendable {
    case verified(digest: String)
    case refused(RefusalCode, String)
    /// Waits until it is cancelled.
    case hangs
    /// Answers for another image than it was asked for.
    case confused(about: String)
  }

  static let digest = "sha256:" + String(repeating: "a", count: 64)

  let behaviours: [String: Behaviour]
  let otherwise: Behaviour
  let isCached: Bool
  let asked = Locked<[String]>([])
  let deadlines = Locked<[String: Deadline]>([:])
  let cancelled = Locked(0)
  let requests = Locked<[VerificationRequest]>([])

  init(
    _ behaviours: [String: Behaviour] = [:], otherwise: Behaviour = .refused(.signatureNotFound, "no signature found"),
    isCached: Bool = false
  ) {
    self.behaviours = behaviours
    self.otherwise = otherwise
    self.isCached = isCached
  }

  static func verifyingAll(isCached: Bool = false) -> FakeVerifier {
    FakeVerifier(otherwise: .verified(digest: digest), isCached: isCached)
  }

  func known(_ request: VerificationRequest) -> Verdict? {
    guard isCached || request.image.literal.contains("@") else { return nil }
    switch behaviour(of: request.image) {
    case .hangs: return nil
    case let behaviour: return verdict(behaviour, request, fromCache: true)
    }
  }

  func verify(_ request: VerificationRequest, deadline: Deadline) async -> Verdict {
    asked.withLock { $0.append(request.image.literal) }
    requests.withLock { $0.append(request) }
    deadlines.withLock { $0[request.image.literal] = deadline }
    let behaviour = behaviour(of: request.image)
    if case .hangs = behaviour {
      try? await Task.sleep(for: .seconds(3600))
      cancelled.withLock { $0 += 1 }
    }
    return verdict(behaviour, request, fromCache: false)
  }

  private func behaviour(of image: RequestedImage) -> Behaviour {
    let literal = image.literal
    if let behaviour = behaviours[literal] { return behaviour }
    // What is pinned is known by what it was pinned from.
    if let at = literal.firstIndex(of: "@"), let behaviour = behaviours[String(literal[..<at])] { return behaviour }
    return otherwise
  }

  private func verdict(_ behaviour: Behaviour, _ request: VerificationRequest, fromCache: Bool) -> Verdict {
    switch behaviour {
    case .verified(let digest):
      let signature = VerifiedSignature(key: Keys.one.fingerprint, format: .bundle)
      return .verified(
        VerifiedImage(
          image: request.image, digest: request.image.digest ?? digest, signature: signature, fromCache: fromCache))
    case .refused(let code, let message): return .refused(Refusal(code, message))
    case .hangs: return .refused(Refusal(.deadlineExceeded, "time ran out"))
    case .confused(let literal):
      guard let other = try? RequestedImage(parsing: literal) else {
        return .refused(Refusal(.internalError, "no image"))
      }
      let signature = VerifiedSignature(key: Keys.one.fingerprint, format: .bundle)
      return .verified(VerifiedImage(image: other, digest: Self.digest, signature: signature, fromCache: fromCache))
    }
  }
}

enum Keys {
  static let one: PublicKey = {
    guard let key = try? PrivateKey(generating: .p256) else { fatalError("no key could be generated") }
    return key.publicKey
  }()
}

extension VerificationPolicy {
  static func test(
    failurePolicy: FailurePolicy = .block, pin: PinMode = .tagAndDigest, ignoresLog: Bool = true,
    imagePullSecrets: [String] = [], exempt: [String] = []
  ) throws -> VerificationPolicy {
    VerificationPolicy(
      keys: [Keys.one], ignoresLog: ignoresLog, failurePolicy: failurePolicy, pin: pin,
      imagePullSecrets: imagePullSecrets, exemptImages: try exempt.map { try ImagePattern(parsing: $0) })
  }
}

/// What a controller answered, read back.
struct Answer {
  let answer: AdmissionAnswer
  let wasImmediate: Bool
  let response: JSONValue?

  var isAllowed: Bool { (try? response?["allowed"]?.bool()) == true }
  var message: String { (try? response?["status"]?["message"]?.string()) ?? "" }
  var warnings: [String] { ((try? response?["warnings"]?.elements()) ?? []).compactMap { try? $0.string() } }
  var audit: [String: String] {
    var audit: [String: String] = [:]
    for (name, value) in (try? response?["auditAnnotations"]?.members()) ?? [] { audit[name] = try? value.string() }
    return audit
  }

  /// The patch as the API server decodes it.
  var patch: [UInt8]? {
    guard let text = try? response?["patch"]?.string() else { return nil }
    return Base64.decode(text)
  }

  /// Each replaced pointer with its value.
  var replaced: [String: String] {
    guard let patch, let operations = try? JSONDocument(patch).root.elements() else { return [:] }
    var replaced: [String: String] = [:]
    for operation in operations {
      if let path = try? operation["path"]?.string() { replaced[path] = try? operation["value"]?.string() }
    }
    return replaced
  }
}

func ask(
  _ body: [UInt8], _ endpoint: Endpoint = .mutate, policies: FakePolicies, verifier: FakeVerifier,
  options: AdmissionController.Options = .init(), query: String = "timeout=10s",
  logger: Logger = Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() }),
  observer: (any AdmissionObserver)? = nil
) async throws -> Answer {
  let controller = AdmissionController(
    policies: policies, verifier: verifier, options: options, logger: logger, observer: observer)
  let answer: AdmissionAnswer
  let wasImmediate: Bool
  switch controller.review(body, endpoint: endpoint, query: query) {
  case .now(let now): (answer, wasImmediate) = (now, true)
  case .later(let later): (answer, wasImmediate) = (await later(), false)
  }
  let response = answer.status == 200 ? try JSONDocument(answer.body).root["response"] : nil
  return Answer(answer: answer, wasImmediate: wasImmediate, response: response)
}

func ask(
  _ body: [UInt8], _ endpoint: Endpoint = .mutate, policy: VerificationPolicy, verifier: FakeVerifier,
  options: AdmissionController.Options = .init(), query: String = "timeout=10s"
) async throws -> Answer {
  let policies = FakePolicies(known: .enabled(policy), read: .enabled(policy))
  return try await ask(body, endpoint, policies: policies, verifier: verifier, options: options, query: query)
}

/// The reviews that a real API server sent.
enum Reviews {
  static let names = [
    "01-create-dryrun-server", "02-create-apply", "03-update-apply-image", "04-update-dryrun-server",
    "05-create-server-side-apply", "06-update-server-side-apply-nochange", "07-update-set-image",
    "08-update-label-only", "09-update-replace-put", "10-update-json-patch", "11-update-replicas-patch",
    "12-update-rollout-restart", "13-update-rollout-undo", "14-update-add-finalizer", "15-delete-finalizer-holds",
    "16-update-image-while-terminating", "17-update-remove-finalizer-terminating", "18-delete-foreground",
    "19-update-gc-removes-foreground-finalizer", "20-deletecollection", "21-delete-by-namespace-controller",
  ]

  static func body(_ name: String) throws -> [UInt8] {
    let url = try #require(Bundle.module.url(forResource: name, withExtension: "json", subdirectory: "Reviews"))
    return Array(try Data(contentsOf: url))
  }
}
