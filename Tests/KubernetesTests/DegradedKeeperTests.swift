import HTTPClient
import JSON
import Primitives
import Testing

@testable import Kubernetes

@Suite(.timeLimit(.minutes(5))) struct DegradedKeeperTests {
  private typealias Fake = DegradedFakeAPI

  private func running(_ keepers: DegradedKeeper..., body: () async throws -> Void) async throws {
    try await withThrowingTaskGroup(of: Void.self) { group in
      for keeper in keepers { group.addTask { await keeper.run() } }
      try await body()
      group.cancelAll()
    }
  }

  private func eventually(
    _ what: String, location: SourceLocation = #_sourceLocation, _ condition: () -> Bool
  ) async throws {
    let end = Deadline.after(.seconds(60))
    while !condition() {
      if end.hasPassed {
        Issue.record("not within a minute: \(what)", sourceLocation: location)
        return
      }
      try await Task.sleep(for: .milliseconds(2))
    }
  }

  @Test func `a refusal is applied to the status by server-side apply, over the state that was seen`() async throws {
    let api = Fake()
    let keeper = try api.keeper()
    keeper.decide(Fake.id(), .refused("NO: container db"), generation: 1)
    try await running(keeper) {
      try await eventually("written") { api.condition()?.isTrue == true }
    }
    let request = try #require(api.patches.first)
    #expect(
      request.url
        == "https://api.example:6443/apis/apps/v1/namespaces/shop/statefulsets/db/status?fieldManager=pinseal&force=true"
    )
    #expect(request.headers.contains { $0.name == "Content-Type" && $0.value == "application/apply-patch+yaml" })
    let root = try JSONDocument(request.body).root
    #expect(root["apiVersion"]?.isString("apps/v1") == true && root["kind"]?.isString("StatefulSet") == true)
    #expect(root["metadata"]?["uid"]?.isString("u-1") == true)
    #expect(root["metadata"]?["resourceVersion"]?.isString("10") == true)
    let condition = try #require(try root["status"]?["conditions"]?.elements().first)
    let members = try condition.members().map(\.name)
    #expect(members == ["type", "status", "lastTransitionTime", "reason", "message"])
    #expect(condition["type"]?.isString("Degraded") == true)
    #expect(condition["reason"]?.isString("ImageVerificationFailed") == true)
    #expect(condition["message"]?.isString("NO: container db") == true)
    #expect(keeper.statistics.writes == [.written: 1])
  }

  @Test func `what the controller drops is put back, until an admission passes; then False is kept`() async throws {
    let api = Fake()
    let keeper = try api.keeper()
    try await running(keeper) {
      keeper.decide(Fake.id(), .refused("no"), generation: 1)
      try await eventually("written") { api.condition()?.isTrue == true }
      let first = api.condition()
      for _ in 0..<5 {
        api.dropCondition()
        try await eventually("put back") { api.condition() == first }
      }
      #expect(keeper.holdsDegraded(Fake.id()))
      keeper.decide(Fake.id(), .verified("yes"), generation: 1)
      #expect(!keeper.holdsDegraded(Fake.id()))
      try await eventually("taken back") { api.condition()?.reason == "ImageVerificationSucceeded" }
      api.dropCondition()
      try await eventually("False is kept") { api.condition()?.status == "False" }
    }
  }

  @Test func `two replicas that keep the same condition do not fight, and one that lets an update in ends it`()
    async throws
  {
    let api = Fake()
    let (one, two) = (try api.keeper(), try api.keeper())
    try await running(one, two) {
      one.decide(Fake.id(), .refused("no, says one"), generation: 1)
      try await eventually("written by one") { api.condition()?.isTrue == true }
      two.decide(Fake.id(), .refused("no, says two"), generation: 1)
      try await eventually("written by two") { api.condition()?.message == "no, says two" }
      try await Task.sleep(for: .milliseconds(50))
      #expect(api.patches.count == 2)
      api.dropCondition()
      try await eventually("put back by one of them") { api.condition()?.message == "no, says two" }
      two.decide(Fake.id(), .verified("yes"), generation: 1)
      try await eventually("taken back") { api.condition()?.status == "False" }
      try await eventually("one has ended") { one.statistics.objects == 0 }
      #expect(two.statistics.objects == 1)
      api.dropCondition()
      try await eventually("kept by two") { api.condition()?.message == "yes" }
    }
    #expect(one.statistics.writes.keys.allSatisfy { $0 == .written || $0 == .conflict })
  }

  @Test func `somebody who undoes every write does not make it spin`() async throws {
    let api = Fake()
    api.state.withLock { $0.isUndone = true }
    let keeper = try api.keeper {
      $0.quickWrites = 5
      $0.pause = .milliseconds(5)
      $0.longestPause = .seconds(600)
    }
    try await running(keeper) {
      keeper.decide(Fake.id(), .refused("no"), generation: 1)
      try await eventually("some writes") { api.patches.count >= 3 }
      try await Task.sleep(for: .milliseconds(500))
    }
    // Each pause is twice the one before: not even a minute has room for twenty.
    #expect(api.patches.count < 20, "\(api.patches.count)")
  }

  @Test func `after a restart what is true already is looked after, page by page`() async throws {
    var objects: [String: Fake.Stored] = [:]
    for number in 0..<7 {
      objects["db-\(number)"] = Fake.Stored(condition: number % 2 == 0 ? DegradedFixture.failed("no \(number)") : nil)
    }
    let api = Fake(objects)
    api.state.withLock { $0.pageSize = 2 }
    let keeper = try api.keeper()
    try await running(keeper) {
      try await eventually("adopted") { keeper.statistics.objects == 4 }
      #expect(api.patches.isEmpty)
      try await eventually("watched") { api.watchers == 4 }
      api.dropCondition("db-4")
      try await eventually("put back") { api.condition("db-4") == DegradedFixture.failed("no 4") }
    }
  }

  @Test func `an object made anew under the name is not touched`() async throws {
    let api = Fake(["db": Fake.Stored(uid: "u-2")])
    let keeper = try api.keeper()
    try await running(keeper) {
      keeper.decide(Fake.id(), .refused("no"), generation: 1)
      try await eventually("given up") { keeper.statistics.objects == 0 }
    }
    #expect(api.patches.isEmpty)
  }

  @Test func `no more are looked after than there is room for, recovered ones let go first`() async throws {
    let names = (0..<4).map { "db-\($0)" }
    let api = Fake(Dictionary(uniqueKeysWithValues: names.map { ($0, Fake.Stored()) }))
    let keeper = try api.keeper(maximumObjects: 2)
    try await running(keeper) {
      for name in names.prefix(2) {
        keeper.decide(Fake.id(name), .refused("no"), generation: 1)
        try await eventually("written") { api.condition(name)?.isTrue == true }
      }
      keeper.decide(Fake.id("db-1"), .verified("yes"), generation: 1)
      keeper.decide(Fake.id("db-2"), .refused("no"), generation: 1)
      try await eventually("written") { api.condition("db-2")?.isTrue == true }
      #expect(keeper.holdsDegraded(Fake.id("db-0")) && keeper.statistics.objects == 2)
      keeper.decide(Fake.id("db-3"), .refused("no"), generation: 1)
      try await eventually("written") { api.condition("db-3")?.isTrue == true }
      #expect(!keeper.holdsDegraded(Fake.id("db-0")) && keeper.statistics.objects == 2)
      try await eventually("two are watched") { api.watchers == 2 }
    }
  }

  @Test func `many that are refused together are written fifty at once, then ten a second`() async throws {
    let names = (0..<60).map { "db-\($0)" }
    let api = Fake(Dictionary(uniqueKeysWithValues: names.map { ($0, Fake.Stored()) }))
    let sleeps = Locked<[Int]>([])
    let start = Deadline.now
    var pace = DegradedKeeper.Pace()
    pace.now = { start }
    pace.sleep = { time in sleeps.withLock { $0.append(time.milliseconds) } }
    let keeper = try api.keeper(pace: pace)
    try await running(keeper) {
      for name in names { keeper.decide(Fake.id(name), .refused("no"), generation: 1) }
      try await eventually("written") { names.allSatisfy { api.condition($0)?.isTrue == true } }
    }
    #expect(sleeps.withLock { $0.sorted() } == Array(stride(from: 100, through: 1000, by: 100)))
  }

  @Test func `refused and failed writes are tried again and counted`() async throws {
    let api = Fake()
    api.state.withLock { $0.refusals = [503, 403, 500, 409] }
    let keeper = try api.keeper()
    try await running(keeper) {
      keeper.decide(Fake.id(), .refused("no"), generation: 1)
      try await eventually("written in the end") { api.condition()?.isTrue == true }
    }
    #expect(keeper.statistics.writes == [.unavailable: 2, .forbidden: 1, .conflict: 1, .written: 1])
  }

  @Test func `many verdicts before the work begins are one write, of the last`() async throws {
    let api = Fake()
    let keeper = try api.keeper()
    for number in 0..<1000 { keeper.decide(Fake.id(), .refused("no \(number)"), generation: 1) }
    try await running(keeper) {
      try await eventually("written") { api.condition()?.message == "no 999" }
    }
    #expect(api.patches.count == 1)
  }
}
