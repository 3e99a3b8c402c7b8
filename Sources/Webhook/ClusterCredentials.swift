import Kubernetes
public import OCI
import Primitives

/// The credentials of `--docker-config`, read anew when the file changes.
public final class ServerCredentials: Sendable {
  private struct State: Sendable {
    var identity: FileBytes.Identity?
    var credentials: RegistryCredentials?
    var note: String?
    var version = 0
  }

  private let path: String?
  private let state = Locked(State())

  /// None at all.
  public init() { path = nil }

  /// Those of a Docker configuration file, which must be readable and well-formed now.
  public init(path: String) throws(CredentialsError) {
    self.path = path
    _ = current()
    if let note = state.withLock({ $0.note }) { throw CredentialsError(note) }
  }

  /// The file's credentials as they are now; a broken new file leaves the old ones in force and says so.
  func current() -> (credentials: RegistryCredentials?, note: String?) {
    let state = look()
    return (state.credentials, state.note)
  }

  /// A number that changes with them.
  var version: Int { look().version }

  private func look() -> State {
    guard let path else { return State() }
    let identity = FileBytes.identity(of: path)
    return state.withLock { state in
      if identity == nil || identity != state.identity {
        if identity != state.identity { state.version &+= 1 }
        state.identity = identity
        do {
          let bytes = try FileBytes.read(path)
          state.credentials = try RegistryCredentials(dockerConfigJSON: bytes, source: "the server's --docker-config")
          state.note = nil
        } catch {
          state.note = "--docker-config \(error)"
        }
      }
      return state
    }
  }
}

/// Credentials in the order of the policy: its own Secrets, the Pod template's, the server's. Secrets are read when a
/// registry asks for credentials and not before.
struct ClusterCredentials: CredentialsProviding {
  let cluster: any Cluster
  let namespace: String
  let policySecrets: [String]
  let templateSecrets: [String]
  let server: ServerCredentials

  /// Without Secrets everyone reads as the server does; with them only the same Secrets of the same namespace do.
  var scope: String {
    if policySecrets.isEmpty && templateSecrets.isEmpty { return "" }
    // Each name with its length: a template's names are whatever somebody wrote, commas and slashes too.
    func list(_ names: [String]) -> String { names.map { "\($0.utf8.count):\($0)" }.joined() }
    return "\(namespace)/\(list(policySecrets))/\(list(templateSecrets))"
  }

  func credentials() async -> (sources: [RegistryCredentials], notes: [String]) {
    var sources: [RegistryCredentials] = []
    var notes: [String] = []
    var seen: Set<String> = []
    let deadline = Deadline.after(.seconds(5))
    for name in policySecrets + templateSecrets where seen.insert(name).inserted {
      do {
        sources.append(try await read(name, deadline: deadline))
      } catch {
        notes.append("Secret \(name.printable(limit: 64)): \(error)")
      }
    }
    let (own, note) = server.current()
    if let own { sources.append(own) }
    if let note { notes.append(note) }
    return (sources, notes)
  }

  /// By the versions of the Secrets. A Secret that cannot be asked for leaves things as they are.
  func version() async -> String? {
    var versions = "\(server.version)"
    let deadline = Deadline.after(.seconds(1))
    for name in policySecrets + templateSecrets {
      do throws(ClusterError) {
        let secret = try await cluster.secret(name, namespace: namespace, deadline: deadline)
        versions += "/" + secret.resourceVersion
      } catch {
        guard error.code != .unavailable, error.code != .unauthorized else { return nil }
        versions += "/-"
      }
    }
    return versions
  }

  private func read(_ name: String, deadline: Deadline) async throws -> RegistryCredentials {
    let secret = try await cluster.secret(name, namespace: namespace, deadline: deadline)
    let source = "Secret \(name)"
    switch secret.type {
    case "kubernetes.io/dockerconfigjson":
      return try RegistryCredentials(dockerConfigJSON: try value(".dockerconfigjson", of: secret), source: source)
    case "kubernetes.io/dockercfg":
      return try RegistryCredentials(dockerCfg: try value(".dockercfg", of: secret), source: source)
    default:
      throw CredentialsError(
        "is of type \(secret.type.printable(limit: 64)), expected kubernetes.io/dockerconfigjson or kubernetes.io/dockercfg"
      )
    }
  }

  private func value(_ key: String, of secret: Secret) throws(CredentialsError) -> [UInt8] {
    guard let bytes = secret.data[key] else { throw CredentialsError("has no key \(key)") }
    return bytes
  }
}
