import ArgumentParser
import Kubernetes
import Primitives

/// What `--cluster` names.
enum ClusterSource {
  case inCluster
  /// Nil: `$KUBECONFIG`, else `~/.kube/config`.
  case kubeconfig(path: String?)
  case files(path: String)

  /// Refuses anything else; files only where they will do.
  init(_ text: String, allowsFiles: Bool) throws {
    switch text {
    case "in-cluster": self = .inCluster
    case "kubeconfig": self = .kubeconfig(path: nil)
    default:
      if let path = text.removing(prefix: "kubeconfig:") {
        self = .kubeconfig(path: path)
      } else if allowsFiles, let path = text.removing(prefix: "file:") {
        self = .files(path: path)
      } else {
        throw ValidationError(
          "--cluster \(text.printable(limit: 64)): one of in-cluster, kubeconfig, kubeconfig:FILE\(allowsFiles ? ", file:PATH" : "") is expected"
        )
      }
    }
  }

  /// Opens it; an API server is not asked for anything yet.
  func open(allowsInsecure: Bool) throws -> any Cluster {
    var options = APICluster.Options()
    options.allowsInsecureSkipTLSVerify = allowsInsecure
    switch self {
    case .inCluster: return try APICluster.inCluster(options: options)
    case .kubeconfig(let path): return try APICluster.kubeconfig(path: path, options: options)
    case .files(let path): return try FileCluster(path: path)
    }
  }

  /// The certificates' objects in the API server that `text` names.
  static func certificateObjects(_ text: String, allowsInsecure: Bool) throws -> any CertificateObjects {
    try certificateObjects(of: ClusterSource(text, allowsFiles: false).open(allowsInsecure: allowsInsecure))
  }

  /// The same of one that is open.
  static func certificateObjects(of cluster: any Cluster) throws -> any CertificateObjects {
    guard let cluster = cluster as? APICluster else {
      throw ValidationError("certificates are kept in an API server, not in files: --cluster file:PATH will not do")
    }
    return cluster.certificateObjects
  }
}

extension String {
  /// What follows `prefix`, if this begins with it and something follows.
  fileprivate func removing(prefix: String) -> String? {
    hasPrefix(prefix) && count > prefix.count ? String(dropFirst(prefix.count)) : nil
  }
}
