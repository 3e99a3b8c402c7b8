import EndToEndSupport
import Foundation

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
      try await command(script, ["up", folder, "--port", "\(freePort(count: 4))"], within: .seconds(150)).checked()
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

  /// The minor version of the API server.
  func minorVersion() async throws -> Int {
    let version = try await kubectl(["get", "--raw", "/version"]).checked().output
    guard let range = version.range(of: #""minor":\s*"\d+"#, options: .regularExpression),
      let minor = Int(version[range].drop { !$0.isNumber })
    else { throw EndToEndFailure("the API server's version has no minor: \(version)") }
    return minor
  }
}
