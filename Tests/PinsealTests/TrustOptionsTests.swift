import ArgumentParser
import HTTPClient
import Kubernetes
import Logging
import Primitives
import Testing
import TrustRoot

@testable import pinseal

@Suite struct TrustOptionsTests {
  private func open(
    _ arguments: [String], environment: [String: String] = [:]
  ) async throws -> (store: TrustRootStore, kinds: [TrustRootKind]) {
    let options = try TrustOptions.parse(arguments)
    let (store, _) = try await options.open(
      Settings(environment: environment), cluster: FileCluster(yaml: ""), http: HTTPClient(),
      logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
    return (store, store.current.parts.map(\.kind))
  }

  @Test func `the root is the bundled one, a user's, or both, and never one for want of the other`() async throws {
    let folder = try TemporaryFolder(name: "trust")
    defer { folder.remove() }
    let file = "\(folder.path)/root.json"
    try FileBytes.replace(file, with: BundledTrustRoot.trustedRoot)
    #expect(try await open([]).kinds == [.bundled])
    #expect(try await open(["--trusted-root", file]).kinds == [.file])
    #expect(try await open([], environment: ["PINSEAL_TRUSTED_ROOT": file]).kinds == [.file])
    #expect(try await open(["--trusted-root", file, "--public-good-beside"]).kinds == [.file, .bundled])
    #expect(try await open([]).store.status.tuf == nil, "nothing is refreshed unless that is asked for")
    #expect(try await open(["--tuf-refresh"]).store.status.tuf?.mirror == TUFClient.publicGoodMirror)
    for missing in ["\(folder.path)/other.json", "configmap://pinseal/trust/root.json", folder.path] {
      await #expect(throws: TrustRootError.self, "\(missing)") { try await open(["--trusted-root", missing]) }
    }
  }

  @Test(arguments: [
    ["--trusted-root", ""], ["--trusted-root", "configmap://"], ["--trusted-root", "configmap://name/key"],
    ["--trusted-root", "configmap://a/b/c/d"], ["--trusted-root", "configmap://a//c"], ["--public-good-beside"],
    ["--tuf-mirror", "https://tuf.example"], ["--tuf-cache", "/tmp"],
  ])
  func `options that mean nothing are refused`(_ arguments: [String]) async {
    await #expect(throws: ValidationError.self) { try await open(arguments) }
  }

  @Test func `a refresh beside a user's root alone, or by an address that is none, is refused`() async throws {
    let folder = try TemporaryFolder(name: "trust")
    defer { folder.remove() }
    let file = "\(folder.path)/root.json"
    try FileBytes.replace(file, with: BundledTrustRoot.trustedRoot)
    await #expect(throws: TrustRootError.self) { try await open(["--trusted-root", file, "--tuf-refresh"]) }
    await #expect(throws: TUFError.self) { try await open(["--tuf-refresh", "--tuf-mirror", "http://tuf.example"]) }
  }
}
