import HTTPClient
import JSON
import Primitives
import Testing

@testable import Kubernetes

/// What is asked of an API server, and what its answers mean.
@Suite struct CertificateObjectsTests {
  private func objects(_ http: ScriptedHTTP) throws -> APICertificateObjects {
    let connection = Connection(
      server: try ServerAddress(parsing: "https://api.example"), token: .fixed("token-of-the-test"))
    let transport = try APITransport(connection) { _ throws(HTTPClientError) in http }
    return APICertificateObjects(client: APIClient(transport: transport))
  }

  private func place() throws -> SecretPlace { try SecretPlace(parsing: "pinseal/pinseal-tls") }
  private func id() throws -> WebhookRegistrationID { try WebhookRegistrationID(parsing: "mutating/pinseal-mutate") }
  private var soon: Deadline { .after(.seconds(60)) }

  private static func configuration(_ metadata: String = "", webhooks: String = "[]") -> String {
    """
    {"apiVersion": "admissionregistration.k8s.io/v1", "kind": "MutatingWebhookConfiguration",
     "metadata": {"name": "pinseal-mutate", "resourceVersion": "7"\(metadata)}, "webhooks": \(webhooks)}
    """
  }

  @Test(arguments: ["", "a", "a/b/c", "/b", "a/", "A/b", "a/../b", "a/b?x", "a/b%2f"])
  func `a Secret is named by namespace and name, nothing else`(text: String) {
    #expect(throws: ClusterError.self) { try SecretPlace(parsing: text) }
  }

  @Test(arguments: ["", "mutating", "mutating/", "Mutating/a", "other/a", "mutating/a/b", "mutating/a?b", "/a"])
  func `a webhook configuration is named by kind and name, nothing else`(text: String) {
    #expect(throws: ClusterError.self) { try WebhookRegistrationID(parsing: text) }
  }

  @Test func `a Secret is read with its annotations, and shows no value`() async throws {
    let http = ScriptedHTTP(
      200,
      """
      {"apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/tls",
       "metadata": {"name": "pinseal-tls", "namespace": "pinseal", "resourceVersion": "12", "annotations": {"a": "b"}},
       "data": {"tls.crt": "aGVsbG8=", "tls.key": null, "odd": "?"}}
      """)
    let secret = try #require(try await objects(http).secret(try place(), deadline: soon))
    #expect(secret.type == "kubernetes.io/tls" && secret.resourceVersion == "12" && secret.annotations == ["a": "b"])
    #expect(secret.data == ["tls.crt": Array("hello".utf8), "tls.key": [], "odd": []])
    var dumped = ""
    dump(secret, to: &dumped)
    for text in ["\(secret)", String(reflecting: secret), dumped] {
      #expect(!text.contains("hello") && !text.contains("104"))
    }
    let request = try #require(http.requests.first)
    #expect(request.url == "https://api.example/api/v1/namespaces/pinseal/secrets/pinseal-tls")
    #expect(request.method == .get)
  }

  @Test func `what does not exist is nil, and other failures say what RBAC must allow`() async throws {
    let absent = ScriptedHTTP(404, #"{"kind": "Status", "reason": "NotFound"}"#)
    #expect(try await objects(absent).secret(try place(), deadline: soon) == nil)
    #expect(try await objects(absent).registration(try id(), deadline: soon) == nil)
    let forbidden = try objects(ScriptedHTTP(403, ""))
    var error = try await #require(throws: ClusterError.self) {
      _ = try await forbidden.secret(try place(), deadline: soon)
    }
    #expect(error.code == .forbidden && error.description.contains("get on secrets in namespace pinseal"))
    error = try await #require(throws: ClusterError.self) {
      _ = try await forbidden.registration(try id(), deadline: soon)
    }
    #expect(error.description.contains("get on mutatingwebhookconfigurations of admissionregistration.k8s.io"))
    error = try await #require(throws: ClusterError.self) {
      try await forbidden.create(
        KeptSecret(type: "Opaque", annotations: [:], data: [:], resourceVersion: ""), at: try place(), deadline: soon)
    }
    #expect(error.description.contains("create on secrets") && error.description.contains("beforehand"))
    for status in [404, 500, 503] {
      let failing = try objects(ScriptedHTTP(status, "x"))
      await #expect(throws: ClusterError.self) { _ = try await failing.secret(try place(), deadline: soon) }
    }
  }

  @Test(arguments: [
    #"{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "pinseal-tls", "resourceVersion": "1"}}"#,
    #"{"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "other", "resourceVersion": "1"}}"#,
    #"{"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "pinseal-tls"}}"#,
    #"{"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "pinseal-tls", "resourceVersion": "1"}, "data": []}"#,
    #"[]"#, #"{"#, "",
  ])
  func `an answer that is no such Secret is refused`(body: String) async throws {
    let objects = try objects(ScriptedHTTP(200, body))
    let error = try await #require(throws: ClusterError.self) {
      _ = try await objects.secret(try place(), deadline: soon)
    }
    #expect(error.code == .invalid, "\(error)")
  }

  @Test func `a Secret is changed only as it was read, and what is not named stays`() async throws {
    let http = ScriptedHTTP(200, "{}")
    try await objects(http).update(
      try place(), resourceVersion: "12", data: ["tls.crt": Array("hello".utf8), "next-ca.key": nil],
      annotations: ["pinseal.dev/certificates": "self-managed", "old": nil], deadline: soon)
    let request = try #require(http.requests.first)
    #expect(request.method == .patch)
    #expect(
      request.url == "https://api.example/api/v1/namespaces/pinseal/secrets/pinseal-tls?fieldManager=pinseal")
    #expect(request.headers.contains { $0.name == "Content-Type" && $0.value == "application/merge-patch+json" })
    #expect(
      String(decoding: request.body, as: UTF8.self)
        == #"{"metadata":{"resourceVersion":"12","annotations":{"old":null,"pinseal.dev/certificates":"self-managed"}},"#
        + #""data":{"next-ca.key":null,"tls.crt":"aGVsbG8="}}"#)
    let conflicting = try objects(ScriptedHTTP(409, #"{"kind": "Status", "message": "modified"}"#))
    let error = try await #require(throws: ClusterError.self) {
      try await conflicting.update(try place(), resourceVersion: "1", data: [:], annotations: [:], deadline: soon)
    }
    #expect(error.code == .conflict && error.description.contains("modified"))
  }

  @Test func `a Secret that is made says what it is`() async throws {
    let http = ScriptedHTTP(201, "{}")
    try await objects(http).create(
      KeptSecret(type: "kubernetes.io/tls", annotations: ["a": "b"], data: ["k": [1]], resourceVersion: ""),
      at: try place(), deadline: soon)
    let request = try #require(http.requests.first)
    #expect(request.method == .post)
    #expect(request.url == "https://api.example/api/v1/namespaces/pinseal/secrets?fieldManager=pinseal")
    let root = try JSONDocument(request.body).root
    #expect(try root.member("type").isString("kubernetes.io/tls") && root.member("kind").isString("Secret"))
    #expect(try root.member("data").member("k").isString("AQ=="))
  }

  @Test func `every webhook of a configuration gets the bundle, and only as the configuration was read`() async throws {
    let body = Self.configuration(
      webhooks: #"[{"name": "a", "clientConfig": {"caBundle": "aGVsbG8=", "#
        + #""service": {"name": "s", "namespace": "n"}}}, "#
        + #"{"name": "b", "clientConfig": {"url": "https://Pinseal.example:8443/mutate?timeout=1s"}}]"#)
    let http = ScriptedHTTP(200, body)
    let registration = try #require(try await objects(http).registration(try id(), deadline: soon))
    #expect(registration.bundles == [Array("hello".utf8), []] && registration.otherWriter == nil)
    #expect(registration.hosts == ["s.n.svc", "pinseal.example"])
    try await objects(http).setBundle(Array("new".utf8), of: registration, deadline: soon)
    #expect(
      http.requests.map(\.url)
        == [
          "https://api.example/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/pinseal-mutate",
          "https://api.example/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/pinseal-mutate"
            + "?fieldManager=pinseal",
        ])
    let request = try #require(http.requests.last)
    #expect(request.method == .patch)
    #expect(request.headers.contains { $0.name == "Content-Type" && $0.value == "application/json-patch+json" })
    #expect(
      String(decoding: request.body, as: UTF8.self)
        == #"[{"op":"replace","path":"/metadata/resourceVersion","value":"7"},"#
        + #"{"op":"add","path":"/webhooks/0/clientConfig/caBundle","value":"bmV3"},"#
        + #"{"op":"add","path":"/webhooks/1/clientConfig/caBundle","value":"bmV3"}]"#)
  }

  @Test(arguments: [
    (#", "annotations": {"cert-manager.io/inject-ca-from": "a/b"}"#, "cert-manager"),
    (#", "annotations": {"cert-manager.io/inject-ca-from-secret": "a/b"}"#, "cert-manager"),
    (#", "annotations": {"cert-manager.io/inject-apiserver-ca": "true"}"#, "cert-manager"),
    (#", "annotations": {"service.beta.openshift.io/inject-cabundle": "true"}"#, "OpenShift"),
    (#", "annotations": {"cert-manager.io/inject-apiserver-ca": "false", "a": "b"}"#, nil),
    (#", "annotations": {"cert-manager.io/inject-ca-from": ""}"#, nil), (#", "annotations": null"#, nil),
    (managed("helm", "Apply", #""f:caBundle": {}"#), "the field manager helm"),
    (managed("helm", "Update", #""f:caBundle": {}"#), nil), (managed("helm", "Apply", #""f:service": {}"#), nil),
    (managed("pinseal", "Apply", #""f:caBundle": {}"#), nil),
  ])
  func `another writer of caBundle is seen`(metadata: String, who: String?) async throws {
    let objects = try objects(ScriptedHTTP(200, Self.configuration(metadata)))
    let registration = try #require(try await objects.registration(try id(), deadline: soon))
    if let who {
      #expect(registration.otherWriter?.contains(who) == true, "\(registration.otherWriter ?? "nobody")")
    } else {
      #expect(registration.otherWriter == nil)
    }
  }

  private static func managed(_ manager: String, _ operation: String, _ fields: String) -> String {
    #", "managedFields": [{"manager": "\#(manager)", "operation": "\#(operation)", "fieldsV1": {"f:webhooks": "#
      + #"{".": {}, "k:{\"name\":\"a\"}": {".": {}, "f:clientConfig": {".": {}, \#(fields)}}}}}]"#
  }
}
