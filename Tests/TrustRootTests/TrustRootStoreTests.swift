import Crypto
import JSON
import Primitives
import Sigstore
import Testing

@testable import TrustRoot

struct TrustRootStoreTests {
  private let folder: Folder
  private let file: TrustRootFile

  init() throws {
    folder = try Folder()
    file = TrustRootFile(path: folder.path("trusted_root.json"))
  }

  private let publicGood = BundledTrustRoot.trustedRoot
  /// The public root without its second log: another root, still a good one.
  private func smaller(_ list: String = "tlogs") throws -> [UInt8] {
    let root = try JSONDocument(publicGood).root
    var writer = JSONWriter()
    try writer.object { (writer) throws(JSONError) in
      for (name, value) in try root.members() {
        writer.name(name)
        guard name == list else {
          writer.raw(value.bytes)
          continue
        }
        let first = try value.elements().prefix(1)
        writer.array { writer in for element in first { writer.raw(element.bytes) } }
      }
    }
    return writer.bytes
  }

  private func open(_ selection: TrustRootSelection) async throws -> TrustRootStore {
    try await TrustRootStore.open(selection, at: now, logger: quiet)
  }

  @Test func `without a user's root the bundled one is in use`() async throws {
    let store = try await open(.bundled)
    #expect(store.current.fingerprint == HashAlgorithm.sha256.hash(publicGood))
    #expect(store.status.label == "bundled")
    #expect(store.status.age(at: BundledTrustRoot.asOf + 86_400) == 86_400)
    #expect(await store.reload(at: now + 1) == false)
  }

  @Test(arguments: [
    nil, "", "{}", "not JSON", #"{"mediaType":"application/vnd.dev.sigstore.trustedroot+json;version=9.9","tlogs":[]}"#,
  ])
  func `a user's root that is missing or broken at start is an error, and nothing takes its place`(
    content: String?
  ) async throws {
    if let content { try folder.write("trusted_root.json", Array(content.utf8)) }
    for selection in [TrustRootSelection.user(file), .userBesideBundled(file)] {
      do {
        _ = try await open(selection)
        Issue.record("a store came about")
      } catch {
        #expect("\(error)".contains(file.place))
      }
    }
  }

  @Test func `a file larger than a trusted root is, a folder and a pipe are errors`() async throws {
    try folder.write("trusted_root.json", [UInt8](repeating: 0x20, count: TrustRootFile.maximumByteCount + 1))
    await #expect(throws: TrustRootError.self) { try await open(.user(file)) }
    await #expect(throws: TrustRootError.self) { try await open(.user(TrustRootFile(path: folder.path))) }
    await #expect(throws: TrustRootError.self) { try await open(.user(TrustRootFile(path: "/dev/zero"))) }
  }

  @Test func `a user's root is used instead of the bundled one, and taken anew when its file changes`() async throws {
    try folder.write("trusted_root.json", try smaller())
    let store = try await open(.user(file))
    #expect(store.current.root.transparencyLogs.count == 1)
    #expect(store.status.label == "file")
    let before = store.current
    #expect(await store.reload(at: now + 10) == false)
    #expect(store.current === before)

    try folder.write("trusted_root.json", publicGood)
    #expect(await store.reload(at: now + 20))
    #expect(store.current.root.transparencyLogs.count == 2)
    #expect(store.current.fingerprint != before.fingerprint)
    #expect(store.current.since == now + 20)
    #expect(store.status.reloads == 1)
    // Who took the old one keeps to it.
    #expect(before.root.transparencyLogs.count == 1)
  }

  @Test func `a changed file that is broken is not used, the old root stays, and it is said until the file is mended`()
    async throws
  {
    try folder.write("trusted_root.json", try smaller())
    let store = try await open(.user(file))
    let before = store.current
    for (step, content) in ["", "{}", "{\"tlogs\":"].enumerated() {
      try folder.write("trusted_root.json", Array(content.utf8))
      #expect(await store.reload(at: now + Int64(step)) == false)
      #expect(store.current === before)
      #expect(store.status.failure?.contains(file.place) == true)
    }
    let failures = store.status.failures
    #expect(failures > 0)
    // Looked at again, not said again.
    #expect(await store.reload(at: now + 50) == false)
    #expect(store.status.failures == failures)
    #expect(store.status.failure != nil)
    #expect(store.status.lines(at: now).contains { $0.hasPrefix("trusted root: NOT RELOADED: ") })
    #expect(store.status.age(at: now + 100) >= 100 - 3)

    try folder.write("trusted_root.json", try smaller())
    #expect(await store.reload(at: now + 60) == false)
    #expect(store.status.failure == nil)
    #expect(store.status.checked == now + 60)
    #expect(store.current.since == now)
  }

  @Test func `a file that goes away changes nothing but the state, also when it comes back as it was`() async throws {
    try folder.write("a.json", try smaller())
    let source = Switchable(TrustRootContent(bytes: try smaller(), revision: .mark("1")))
    let store = try await open(.user(source))
    let before = store.current
    source.content = nil
    #expect(await store.reload(at: now + 1) == false)
    #expect(store.current === before)
    #expect(store.status.failure == "configmap pinseal/trust: gone")
    source.content = TrustRootContent(bytes: try smaller(), revision: .mark("1"))
    await store.reload(at: now + 2)
    #expect(store.status.failure == nil)
    #expect(store.status.label == "configmap")
  }

  @Test func `beside the bundled root means the entries of both, each once`() async throws {
    var writer = JSONWriter()
    let root = try JSONDocument(publicGood).root
    // The first log again, spelt otherwise, and one that only the user has.
    let first = try #require(try root.member("tlogs").elements().first)
    let key = try PrivateKey(generating: .p256).publicKey
    let mine = String(decoding: first.bytes, as: UTF8.self)
      .replacing(
        try first.member("publicKey").member("rawBytes").string(), with: Base64.encode(key.subjectPublicKeyInfo)
      )
      .replacing(try first.member("logId").member("keyId").string(), with: Base64.encode(key.fingerprint.bytes))
    try writer.object { (writer) throws(JSONError) in
      writer.member("mediaType", try root.member("mediaType").string())
      writer.name("tlogs")
      try writer.array { (writer) throws(JSONError) in
        writer.raw(try CanonicalJSON.encode(first))
        writer.raw(mine.utf8)
      }
    }
    try folder.write("trusted_root.json", writer.bytes)
    let store = try await open(.userBesideBundled(file))
    let merged = store.current.root
    #expect(merged.transparencyLogs.count == 3)
    #expect(merged.certificateAuthorities.count == 2)
    #expect(store.status.label == "file+bundled")
    #expect(store.current.fingerprint != HashAlgorithm.sha256.hash(publicGood))
    #expect(store.current.parts.map(\.kind) == [.file, .bundled])

    // Without being asked for, nothing of the bundled root is there.
    let alone = try await open(.user(file))
    #expect(alone.current.root.transparencyLogs.count == 2)
    #expect(alone.current.root.certificateAuthorities.isEmpty)
    #expect(throws: TrustRootError.self) { try alone.replaceBundled(with: publicGood, place: "x", at: now) }
  }

  @Test func `what TUF brings takes the bundled root's place and leaves the user's where it is`() async throws {
    try folder.write("trusted_root.json", try smaller())
    let store = try await open(.userBesideBundled(file))
    #expect(store.current.root.transparencyLogs.count == 2)
    #expect(try store.replaceBundled(with: try smaller(), place: "https://x", at: now + 5))
    #expect(store.current.root.transparencyLogs.count == 1)
    #expect(store.status.label == "file+tuf")
    #expect(throws: TrustRootError.self) { try store.replaceBundled(with: [0x7b], place: "https://x", at: now + 6) }
    #expect(store.current.root.transparencyLogs.count == 1)
    // The user's file goes on being watched, with TUF's root beside it.
    try folder.write("trusted_root.json", publicGood)
    #expect(await store.reload(at: now + 7))
    #expect(store.current.root.transparencyLogs.count == 2)
    #expect(store.status.label == "file+tuf")
  }

  @Test func `the end of the root is that of what ends first of what lasts longest`() async throws {
    #expect(try await open(.bundled).current.validUntil == nil)
    // Only the first authority (until 2022-12-31T23:59:59Z) and the first CT log (until 2022-10-31T23:59:59Z) are left.
    try folder.write("trusted_root.json", try smaller("certificateAuthorities"))
    #expect(try await open(.user(file)).current.validUntil == TUFDate.parse("2022-12-31T23:59:59Z"))
    try folder.write("trusted_root.json", try smaller("ctlogs"))
    let store = try await open(.user(file))
    #expect(store.current.validUntil == TUFDate.parse("2022-10-31T23:59:59Z"))
    #expect(
      store.status.lines(at: now).contains { $0.contains("NO LONGER vouches for new signatures until 2022-10-31") })
  }

  @Test func `the watch looks at the source until it is cancelled`() async throws {
    try folder.write("trusted_root.json", try smaller())
    let store = try await open(.user(file))
    try folder.write("trusted_root.json", publicGood)
    let naps = Locked(0)
    await store.run(
      clock: { now + 3 },
      sleep: { duration in
        #expect(duration == .seconds(1))
        let count = naps.withLock { count in
          count += 1
          return count
        }
        if count > 2 { throw CancellationError() }
      })
    #expect(store.current.since == now + 3)
  }

  /// A source as the wiring makes one for a ConfigMap.
  private final class Switchable: TrustRootSource {
    let kind = TrustRootKind.configMap
    let place = "configmap pinseal/trust"
    private let state: Locked<TrustRootContent?>

    init(_ content: TrustRootContent) { state = Locked(content) }

    var content: TrustRootContent? {
      get { state.withLock { $0 } }
      set { state.withLock { $0 = newValue } }
    }

    func read(unless known: TrustRootRevision?) async throws(TrustRootError) -> TrustRootContent? {
      guard let content else { throw TrustRootError("\(place): gone") }
      return content.revision == known ? nil : content
    }
  }
}
