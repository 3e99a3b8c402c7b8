import Primitives
import Testing

@testable import Kubernetes

@Suite struct DegradedRosterTests {
  private let start = Deadline(nanoseconds: 1_000_000_000_000)

  private func id(_ name: String, _ namespace: String) throws -> StatefulSetID {
    try #require(StatefulSetID(namespace: namespace, name: name, uid: "u"))
  }

  private func entry(_ id: StatefulSetID, _ verdict: DegradedVerdict = .refused("no")) -> DegradedKeeper.Entry {
    DegradedKeeper.Entry(DegradedTrack(id, verdict, generation: 1, limits: .init(), now: start))
  }

  @discardableResult private func add(
    _ name: String, _ namespace: String, to roster: inout DegradedRoster, after seconds: Int = 0,
    displaces: Bool = true
  ) throws -> String {
    let id = try id(name, namespace)
    let now = start.advanced(by: .seconds(seconds))
    return switch roster.add(entry(id), id, displaces: displaces, now: now) {
    case .placed: "placed"
    case .displaced(let other): "displaced \(other.namespace)/\(other.name)"
    case .refused: "refused"
    }
  }

  @Test func `one namespace cannot take all the places`() throws {
    var roster = DegradedRoster(maximum: 5, maximumPerNamespace: 3)
    try add("modest", "b", to: &roster)
    for number in 0..<3 { try add("s\(number)", "a", to: &roster) }
    let fourth = try add("s3", "a", to: &roster)
    #expect(fourth == "displaced a/s0")
    let kept = try id("modest", "b")
    #expect(roster.entries[kept] != nil && roster.entries.count == 4)
  }

  @Test func `without end of names no more begin than eight at once and one a second`() throws {
    var roster = DegradedRoster(maximum: 100, maximumPerNamespace: 2)
    var placements: [String] = []
    for number in 0..<100 { placements.append(String(try add("s\(number)", "a", to: &roster).prefix(6))) }
    #expect(placements.filter { $0 == "placed" }.count == 2)
    #expect(placements.filter { $0 == "displa" }.count == 8)
    #expect(placements.last == "refuse")
    let later = try add("later", "a", to: &roster, after: 1)
    #expect(later == "displaced a/s8")
    let other = try add("s", "b", to: &roster)
    #expect(other == "placed")
    #expect(roster.takePending().count == 3 && roster.takePending().isEmpty)
  }

  @Test func `where there is no room at all the one longest without a verdict goes, recovered ones first`() throws {
    var roster = DegradedRoster(maximum: 3, maximumPerNamespace: 3)
    try add("s", "a", to: &roster)
    let recovered = try id("s", "b")
    _ = roster.add(entry(recovered, .verified("yes")), recovered, now: start)
    try add("s", "c", to: &roster)
    roster.touch(try id("s", "a"))
    let first = try add("s", "d", to: &roster)
    #expect(first == "displaced b/s")
    let second = try add("s", "e", to: &roster)
    #expect(second == "displaced c/s")
    let adopted = try add("s", "f", to: &roster, displaces: false)
    #expect(adopted == "refused" && roster.entries.count == 3)
  }

  @Test func `one that ended is replaced without another having to go`() throws {
    var roster = DegradedRoster(maximum: 1, maximumPerNamespace: 1)
    try add("s", "a", to: &roster)
    let again = try add("s", "a", to: &roster)
    #expect(again == "placed" && roster.entries.count == 1)
  }
}
