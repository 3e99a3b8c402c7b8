import Crypto
import OCI
import Primitives

/// A registry in memory that does what a test tells it to, records what it was asked, and can be held at any question.
final class FakeRegistry: RegistryReading {
  /// One question.
  struct Call: Sendable, Hashable, CustomStringConvertible {
    enum Kind: String, Sendable { case resolve, manifest, blob, referrers }
    let kind: Kind
    let repository: String
    /// The tag or digest.
    let what: String
    let scope: String
    var description: String { "\(kind) \(what)" }
  }

  private struct Held {
    let matches: @Sendable (Call) -> Bool
    let gate: Gate
  }

  private struct Failing {
    let matches: @Sendable (Call) -> Bool
    let error: RegistryError
  }

  private struct State {
    var calls: [Call] = []
    var cancelled: [Call] = []
    /// By `repository:tag`: what the first look-up answers, the second, … and the last for all that follow.
    var tags: [String: [Digest]] = [:]
    /// By `repository@digest`.
    var manifests: [String: FetchedManifest] = [:]
    var blobs: [String: [UInt8]] = [:]
    var referrers: [String: [Descriptor]] = [:]
    var referrersPlace = Referrers.Place.api
    var isTruncated = false
    var held: [Held] = []
    var failing: [Failing] = []
  }

  private let state = Locked(State())

  // MARK: Contents

  /// Stores a manifest; under `tag` too, if one is given.
  @discardableResult
  func push(
    _ text: String, to repository: String, tag: String? = nil,
    mediaType: String = "application/vnd.oci.image.manifest.v1+json"
  ) -> Digest {
    let bytes = Array(text.utf8)
    let digest = Digest(hashing: bytes)
    state.withLock { state in
      state.manifests["\(repository)@\(digest)"] = FetchedManifest(digest: digest, mediaType: mediaType, bytes: bytes)
      if let tag { state.tags["\(repository):\(tag)"] = [digest] }
    }
    return digest
  }

  /// Stores a blob under the digest of its bytes, or under `digest`, which then lies.
  @discardableResult
  func push(blob: [UInt8], to repository: String, as digest: Digest? = nil) -> Digest {
    let digest = digest ?? Digest(hashing: blob)
    state.withLock { state in state.blobs["\(repository)@\(digest)"] = blob }
    return digest
  }

  func removeManifest(_ digest: Digest, from repository: String) {
    state.withLock { state in state.manifests["\(repository)@\(digest)"] = nil }
  }

  func removeTag(_ tag: String, from repository: String) {
    state.withLock { state in state.tags["\(repository):\(tag)"] = nil }
  }

  /// What successive look-ups of the tag answer.
  func point(_ tag: String, in repository: String, to digests: Digest...) {
    state.withLock { state in state.tags["\(repository):\(tag)"] = digests }
  }

  func refer(_ descriptors: [Descriptor], to digest: Digest, in repository: String) {
    state.withLock { state in state.referrers["\(repository)@\(digest)", default: []] += descriptors }
  }

  func listReferrers(at place: Referrers.Place, isTruncated: Bool = false) {
    state.withLock { state in
      state.referrersPlace = place
      state.isTruncated = isTruncated
    }
  }

  // MARK: Behaviour

  /// Holds the questions that match at a gate.
  func hold(opensAt: Int = .max, _ matches: @escaping @Sendable (Call) -> Bool) -> Gate {
    let gate = Gate(opensAt: opensAt)
    state.withLock { state in state.held.append(Held(matches: matches, gate: gate)) }
    return gate
  }

  /// Answers the questions that match with an error.
  func fail(
    _ code: RefusalCode, _ text: String = "the registry answered 503", _ matches: @escaping @Sendable (Call) -> Bool
  ) {
    let failing = Failing(matches: matches, error: RegistryError(code, text))
    state.withLock { state in state.failing.append(failing) }
  }

  func recover() { state.withLock { state in state.failing = [] } }

  var calls: [Call] { state.withLock { state in state.calls } }
  var cancelled: [Call] { state.withLock { state in state.cancelled } }
  func forgetCalls() { state.withLock { state in state.calls = [] } }

  func calls(_ kind: Call.Kind) -> [Call] { calls.filter { $0.kind == kind } }

  private func ask(
    _ kind: Call.Kind, _ reference: ImageReference, _ what: String, _ credentials: any CredentialsProviding
  ) async throws(RegistryError) {
    let call = Call(kind: kind, repository: reference.name, what: what, scope: credentials.scope)
    let gates = state.withLock { state in
      state.calls.append(call)
      return state.held.filter { $0.matches(call) }.map(\.gate)
    }
    for gate in gates { await gate.pass() }
    if Task.isCancelled {
      state.withLock { state in state.cancelled.append(call) }
      // As a careless client may put it: what comes after a cancellation must not be believed.
      throw RegistryError(.registryMisbehaved, "given up")
    }
    let error = state.withLock { state in state.failing.first { $0.matches(call) }?.error }
    if let error { throw error }
  }

  // MARK: RegistryReading

  func resolve(
    _ reference: ImageReference, credentials: any CredentialsProviding, deadline: Deadline
  ) async throws(RegistryError) -> Digest {
    let what = reference.digest?.description ?? reference.effectiveTag
    try await ask(.resolve, reference, what, credentials)
    let found = state.withLock { state -> Digest? in
      if let digest = reference.digest {
        return state.manifests["\(reference.name)@\(digest)"] == nil ? nil : digest
      }
      let key = "\(reference.name):\(reference.effectiveTag)"
      guard var digests = state.tags[key], let digest = digests.first else { return nil }
      if digests.count > 1 { digests.removeFirst() }
      state.tags[key] = digests
      return digest
    }
    guard let found else { throw RegistryError(.imageNotFound, "\(reference.name) has no \(what)") }
    return found
  }

  func manifest(
    _ repository: ImageReference, at address: ManifestAddress, credentials: any CredentialsProviding,
    deadline: Deadline
  ) async throws(RegistryError) -> FetchedManifest? {
    switch address {
    case .tag(let tag): try await ask(.manifest, repository, tag, credentials)
    case .digest(let digest): try await ask(.manifest, repository, digest.description, credentials)
    }
    return state.withLock { state in
      switch address {
      case .tag(let tag):
        state.tags["\(repository.name):\(tag)"]?.first.flatMap { state.manifests["\(repository.name)@\($0)"] }
      case .digest(let digest): state.manifests["\(repository.name)@\(digest)"]
      }
    }
  }

  func blob(
    _ repository: ImageReference, descriptor: Descriptor, maximumBytes: Int, credentials: any CredentialsProviding,
    deadline: Deadline
  ) async throws(RegistryError) -> [UInt8] {
    try await ask(.blob, repository, descriptor.digest.description, credentials)
    let bytes = state.withLock { state in state.blobs["\(repository.name)@\(descriptor.digest)"] }
    guard let bytes else { throw RegistryError(.imageNotFound, "there is no blob \(descriptor.digest)") }
    guard Digest(hashing: bytes, algorithm: descriptor.digest.algorithm) == descriptor.digest else {
      throw RegistryError(.digestMismatch, "blob \(descriptor.digest) has other bytes")
    }
    return bytes
  }

  func referrers(
    _ repository: ImageReference, of digest: Digest, credentials: any CredentialsProviding, deadline: Deadline
  ) async throws(RegistryError) -> Referrers {
    try await ask(.referrers, repository, digest.description, credentials)
    return state.withLock { state in
      let descriptors = state.referrers["\(repository.name)@\(digest)"] ?? []
      return Referrers(
        place: descriptors.isEmpty ? .none : state.referrersPlace, descriptors: descriptors,
        isTruncated: state.isTruncated)
    }
  }
}

/// Credentials of nobody in particular, under a name.
struct Scope: CredentialsProviding {
  let scope: String
  func credentials() async -> (sources: [RegistryCredentials], notes: [String]) { ([], []) }
}
