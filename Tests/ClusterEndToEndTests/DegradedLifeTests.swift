import EndToEndSupport
import Foundation
import Testing

/// The condition Degraded over the lives of pods, replicas and owners.
extension ClusterTests {
  /// The condition of an object, as `STATUS REASON`; empty where there is none.
  private func degraded(_ object: String, in namespace: String, _ environment: ClusterEnvironment) async throws
    -> String
  {
    try await environment.cluster.kubectl([
      "get", object, "-n", namespace, "-o",
      #"jsonpath={range .status.conditions[?(@.type=="Degraded")]}{.status} {.reason}{end}"#,
    ]).checked().output
  }

  private func expectRefusal(in namespace: String, _ environment: ClusterEnvironment) async throws {
    let outcome = try await environment.apply(environment.unsigned.tagged, in: namespace)
    #expect(!outcome.succeeded && outcome.errors.contains("SIGNATURE_NOT_FOUND"), "\(outcome)")
  }

  /// Makes the controller write the status, by whatever `change` does, until the number `field` of it is `value`,
  /// and waits for the condition to be back.
  private func expectItStays(
    in namespace: String, _ environment: ClusterEnvironment, until field: String, is value: String,
    when change: () async throws -> Void
  ) async throws {
    #expect(try await environment.stored("{.status.\(field)}", in: namespace) ?? "0" != value)
    try await change()
    try await eventually("the controller has written the status: \(field) is \(value)") {
      try await environment.stored("{.status.\(field)}", in: namespace) ?? "0" == value
    }
    func state() async throws -> String {
      let condition = try await degraded("sts/db", in: namespace, environment)
      return "\(condition) \(try await environment.stored("{.metadata.resourceVersion}", in: namespace) ?? "")"
    }
    // And stays: nobody takes it away again, nor writes it over and over.
    try await eventually("the condition is back and stays") {
      let before = try await state()
      try await Task.sleep(for: .seconds(2))
      let after = try await state()
      return before == after && before.hasPrefix("True ImageVerificationFailed ")
    }
  }

  /// Says of the pod what its node would say once its container runs.
  private func makeReady(_ pod: String, in namespace: String, _ environment: ClusterEnvironment) async throws {
    // The controller makes the pod a little after its StatefulSet.
    try await eventually("\(pod) is ready") {
      try await environment.cluster.api(
        "PATCH", "/api/v1/namespaces/\(namespace)/pods/\(pod)/status",
        body: #"{"status":{"phase":"Running","conditions":[{"type":"Ready","status":"True"}]}}"#,
        type: "application/strategic-merge-patch+json"
      ).status == 200
    }
  }

  @Test func `replicas keep one condition together, and new ones go on with it`() async throws {
    let environment = try ClusterEnvironment.current()
    let namespace = "degraded-fleet"
    try await withFleet(namespace, environment) { fleet in
      try await environment.apply(environment.signed.tagged, in: namespace).checked()
      try await expectRefusal(in: namespace, environment)
      try await expectRefusal(in: namespace, environment)
      try await eventually("the StatefulSet is degraded") {
        try await degraded("sts/db", in: namespace, environment) == "True ImageVerificationFailed"
      }
      // A pod that is as ready as before makes the controller write nothing: this one has been ready.
      try await expectItStays(in: namespace, environment, until: "readyReplicas", is: "1") {
        try await makeReady("db-0", in: namespace, environment)
      }
      try await expectItStays(in: namespace, environment, until: "readyReplicas", is: "0") {
        try await environment.cluster.kubectl(["delete", "pod", "db-0", "-n", namespace, "--force", "--grace-period=0"])
          .checked()
      }
      for old in fleet.members {
        try await fleet.add()
        try await fleet.remove(old)
      }
      let generation = try await environment.stored("{.metadata.generation}", in: namespace).flatMap { Int($0) }
      let next = try #require(generation) + 1
      try await expectItStays(in: namespace, environment, until: "observedGeneration", is: "\(next)") {
        try await environment.cluster.kubectl(["scale", "sts/db", "-n", namespace, "--replicas=2"]).checked()
      }
      try await environment.apply(environment.signedToo.tagged, in: namespace).checked()
      try await environment.cluster.kubectl([
        "wait", "--for=condition=Degraded=false", "sts/db", "-n", namespace, "--timeout=120s",
      ]).checked()
      try await eventually("it has recovered") {
        try await degraded("sts/db", in: namespace, environment) == "False ImageVerificationSucceeded"
      }
    }
  }

  @Test func `a listed owner has the condition too`() async throws {
    let environment = try ClusterEnvironment.current()
    let cluster = environment.cluster
    let namespace = "degraded-owner"
    try await cluster.apply(Self.ownerDefinition)
    try await cluster.kubectl(["wait", "--for=condition=Established", "crd/openbaoclusters.openbao.org"]).checked()
    let owner = ["--degraded-owner", "openbaoclusters.openbao.org"]
    try await withFleet(namespace, environment, arguments: owner) { _ in
      try await cluster.apply(
        "apiVersion: openbao.org/v1\nkind: OpenBaoCluster\nmetadata: {name: vault, namespace: \(namespace)}\n")
      let uid = try await cluster.kubectl([
        "get", "openbaocluster", "vault", "-n", namespace, "-o", "jsonpath={.metadata.uid}",
      ]).checked().output
      func apply(_ image: TestImage) async throws -> Outcome {
        let reference =
          "  ownerReferences: [{apiVersion: openbao.org/v1, kind: OpenBaoCluster, name: vault, uid: \(uid), controller: true}]\n"
        let object = Objects.statefulSet("db", in: namespace, image: image.tagged)
        return try await cluster.kubectl(
          ["apply", "-f", "-"],
          input: object.replacingOccurrences(of: "spec:\n  replicas", with: "\(reference)spec:\n  replicas"))
      }
      try await apply(environment.signed).checked()
      #expect(try await degraded("openbaocluster/vault", in: namespace, environment) == "")
      #expect(try await !apply(environment.unsigned).succeeded)
      for object in ["statefulset/db", "openbaocluster/vault"] {
        try await cluster.kubectl(["wait", "--for=condition=Degraded", object, "-n", namespace, "--timeout=120s"])
          .checked()
      }
      #expect(
        try await degraded("openbaocluster/vault", in: namespace, environment) == "True ImageVerificationFailed")
      try await apply(environment.signedToo).checked()
      for object in ["statefulset/db", "openbaocluster/vault"] {
        try await cluster.kubectl(["wait", "--for=condition=Degraded=false", object, "-n", namespace, "--timeout=120s"])
          .checked()
      }
      #expect(
        try await degraded("openbaocluster/vault", in: namespace, environment) == "False ImageVerificationSucceeded")
    }
  }

  private static let ownerDefinition = """
    apiVersion: apiextensions.k8s.io/v1
    kind: CustomResourceDefinition
    metadata: {name: openbaoclusters.openbao.org}
    spec:
      group: openbao.org
      scope: Namespaced
      names: {kind: OpenBaoCluster, listKind: OpenBaoClusterList, plural: openbaoclusters, singular: openbaocluster}
      versions:
      - name: v1
        served: true
        storage: true
        subresources: {status: {}}
        schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}
    ---
    apiVersion: rbac.authorization.k8s.io/v1
    kind: ClusterRole
    metadata: {name: pinseal-owners}
    rules:
    - {apiGroups: [openbao.org], resources: [openbaoclusters/status], verbs: [get, patch]}
    ---
    apiVersion: rbac.authorization.k8s.io/v1
    kind: ClusterRoleBinding
    metadata: {name: pinseal-owners}
    roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: pinseal-owners}
    subjects:
    - {apiGroup: rbac.authorization.k8s.io, kind: User, name: pinseal}
    """
}
