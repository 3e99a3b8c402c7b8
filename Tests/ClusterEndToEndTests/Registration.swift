/// The objects that make an API server ask Pinseal, and let Pinseal read what it needs; as in the README.
enum Registration {
  /// The label of namespaces that another Pinseal than the suite's is to judge.
  static let servedBy = "served-by"

  /// A webhook configuration for namespaces that are labelled as served by `name`, or without one for all others.
  static func webhook(_ endpoint: String, url: String, authority: String, name: String? = nil) -> String {
    let isMutating = endpoint == "mutate"
    // The API server writes the timeout into the query itself.
    let address = url.prefix { $0 != "?" }
    let selector =
      name.map { "{matchLabels: {\(servedBy): \($0)}}" }
      ?? "{matchExpressions: [{key: \(servedBy), operator: DoesNotExist}]}"
    return """
      apiVersion: admissionregistration.k8s.io/v1
      kind: \(isMutating ? "Mutating" : "Validating")WebhookConfiguration
      metadata: {name: \(name ?? "pinseal")-\(endpoint)}
      webhooks:
      - name: \(endpoint).pinseal.dev
        clientConfig:
          url: \(address)
          caBundle: \(authority)
        rules:
        - {apiGroups: [apps], apiVersions: [v1], operations: [CREATE, UPDATE], resources: [statefulsets], scope: Namespaced}
        namespaceSelector: \(selector)
        failurePolicy: Fail
        matchPolicy: Equivalent
        sideEffects: NoneOnDryRun
        timeoutSeconds: 10
        admissionReviewVersions: [v1]
      \(isMutating ? "  reinvocationPolicy: IfNeeded" : "")
      """
  }

  static let permissions = """
    apiVersion: rbac.authorization.k8s.io/v1
    kind: ClusterRole
    metadata: {name: pinseal}
    rules:
    - {apiGroups: [""], resources: [namespaces, secrets, configmaps], verbs: [get, list, watch]}
    - {apiGroups: [events.k8s.io], resources: [events], verbs: [create, patch]}
    - {apiGroups: [apps], resources: [statefulsets], verbs: [get, list, watch]}
    - {apiGroups: [apps], resources: [statefulsets/status], verbs: [patch]}
    ---
    apiVersion: rbac.authorization.k8s.io/v1
    kind: ClusterRoleBinding
    metadata: {name: pinseal}
    roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: pinseal}
    subjects:
    - {apiGroup: rbac.authorization.k8s.io, kind: User, name: pinseal}
    """
}
