import EndToEndSupport
import Foundation

/// What a node does for Pinseal's pods: it starts what their Deployment says, as a process of this machine, gives it the
/// files of its volumes and the token of its ServiceAccount, and tells the API server when it is ready. A pod that is not
/// to be restarted runs to its end, as that of `helm test` does.
///
/// All pods have this machine's address, where a balancer stands for them: the controllers see pods as on any node, and
/// the API server finds them through their Service.
actor Kubelet {
  private let environment: ClusterEnvironment
  private let namespace: String
  private let folder: String
  private let address: String
  private let balancer: Balancer
  /// The same for the port for probes.
  private let operations: Balancer
  private var pods: [String: Task<Void, any Error>] = [:]
  private let leaving = Guarded<Set<String>>([])
  /// How the pods ended that ran to their end.
  nonisolated let finished = Guarded<[Outcome]>([])
  /// For how long they may wait for an answer, instead of what their arguments say.
  nonisolated let patience = Guarded("60s")

  /// Runs `body` while pods of `namespace` are run, whose containers have the port `port`, and the next one for probes.
  static func with(
    namespace: String, port: Int, _ environment: ClusterEnvironment, perform body: (Kubelet) async throws -> Void
  ) async throws {
    let address = try machineAddress()
    let kubelet = Kubelet(
      environment: environment, namespace: namespace, address: address,
      balancer: try Balancer(address: address, port: port),
      operations: try Balancer(address: address, port: port + 1))
    try await environment.cluster.apply("apiVersion: v1\nkind: Node\nmetadata: {name: \(namespace)-node}\n")
    let watching = Task { try await kubelet.watch() }
    func stop() async throws {
      watching.cancel()
      try await kubelet.stopAll()
    }
    do {
      try await body(kubelet)
    } catch {
      try? await stop()
      throw error
    }
    try await stop()
  }

  private init(
    environment: ClusterEnvironment, namespace: String, address: String, balancer: Balancer, operations: Balancer
  ) {
    self.environment = environment
    self.namespace = namespace
    self.address = address
    self.balancer = balancer
    self.operations = operations
    folder = "\(environment.folder)/pods-\(namespace)"
  }

  /// How many pods are ready.
  nonisolated var readyPods: Int { balancer.endpoints.count }

  /// The ports of 127.0.0.1 at which the ready pods answer admission reviews.
  nonisolated var readyPorts: [Int] { balancer.endpoints }

  /// The metrics of each ready pod.
  nonisolated func metrics() async throws -> [Metrics] {
    var all: [Metrics] = []
    for port in operations.endpoints { all.append(Metrics(try await curl("http://127.0.0.1:\(port)/metrics").body)) }
    return all
  }

  /// Ends the connections to all pods, as their clients may at any time: they have to greet anew.
  nonisolated func cutConnections() { balancer.cut() }

  private func watch() async throws {
    while !Task.isCancelled {
      // The API server may be away, or this be cancelled in the midst of it.
      if let answer = try? await environment.cluster.api("GET", "/api/v1/namespaces/\(namespace)/pods"),
        let list = try? JSONDecoder().decode(PodList.self, from: Data(answer.body.utf8))
      {
        // One that no node had yet is gone at once.
        leaving.with { $0.formUnion(Set(pods.keys).subtracting(list.items.map(\.metadata.uid))) }
        for pod in list.items {
          // Not by their names: each run of `helm test` has a pod of the same name.
          let id = pod.metadata.uid
          if pod.metadata.deletionTimestamp != nil { leaving.with { _ = $0.insert(id) } }
          guard pods[id] == nil else { continue }
          pods[id] = Task { pod.spec.restartPolicy == "Never" ? try await self.runToEnd(pod) : try await self.run(pod) }
        }
      }
      try await Task.sleep(for: .milliseconds(200))
    }
  }

  private func stopAll() async throws {
    leaving.with { $0.formUnion(pods.keys) }
    balancer.close()
    operations.close()
    for pod in pods.values { try await pod.value }
  }

  private nonisolated func run(_ pod: Pod) async throws {
    let name = pod.metadata.name
    let cluster = environment.cluster
    let path = path(of: pod)
    let home = try await place(pod)
    let token = try await cluster.kubectl(["create", "token", pod.spec.serviceAccountName, "-n", namespace]).checked()
    try write(Self.kubeconfig(cluster, token: token.output.filter { !$0.isNewline }), to: "\(home)/kubeconfig")

    let (port, operationsPort) = (try freePort(), try freePort())
    let arguments = pod.spec.containers[0].args.map { argument in
      if argument.hasPrefix("--listen=") { return "--listen=127.0.0.1:\(port)" }
      if argument.hasPrefix("--ops-listen=") { return "--ops-listen=127.0.0.1:\(operationsPort)" }
      if argument == "--cluster=in-cluster" { return "--cluster=kubeconfig:\(home)/kubeconfig" }
      return argument.replacingOccurrences(of: "/run/pinseal/", with: "\(home)/run/pinseal/")
    }
    func probe(_ path: String) async -> Bool {
      (try? await curl("http://127.0.0.1:\(operationsPort)/\(path)").status) == 200
    }
    try await withDaemon(
      name, in: environment.folder, Tool.pinseal.path(), arguments, exitsCleanly: true, ready: { await probe("livez") }
    ) { daemon in
      var wasReady: Bool?
      while !leaving.with({ $0.contains(pod.metadata.uid) }) {
        let isReady = await probe("readyz")
        if isReady != wasReady {
          for (balancer, port) in [(balancer, port), (operations, operationsPort)] {
            if isReady { balancer.add(port) } else { balancer.remove(port) }
          }
          _ = try await cluster.api(
            "PATCH", "\(path)/status", body: status(isReady: isReady), type: "application/strategic-merge-patch+json")
          wasReady = isReady
        }
        // As the kubelet does, which takes longer to notice.
        try? await writeVolumes(of: pod, to: home)
        try await Task.sleep(for: .milliseconds(200))
      }
      // The API server hears a little later that it has left.
      daemon.signal()
      try await Task.sleep(for: .seconds(1))
      balancer.remove(port)
      operations.remove(operationsPort)
    }
    let now = #"{"apiVersion":"v1","kind":"DeleteOptions","gracePeriodSeconds":0}"#
    _ = try? await cluster.api("DELETE", path, body: now)
  }

  /// Runs a pod's container to its end and reports how it ended.
  private nonisolated func runToEnd(_ pod: Pod) async throws {
    let home = try await place(pod)
    var arguments: [String] = []
    for argument in pod.spec.containers[0].args {
      if argument.hasPrefix("--url=") || argument.hasPrefix("--ops-url=") {
        arguments += try await resolved(argument)
      } else if argument.hasPrefix("--within=") {
        arguments.append("--within=\(patience.with { $0 })")
      } else {
        arguments.append(argument.replacingOccurrences(of: "/run/pinseal/", with: "\(home)/run/pinseal/"))
      }
    }
    let outcome = try await command(Tool.pinseal.path(), arguments)
    finished.with { $0.append(outcome) }
    _ = try await environment.cluster.api(
      "PATCH", "\(path(of: pod))/status",
      body: #"{"status":{"phase":"\#(outcome.succeeded ? "Succeeded" : "Failed")"}}"#,
      type: "application/strategic-merge-patch+json")
  }

  /// An option whose value is a URL at a Service of the namespace, led to where the Service leads its clients: DNS and
  /// cluster addresses are those of real nodes.
  private nonisolated func resolved(_ argument: String) async throws -> [String] {
    let option = argument.split(separator: "=", maxSplits: 1).map(String.init)
    guard option.count == 2, let url = URLComponents(string: option[1]), let host = url.host, let port = url.port,
      host.hasSuffix(".\(namespace).svc")
    else { throw EndToEndFailure("\(argument) names no Service of \(namespace)") }
    let answer = try await environment.cluster.api(
      "GET", "/api/v1/namespaces/\(namespace)/services/\(host.prefix { $0 != "." })")
    let service = try JSONDecoder().decode(Service.self, from: Data(answer.body.utf8))
    guard let target = service.spec.ports.first(where: { $0.port == port })?.targetPort,
      let balancer = ["webhook": balancer, "ops": operations][target]
    else { throw EndToEndFailure("\(argument): the Service has no such port: \(answer.body)") }
    let address = "\(option[0])=\(url.scheme ?? "")://\(address):\(balancer.port)"
    return url.scheme == "https" ? [address, "--server-name=\(host)"] : [address]
  }

  private nonisolated func path(of pod: Pod) -> String { "/api/v1/namespaces/\(namespace)/pods/\(pod.metadata.name)" }

  /// Binds a pod to the node and makes the folder for what it mounts.
  private nonisolated func place(_ pod: Pod) async throws -> String {
    let binding =
      #"{"apiVersion":"v1","kind":"Binding","metadata":{"name":"\#(pod.metadata.name)"},"target":{"kind":"Node","#
      + #""name":"\#(namespace)-node"}}"#
    _ = try await environment.cluster.api("POST", "\(path(of: pod))/binding", body: binding)
    let home = "\(folder)/\(pod.metadata.name)-\(pod.metadata.uid.prefix(8))"
    try await writeVolumes(of: pod, to: home)
    return home
  }

  private nonisolated func status(isReady: Bool) -> String {
    let conditions = ["Initialized", "ContainersReady", "Ready"].map {
      #"{"type":"\#($0)","status":"\#(isReady || $0 == "Initialized" ? "True" : "False")"}"#
    }
    return #"{"status":{"phase":"Running","podIP":"\#(address)","podIPs":[{"ip":"\#(address)"}],"conditions":["#
      + conditions.joined(separator: ",") + "]}}"
  }

  /// The files of the Secrets and ConfigMaps that the pod mounts, written anew where they differ.
  private nonisolated func writeVolumes(of pod: Pod, to home: String) async throws {
    for volume in pod.spec.volumes ?? [] {
      guard let mount = pod.spec.containers[0].volumeMounts?.first(where: { $0.name == volume.name }) else { continue }
      let kind = volume.secret == nil ? "configmaps" : "secrets"
      guard let object = volume.secret?.secretName ?? volume.configMap?.name else { continue }
      let answer = try await environment.cluster.api("GET", "/api/v1/namespaces/\(namespace)/\(kind)/\(object)")
      let data = try JSONDecoder().decode(DataObject.self, from: Data(answer.body.utf8)).data ?? [:]
      let items = volume.secret?.items ?? data.keys.map { Pod.Volume.Item(key: $0, path: $0) }
      for item in items {
        guard let value = data[item.key] else { continue }
        let path = "\(home)\(mount.mountPath)/\(item.path)"
        let text = volume.secret == nil ? value : String(decoding: Data(base64Encoded: value) ?? Data(), as: UTF8.self)
        if (try? read(path)) != text { try write(text, to: path) }
      }
    }
  }

  /// Lets whoever has `token` speak to the API server.
  static func kubeconfig(_ cluster: TestCluster, token: String) throws -> String {
    """
    apiVersion: v1
    kind: Config
    clusters:
    - {name: here, cluster: {server: "\(try cluster.address())", certificate-authority: "\(cluster.folder)/pki/ca.crt"}}
    users:
    - {name: pod, user: {token: "\(token)"}}
    contexts:
    - {name: here, context: {cluster: here, user: pod}}
    current-context: here

    """
  }
}

/// What a node looks at in a pod.
private struct Pod: Decodable, Sendable {
  struct Metadata: Decodable {
    let name: String
    let uid: String
    let deletionTimestamp: String?
  }
  struct Container: Decodable {
    let args: [String]
    let volumeMounts: [Mount]?
  }
  struct Mount: Decodable {
    let name: String
    let mountPath: String
  }
  struct Volume: Decodable {
    struct Item: Decodable {
      let key: String
      let path: String
    }
    struct Secret: Decodable {
      let secretName: String
      let items: [Item]?
    }
    struct ConfigMap: Decodable { let name: String }
    let name: String
    let secret: Secret?
    let configMap: ConfigMap?
  }
  struct Spec: Decodable {
    let serviceAccountName: String
    let restartPolicy: String?
    let containers: [Container]
    let volumes: [Volume]?
  }
  let metadata: Metadata
  let spec: Spec
}

private struct PodList: Decodable { let items: [Pod] }
private struct Service: Decodable {
  struct Port: Decodable {
    let port: Int
    let targetPort: String
  }
  struct Spec: Decodable { let ports: [Port] }
  let spec: Spec
}

private struct DataObject: Decodable { let data: [String: String]? }
