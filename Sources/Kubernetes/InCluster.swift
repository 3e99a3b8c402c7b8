import Glibc
import Primitives

/// The value of an environment variable.
func environmentVariable(_ name: String) -> String? { getenv(name).map { String(cString: $0) } }

extension Connection {
  /// What the kubelet gives a pod.
  static func inCluster(
    environment: (String) -> String? = environmentVariable,
    folder: String = "/var/run/secrets/kubernetes.io/serviceaccount"
  ) throws(ClusterError) -> Connection {
    guard let host = environment("KUBERNETES_SERVICE_HOST"), !host.isEmpty,
      let port = environment("KUBERNETES_SERVICE_PORT"), !port.isEmpty
    else {
      throw ClusterError(
        .invalid,
        "KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT are not set, so this is no pod; name a cluster with --cluster kubeconfig or --cluster file:PATH"
      )
    }
    let literal = host.contains(":") && !host.hasPrefix("[") ? "[\(host)]" : host
    var connection = Connection(server: try ServerAddress(parsing: "https://\(literal):\(port)"))
    let authority = try ReloadingFile(
      path: folder + "/ca.crt", purpose: "service account's authority", limit: PEM.maximumBytes)
    guard PEM.holds("CERTIFICATE", authority.content().bytes) else {
      throw ClusterError(.invalid, "\(folder)/ca.crt holds no certificate in PEM")
    }
    connection.authorities = .file(authority)
    connection.token = .file(
      try ReloadingFile(path: folder + "/token", purpose: "service account's token", limit: BearerToken.maximumBytes))
    _ = try connection.token.current()
    return connection
  }
}
