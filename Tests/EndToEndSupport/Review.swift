import Foundation

/// An AdmissionReview about a StatefulSet, as an API server writes it.
package struct Review: Sendable {
  package var namespace: String
  package var images: [String]
  package var initImages: [String] = []
  package var imagePullSecrets: [String] = []
  package var operation = "CREATE"
  /// The images before an UPDATE.
  package var oldImages: [String] = []
  package var isDryRun = false
  package let uid = UUID().uuidString.lowercased()

  package init(_ images: String..., in namespace: String) {
    self.images = images
    self.namespace = namespace
  }

  private func object(_ images: [String]) -> [String: Any] {
    var pod: [String: Any] = [
      "containers": images.enumerated().map { ["name": "c\($0.offset)", "image": $0.element, "resources": [:]] }
    ]
    if !initImages.isEmpty {
      pod["initContainers"] = initImages.enumerated().map { ["name": "i\($0.offset)", "image": $0.element] }
    }
    if !imagePullSecrets.isEmpty { pod["imagePullSecrets"] = imagePullSecrets.map { ["name": $0] } }
    return [
      "apiVersion": "apps/v1", "kind": "StatefulSet",
      "metadata": ["name": "db", "namespace": namespace, "uid": uid, "generation": 1],
      "spec": [
        "replicas": 1, "serviceName": "db", "selector": ["matchLabels": ["app": "db"]],
        "template": ["metadata": ["labels": ["app": "db"]], "spec": pod],
      ] as [String: Any],
    ]
  }

  /// The body to POST.
  package func json() throws -> String {
    var request: [String: Any] = [
      "uid": uid, "operation": operation, "namespace": namespace, "name": "db", "dryRun": isDryRun,
      "kind": ["group": "apps", "version": "v1", "kind": "StatefulSet"],
      "resource": ["group": "apps", "version": "v1", "resource": "statefulsets"],
      "requestKind": ["group": "apps", "version": "v1", "kind": "StatefulSet"],
      "requestResource": ["group": "apps", "version": "v1", "resource": "statefulsets"],
      "userInfo": ["username": "admin", "groups": ["system:masters", "system:authenticated"]],
      "options": ["apiVersion": "meta.k8s.io/v1", "kind": "CreateOptions"],
    ]
    request["object"] = operation == "DELETE" ? NSNull() : object(images)
    request["oldObject"] = operation == "CREATE" ? NSNull() : object(oldImages)
    let review: [String: Any] = ["apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request]
    let data = try JSONSerialization.data(withJSONObject: review, options: [.sortedKeys, .withoutEscapingSlashes])
    return String(decoding: data, as: UTF8.self)
  }
}

/// What Pinseal answered to a review.
package struct Answer: Sendable, CustomStringConvertible {
  /// HTTP's status and version.
  package let status: Int
  package let version: String
  package let uid: String
  package let isAllowed: Bool
  /// The refusal's text.
  package let message: String
  package let warnings: [String]
  /// The paths that the JSON Patch replaces, with their new values.
  package let patch: [String: String]
  package let body: String

  package var description: String { "HTTP \(status): \(body)\(patch.isEmpty ? "" : " patch \(patch)")" }

  /// Reads an HTTP answer, by Foundation and not by the code under test.
  init(_ http: HTTPAnswer) throws {
    status = http.status
    version = http.version
    body = http.body
    let review = try? JSONSerialization.jsonObject(with: Data(http.body.utf8)) as? [String: Any]
    let response = review?["response"] as? [String: Any]
    uid = response?["uid"] as? String ?? ""
    isAllowed = response?["allowed"] as? Bool ?? false
    message = (response?["status"] as? [String: Any])?["message"] as? String ?? ""
    warnings = response?["warnings"] as? [String] ?? []
    var patch: [String: String] = [:]
    if let encoded = response?["patch"] as? String {
      guard let data = Data(base64Encoded: encoded), response?["patchType"] as? String == "JSONPatch",
        let operations = try JSONSerialization.jsonObject(with: data) as? [[String: Any]]
      else { throw EndToEndFailure("that is no JSON Patch: \(http.body)") }
      for operation in operations where operation["op"] as? String != "test" {
        guard operation["op"] as? String == "replace", let path = operation["path"] as? String,
          let value = operation["value"] as? String
        else { throw EndToEndFailure("the patch does something other than replace a string: \(operation)") }
        patch[path] = value
      }
    }
    self.patch = patch
  }

  /// The new image of a container, if the patch has one.
  package func image(_ index: Int = 0, of list: String = "containers") -> String? {
    patch["/spec/template/spec/\(list)/\(index)/image"]
  }
}
