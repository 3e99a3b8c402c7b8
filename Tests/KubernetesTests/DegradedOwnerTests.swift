import Primitives
import Testing

@testable import Kubernetes

/// When the owner of a StatefulSet gets the condition too.
@Suite struct DegradedOwnerTests {
  private typealias Fixture = DegradedFixture
  private let start = Deadline(nanoseconds: 1_000_000_000_000)
  private let reference =
    #","ownerReferences":[{"apiVersion":"openbao.org/v1","kind":"OpenBaoCluster","name":"vault","uid":"o-1","controller":true}]"#

  private func at(_ seconds: Double) -> Deadline { start.advanced(by: .seconds(seconds)) }

  private func refused() -> DegradedTrack {
    var track = DegradedTrack(Fixture.id, .refused("no"), generation: 1, limits: .init(), now: start)
    track.see(Fixture.object(version: 10, metadata: reference), now: start)
    return track
  }

  private func write(_ track: inout DegradedTrack, version: Int, at seconds: Double) throws {
    guard case .write(var condition, _) = track.next(now: at(seconds)) else {
      Issue.record("no write, but \(track.next(now: at(seconds)))")
      return
    }
    condition.lastTransitionTime = "T\(version)"
    let written = Fixture.object(version: version, condition: condition, metadata: reference)
    track.wrote(condition, .success(written), now: at(seconds))
  }

  private func ownerCondition(_ track: inout DegradedTrack, at seconds: Double) -> Condition? {
    guard case .writeOwner(let condition, let owner) = track.next(now: at(seconds)), owner.name == "vault" else {
      return nil
    }
    return condition
  }

  @Test func `the StatefulSet comes first, whatever becomes of its owner`() throws {
    var track = refused()
    try write(&track, version: 11, at: 0)
    let told = try #require(ownerCondition(&track, at: 0))
    #expect(told.isTrue && told.message == "no")
    track.wroteOwner(told, ClusterError(.unavailable, "away"), now: at(0))
    // What the controller drops meanwhile is put back before the owner is tried again.
    track.see(Fixture.object(version: 12, metadata: reference), now: at(5))
    try write(&track, version: 13, at: 5)
    let again = try #require(ownerCondition(&track, at: 5))
    track.wroteOwner(again, nil, now: at(5))
    #expect(track.next(now: at(60)) == .wait(until: nil))
  }

  @Test func `a StatefulSet that cannot be written does not keep its owner from being told`() throws {
    var track = refused()
    guard case .write(let condition, _) = track.next(now: at(0)) else {
      Issue.record("no write")
      return
    }
    track.wrote(condition, .failure(ClusterError(.forbidden, "no")), now: at(0))
    #expect(ownerCondition(&track, at: 0) != nil)
  }

  @Test func `an admission that passes is told to the owner a moment later, once`() throws {
    var track = refused()
    try write(&track, version: 11, at: 0)
    let failed = try #require(ownerCondition(&track, at: 0))
    track.wroteOwner(failed, nil, now: at(0))
    track.decide(.verified("yes"), generation: 1, now: at(10))
    #expect(track.next(now: at(10)) == .wait(until: at(11)))
    try write(&track, version: 12, at: 11)
    let told = try #require(ownerCondition(&track, at: 11))
    #expect(!told.isTrue && told.message == "yes")
    track.wroteOwner(told, nil, now: at(11))
    #expect(track.next(now: at(12)) == .wait(until: at(910)))
  }
}
