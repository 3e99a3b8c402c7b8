import Crypto
import HTTPClient
import Primitives
import Testing

@testable import TrustRoot

struct TUFClientTests {
  private let mirror = ScriptedMirror()

  @Test(arguments: [true, false]) func `a refresh fetches what is new, by the names that the root prescribes`(
    consistent: Bool
  ) async throws {
    var workshop = try TUFWorkshop()
    workshop.hasConsistentSnapshots = consistent
    try workshop.publish(on: mirror)
    var client = try workshop.client(mirror)
    #expect(client.target(at: now) == nil)
    #expect(try await refresh(&client) == workshop.target)
    let hash = Digest(hashing: workshop.target).hex
    #expect(
      mirror.takeRequests()
        == (consistent
          ? ["2.root.json", "timestamp.json", "1.snapshot.json", "1.targets.json", "targets/\(hash).trusted_root.json"]
          : ["2.root.json", "timestamp.json", "snapshot.json", "targets.json", "targets/trusted_root.json"]))
    #expect(client.expires == now + 600_000)

    // Nothing new: two requests.
    #expect(try await refresh(&client) == workshop.target)
    #expect(mirror.takeRequests() == ["2.root.json", "timestamp.json"])

    // A new target.
    (workshop.timestampVersion, workshop.snapshotVersion, workshop.targetsVersion) = (2, 2, 2)
    workshop.target = Array("another".utf8)
    try workshop.publish(on: mirror)
    #expect(try await refresh(&client) == workshop.target)
    #expect(mirror.takeRequests().count == 5)
  }

  @Test func `keys of roots and of the online roles can be exchanged`() async throws {
    let first = try TUFWorkshop()
    try first.publish(on: mirror)
    var client = try first.client(mirror)
    _ = try await refresh(&client)
    var second = first
    second.rootVersion = 2
    second.rootSigners = [try TUFSigner(.p384), try TUFSigner(.ed25519), try TUFSigner()]
    second.onlineSigner = try TUFSigner()
    mirror["2.root.json"] = try second.root(by: first.rootSigners + second.rootSigners)
    try second.publish(on: mirror, root: false)
    #expect(try await refresh(&client) == second.target)
    #expect(client.rootVersion == 2)
  }

  @Test func `after an attack that ran ahead, exchanging the online key lets versions begin anew`() async throws {
    var workshop = try TUFWorkshop()
    (workshop.timestampVersion, workshop.snapshotVersion) = (.max, .max)
    try workshop.publish(on: mirror)
    var client = try workshop.client(mirror)
    _ = try await refresh(&client)
    (workshop.timestampVersion, workshop.snapshotVersion) = (2, 2)
    try workshop.publish(on: mirror)
    await expectRefusal(.rollback, "is already trusted") { _ = try await refresh(&client) }
    workshop.rootVersion = 2
    workshop.onlineSigner = try TUFSigner()
    try workshop.publish(on: mirror)
    #expect(try await refresh(&client) == workshop.target)
  }

  @Test func `what was verified before a later step failed is not lost`() async throws {
    var workshop = try TUFWorkshop()
    try workshop.publish(on: mirror)
    var client = try workshop.client(mirror)
    _ = try await refresh(&client)
    workshop.rootVersion = 2
    workshop.timestampVersion = 2
    try workshop.publish(on: mirror)
    mirror.answer("timestamp.json", with: 500)
    await expectRefusal(.unavailable, "timestamp.json: answered with status 500") { _ = try await refresh(&client) }
    #expect(client.rootVersion == 2)
    #expect(client.target(at: now) == workshop.target)
  }

  @Test(arguments: [301, 302, 401, 429, 500, 503])
  func `another status than 200, redirects too, is a failure and no end of the chain`(status: Int) async throws {
    let workshop = try TUFWorkshop()
    try workshop.publish(on: mirror)
    mirror.answer("2.root.json", with: status)
    var client = try workshop.client(mirror)
    await expectRefusal(.unavailable, "answered with status \(status)") { _ = try await refresh(&client) }
  }

  @Test func `a mirror that does not answer is named in the failure`() async throws {
    var client = try TUFWorkshop().client(mirror)
    mirror.fail(with: HTTPClientError(code: .cannotConnect, description: "tuf.example.test: refused"))
    await expectRefusal(.unavailable, "2.root.json: tuf.example.test: refused") { _ = try await refresh(&client) }
  }

  @Test(arguments: [
    "http://tuf.example.test", "https://", "ftp://x", "https://user@tuf.example.test", "https://tuf.example.test/?a=b",
    "tuf.example.test", "",
  ])
  func `a mirror's address that is not https, or more than one, is refused`(address: String) async throws {
    await expectRefusal(.unavailable, "mirror's address") { _ = try TUFClient(http: mirror, mirror: address) }
  }

  @Test func `the public mirror and the bundled root are what is used unless something else is said`() throws {
    let client = try TUFClient(http: mirror)
    #expect(client.mirror == "https://tuf-repo-cdn.sigstore.dev")
    #expect(client.rootVersion == 15)
  }

  // MARK: Names of targets

  @Test(arguments: ["trusted_root.json", "registry.npmjs.org/keys.json", "a-b_c.1"])
  func `a plain name is taken`(name: String) throws {
    #expect(try TUFTargetName(parsing: name).description == name)
  }

  @Test(arguments: [
    "", "/", "/etc/passwd", "../x", "a/../../x", "a//b", "a/", ".", "..", ".hidden", "a\\b", "a\0b", "a b", "a%2e%2e/b",
    "C:x", "é", "a/./b", "a\nb", "\u{212a}ey",
  ])
  func `a name that could lead elsewhere is refused (CVE-2026-24137, CVE-2026-24686)`(name: String) async {
    await expectRefusal(.unsafeName, "is not safe") { _ = try TUFTargetName(parsing: name) }
  }

  @Test func `a target in a folder has its hash before the last segment`() async throws {
    var workshop = try TUFWorkshop()
    workshop.targetName = "keys.json"
    let name = try TUFTargetName(parsing: "folder/keys.json")
    #expect(name.path(hash: [0xab, 0xcd]) == "folder/abcd.keys.json")
    #expect(TUFTargetName.trustedRoot.path(hash: [0x01]) == "01.trusted_root.json")
    #expect(name.path(hash: nil) == "folder/keys.json")
  }

  // MARK: The cache

  @Test func `a cache lets the next process go on without the mirror`() async throws {
    let folder = try Folder()
    var workshop = try TUFWorkshop()
    let initialRoot = try workshop.root()
    workshop.rootVersion = 2
    try workshop.publish(on: mirror)
    func client() throws -> TUFClient {
      try TUFClient(
        http: mirror, mirror: ScriptedMirror.address, initialRoot: initialRoot, cacheFolder: folder.path)
    }
    var first = try client()
    _ = try await refresh(&first)
    #expect(first.cacheFailure == nil)
    _ = mirror.takeRequests()

    let second = try client()
    #expect(second.rootVersion == 2)
    #expect(second.target(at: now) == workshop.target)
    #expect(second.target(at: now + 600_000) == nil)
    #expect(mirror.takeRequests() == [])
  }

  @Test func `a cache keeps the rules against going back across processes, out of date or not`() async throws {
    let folder = try Folder()
    var workshop = try TUFWorkshop()
    let initialRoot = try workshop.root()
    (workshop.timestampVersion, workshop.snapshotVersion, workshop.targetsVersion) = (9, 9, 9)
    try workshop.publish(on: mirror)
    func client() throws -> TUFClient {
      try TUFClient(
        http: mirror, mirror: ScriptedMirror.address, initialRoot: initialRoot, cacheFolder: folder.path)
    }
    var first = try client()
    _ = try await refresh(&first)
    workshop.timestampVersion = 8
    workshop.lifetimes[.timestamp] = 9_000_000
    try workshop.publish(on: mirror)
    var second = try client()
    await expectRefusal(.rollback, "timestamp.json, version 8: version 9 is already trusted") {
      _ = try await refresh(&second, at: now + 700_000)
    }
  }

  @Test(
    arguments: ["2.root.json", "timestamp.json", "snapshot.json", "targets.json", "target"], ["", "{}", "foreign"])
  func `a cache that somebody wrote into is trusted for nothing`(name: String, content: String) async throws {
    let folder = try Folder()
    var workshop = try TUFWorkshop()
    let initialRoot = try workshop.root()
    workshop.rootVersion = 2
    try workshop.publish(on: mirror)
    var first = try TUFClient(
      http: mirror, mirror: ScriptedMirror.address, initialRoot: initialRoot, cacheFolder: folder.path)
    _ = try await refresh(&first)
    var bytes = Array(content.utf8)
    if content == "foreign" {
      var foreign = try TUFWorkshop()
      foreign.rootVersion = 2
      foreign.target = Array("foreign".utf8)
      switch name {
      case "2.root.json": bytes = try foreign.root()
      case "timestamp.json": bytes = try foreign.timestamp()
      case "snapshot.json": bytes = try foreign.snapshot()
      case "targets.json": bytes = try foreign.targets()
      default: bytes = foreign.target
      }
    }
    try folder.write(name, bytes)
    var second = try TUFClient(
      http: mirror, mirror: ScriptedMirror.address, initialRoot: initialRoot, cacheFolder: folder.path)
    #expect(second.target(at: now) == nil)
    #expect(try await refresh(&second) == workshop.target)
    #expect(second.rootVersion == 2)
  }

  @Test func `a cache that cannot be written fails no refresh (CVE-2024-51491)`() async throws {
    let workshop = try TUFWorkshop()
    try workshop.publish(on: mirror)
    var client = try workshop.client(mirror, cacheFolder: "/dev/null/nowhere")
    #expect(try await refresh(&client) == workshop.target)
    #expect(client.cacheFailure?.contains("/dev/null/nowhere") == true)
  }
}
