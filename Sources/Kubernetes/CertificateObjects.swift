import HTTPClient
import JSON
public import Primitives

/// The objects of the API that a serving certificate lives in: one Secret, and webhook configurations.
///
/// Writes take effect only if the object is still as it was read; else they throw `conflict`.
public protocol CertificateObjects: Sendable {
  /// The Secret, or nil if there is none.
  func secret(_ place: SecretPlace, deadline: Deadline) async throws(ClusterError) -> KeptSecret?
  /// Makes the Secret; `conflict` if it is there by now. The resource version is not looked at.
  func create(_ secret: KeptSecret, at place: SecretPlace, deadline: Deadline) async throws(ClusterError)
  /// Writes these values and annotations into the Secret of this version; a nil value removes a key, and what is not
  /// named stays.
  func update(
    _ place: SecretPlace, resourceVersion: String, data: [String: [UInt8]?], annotations: [String: String?],
    deadline: Deadline
  ) async throws(ClusterError)
  /// The webhook configuration, or nil if there is none.
  func registration(_ id: WebhookRegistrationID, deadline: Deadline) async throws(ClusterError) -> WebhookRegistration?
  /// Writes these authorities (PEM) into every webhook of the configuration as it was read.
  func setBundle(_ bundle: [UInt8], of registration: WebhookRegistration, deadline: Deadline) async throws(ClusterError)
}

extension APICluster {
  /// These objects of this cluster, as it holds them: nothing of them is cached.
  public var certificateObjects: any CertificateObjects { APICertificateObjects(client: client) }
}

/// The same through the Kubernetes API.
struct APICertificateObjects: CertificateObjects {
  let client: APIClient

  // MARK: Secrets

  /// Reads the Secret as the API server holds it now; nothing is cached.
  func secret(_ place: SecretPlace, deadline: Deadline) async throws(ClusterError) -> KeptSecret? {
    let call = APICall(path: place.id.path, subject: "\(place.id)", permission: Self.permission("get", place))
    guard let body = try await body(of: call, deadline: deadline) else { return nil }
    return try decode(body, of: call, apiVersion: "v1", kind: "Secret", name: place.name) { root throws(JSONError) in
      let metadata = try root.member("metadata")
      var data: [String: [UInt8]] = [:]
      for (key, value) in try root.optionalMember("data")?.members() ?? [] {
        // An API server decodes and encodes the values itself; null and what is damaged count as empty.
        data[key] = value.isNull ? [] : Base64.decode(try value.string()) ?? []
      }
      var annotations: [String: String] = [:]
      for (key, value) in try metadata.optionalMember("annotations")?.members() ?? [] {
        annotations[key] = try value.string()
      }
      return KeptSecret(
        type: try root.optionalMember("type")?.string() ?? "Opaque", annotations: annotations, data: data,
        resourceVersion: try metadata.member("resourceVersion").string())
    }
  }

  /// Posts the Secret.
  func create(_ secret: KeptSecret, at place: SecretPlace, deadline: Deadline) async throws(ClusterError) {
    var writer = JSONWriter(capacity: 8192)
    writer.object {
      $0.member("apiVersion", "v1")
      $0.member("kind", "Secret")
      $0.member("type", secret.type)
      $0.name("metadata")
      $0.object {
        $0.member("name", place.name)
        $0.member("namespace", place.namespace)
        Self.write(secret.annotations.mapValues(Optional.some), as: "annotations", to: &$0)
      }
      Self.write(secret.data.mapValues { Base64.encode($0) }, as: "data", to: &$0)
    }
    try await succeed(
      APICall(
        method: .post, path: "/api/v1/namespaces/\(place.namespace)/secrets?fieldManager=\(APIClient.fieldManager)",
        subject: "\(place.id)",
        permission: Self.permission("create", place)
          + ", which no RBAC rule can limit to one name: better make the Secret beforehand, empty and of type Opaque",
        body: writer.bytes), deadline: deadline)
  }

  /// Patches the Secret.
  func update(
    _ place: SecretPlace, resourceVersion: String, data: [String: [UInt8]?], annotations: [String: String?],
    deadline: Deadline
  ) async throws(ClusterError) {
    // RFC 7386; with the version in it the API server answers 409 if the object is another by now.
    var writer = JSONWriter(capacity: 8192)
    writer.object {
      $0.name("metadata")
      $0.object {
        $0.member("resourceVersion", resourceVersion)
        Self.write(annotations, as: "annotations", to: &$0)
      }
      Self.write(data.mapValues { $0.map { Base64.encode($0) } }, as: "data", to: &$0)
    }
    try await succeed(
      APICall(
        method: .patch, path: place.id.path + "?fieldManager=\(APIClient.fieldManager)", subject: "\(place.id)",
        permission: Self.permission("patch", place), contentType: "application/merge-patch+json", body: writer.bytes),
      deadline: deadline)
  }

  // MARK: Webhook configurations

  /// Reads the configuration as the API server holds it now.
  func registration(
    _ id: WebhookRegistrationID, deadline: Deadline
  ) async throws(ClusterError) -> WebhookRegistration? {
    let call = APICall(path: id.path, subject: "\(id)", permission: Self.permission("get", id))
    guard let body = try await body(of: call, deadline: deadline) else { return nil }
    return try decode(
      body, of: call, apiVersion: "admissionregistration.k8s.io/v1", kind: id.kind.objectKind, name: id.name
    ) { root throws(JSONError) in try WebhookRegistration(reading: root, id: id, manager: APIClient.fieldManager) }
  }

  /// Patches every webhook of it.
  func setBundle(
    _ bundle: [UInt8], of registration: WebhookRegistration, deadline: Deadline
  ) async throws(ClusterError) {
    // RFC 6902. The places are numbers, which hold as long as the version does.
    var writer = JSONWriter(capacity: 4096)
    func put(_ operation: String, _ path: String, _ value: String, into writer: inout JSONWriter) {
      writer.object {
        $0.member("op", operation)
        $0.member("path", path)
        $0.member("value", value)
      }
    }
    let text = Base64.encode(bundle)
    writer.array {
      put("replace", "/metadata/resourceVersion", registration.resourceVersion, into: &$0)
      for index in registration.bundles.indices {
        put("add", "/webhooks/\(index)/clientConfig/caBundle", text, into: &$0)
      }
    }
    let id = registration.id
    try await succeed(
      APICall(
        method: .patch, path: id.path + "?fieldManager=\(APIClient.fieldManager)", subject: "\(id)",
        permission: Self.permission("patch", id), contentType: "application/json-patch+json", body: writer.bytes),
      deadline: deadline)
  }

  // MARK: Calls

  private static func permission(_ verb: String, _ place: SecretPlace) -> String {
    "\(verb) on secrets in namespace \(place.namespace)"
  }

  private static func permission(_ verb: String, _ id: WebhookRegistrationID) -> String {
    "\(verb) on \(id.kind.resource) of admissionregistration.k8s.io"
  }

  private static func write(_ members: [String: String?], as name: String, to writer: inout JSONWriter) {
    writer.name(name)
    writer.object {
      for (key, value) in members.sorted(by: { $0.key < $1.key }) {
        $0.name(key)
        if let value { $0.string(value) } else { $0.null() }
      }
    }
  }

  /// The body of a 200; nil if the object does not exist.
  private func body(of call: APICall, deadline: Deadline) async throws(ClusterError) -> [UInt8]? {
    let response = try await client.send(call, deadline: deadline)
    guard response.status != 200 else { return response.body }
    let failure = client.failure(status: response.status, body: response.body, of: call)
    if failure.code == .notFound { return nil }
    throw failure
  }

  private func succeed(_ call: APICall, deadline: Deadline) async throws(ClusterError) {
    let response = try await client.send(call, deadline: deadline)
    guard (200..<300).contains(response.status) else {
      throw client.failure(status: response.status, body: response.body, of: call)
    }
  }

  private func decode<Value>(
    _ body: [UInt8], of call: APICall, apiVersion: String, kind: String, name: String,
    _ read: (JSONValue) throws(JSONError) -> Value
  ) throws(ClusterError) -> Value {
    var reason = "it is another object than the one that was asked for"
    do throws(JSONError) {
      let root = try JSONDocument(body).root
      if try root.member("kind").isString(kind), try root.member("apiVersion").isString(apiVersion),
        try root.member("metadata").member("name").isString(name)
      {
        return try read(root)
      }
    } catch {
      reason = error.description
    }
    throw client.unusable(call.subject, reason)
  }
}
