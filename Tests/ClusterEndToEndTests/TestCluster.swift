import EndToEndSupport
import Foundation
import Glibc

/// A control plane that scripts/tools/cluster starts and stops.
struct TestCluster: Sendable {
  /// Where its kubeconfigs, certificates and logs are.
  let folder: String

  static func with<Value: Sendable>(
    in folder: String, perform body: (TestCluster) async throws -> Value
  ) async throws -> Value {
    let script = "\(EndToEnd.root)/scripts/tools/cluster"
    // Down even if the test was cancelled meanwhile: a task of its own is not.
    func stop() async {
      let stopping = Task.detached { try await command(script, ["down", folder]) }
      _ = try? await stopping.value
    }
    let value: Value
    do {
      try await command(script, ["up", folder, "--port", "\(freePort(count: 4))"], within: .seconds(300)).checked()
      value = try await body(TestCluster(folder: folder))
    } catch {
      await stop()
      throw error
    }
    await stop()
    return value
  }

  /// Runs kubectl as the cluster's administrator.
  func kubectl(_ arguments: [String], input: String = "", within limit: Duration = .seconds(60)) async throws -> Outcome
  {
    try await command(
      Tool.kubectl.path(), ["--kubeconfig", "\(folder)/admin.kubeconfig"] + arguments,
      environment: ["HOME": folder, "KUBECTL_EXTERNAL_DIFF": "diff -u -N"], input: input, within: limit)
  }

  /// Applies objects; throws where the API server does not take them.
  func apply(_ objects: String) async throws {
    try await kubectl(["apply", "-f", "-"], input: objects).checked()
  }

  /// Asks the API server as its administrator, with curl: many times a second, if need be.
  func api(
    _ method: String, _ path: String, body: String? = nil, type: String = "application/json"
  ) async throws -> HTTPAnswer {
    try await curl(
      "\(address())\(path)",
      [
        "-X", method, "--cacert", "\(folder)/pki/ca.crt", "--cert", "\(folder)/pki/admin.crt", "--key",
        "\(folder)/pki/admin.key", "-H", "Content-Type: \(type)",
      ], body: body)
  }

  /// `https://127.0.0.1:PORT`.
  func address() throws -> String {
    let line = try read("\(folder)/admin.kubeconfig").split(separator: "\n").first { $0.contains("server:") }
    guard let line, let start = line.range(of: "https://"), let end = line[start.lowerBound...].firstIndex(of: "\"")
    else { throw EndToEndFailure("the kubeconfig names no server") }
    return String(line[start.lowerBound..<end])
  }

  /// Stops `kube-apiserver` or another part; `start` brings it back.
  func stop(_ program: String) async throws {
    try await command("\(EndToEnd.root)/scripts/tools/cluster", ["stop", folder, program]).checked()
  }

  /// Starts a part that was stopped.
  func start(_ program: String) async throws {
    try await command("\(EndToEnd.root)/scripts/tools/cluster", ["start", folder, program]).checked()
  }

  /// Sends a signal to a part.
  func signal(_ program: String, _ signal: Int32) throws {
    guard let process = Int32(try read("\(folder)/\(program).pid").filter(\.isNumber)) else {
      throw EndToEndFailure("\(program) has no process id")
    }
    kill(process, signal)
  }

  /// Whether the API server answers, and says that it is ready.
  func isReady() async -> Bool { (try? await api("GET", "/readyz").status) == 200 }

  /// What the API server was asked, and by whom: the audit log from `position`, a number of characters.
  func audited(since position: Int = 0) throws -> [AuditEvent] {
    try read("\(folder)/audit.log").utf8.dropFirst(position).split(separator: 0x0a)
      .compactMap { try? JSONDecoder().decode(AuditEvent.self, from: Data($0)) }
  }

  /// Where the audit log ends now.
  func auditPosition() throws -> Int { try read("\(folder)/audit.log").utf8.count }

  /// The minor version of the API server.
  func minorVersion() async throws -> Int {
    let version = try await kubectl(["get", "--raw", "/version"]).checked().output
    guard let range = version.range(of: #""minor":\s*"\d+"#, options: .regularExpression),
      let minor = Int(version[range].drop { !$0.isNumber })
    else { throw EndToEndFailure("the API server's version has no minor: \(version)") }
    return minor
  }
}

/// One line of the API server's audit log.
struct AuditEvent: Decodable {
  struct User: Decodable { let username: String }
  struct Status: Decodable { let code: Int? }
  struct Object: Decodable {
    let resource: String?
    let namespace: String?
    let name: String?
    let subresource: String?
  }

  let stage: String
  let verb: String
  let requestURI: String
  let user: User
  let objectRef: Object?
  let responseStatus: Status?
  let annotations: [String: String]?
}
