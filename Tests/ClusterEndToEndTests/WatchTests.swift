import EndToEndSupport
import Foundation
import Testing

/// What changes in the cluster is in force without a restart, and without asking for it at each admission.
extension ClusterTests {
  /// How long after the API server stored a change answers follow it: the median and the longest of some changes; and the
  /// median of what a single look at an answer takes.
  private func delays(
    _ changes: [() async throws -> Void], until isInForce: (Int) async throws -> Bool
  ) async throws -> (median: Duration, longest: Duration, look: Duration) {
    var (delays, looks): ([Duration], [Duration]) = ([], [])
    for (index, change) in changes.enumerated() {
      try await change()
      let stored = ContinuousClock.now
      var isThere = false
      while !isThere {
        let begun = ContinuousClock.now
        guard stored.duration(to: begun) < .seconds(120) else {
          throw EndToEndFailure("change \(index) is not in force after two minutes")
        }
        isThere = try await isInForce(index)
        looks.append(begun.duration(to: .now))
        if !isThere { try await Task.sleep(for: .milliseconds(10)) }
      }
      delays.append(stored.duration(to: .now))
    }
    delays.sort()
    looks.sort()
    return (delays[delays.count / 2], delays[delays.count - 1], looks[looks.count / 2])
  }

  /// A second is promised, of a machine that has the time: where it has other things to do a look takes long as well, and
  /// shows by how much. One of several changes may take longer.
  func expectWithinASecond(
    _ changes: [() async throws -> Void], location: SourceLocation = #_sourceLocation,
    until isInForce: (Int) async throws -> Bool
  ) async throws {
    let delays = try await delays(changes, until: isInForce)
    #expect(delays.median < .seconds(1) + delays.look * 10, "\(delays)", sourceLocation: location)
    #expect(delays.longest < .seconds(5) + delays.look * 50, "\(delays)", sourceLocation: location)
  }

  @Test func `a changed annotation is in force within a second`() async throws {
    let environment = try ClusterEnvironment.current()
    try await environment.makeNamespace("watched")
    func annotate(_ key: SigningKey) async throws {
      let body = ["metadata": ["annotations": ["pinseal.dev/public-key": key.publicPEM]]]
      let answer = try await environment.cluster.api(
        "PATCH", "/api/v1/namespaces/watched", body: json(body), type: "application/merge-patch+json")
      #expect(answer.status == 200)
    }
    let isAllowed = { try await environment.webhook.review(Review(environment.signed.tagged, in: "watched")).isAllowed }
    #expect(try await isAllowed())
    let keys = [environment.otherKey, environment.key, environment.otherKey, environment.key, environment.otherKey]
    try await expectWithinASecond(keys.map { key in { try await annotate(key) } }) { index in
      try await isAllowed() == (index % 2 == 1)
    }
  }

  @Test(arguments: ["secret", "configmap"])
  func `a changed key in a Secret or ConfigMap is in force within a second`(kind: String) async throws {
    let environment = try ClusterEnvironment.current()
    let namespace = "watched-\(kind)"
    func store(_ key: SigningKey) async throws {
      try await environment.cluster.put(
        kind == "secret"
          ? Objects.secret("signing", in: namespace, key: "cosign.pub", value: key.publicPEM)
          : Objects.configMap("signing", in: namespace, key: "cosign.pub", value: key.publicPEM),
        "/api/v1/namespaces/\(namespace)/\(kind)s", "signing")
    }
    try await environment.makeNamespace(namespace, Objects.verifying("\(kind)://signing/cosign.pub"))
    try await store(environment.key)
    let isAllowed = { try await environment.webhook.review(Review(environment.signed.tagged, in: namespace)).isAllowed }
    try await eventually("the key is read") { try await isAllowed() }
    let keys = [environment.otherKey, environment.key, environment.otherKey, environment.key, environment.otherKey]
    try await expectWithinASecond(keys.map { key in { try await store(key) } }) { index in
      try await isAllowed() == (index % 2 == 1)
    }
  }

  @Test func `a changed image pull Secret is in force within a second`() async throws {
    let environment = try ClusterEnvironment.current()
    let passwords = try await command("htpasswd", ["-Bbn", "puller", "right"]).checked().output
    try write(passwords, to: "\(environment.folder)/passwords")
    let storage = "\(environment.folder)/private"
    // The same storage without a password, for pushing and signing.
    try await DockerRegistry.with("private-back", in: environment.folder, storage: storage) { open in
      try await DockerRegistry.with(
        "private", in: environment.folder, storage: storage, port: environment.spareRegistryPort,
        access: .passwords(file: "\(environment.folder)/passwords")
      ) { docker in
        let image = try await open.registry.push("private/db", content: "private")
        try await environment.signing.sign(image, with: environment.key)
        let asked = image.at(docker.registry)
        try await environment.makeNamespace(
          "pulling", Objects.verifying(environment.key.publicPEM, ["image-pull-secrets": "pull"]))
        func store(_ password: String) async throws {
          try await environment.cluster.put(
            Objects.secret(
              "pull", in: "pulling", type: "kubernetes.io/dockerconfigjson", key: ".dockerconfigjson",
              value: Objects.dockerConfiguration(docker.registry.address, "puller:\(password)")),
            "/api/v1/namespaces/pulling/secrets", "pull")
        }
        let isAllowed = { try await environment.webhook.review(Review(asked.tagged, in: "pulling")).isAllowed }
        try await store("right")
        try await eventually("the Secret is read") { try await isAllowed() }
        let passwords = ["wrong", "right", "wrong", "right", "wrong"]
        try await expectWithinASecond(passwords.map { password in { try await store(password) } }) { index in
          try await isAllowed() == (passwords[index] == "right")
        }
        try await store("right")
        try await eventually("the Secret is as it was") { try await isAllowed() }
        try await expectNothingAsked(about: ["pulling"], environment) { () async throws in
          #expect(try await isAllowed())
        }
      }
    }
  }

  @Test func `an admission asks the API server for nothing`() async throws {
    let environment = try ClusterEnvironment.current()
    let namespaces = ["quiet-inline", "quiet-secret", "quiet-configmap"]
    let key = environment.key.publicPEM
    try await environment.makeNamespace(namespaces[0])
    try await environment.makeNamespace(namespaces[1], Objects.verifying("secret://signing/cosign.pub"))
    try await environment.makeNamespace(namespaces[2], Objects.verifying("configmap://signing/cosign.pub"))
    try await environment.cluster.apply(
      Objects.secret("signing", in: namespaces[1], key: "cosign.pub", value: key) + "---\n"
        + Objects.configMap("signing", in: namespaces[2], key: "cosign.pub", value: key))
    for namespace in namespaces {
      try await eventually("the key is read") {
        try await environment.webhook.review(Review(environment.signed.tagged, in: namespace)).isAllowed
      }
    }
    try await expectNothingAsked(about: namespaces, environment) { () async throws in
      for namespace in namespaces {
        #expect(try await environment.webhook.review(Review(environment.signed.tagged, in: namespace)).isAllowed)
      }
    }
  }

  /// Expects that these admissions come to make Pinseal read no namespace from the API server, and nothing in these.
  private func expectNothingAsked(
    about namespaces: [String], _ environment: ClusterEnvironment, by admissions: () async throws -> Void
  ) async throws {
    /// What so many rounds of them ask.
    func asked(_ rounds: Int) async throws -> [AuditEvent] {
      let begin = try environment.cluster.auditPosition()
      for _ in 0..<rounds { try await admissions() }
      return try environment.cluster.audited(since: begin).filter {
        $0.user.username == "pinseal" && ["get", "list"].contains($0.verb)
          && ($0.objectRef?.resource == "namespaces"
            || ["secrets", "configmaps"].contains($0.objectRef?.resource)
              && namespaces.contains($0.objectRef?.namespace ?? ""))
      }
    }
    // Once what the first ones began to watch is being watched.
    try await eventually("nothing is asked any more") { try await asked(1).isEmpty }
    let all = try await asked(7)
    #expect(all.isEmpty, "\(all.map { "\($0.verb) \($0.requestURI)" })")
  }

  @Test func `a namespace that is used at once is known`() async throws {
    let environment = try ClusterEnvironment.current()
    for index in 0..<8 {
      let name = "new-\(index)"
      let image = index % 2 == 0 ? environment.unsigned : environment.signed
      let created = try await environment.cluster.api(
        "POST", "/api/v1/namespaces",
        body: Objects.namespace(name, Objects.verifying(environment.key.publicPEM)), type: "application/yaml")
      let answer = try await environment.cluster.api(
        "POST", "/apis/apps/v1/namespaces/\(name)/statefulsets",
        body: Objects.statefulSet("db", in: name, image: image.tagged, replicas: 0), type: "application/yaml")
      #expect(created.status == 201)
      if index % 2 == 0 {
        #expect(answer.status == 403 && answer.body.contains("SIGNATURE_NOT_FOUND"), "\(answer)")
      } else {
        #expect(answer.status == 201 && answer.body.contains(image.pinned), "\(answer)")
      }
    }
  }

  private func json(_ value: [String: Any]) throws -> String {
    String(decoding: try JSONSerialization.data(withJSONObject: value), as: UTF8.self)
  }
}

extension TestCluster {
  /// Stores an object of a collection, whether it is there or not.
  func put(_ object: String, _ collection: String, _ name: String) async throws {
    var answer = try await api("PUT", "\(collection)/\(name)", body: object, type: "application/yaml")
    if answer.status == 404 { answer = try await api("POST", collection, body: object, type: "application/yaml") }
    guard answer.status < 300 else { throw EndToEndFailure("\(collection)/\(name): \(answer.status) \(answer.body)") }
  }
}
