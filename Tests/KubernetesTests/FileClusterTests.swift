import Glibc
import Primitives
import Testing

@testable import Kubernetes

@Suite struct FileClusterTests {
  static var soon: Deadline { .after(.seconds(60)) }

  static let objects = """
    apiVersion: v1
    kind: Namespace
    metadata:
      name: db
      resourceVersion: "77"
      labels: {team: data}
      annotations:
        pinseal.dev/image-verification: enabled
        empty:
    ---
    apiVersion: v1
    kind: Secret
    metadata: {name: registry, namespace: db}
    type: kubernetes.io/dockerconfigjson
    data:
      .dockerconfigjson: e30=
      none: ""
      both: YQ==
    stringData:
      both: b
      plain: "é"
    ---
    apiVersion: v1
    kind: ConfigMap
    metadata: {name: keys}
    data: {cosign.pub: text}
    binaryData: {other: AAAA}
    ---
    apiVersion: apps/v1
    kind: StatefulSet
    metadata: {name: ignored}
    ---
    """

  static func write(_ folder: TemporaryFolder, _ name: String, annotation: String, file: String = "ns.yaml") {
    folder.write(
      "apiVersion: v1\nkind: Namespace\nmetadata:\n  name: \(name)\n  annotations: {a: \"\(annotation)\"}\n", to: file)
  }

  @Test func `objects of all kinds are read`() async throws {
    let cluster = try FileCluster(yaml: Self.objects)
    let namespace = try await cluster.namespace("db", deadline: Self.soon)
    #expect(namespace.labels == ["team": "data"])
    #expect(namespace.annotations == ["pinseal.dev/image-verification": "enabled", "empty": ""])
    #expect(cluster.knownNamespace("db") == namespace)
    let secret = try await cluster.secret("registry", namespace: "db", deadline: Self.soon)
    #expect(secret.type == "kubernetes.io/dockerconfigjson")
    #expect(
      secret.data == [
        ".dockerconfigjson": Array("{}".utf8), "none": [], "both": Array("b".utf8), "plain": Array("é".utf8),
      ])
    let configMap = try await cluster.configMap("keys", namespace: "default", deadline: Self.soon)
    #expect(configMap.data == ["cosign.pub": "text"])
    #expect(cluster.notReadyReason() == nil)
    #expect(cluster.reloadFailure == nil)
    #expect(cluster.status().troubles.isEmpty)
  }

  @Test func `what is not there is not found, by name`() async throws {
    let cluster = try FileCluster(yaml: Self.objects)
    #expect(cluster.knownNamespace("other") == nil)
    let errors = [
      await #expect(throws: ClusterError.self) { try await cluster.namespace("other", deadline: Self.soon) },
      await #expect(throws: ClusterError.self) {
        try await cluster.secret("registry", namespace: "default", deadline: Self.soon)
      },
      await #expect(throws: ClusterError.self) {
        try await cluster.configMap("keys", namespace: "db", deadline: Self.soon)
      },
    ]
    #expect(errors.allSatisfy { $0?.code == .notFound })
    #expect(
      errors.map { $0?.description } == [
        "Namespace other does not exist", "Secret default/registry does not exist", "ConfigMap db/keys does not exist",
      ])
    let bad = await #expect(throws: ClusterError.self) {
      try await cluster.secret("../x", namespace: "db", deadline: Self.soon)
    }
    #expect(bad?.code == .invalid)
  }

  @Test func `lists hold objects, typed or not`() async throws {
    let cluster = try FileCluster(
      yaml: """
        apiVersion: v1
        kind: List
        items:
        - {apiVersion: v1, kind: Namespace, metadata: {name: a}}
        - {apiVersion: batch/v1, kind: Job, metadata: {name: b}}
        ---
        apiVersion: v1
        kind: SecretList
        items:
        - {metadata: {name: c, namespace: a}, stringData: {k: v}}
        ---
        {apiVersion: v1, kind: NamespaceList, items: null}
        ---
        {apiVersion: apps/v1, kind: DeploymentList, items: [{}]}
        ---
        {apiVersion: example.com/v1, kind: Secret, metadata: {}}
        """)
    #expect(cluster.knownNamespace("a") != nil)
    let secret = try await cluster.secret("c", namespace: "a", deadline: Self.soon)
    #expect(secret.type == "Opaque")
    #expect(secret.data == ["k": Array("v".utf8)])
  }

  @Test(arguments: [
    ("{}", "the document lacks kind"),
    ("a", "expected a mapping"),
    ("kind: Namespace", "lacks apiVersion"),
    ("{kind: Namespace, apiVersion: v2, metadata: {name: a}}", "apiVersion \"v2\", expected v1"),
    ("{kind: Namespace, apiVersion: v1}", "without metadata"),
    ("{kind: Namespace, apiVersion: v1, metadata: {}}", "metadata lacks name"),
    (
      "{kind: Namespace, apiVersion: v1, metadata: {name: 12}}",
      "metadata.name is a number, expected a string: write it in quotes"
    ),
    ("{kind: Namespace, apiVersion: v1, metadata: {name: A}}", "\"A\" cannot be the name of a Namespace"),
    ("{kind: Namespace, apiVersion: v1, metadata: {name: a.b}}", "\"a.b\" cannot be the name"),
    (
      "{kind: Namespace, apiVersion: v1, metadata: {name: a, annotations: {b: true}}}",
      "metadata.annotations.b is a boolean"
    ),
    (
      "{kind: Namespace, apiVersion: v1, metadata: {name: a, annotations: [b]}}",
      "metadata.annotations is a list, expected a mapping"
    ),
    ("{kind: Secret, apiVersion: v1, metadata: {name: a, namespace: B}}", "\"B\" cannot be the name of a namespace"),
    ("{kind: Secret, apiVersion: v1, metadata: {name: a}, data: {k: 's3cret!'}}", "data.k is not base64"),
    ("{kind: Secret, apiVersion: v1, metadata: {name: a}, data: {k: YQ}}", "data.k is not base64"),
    ("{kind: Secret, apiVersion: v1, metadata: {name: a}, data: {k: \"YQ==\\n\"}}", "data.k is not base64"),
    ("{kind: Secret, apiVersion: v1, metadata: {name: a}, stringData: {k: 1}}", "stringData.k is a number"),
    ("{kind: List, apiVersion: v1, items: [{kind: List, apiVersion: v1}]}", "items[0] is a list within a List"),
    ("{kind: List, apiVersion: v1, items: {}}", "items is a mapping, expected a list"),
    (
      "{kind: Namespace, apiVersion: v1, metadata: {name: a}}\n---\n{kind: Namespace, apiVersion: v1, metadata: {name: a}}",
      "Namespace a stands twice in the YAML text"
    ),
  ])
  func `a faulty object is refused with its place`(yaml: String, says: String) {
    let error = #expect(throws: ClusterError.self) { try FileCluster(yaml: yaml) }
    #expect(error?.code == .invalid)
    #expect(error?.description.contains(says) == true, "\(error?.description ?? "")")
    #expect(error?.description.contains("s3cret") == false)
  }

  // MARK: Files

  @Test func `a folder's files are read, hidden and foreign ones left out`() async throws {
    let folder = TemporaryFolder()
    Self.write(folder, "one", annotation: "x", file: "a.yaml")
    Self.write(folder, "two", annotation: "x", file: "b.yml")
    folder.write("{\"apiVersion\":\"v1\",\"kind\":\"Namespace\",\"metadata\":{\"name\":\"three\"}}", to: "c.json")
    folder.write("][", to: ".hidden.yaml")
    folder.write("][", to: "notes.txt")
    folder.makeFolder("folder.yaml")
    let cluster = try FileCluster(path: folder.path)
    #expect(["one", "two", "three"].allSatisfy { cluster.knownNamespace($0) != nil })
  }

  @Test func `an object in two files is refused with both`() {
    let folder = TemporaryFolder()
    Self.write(folder, "one", annotation: "x", file: "a.yaml")
    Self.write(folder, "one", annotation: "x", file: "b.yaml")
    let error = #expect(throws: ClusterError.self) { try FileCluster(path: folder.path) }
    #expect(
      error?.description == "Namespace one stands in \(folder.file("a.yaml")) and in \(folder.file("b.yaml")); keep one"
    )
  }

  @Test func `faults name file, document and line`() {
    let folder = TemporaryFolder()
    folder.write("---\n{kind: ConfigMap, apiVersion: v1, metadata: {name: a}}\n---\n\nkind: 1\n", to: "x.yaml")
    let error = #expect(throws: ClusterError.self) { try FileCluster(path: folder.path) }
    #expect(error?.description.hasPrefix("\(folder.file("x.yaml")), document 2, line 5: kind is a number") == true)
    folder.write("a: [", to: "x.yaml")
    let second = #expect(throws: ClusterError.self) { try FileCluster(path: folder.file("x.yaml")) }
    #expect(second?.description.hasPrefix("\(folder.file("x.yaml")), line ") == true)
    folder.write("{\"a\":1,\"a\":2}", to: "x.json")
    let third = #expect(throws: ClusterError.self) { try FileCluster(path: folder.file("x.json")) }
    #expect(third?.description.contains("x.json is not JSON as Pinseal reads it") == true)
  }

  @Test func `what is no readable file is refused`() {
    let folder = TemporaryFolder()
    #expect(throws: ClusterError.self) { try FileCluster(path: folder.file("missing.yaml")) }
    mkfifo(folder.file("pipe.yaml"), 0o600)
    let error = #expect(throws: ClusterError.self) { try FileCluster(path: folder.path) }
    #expect(error?.description.contains("pipe.yaml: is not a regular file") == true)
    folder.delete("pipe.yaml")
    folder.link("dangling.yaml", to: "nowhere")
    #expect(throws: ClusterError.self) { try FileCluster(path: folder.path) }
    folder.delete("dangling.yaml")
    folder.write([UInt8](repeating: 0x23, count: (4 << 20) + 1), to: "large.yaml")
    let large = #expect(throws: ClusterError.self) { try FileCluster(path: folder.path) }
    #expect(large?.description.contains("at most 4194304") == true)
  }

  // MARK: Changes

  @Test func `a changed file is read anew, and only changed objects change their version`() async throws {
    let folder = TemporaryFolder()
    Self.write(folder, "one", annotation: "x", file: "a.yaml")
    Self.write(folder, "two", annotation: "x", file: "b.yaml")
    let cluster = try FileCluster(path: folder.path)
    let first = try #require(cluster.knownNamespace("one"))
    let second = try #require(cluster.knownNamespace("two"))
    Self.write(folder, "one", annotation: "y", file: "a.yaml")
    #expect(cluster.knownNamespace("one") == first, "what is known comes from memory")
    cluster.look()
    let changed = try #require(cluster.knownNamespace("one"))
    #expect(changed.annotations == ["a": "y"])
    #expect(changed.resourceVersion != first.resourceVersion)
    #expect(cluster.knownNamespace("two") == second)
    Self.write(folder, "three", annotation: "z", file: "c.yaml")
    folder.delete("b.yaml")
    cluster.look()
    #expect(cluster.knownNamespace("three") != nil)
    #expect(cluster.knownNamespace("two") == nil)
  }

  @Test func `a changed Secret changes its version although the file says otherwise`() async throws {
    let folder = TemporaryFolder()
    func write(_ value: String) {
      folder.write(
        "{apiVersion: v1, kind: Secret, metadata: {name: s, resourceVersion: '1'}, stringData: {k: \(value)}}",
        to: "s.yaml")
    }
    write("a")
    let cluster = try FileCluster(path: folder.file("s.yaml"))
    let before = try await cluster.secret("s", namespace: "default", deadline: Self.soon)
    write("b")
    cluster.look()
    let after = try await cluster.secret("s", namespace: "default", deadline: Self.soon)
    #expect(after.data == ["k": Array("b".utf8)])
    #expect(after.resourceVersion != before.resourceVersion)
  }

  @Test func `writing in place within one tick of the clock is seen`() throws {
    let folder = TemporaryFolder()
    let path = folder.write("{apiVersion: v1, kind: ConfigMap, metadata: {name: a}, data: {n: '000'}}", to: "a.yaml")
    let cluster = try FileCluster(path: path)
    for number in 100..<130 {
      let descriptor = open(path, O_WRONLY)
      let text = Array("{apiVersion: v1, kind: Namespace, metadata: {name: a, labels: {n: '\(number)'}}}".utf8)
      _ = text.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
      ftruncate(descriptor, text.count)
      close(descriptor)
      cluster.look()
      #expect(cluster.knownNamespace("a")?.labels == ["n": "\(number)"])
    }
  }

  @Test func `the kubelet's symbolic links are followed when they swap`() throws {
    let folder = TemporaryFolder()
    folder.makeFolder("..1")
    folder.makeFolder("..2")
    Self.write(folder, "one", annotation: "old", file: "..1/ns.yaml")
    Self.write(folder, "one", annotation: "new", file: "..2/ns.yaml")
    folder.link("..data", to: "..1")
    folder.link("ns.yaml", to: "..data/ns.yaml")
    let cluster = try FileCluster(path: folder.path)
    let single = try FileCluster(path: folder.file("ns.yaml"))
    #expect(cluster.knownNamespace("one")?.annotations == ["a": "old"])
    folder.link("..tmp", to: "..2")
    folder.move("..tmp", over: "..data")
    cluster.look()
    single.look()
    #expect(cluster.knownNamespace("one")?.annotations == ["a": "new"])
    #expect(single.knownNamespace("one")?.annotations == ["a": "new"])
  }

  @Test func `a broken new state keeps the old one and says so`() throws {
    let folder = TemporaryFolder()
    Self.write(folder, "one", annotation: "good")
    let cluster = try FileCluster(path: folder.path)
    folder.write("kind: [", to: "ns.yaml")
    cluster.look()
    #expect(cluster.knownNamespace("one")?.annotations == ["a": "good"])
    #expect(cluster.status().troubles.map(\.subject) == ["the files"])
    #expect(cluster.reloadFailure?.contains("ns.yaml, line ") == true)
    #expect(cluster.notReadyReason() == nil)
    folder.delete("ns.yaml")
    folder.write("kind: [", to: "ns.yaml")
    cluster.look()
    #expect(cluster.knownNamespace("one") != nil)
    Self.write(folder, "one", annotation: "better")
    cluster.look()
    #expect(cluster.knownNamespace("one")?.annotations == ["a": "better"])
    #expect(cluster.reloadFailure == nil)
    #expect(cluster.status().troubles.isEmpty)
  }

  @Test func `a folder that goes away keeps the old state`() throws {
    let folder = TemporaryFolder()
    folder.makeFolder("objects")
    Self.write(folder, "one", annotation: "x", file: "objects/ns.yaml")
    let cluster = try FileCluster(path: folder.file("objects"))
    folder.move("objects", over: "elsewhere")
    cluster.look()
    #expect(cluster.knownNamespace("one") != nil)
    #expect(cluster.reloadFailure?.contains("No such file") == true)
  }

  @Test func `while it runs it looks again and again`() async throws {
    let folder = TemporaryFolder()
    Self.write(folder, "one", annotation: "x")
    let cluster = try FileCluster(path: folder.path, reloadInterval: .milliseconds(5))
    let task = Task { await cluster.run() }
    for value in ["y", "z"] {
      Self.write(folder, "one", annotation: value)
      #expect(await eventually { cluster.knownNamespace("one")?.annotations == ["a": value] })
    }
    task.cancel()
    await task.value
  }

  @Test func `many may ask while files change`() async throws {
    let folder = TemporaryFolder()
    Self.write(folder, "one", annotation: "0")
    let cluster = try FileCluster(path: folder.path)
    await withTaskGroup(of: Bool.self) { group in
      for _ in 0..<8 {
        group.addTask {
          (0..<200).allSatisfy { _ in
            cluster.look()
            return cluster.knownNamespace("one") != nil
          }
        }
      }
      for number in 0..<100 { Self.write(folder, "one", annotation: "\(number)") }
      for await isAlwaysThere in group { #expect(isAlwaysThere) }
    }
    cluster.look()
    #expect(cluster.knownNamespace("one")?.annotations == ["a": "99"])
  }

  // MARK: Secrets

  @Test func `a Secret shows none of its values`() async throws {
    let secret = Secret(
      namespace: "db", name: "s", type: "Opaque", data: ["password": Array("hunter2".utf8)], resourceVersion: "1")
    var dumped = ""
    dump(secret, to: &dumped)
    let mirror = Mirror(reflecting: secret).children.map { "\($0.value)" }.joined()
    for text in ["\(secret)", String(reflecting: secret), "\([secret])", "\(Optional(secret) as Any)", dumped, mirror] {
      #expect(text.contains("password"))
      #expect(!text.contains("hunter2"))
      #expect(!text.contains("104"), "the bytes of the value")
    }
    #expect(secret.description == "Secret db/s (Opaque, keys: password; values withheld)")
  }
}
