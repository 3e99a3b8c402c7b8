public import Logging

extension APICluster {
  /// Keeps the condition `Degraded` of StatefulSets in this cluster. RBAC must allow: list and watch on statefulsets, patch
  /// on statefulsets/status, get and patch on the status of the kinds of owners.
  public func degradedKeeper(options: DegradedKeeper.Options, logger: Logger) -> DegradedKeeper {
    let client = client
    return DegradedKeeper(ConditionWriter(client: client), options: options, logger: logger) { id, onChange in
      await ObjectWatch(
        client: client, target: .statefulSet(id), logLevel: .debug, decode: { try DegradedObject($0) },
        onChange: onChange
      ).run()
    }
  }
}

extension WatchTarget {
  /// One StatefulSet.
  fileprivate static func statefulSet(_ id: StatefulSetID) -> WatchTarget {
    WatchTarget(
      path: "/apis/apps/v1/namespaces/\(id.namespace)/statefulsets", name: id.name, kind: "StatefulSet",
      apiVersion: "apps/v1", permission: "statefulsets in namespace \(id.namespace)")
  }
}
