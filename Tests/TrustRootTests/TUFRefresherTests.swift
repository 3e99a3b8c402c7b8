import HTTPClient
import Primitives
import Testing

@testable import TrustRoot

struct TUFRefresherTests {
  private let mirror = ScriptedMirror()

  /// A sleep that lasts no time, writes down for how long it would have been, and ends the run after some.
  private final class Naps: Sendable {
    let taken = Locked<[Duration]>([])
    let limit: Int
    let before: @Sendable (Int) -> Void

    init(limit: Int, before: @escaping @Sendable (Int) -> Void = { _ in }) {
      self.limit = limit
      self.before = before
    }

    func sleep(_ duration: Duration) throws {
      let count = taken.withLock { taken in
        taken.append(duration)
        return taken.count
      }
      if count > limit { throw CancellationError() }
      before(count)
    }
  }

  private func otherRoot() -> [UInt8] { BundledTrustRoot.trustedRoot + [0x0a] }

  @Test func `a refresh puts another root in use, and its state can be seen`() async throws {
    var workshop = try TUFWorkshop()
    workshop.target = otherRoot()
    try workshop.publish(on: mirror)
    let store = try await TrustRootStore.open(.bundled, at: now, logger: quiet)
    let before = store.current.fingerprint
    let naps = Naps(limit: 1)
    let refresher = try TUFRefresher(
      store: store, client: try workshop.client(mirror), logger: quiet, clock: { now }, random: { 0.5 },
      sleep: { try naps.sleep($0) })
    #expect(store.status.tuf?.lastSuccess == nil)
    await refresher.run()
    #expect(store.current.fingerprint != before)
    let status = store.status
    #expect(status.label == "tuf")
    #expect(status.tuf?.lastSuccess == now)
    #expect(status.tuf?.failure == nil)
    #expect(status.tuf?.successes == 1)
    #expect(status.tuf?.expires == now + 600_000)
    #expect(status.age(at: now + 60) == 60)
    #expect(naps.taken.withLock { $0 } == [.seconds(30), .seconds(86_400)])
  }

  @Test func `a refresh that fails keeps the root, says so, and comes again sooner`() async throws {
    let store = try await TrustRootStore.open(.bundled, at: now, logger: quiet)
    let before = store.current
    mirror.fail(with: HTTPClientError(code: .timedOut, description: "tuf.example.test: timed out"))
    let mirror = mirror
    let workshop = try TUFWorkshop()
    let naps = Naps(limit: 10) { count in
      guard count == 10 else { return }
      mirror.fail(with: nil)
    }
    try workshop.publish(on: mirror)
    let client = try workshop.client(mirror)
    let refresher = try TUFRefresher(
      store: store, client: client, logger: quiet, clock: { now }, random: { 0.5 }, sleep: { try naps.sleep($0) })
    await refresher.run()
    let status = store.status
    #expect(store.current.fingerprint == before.fingerprint)
    #expect(status.tuf?.failures == 9)
    #expect(status.tuf?.successes == 1)
    #expect(status.tuf?.failure == nil)
    let minutes = naps.taken.withLock { $0.map { Int($0.components.seconds) / 60 } }
    #expect(minutes == [0, 15, 30, 60, 120, 240, 480, 960, 1440, 1440, 1440])
  }

  @Test func `a refreshed file that is no trusted root is not used`() async throws {
    var workshop = try TUFWorkshop()
    workshop.target = Array("{}".utf8)
    try workshop.publish(on: mirror)
    let store = try await TrustRootStore.open(.bundled, at: now, logger: quiet)
    let naps = Naps(limit: 1)
    let refresher = try TUFRefresher(
      store: store, client: try workshop.client(mirror), logger: quiet, clock: { now }, random: { 0 },
      sleep: { try naps.sleep($0) })
    await refresher.run()
    #expect(store.status.tuf?.failure?.code == .unusable)
    #expect(store.status.label == "bundled")
    #expect(store.status.lines(at: now).contains { $0.hasPrefix("tuf: REFRESH FAILED: ") })
  }

  @Test func `what the cache holds is in use before the mirror is asked`() async throws {
    let folder = try Folder()
    var workshop = try TUFWorkshop()
    workshop.target = otherRoot()
    try workshop.publish(on: mirror)
    let initialRoot = try workshop.root()
    func client() throws -> TUFClient {
      try TUFClient(http: mirror, mirror: ScriptedMirror.address, initialRoot: initialRoot, cacheFolder: folder.path)
    }
    var first = try client()
    _ = try await refresh(&first)
    let store = try await TrustRootStore.open(.bundled, at: now, logger: quiet)
    let naps = Naps(limit: 0)
    let refresher = try TUFRefresher(
      store: store, client: try client(), logger: quiet, clock: { now }, random: { 0 }, sleep: { try naps.sleep($0) })
    await refresher.run()
    #expect(store.status.label == "tuf")
  }

  @Test func `a refresh beside a user's root alone is refused at start`() async throws {
    let folder = try Folder()
    try folder.write("root.json", BundledTrustRoot.trustedRoot)
    let store = try await TrustRootStore.open(
      .user(TrustRootFile(path: folder.path("root.json"))), at: now, logger: quiet)
    let client = try TUFClient(http: mirror)
    #expect {
      try TUFRefresher(store: store, client: client, logger: quiet, clock: { now })
    } throws: { "\($0)".contains("a user's takes its place") }
  }
}
