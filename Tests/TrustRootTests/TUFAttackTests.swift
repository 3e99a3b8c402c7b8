import Crypto
import HTTPClient
import Primitives
import Testing

@testable import TrustRoot

/// The attacks of TUF 1.0, section 1.5.2, and the advisories on clients, each against a repository that was good before.
struct TUFAttackTests {
  private let mirror = ScriptedMirror()
  private var workshop: TUFWorkshop
  private var client: TUFClient

  init() async throws {
    workshop = try TUFWorkshop()
    workshop.timestampVersion = 5
    workshop.snapshotVersion = 5
    workshop.targetsVersion = 5
    workshop.delegatedVersions = ["npm.json": 3]
    try workshop.publish(on: mirror)
    client = try workshop.client(mirror)
    #expect(try await refresh(&client) == workshop.target)
  }

  // MARK: Going back

  @Test func `rollback of the root`() async throws {
    var (workshop, client) = (workshop, client)
    mirror["2.root.json"] = try workshop.root()
    await expectRefusal(.rollback, "root.json, version 1: version 1 is already trusted") {
      _ = try await refresh(&client)
    }
    workshop.rootVersion = 3
    mirror["2.root.json"] = try workshop.root()
    await expectRefusal(.versionMismatch, "root.json, version 3: it does not follow version 1") {
      _ = try await refresh(&client)
    }
    #expect(client.rootVersion == 1)
  }

  @Test func `rollback of the timestamp (CVE-2022-29173)`() async throws {
    var (workshop, client) = (workshop, client)
    workshop.timestampVersion = 4
    try workshop.publish(on: mirror)
    await expectRefusal(.rollback, "timestamp.json, version 4: version 5 is already trusted") {
      _ = try await refresh(&client)
    }
  }

  @Test func `rollback of the snapshot by a new timestamp`() async throws {
    var (workshop, client) = (workshop, client)
    workshop.timestampVersion = 6
    workshop.snapshotVersion = 4
    try workshop.publish(on: mirror)
    await expectRefusal(.rollback, "timestamp.json, version 6: it goes back to snapshot 4 from 5") {
      _ = try await refresh(&client)
    }
  }

  @Test func `rollback of the targets by a new snapshot`() async throws {
    var (workshop, client) = (workshop, client)
    workshop.timestampVersion = 6
    workshop.snapshotVersion = 6
    workshop.targetsVersion = 4
    try workshop.publish(on: mirror)
    await expectRefusal(.rollback, "snapshot.json, version 6: it goes back to version 4 of targets.json from 5") {
      _ = try await refresh(&client)
    }
  }

  @Test func `rollback of a delegated file, and leaving it out`() async throws {
    var (workshop, client) = (workshop, client)
    workshop.timestampVersion = 6
    workshop.snapshotVersion = 6
    workshop.delegatedVersions = ["npm.json": 2]
    try workshop.publish(on: mirror)
    await expectRefusal(.rollback, "it goes back to version 2 of npm.json from 3") { _ = try await refresh(&client) }
    workshop.timestampVersion = 7
    workshop.delegatedVersions = [:]
    try workshop.publish(on: mirror)
    await expectRefusal(.rollback, "it leaves out npm.json") { _ = try await refresh(&client) }
  }

  // MARK: Freezing

  @Test(arguments: TUFRole.allCases) func `freeze: a role's file is out of date`(role: TUFRole) async throws {
    var (workshop, client) = (workshop, client)
    workshop.lifetimes[role] = -1
    (workshop.rootVersion, workshop.timestampVersion) = (2, 6)
    (workshop.snapshotVersion, workshop.targetsVersion) = (6, 6)
    try workshop.publish(on: mirror)
    await expectRefusal(.expired, "\(role.fileName), version \(role == .root ? 2 : 6), expired at") {
      _ = try await refresh(&client)
    }
  }

  @Test(arguments: [(TUFRole.timestamp, Int64(600_000)), (.snapshot, 5_000_000), (.root, 10_000_000)])
  func `freeze: the mirror answers with what was good and now is out of date`(role: TUFRole, lifetime: Int64)
    async throws
  {
    var client = client
    _ = try await refresh(&client, at: now + 599_999)
    await expectRefusal(.expired, "expired at") { _ = try await refresh(&client, at: now + lifetime) }
    #expect(client.target(at: now + lifetime) == nil)
    #expect(client.target(at: now + 599_999) != nil)
  }

  @Test func `an intermediate root may be out of date, the last one not`() async throws {
    var (workshop, client) = (workshop, client)
    workshop.rootVersion = 2
    workshop.lifetimes[.root] = -1000
    mirror["2.root.json"] = try workshop.root()
    await expectRefusal(.expired, "root.json, version 2, expired") { _ = try await refresh(&client) }
    workshop.rootVersion = 3
    workshop.lifetimes[.root] = 1000
    mirror["3.root.json"] = try workshop.root()
    #expect(try await refresh(&client) == workshop.target)
    #expect(client.rootVersion == 3)
  }

  // MARK: Thresholds

  @Test func `a root needs a threshold of the old keys`() async throws {
    var (next, client) = (workshop, client)
    next.rootVersion = 2
    next.rootSigners = [try TUFSigner(), try TUFSigner(), try TUFSigner()]
    mirror["2.root.json"] = try next.root(by: next.rootSigners + workshop.rootSigners.prefix(1))
    await expectRefusal(.thresholdNotMet, "1 of the 2 different keys that root.json, version 1, asks for") {
      _ = try await refresh(&client)
    }
    mirror["2.root.json"] = try next.root(by: next.rootSigners + workshop.rootSigners.prefix(2))
    try next.publish(on: mirror, root: false)
    #expect(client.rootVersion == 1)
  }

  @Test func `a root needs a threshold of its own keys`() async throws {
    var (next, client) = (workshop, client)
    next.rootVersion = 2
    next.rootSigners = [try TUFSigner(), try TUFSigner(), try TUFSigner()]
    mirror["2.root.json"] = try next.root(by: workshop.rootSigners + next.rootSigners.prefix(1))
    await expectRefusal(.thresholdNotMet, "1 of the 2 different keys that root.json, version 2, asks for") {
      _ = try await refresh(&client)
    }
  }

  @Test func `a threshold is not met by one key's signature twice (RUSTSEC-2020-0024, CVE-2026-23992)`() async throws {
    var (workshop, client) = (workshop, client)
    workshop.rootVersion = 2
    let signer = workshop.rootSigners[0]
    mirror["2.root.json"] = try workshop.root(by: [signer, signer, signer])
    await expectRefusal(.thresholdNotMet, "1 of the 2 different keys") { _ = try await refresh(&client) }
  }

  @Test func `a threshold is not met by one key under two identifiers`() async throws {
    var (workshop, client) = (workshop, client)
    let signer = workshop.rootSigners[0]
    let double = try TUFSigner(key: signer.key, extra: #","x-name":"another""#)
    #expect(double.id != signer.id)
    workshop.rootVersion = 2
    workshop.rootSigners.append(double)
    mirror["2.root.json"] = try workshop.root()
    workshop.rootVersion = 3
    mirror["3.root.json"] = try workshop.root(by: [signer, double])
    await expectRefusal(.thresholdNotMet, "root.json, version 3: 1 of the 2 different keys that root.json, version 2,")
    {
      _ = try await refresh(&client)
    }
  }

  @Test func `a threshold is not met by keys that the role does not name (GHSA-3633-5h82-39pq)`() async throws {
    var (workshop, client) = (workshop, client)
    workshop.rootVersion = 2
    mirror["2.root.json"] = try workshop.root(by: [workshop.rootSigners[0], try TUFSigner(), workshop.onlineSigner])
    await expectRefusal(.thresholdNotMet, "a signature is by a key that the role does not name") {
      _ = try await refresh(&client)
    }
  }

  @Test func `a key under another identifier than its own does not count`() async throws {
    var workshop = try TUFWorkshop()
    let stranger = try TUFSigner()
    // The identifier of the second root key leads to the stranger's key.
    let victim = workshop.rootSigners[1]
    workshop.listedKeys = (workshop.rootSigners + [workshop.onlineSigner]).map {
      ($0.id, $0.id == victim.id ? stranger.entry : $0.entry)
    }
    let text = workshop.rootText
    let message = try canonical(text)
    let first = workshop.rootSigners[0]
    let bytes = envelope(
      text, [(first.id, try first.signature(message)), (victim.id, try stranger.signature(message))])
    await expectRefusal(.thresholdNotMet, "its identifier is not the hash of its content") {
      _ = try TUFTrust(root: bytes)
    }
  }

  @Test func `an empty, a wrong and a foreign signature beside good ones do no harm`() async throws {
    var (workshop, client) = (workshop, client)
    workshop.rootVersion = 2
    let text = workshop.rootText
    let message = try canonical(text)
    let signers = workshop.rootSigners
    mirror["2.root.json"] = envelope(
      text,
      [
        (signers[2].id, ""), (signers[0].id, "00ff"), (signers[1].id, "not hexadecimal"), ("unknown", "00"),
        (signers[0].id, try signers[0].signature(message)), (signers[1].id, try signers[1].signature(message)),
      ])
    _ = try await refresh(&client)
    #expect(client.rootVersion == 2)
  }

  @Test(arguments: [0, -1, 4]) func `a threshold below one is malformed, one above the keys is never met`(
    threshold: Int
  ) async throws {
    var (workshop, client) = (workshop, client)
    workshop.rootVersion = 2
    workshop.rootThreshold = threshold
    mirror["2.root.json"] = try workshop.root()
    await expectRefusal(
      threshold > 0 ? .thresholdNotMet : .malformed, threshold > 0 ? "3 of the 4 different keys" : "must be 1 at least"
    ) { _ = try await refresh(&client) }
  }

  @Test(arguments: [TUFRole.timestamp, .snapshot, .targets])
  func `a file signed by a stranger, or by another role's key, is refused`(role: TUFRole) async throws {
    var (good, client) = (workshop, client)
    (good.timestampVersion, good.snapshotVersion, good.targetsVersion) = (6, 6, 6)
    var bad = good
    let stranger = role == .targets ? good.onlineSigner : try TUFSigner()
    switch role {
    case .targets: bad.rootSigners = [stranger, stranger]
    default: bad.onlineSigner = stranger
    }
    let targets = try role == .targets ? bad.targets() : good.targets()
    let snapshot = try role == .snapshot ? bad.snapshot(targets: targets) : good.snapshot(targets: targets)
    mirror["timestamp.json"] = try (role == .timestamp ? bad : good).timestamp(snapshot: snapshot)
    mirror["6.snapshot.json"] = snapshot
    mirror["6.targets.json"] = targets
    await expectRefusal(.thresholdNotMet, "\(role.fileName), version 6: 0 of the") { _ = try await refresh(&client) }
  }

  // MARK: What does not belong together

  @Test(arguments: [TUFRole.snapshot, .targets])
  func `mix and match: a file of another time, where only its version says which is meant`(role: TUFRole) async throws {
    var (workshop, client) = (workshop, client)
    let old = try role == .snapshot ? workshop.snapshot() : workshop.targets()
    workshop.hasBareReferences = true
    (workshop.timestampVersion, workshop.snapshotVersion, workshop.targetsVersion) = (6, 6, 6)
    try workshop.publish(on: mirror)
    let good = mirror["6.\(role.fileName)"]
    mirror["6.\(role.fileName)"] = old
    await expectRefusal(.versionMismatch, "\(role.fileName), version 5: the") { _ = try await refresh(&client) }
    mirror["6.\(role.fileName)"] = good
    #expect(try await refresh(&client) == workshop.target)
  }

  @Test func `a file of one role is none of another's`() async throws {
    var (workshop, client) = (workshop, client)
    workshop.timestampVersion = 6
    mirror["timestamp.json"] = try workshop.snapshot()
    await expectRefusal(.malformed, "timestamp.json is malformed: its _type is not timestamp") {
      _ = try await refresh(&client)
    }
  }

  // MARK: Content

  @Test func `a snapshot with another hash, or another length`() async throws {
    var (workshop, client) = (workshop, client)
    (workshop.timestampVersion, workshop.snapshotVersion) = (6, 6)
    try workshop.publish(on: mirror)
    let good = try #require(mirror["6.snapshot.json"])
    var bytes = good
    bytes[20] ^= 1
    mirror["6.snapshot.json"] = bytes
    await expectRefusal(.hashMismatch, "snapshot.json") { _ = try await refresh(&client) }
    mirror["6.snapshot.json"] = good.dropLast()
    await expectRefusal(.lengthMismatch, "snapshot.json has") { _ = try await refresh(&client) }
    mirror["6.snapshot.json"] = good + [0x20]
    await expectRefusal(.limitExceeded, "more than \(good.count) bytes") { _ = try await refresh(&client) }
  }

  @Test func `a target with another hash, or another length`() async throws {
    var (workshop, client) = (workshop, client)
    (workshop.timestampVersion, workshop.snapshotVersion, workshop.targetsVersion) = (6, 6, 6)
    workshop.target = Array("{\"another\":1}".utf8)
    try workshop.publish(on: mirror)
    let path = "targets/\(Digest(hashing: workshop.target).hex).trusted_root.json"
    mirror[path] = Array("{\"another\":2}".utf8)
    await expectRefusal(.hashMismatch, "trusted_root.json does not have the signed sha256") {
      _ = try await refresh(&client)
    }
    mirror[path] = Array("{}".utf8)
    await expectRefusal(.lengthMismatch, "trusted_root.json has 2 bytes, the signed length is 13") {
      _ = try await refresh(&client)
    }
    #expect(client.target(at: now) == nil)
    mirror[path] = workshop.target
    #expect(try await refresh(&client) == workshop.target)
  }

  @Test func `a hash that is a path leads nowhere (CVE-2026-24137)`() async throws {
    var (workshop, client) = (workshop, client)
    (workshop.timestampVersion, workshop.snapshotVersion, workshop.targetsVersion) = (6, 6, 6)
    let digits = String(repeating: "../", count: 21) + "x"
    workshop.targetEntry = #"{"hashes":{"sha256":"\#(digits)"},"length":1}"#
    try workshop.publish(on: mirror)
    _ = mirror.takeRequests()
    await expectRefusal(.malformed, "is not 64 hexadecimal digits") { _ = try await refresh(&client) }
    #expect(mirror.takeRequests() == ["2.root.json", "timestamp.json", "6.snapshot.json", "6.targets.json"])
  }

  @Test(arguments: [
    #"{"length":3}"#, #"{"hashes":{},"length":3}"#, #"{"hashes":{"md5":"00"},"length":3}"#,
    #"{"hashes":{"sha256":"\#(String(repeating: "0", count: 64))"}}"#,
  ])
  func `a target without a length or a known hash is not fetched`(entry: String) async throws {
    var (workshop, client) = (workshop, client)
    (workshop.timestampVersion, workshop.snapshotVersion, workshop.targetsVersion) = (6, 6, 6)
    workshop.targetEntry = entry
    try workshop.publish(on: mirror)
    await expectRefusal(.malformed, "hashes") { _ = try await refresh(&client) }
  }

  @Test func `a target that is not listed, also by a name that only looks like it`() async throws {
    var (workshop, client) = (workshop, client)
    (workshop.timestampVersion, workshop.snapshotVersion, workshop.targetsVersion) = (6, 6, 6)
    workshop.targetName = "trusted_root.json\\u0000"
    try workshop.publish(on: mirror)
    await expectRefusal(.targetMissing, "does not list trusted_root.json") { _ = try await refresh(&client) }
  }

  @Test func `a delegated role is not asked for a target (CVE-2024-47534)`() async throws {
    var (workshop, client) = (workshop, client)
    (workshop.timestampVersion, workshop.snapshotVersion, workshop.targetsVersion) = (6, 6, 6)
    let entry = #"{"hashes":{"sha256":"\#(Digest(hashing: workshop.target).hex)"},"length":\#(workshop.target.count)}"#
    let role = #"{"keyids":[],"name":"npm","paths":["*"],"terminating":true,"threshold":1}"#
    workshop.targetName = "other.json"
    workshop.targetEntry = #"\#(entry)},"delegations":{"keys":{},"roles":[\#(role)]"#
    try workshop.publish(on: mirror)
    workshop.targetName = "trusted_root.json"
    workshop.targetEntry = nil
    for name in ["npm.json", "3.npm.json"] { mirror[name] = try workshop.targets() }
    _ = mirror.takeRequests()
    await expectRefusal(.targetMissing, "delegations to other roles are not searched") {
      _ = try await refresh(&client)
    }
    #expect(mirror.takeRequests() == ["2.root.json", "timestamp.json", "6.snapshot.json", "6.targets.json"])
  }

  // MARK: Endless data

  @Test func `endless data: no file is read beyond its bound`() async throws {
    var (workshop, client) = (workshop, client)
    mirror["timestamp.json"] = [UInt8](repeating: 0x20, count: 1 << 20)
    await expectRefusal(.limitExceeded, "timestamp.json: more than 16384 bytes") { _ = try await refresh(&client) }
    mirror["2.root.json"] = [UInt8](repeating: 0x20, count: 1 << 20)
    await expectRefusal(.limitExceeded, "2.root.json: more than 524288 bytes") { _ = try await refresh(&client) }
    mirror["2.root.json"] = nil
    (workshop.timestampVersion, workshop.snapshotVersion, workshop.targetsVersion) = (6, 6, 6)
    workshop.targetEntry =
      #"{"hashes":{"sha256":"\#(Digest(hashing: workshop.target).hex)","sha512":"\#(String(repeating: "0", count: 128))"},"length":9223372036854775807}"#
    try workshop.publish(on: mirror)
    _ = mirror.takeRequests()
    client = try workshop.client(mirror)
    await expectRefusal(.limitExceeded, "is signed with 9223372036854775807 bytes, at most 1048576") {
      _ = try await refresh(&client)
    }
  }

  @Test func `endless roots: a refresh goes on by 64 of them, and the next one goes on there`() async throws {
    var (workshop, client) = (workshop, client)
    for version in 2...70 {
      workshop.rootVersion = version
      mirror["\(version).root.json"] = try workshop.root()
    }
    await expectRefusal(.limitExceeded, "more than 64 new roots; the next refresh goes on at 65") {
      _ = try await refresh(&client)
    }
    #expect(try await refresh(&client) == workshop.target)
    #expect(client.rootVersion == 70)
  }

  @Test func `many signatures, many keys and deep nesting are refused before they cost`() async throws {
    var (workshop, client) = (workshop, client)
    workshop.timestampVersion = 6
    let signer = workshop.onlineSigner
    let text = #"{"_type":"timestamp"}"#
    mirror["timestamp.json"] = envelope(text, (0..<65).map { _ in (signer.id, "00") })
    await expectRefusal(.limitExceeded, "65 signatures, at most 64") { _ = try await refresh(&client) }
    mirror["timestamp.json"] = Array((String(repeating: "[", count: 5000)).utf8)
    await expectRefusal(.limitExceeded, "timestamp.json is malformed") { _ = try await refresh(&client) }
    workshop.rootVersion = 2
    workshop.listedKeys = (0..<65).map { ("\($0)", "{}") }
    mirror["2.root.json"] = try workshop.root()
    await expectRefusal(.limitExceeded, "65 keys, at most 64") { _ = try await refresh(&client) }
  }

  // MARK: Malformed

  @Test(arguments: [
    "", "null", "[]", "{}", #"{"signatures":[],"signed":{}}"#, #"{"signatures":{},"signed":{"_type":"timestamp"}}"#,
    #"{"signatures":[{"keyid":1,"sig":""}],"signed":{"_type":"timestamp"}}"#,
    #"{"signatures":[],"signed":{"_type":"timestamp","_type":"timestamp"}}"#,
    #"{"signatures":[],"signed":{"_type":"timestamp","spec_version":"2.0","version":9,"expires":"2033-01-01T00:00:00Z"}}"#,
    #"{"signatures":[],"signed":{"_type":"timestamp","spec_version":"1.0","version":9.5,"expires":"2033-01-01T00:00:00Z"}}"#,
    #"{"signatures":[],"signed":{"_type":"timestamp","spec_version":"1.0","version":0,"expires":"2033-01-01T00:00:00Z"}}"#,
    #"{"signatures":[],"signed":{"_type":"timestamp","spec_version":"1.0","version":9,"expires":"tomorrow"}}"#,
    #"{"signatures":[],"signed":{"_type":"timestamp","spec_version":"1.0","version":9,"expires":"2033-01-01T00:00:00Z","meta":{}}}"#,
  ])
  func `metadata of another form is malformed, and nothing falls over (CVE-2026-23991)`(text: String) async throws {
    var client = client
    mirror["timestamp.json"] = Array(text.utf8)
    await expectRefusal(.malformed, "timestamp.json") { _ = try await refresh(&client) }
    #expect(client.target(at: now) != nil)
  }
}
