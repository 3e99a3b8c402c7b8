public import Kubernetes
public import ServiceLifecycle

/// Keeps what is known of the cluster up to date, until the shutdown.
public struct ClusterService: Service {
  private let cluster: any Cluster

  /// For `cluster`, whose `run` nobody else may call.
  public init(_ cluster: any Cluster) { self.cluster = cluster }

  /// Runs until the shutdown.
  public func run() async {
    let cluster = cluster
    await withTaskGroup(of: Void.self) { group in
      group.addTask { await cluster.run() }
      try? await gracefulShutdown()
      group.cancelAll()
    }
  }
}
