import Kubernetes
import Primitives

/// One Secret and some webhook configurations, with versions as an API server keeps them.
final class FakeCertificateObjects: CertificateObjects {
  struct State: Sendable {
    var secret: KeptSecret?
    var registrations: [WebhookRegistrationID: WebhookRegistration] = [:]
    var version = 1
    var writes: [String] = []
    var failure: ClusterError?
  }

  let state = Locked(State())
  /// Called before a write is looked at, once, with its name; for what others do meanwhile.
  private let interruption = Locked<(@Sendable (String) async -> Void)?>(nil)

  init(secret: KeptSecret? = nil, registrations: [WebhookRegistrationID] = []) {
    state.withLock {
      $0.secret = secret
      for id in registrations {
        $0.registrations[id] = WebhookRegistration(id: id, resourceVersion: "1", bundles: [[], []])
      }
    }
  }

  static let emptySecret = KeptSecret(type: "Opaque", annotations: ["mine": "kept"], data: [:], resourceVersion: "1")

  var secret: KeptSecret? { state.withLock { $0.secret } }
  var writes: [String] { state.withLock { $0.writes } }
  var bundles: [[UInt8]] { state.withLock { $0.registrations.values.flatMap(\.bundles) } }

  func fail(_ failure: ClusterError?) { state.withLock { $0.failure = failure } }

  /// Somebody else changes the Secret.
  func change(_ body: (inout KeptSecret) -> Void) {
    state.withLock { state in
      guard var secret = state.secret else { return }
      body(&secret)
      state.version += 1
      secret.resourceVersion = "\(state.version)"
      state.secret = secret
    }
  }

  func put(_ registration: WebhookRegistration) { state.withLock { $0.registrations[registration.id] = registration } }
  func remove(_ id: WebhookRegistrationID) { state.withLock { _ = $0.registrations.removeValue(forKey: id) } }

  /// Has `body` run before the next write.
  func interruptNextWrite(_ body: @escaping @Sendable (String) async -> Void) {
    interruption.withLock { $0 = body }
  }

  private func beforeWrite(_ name: String) async throws(ClusterError) {
    let body = interruption.withLock { body in
      defer { body = nil }
      return body
    }
    await body?(name)
    if let failure = state.withLock({ $0.failure }) { throw failure }
  }

  private static let conflict = ClusterError(.conflict, "it is another by now")

  func secret(_ place: SecretPlace, deadline: Deadline) async throws(ClusterError) -> KeptSecret? {
    let (secret, failure) = state.withLock { ($0.secret, $0.failure) }
    if let failure { throw failure }
    return secret
  }

  func create(_ secret: KeptSecret, at place: SecretPlace, deadline: Deadline) async throws(ClusterError) {
    try await beforeWrite("create")
    try state.withLock { state throws(ClusterError) in
      guard state.secret == nil else { throw Self.conflict }
      state.version += 1
      state.secret = secret
      state.secret?.resourceVersion = "\(state.version)"
      state.writes.append("create")
    }
  }

  func update(
    _ place: SecretPlace, resourceVersion: String, data: [String: [UInt8]?], annotations: [String: String?],
    deadline: Deadline
  ) async throws(ClusterError) {
    try await beforeWrite("update")
    try state.withLock { state throws(ClusterError) in
      guard var secret = state.secret, secret.resourceVersion == resourceVersion else { throw Self.conflict }
      for (key, value) in data { secret.data[key] = value }
      for (key, value) in annotations { secret.annotations[key] = value }
      state.version += 1
      secret.resourceVersion = "\(state.version)"
      state.secret = secret
      state.writes.append("update")
    }
  }

  func registration(_ id: WebhookRegistrationID, deadline: Deadline) async throws(ClusterError) -> WebhookRegistration?
  {
    let (registration, failure) = state.withLock { ($0.registrations[id], $0.failure) }
    if let failure { throw failure }
    return registration
  }

  func setBundle(_ bundle: [UInt8], of registration: WebhookRegistration, deadline: Deadline) async throws(ClusterError)
  {
    try await beforeWrite("bundle")
    try state.withLock { state throws(ClusterError) in
      guard let present = state.registrations[registration.id],
        present.resourceVersion == registration.resourceVersion
      else { throw Self.conflict }
      state.version += 1
      state.registrations[registration.id] = WebhookRegistration(
        id: registration.id, resourceVersion: "\(state.version)",
        bundles: present.bundles.map { _ in bundle }, hosts: present.hosts, otherWriter: present.otherWriter)
      state.writes.append("bundle")
    }
  }
}
