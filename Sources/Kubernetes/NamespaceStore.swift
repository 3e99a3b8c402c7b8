import JSON
import Logging
import Primitives

/// The namespaces of a cluster as a watch tells of them: of each the name, the version, and what may be policy.
final class NamespaceStore: Sendable {
  private struct State: Sendable {
    var isSynced = false
    var namespaces: [String: Namespace] = [:]
    var bytes = 0
    var isFull = false
  }

  private let state = Locked(State())
  private let maximumBytes: Int
  private let logger = Logger(label: "pinseal.kubernetes")

  /// Holds annotations of `maximumBytes` together. A namespace beyond that is as one that was not seen: it is read when
  /// somebody asks.
  init(maximumBytes: Int = 64 << 20) { self.maximumBytes = maximumBytes }

  /// The namespace, if it was seen.
  func namespace(_ name: String) -> Namespace? { state.withLock { $0.namespaces[name] } }

  /// Whether the whole was ever told.
  var isSynced: Bool { state.withLock { $0.isSynced } }

  /// How many are kept.
  var count: Int { state.withLock { $0.namespaces.count } }

  /// Forgets them all, as what may no longer be watched is nobody's to go on with: each is read when somebody asks.
  func forget() { state.withLock { ($0.namespaces, $0.bytes) = ([:], 0) } }

  /// Takes up what the watch saw.
  func take(_ change: WatchChange<Namespace>) {
    let overflows = state.withLock { state in
      let wasFull = state.isFull
      switch change {
      case .listed(let all):
        state.namespaces = [:]
        state.namespaces.reserveCapacity(all.count)
        state.bytes = 0
        state.isFull = false
        for namespace in all { store(namespace, in: &state) }
        state.isSynced = true
      case .stored(let namespace): store(namespace, in: &state)
      case .deleted(let namespace): forget(namespace.name, in: &state)
      }
      return state.isFull && !wasFull
    }
    if overflows {
      logger.warning(
        "the namespaces' pinseal.dev/ annotations are too large to keep them all; some are read at each admission",
        metadata: ["maximum_bytes": "\(maximumBytes)"])
    }
  }

  private func store(_ namespace: Namespace, in state: inout State) {
    forget(namespace.name, in: &state)
    let bytes = namespace.annotations.reduce(0) { $0 + $1.key.utf8.count + $1.value.utf8.count }
    guard state.bytes + bytes <= maximumBytes else {
      state.isFull = true
      return
    }
    state.namespaces[namespace.name] = namespace
    state.bytes += bytes
  }

  private func forget(_ name: String, in state: inout State) {
    guard let old = state.namespaces.removeValue(forKey: name) else { return }
    state.bytes -= old.annotations.reduce(0) { $0 + $1.key.utf8.count + $1.value.utf8.count }
  }
}

extension Namespace {
  /// What every annotation of a policy begins with, in whatever case: the API server stores any.
  private static let prefix = "pinseal.dev/"

  /// Of an object of the API, without what can be no policy.
  init(watched object: JSONValue) throws {
    let metadata = try object.member("metadata")
    let id = try ObjectID(.namespace, namespace: "", name: try metadata.member("name").string())
    var annotations: [String: String] = [:]
    for (key, value) in try metadata.optionalMember("annotations")?.members() ?? [] where Self.isPolicy(key) {
      annotations[key] = value.isNull ? "" : try value.string()
    }
    self.init(
      name: id.name, annotations: annotations, resourceVersion: try WatchText.resourceVersion(metadata))
  }

  /// Without what can be no policy.
  var policyOnly: Namespace {
    Namespace(
      name: name, annotations: annotations.filter { Self.isPolicy($0.key) }, resourceVersion: resourceVersion)
  }

  private static func isPolicy(_ key: String) -> Bool {
    key.utf8.prefix(prefix.utf8.count).elementsEqual(prefix.utf8) {
      ($0 >= 0x41 && $0 <= 0x5a ? $0 | 0x20 : $0) == $1
    }
  }
}

extension WatchTarget {
  /// All namespaces.
  static let namespaces = WatchTarget(
    path: "/api/v1/namespaces", name: nil, kind: "Namespace", apiVersion: "v1",
    permission: "namespaces in the whole cluster")

  /// One Secret or ConfigMap.
  init(_ id: ObjectID) {
    self.init(
      path: "/api/v1/namespaces/\(id.namespace)/\(id.kind.resource)", name: id.name, kind: id.kind.rawValue,
      apiVersion: "v1", permission: "\(id.kind.resource) in namespace \(id.namespace)")
  }
}
