/// The objects that make an API server ask Pinseal, and let Pinseal read what it needs; as in the README.
enum Registration {
  static func webhook(_ endpoint: String, url: String, authority: String) -> String {
    let isMutating = endpoint == "mutate"
    // The API server writes the timeout into the query itself.
    let address = url.prefix { $0 != "?" }
    return """
      apiVersion: admissionregistration.k8s.io/v1
      kind: \(isMutating ? "Mutating" : "Validating")WebhookConfiguration
      metadata: {name: pinseal-\(endpoint)}
      webhooks:
      - name: \(endpoint).pinseal.dev
        clientConfig:
          url: \(address)
          caBundle: \(authority)
        rules:
        - {apiGroups: [apps], apiVersions: [v1], operations: [CREATE, UPDATE], resources: [statefulsets], scope: Namespaced}
        failurePolicy: Fail
        matchPolicy: Equivalent
        sideEffects: None
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
    - {apiGroups: [""], resources: [namespaces, secrets, configmaps], verbs: [get]}
    - {apiGroups: [events.k8s.io], resources: [events], verbs: [create, patch]}
    - {apiGroups: [apps], resources: [statefulsets], verbs: [get]}
    ---
    apiVersion: rbac.authorization.k8s.io/v1
    kind: ClusterRoleBinding
    metadata: {name: pinseal}
    roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: pinseal}
    subjects:
    - {apiGroup: rbac.authorization.k8s.io, kind: User, name: pinseal}
    """
}
