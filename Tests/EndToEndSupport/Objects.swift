import Foundation

/// Kubernetes objects as YAML, for files and for `kubectl apply`.
package enum Objects {
  /// A namespace; annotation names come without `pinseal.dev/`.
  package static func namespace(
    _ name: String, _ annotations: [String: String] = [:], labels: [String: String] = [:]
  ) -> String {
    var lines = ["apiVersion: v1", "kind: Namespace", "metadata:", "  name: \(name)"]
    if !labels.isEmpty { lines.append("  labels:") }
    for (label, value) in labels.sorted(by: { $0.key < $1.key }) { lines.append("    \(label): \"\(value)\"") }
    if !annotations.isEmpty { lines.append("  annotations:") }
    for (annotation, value) in annotations.sorted(by: { $0.key < $1.key }) {
      if value.contains("\n") {
        lines.append("    pinseal.dev/\(annotation): |")
        lines += value.split(separator: "\n").map { "      \($0)" }
      } else {
        lines.append("    pinseal.dev/\(annotation): \"\(value)\"")
      }
    }
    return lines.joined(separator: "\n") + "\n"
  }

  /// The annotations that turn verification with this key on, without a log.
  package static func verifying(_ key: String, _ more: [String: String] = [:]) -> [String: String] {
    ["image-verification": "enabled", "public-key": key, "ignore-tlog": "true"].merging(more) { $1 }
  }

  /// A Secret with one value.
  package static func secret(
    _ name: String, in namespace: String, type: String = "Opaque", key: String, value: String
  ) -> String {
    """
    apiVersion: v1
    kind: Secret
    type: \(type)
    metadata: {name: \(name), namespace: \(namespace)}
    data:
      \(key): \(Data(value.utf8).base64EncodedString())

    """
  }

  /// A ConfigMap with one value.
  package static func configMap(_ name: String, in namespace: String, key: String, value: String) -> String {
    let block = value.split(separator: "\n").map { "    \($0)" }.joined(separator: "\n")
    return """
      apiVersion: v1
      kind: ConfigMap
      metadata: {name: \(name), namespace: \(namespace)}
      data:
        \(key): |
      \(block)

      """
  }

  /// A StatefulSet with one container, `db`.
  package static func statefulSet(
    _ name: String, in namespace: String, image: String, label: String = "none", replicas: Int = 1
  ) -> String {
    """
    apiVersion: apps/v1
    kind: StatefulSet
    metadata:
      name: \(name)
      namespace: \(namespace)
      labels: {note: \(label)}
    spec:
      replicas: \(replicas)
      serviceName: \(name)
      selector: {matchLabels: {app: \(name)}}
      template:
        metadata: {labels: {app: \(name)}}
        spec:
          containers:
          - name: db
            image: "\(image)"

    """
  }

  /// The content of a Secret of type `kubernetes.io/dockerconfigjson`, or with `legacy` of `kubernetes.io/dockercfg`.
  package static func dockerConfiguration(_ registry: String, _ login: String, legacy: Bool = false) -> String {
    let auth = #"{"\#(registry)":{"auth":"\#(Data(login.utf8).base64EncodedString())"}}"#
    return legacy ? auth : #"{"auths":\#(auth)}"#
  }
}
