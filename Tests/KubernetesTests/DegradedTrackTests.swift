import JSON
import Primitives
import Testing

@testable import Kubernetes

/// States of one StatefulSet, made of as little as a test wants to say.
enum DegradedFixture {
  static let id = object(version: 1).id

  static func conditionText(_ condition: Condition) -> String {
    var writer = JSONWriter()
    condition.write(type: Condition.degraded, to: &writer)
    return writer.text
  }

  static func text(
    version: Int, generation: Int = 1, uid: String = "u-1", name: String = "db", image: String = "a:1",
    condition: Condition? = nil, metadata: String = "", others: [String] = []
  ) -> String {
    let conditions = others + (condition.map { [conditionText($0)] } ?? [])
    return """
      {"apiVersion":"apps/v1","kind":"StatefulSet","metadata":{"name":"\(name)","namespace":"shop","uid":"\(uid)",
      "resourceVersion":"\(version)","generation":\(generation)\(metadata)},
      "spec":{"template":{"spec":{"containers":[{"name":"db","image":"\(image)"}]}}},
      "status":{"replicas":1,"conditions":[\(conditions.joined(separator: ","))]}}
      """
  }

  static func object(
    version: Int, generation: Int = 1, uid: String = "u-1", image: String = "a:1", condition: Condition? = nil,
    metadata: String = "", name: String = "db"
  ) -> DegradedObject {
    let text = text(
      version: version, generation: generation, uid: uid, name: name, image: image, condition: condition,
      metadata: metadata)
    do {
      return try DegradedObject(JSONDocument(Array(text.utf8)).root)
    } catch {
      fatalError("\(error): \(text)")
    }
  }

  static func failed(_ message: String = "no", at time: String = "T1") -> Condition {
    Condition(status: "True", reason: Condition.failed, message: message, lastTransitionTime: time)
  }

  static func succeeded(_ message: String = "yes", at time: String = "T2") -> Condition {
    Condition(status: "False", reason: Condition.succeeded, message: message, lastTransitionTime: time)
  }
}

@Suite struct DegradedTrackTests {
  private typealias Fixture = DegradedFixture
  private let start = Deadline(nanoseconds: 1_000_000_000_000)
  private var limits = DegradedTrack.Limits()

  private func at(_ seconds: Double) -> Deadline { start.advanced(by: .seconds(seconds)) }

  /// Refused when the object had generation 1, seen without a condition as version 10, written as version 11.
  private func degraded() -> DegradedTrack {
    var track = DegradedTrack(Fixture.id, .refused("no"), generation: 1, limits: limits, now: start)
    track.see(Fixture.object(version: 10), now: start)
    write(&track, version: 11, at: 0)
    return track
  }

  /// Expects a write, and does it.
  @discardableResult private func write(
    _ track: inout DegradedTrack, version: Int, time: String = "T1", at seconds: Double,
    location: SourceLocation = #_sourceLocation
  ) -> Condition? {
    guard case .write(var condition, _) = track.next(now: at(seconds)) else {
      Issue.record("no write, but \(track.next(now: at(seconds)))", sourceLocation: location)
      return nil
    }
    if condition.lastTransitionTime.isEmpty { condition.lastTransitionTime = time }
    track.wrote(condition, .success(Fixture.object(version: version, condition: condition)), now: at(seconds))
    return condition
  }

  private func isWaiting(_ track: inout DegradedTrack, at seconds: Double) -> Bool {
    if case .wait = track.next(now: at(seconds)) { return true }
    return false
  }

  @Test func `nothing is written before the object was seen`() {
    var track = DegradedTrack(Fixture.id, .refused("no"), generation: 1, limits: limits, now: start)
    #expect(track.next(now: start) == .wait(until: nil))
    track.see(Fixture.object(version: 10), now: start)
    let wanted = Condition(status: "True", reason: "ImageVerificationFailed", message: "no")
    #expect(track.next(now: start) == .write(wanted, resourceVersion: "10"))
  }

  @Test func `a refusal is written once, and the same refusal again changes nothing`() {
    var track = degraded()
    for second in 1...5 {
      track.decide(.refused("no"), generation: 1, now: at(Double(second)))
      #expect(isWaiting(&track, at: Double(second)))
    }
  }

  @Test func `another refusal brings its text, and the time of the transition stays`() {
    var track = degraded()
    track.decide(.refused("still no"), generation: 1, now: at(5))
    let condition = write(&track, version: 12, time: "T9", at: 5)
    #expect(condition?.message == "still no" && condition?.lastTransitionTime == "T1")
  }

  @Test func `a condition that was true already keeps its time`() {
    var track = DegradedTrack(Fixture.id, .refused("no"), generation: 1, limits: limits, now: start)
    track.see(Fixture.object(version: 10, condition: Fixture.failed("before", at: "T0")), now: start)
    #expect(write(&track, version: 11, at: 0)?.lastTransitionTime == "T0")
  }

  @Test func `a condition that the controller dropped is put back with its text and time`() {
    var track = degraded()
    track.see(Fixture.object(version: 12), now: at(5))
    #expect(track.next(now: at(5)) == .write(Fixture.failed(), resourceVersion: "12"))
  }

  @Test func `a condition that others changed is put back`() {
    for other in [
      Condition(status: "False", reason: "AllWell", message: ""),
      Condition(status: "True", reason: "Mine", message: "no"),
      Condition(status: "Unknown", reason: Condition.failed, message: "no"),
    ] {
      var track = degraded()
      track.see(Fixture.object(version: 12, condition: other), now: at(5))
      #expect(!isWaiting(&track, at: 5), "\(other)")
    }
  }

  @Test func `a replica that says the same in other words is left alone, and its words are taken over`() {
    var track = degraded()
    track.see(Fixture.object(version: 12, condition: Fixture.failed("nope", at: "T1")), now: at(5))
    #expect(isWaiting(&track, at: 5))
    track.see(Fixture.object(version: 13), now: at(6))
    #expect(track.next(now: at(6)) == .write(Fixture.failed("nope"), resourceVersion: "13"))
  }

  @Test func `a state older than one's own write is no news`() {
    var track = degraded()
    track.see(Fixture.object(version: 9, condition: Fixture.succeeded()), now: at(1))
    track.see(Fixture.object(version: 10), now: at(1))
    #expect(isWaiting(&track, at: 1))
  }

  @Test func `a fight is held at two writes a second, then ever fewer`() {
    var track = degraded()
    track.see(Fixture.object(version: 12), now: at(1))
    var version = 13
    var times: [Double] = []
    for step in 0..<6000 {
      let second = 1 + Double(step) / 20
      if case .write = track.next(now: at(second)) {
        write(&track, version: version, at: second)
        track.see(Fixture.object(version: version + 1), now: at(second))
        version += 2
        times.append(second)
      }
    }
    #expect(times.filter { $0 < 2 }.count <= 2)
    #expect(zip(times, times.dropFirst()).allSatisfy { $1 - $0 >= 0.45 })
    #expect(times.count < 40, "\(times.count) writes in 300 seconds")
    #expect(times.count > 20)
    // After a calm the first is at once again.
    version += 1
    track.see(Fixture.object(version: version, condition: Fixture.failed()), now: at(302))
    track.see(Fixture.object(version: version + 1), now: at(400))
    write(&track, version: version + 2, at: 400)
    track.see(Fixture.object(version: version + 3), now: at(400))
    #expect(track.next(now: at(400)) == .wait(until: at(400.5)))
  }

  // MARK: Ends

  @Test(arguments: ["deleted", "deleting", "made anew", "not found"])
  func `an object that is gone or goes is given up`(how: String) {
    var track = degraded()
    switch how {
    case "deleted": track.see(.deleted(Fixture.object(version: 12)), now: at(1))
    case "deleting":
      track.see(Fixture.object(version: 12, metadata: #","deletionTimestamp":"2026-11-24T10:00:00Z""#), now: at(1))
    case "made anew": track.see(.stored(Fixture.object(version: 12, uid: "u-2")), now: at(1))
    default: track.see(.listed([]), now: at(1))
    }
    #expect(track.next(now: at(1)) == .end(.gone))
  }

  @Test func `an object that a write does not find is given up`() {
    var track = degraded()
    track.see(Fixture.object(version: 12), now: at(1))
    track.wrote(Fixture.failed(), .failure(ClusterError(.notFound, "gone")), now: at(1))
    #expect(track.next(now: at(1)) == .end(.gone))
  }

  @Test func `another replica's False after the refusal ends it`() {
    var track = degraded()
    track.see(Fixture.object(version: 12, condition: Fixture.succeeded()), now: at(5))
    #expect(track.next(now: at(5)) == .end(.elsewhere))
  }

  @Test func `a False from before the refusal does not`() {
    var track = DegradedTrack(Fixture.id, .refused("no"), generation: 1, limits: limits, now: start)
    track.see(Fixture.object(version: 10, condition: Fixture.succeeded(at: "T0")), now: start)
    #expect(write(&track, version: 11, time: "T1", at: 0)?.lastTransitionTime == "T1")
  }

  @Test func `another replica's refusal after the admission ends it`() {
    var track = recovered()
    track.see(Fixture.object(version: 30, condition: Fixture.failed("no again")), now: at(20))
    #expect(track.next(now: at(20)) == .end(.elsewhere))
  }

  // MARK: Recovery

  /// Admitted at second 10, written at second 11 as version 20.
  private func recovered() -> DegradedTrack {
    var track = degraded()
    track.decide(.verified("yes"), generation: 1, now: at(10))
    write(&track, version: 20, time: "T2", at: 11)
    return track
  }

  @Test func `an admission is written a moment later, so that its own update does not meet the write`() {
    var track = degraded()
    track.decide(.verified("yes"), generation: 1, now: at(10))
    #expect(track.next(now: at(10)) == .wait(until: at(11)))
    let condition = write(&track, version: 20, time: "T2", at: 11)
    #expect(condition == Fixture.succeeded())
  }

  @Test func `validation's refusal after mutation let the update through is what counts`() {
    var track = degraded()
    track.decide(.verified("yes"), generation: 1, now: at(10))
    track.decide(.refused("no"), generation: 1, now: at(10.1))
    #expect(isWaiting(&track, at: 12))
    #expect(track.goal.isTrue && track.end == nil)
  }

  @Test func `False is kept for a time, then let be`() {
    var track = recovered()
    #expect(track.next(now: at(12)) == .wait(until: at(910)))
    track.see(Fixture.object(version: 21), now: at(20))
    #expect(track.next(now: at(20)) == .write(Fixture.succeeded(), resourceVersion: "21"))
    #expect(track.next(now: at(910)) == .end(.recovered))
  }

  @Test func `other images than those that were kept by the refusal mean that an update was let in elsewhere`() {
    var track = degraded()
    track.see(Fixture.object(version: 12, generation: 2, image: "a:2", condition: Fixture.failed()), now: at(5))
    #expect(track.next(now: at(5)) == .wait(until: at(6)))
    let condition = write(&track, version: 13, time: "T2", at: 6)
    #expect(condition?.status == "False" && condition?.reason == "ImageVerificationSucceeded")
    #expect(condition?.lastTransitionTime == "T2")
  }

  @Test func `who let it in elsewhere says it better`() {
    var track = degraded()
    track.see(Fixture.object(version: 12, generation: 2, image: "a:2", condition: Fixture.failed()), now: at(5))
    track.see(
      Fixture.object(version: 13, generation: 2, image: "a:2", condition: Fixture.succeeded("yes")), now: at(5.5))
    #expect(isWaiting(&track, at: 7))
    #expect(track.goal.message == "yes")
  }

  @Test func `a scaled object and a state from before the refusal have no news about images`() {
    var track = degraded()
    track.see(Fixture.object(version: 12, generation: 2, condition: Fixture.failed()), now: at(5))
    #expect(isWaiting(&track, at: 7))
    // Refused again over generation 3, of which nothing has been seen yet.
    track.decide(.refused("no"), generation: 3, now: at(8))
    track.see(Fixture.object(version: 13, generation: 3, image: "a:3", condition: Fixture.failed()), now: at(9))
    #expect(isWaiting(&track, at: 11))
    #expect(track.goal.isTrue)
  }

  @Test func `a refusal after the recovery makes it true again, with another time`() {
    var track = recovered()
    track.decide(.refused("no"), generation: 2, now: at(30))
    #expect(write(&track, version: 31, time: "T3", at: 30)?.lastTransitionTime == "T3")
    #expect(track.next(now: at(2000)) == .wait(until: nil))
  }

  // MARK: Failures

  @Test func `failures are retried ever later, and not for ever`() {
    var track = DegradedTrack(Fixture.id, .refused("no"), generation: 1, limits: limits, now: start)
    track.see(Fixture.object(version: 10), now: start)
    var seconds = 0.0
    var pauses: [Duration] = []
    while pauses.count < 100 {
      switch track.next(now: at(seconds)) {
      case .write(let condition, _):
        track.wrote(condition, .failure(ClusterError(.unavailable, "away")), now: at(seconds))
      case .wait(let moment?):
        let pause = Duration.nanoseconds(Int64(moment.nanoseconds - at(seconds).nanoseconds))
        pauses.append(pause)
        seconds += Double(pause.milliseconds) / 1000
      case .end(let end):
        #expect(end == .failed)
        #expect(Array(pauses.prefix(7)) == [1, 2, 4, 8, 16, 32, 60].map { Duration.seconds($0) })
        #expect(pauses.count == 19)
        return
      default:
        Issue.record("nothing to wait for")
        return
      }
    }
    Issue.record("it never ends")
  }

  @Test func `a conflict waits for what came between, and does not count as a failure`() {
    var track = degraded()
    track.see(Fixture.object(version: 12), now: at(5))
    for step in 0..<60 {
      let now = at(5 + Double(step) * 20)
      if case .write(let condition, _) = track.next(now: now) {
        track.wrote(condition, .failure(ClusterError(.conflict, "")), now: now)
      }
    }
    #expect(track.end == nil)
    track.see(Fixture.object(version: 99, condition: Fixture.failed()), now: at(2000))
    #expect(track.next(now: at(2000)) == .wait(until: nil))
  }

  @Test func `a verdict that comes during a write is written after it`() {
    var track = DegradedTrack(Fixture.id, .refused("one"), generation: 1, limits: limits, now: start)
    track.see(Fixture.object(version: 10), now: start)
    track.decide(.refused("two"), generation: 1, now: start)
    track.wrote(
      Fixture.failed("one"), .success(Fixture.object(version: 11, condition: Fixture.failed("one"))), now: start)
    #expect(write(&track, version: 12, at: 1)?.message == "two")
  }

  // MARK: Adoption

  @Test func `what was true before the start is looked after, and nothing is written`() throws {
    let object = Fixture.object(version: 10, condition: Fixture.failed("before", at: "T0"))
    var track = try #require(DegradedTrack(adopting: object, limits: limits, now: start))
    #expect(isWaiting(&track, at: 0))
    track.see(Fixture.object(version: 11), now: at(1))
    #expect(track.next(now: at(1)) == .write(Fixture.failed("before", at: "T0"), resourceVersion: "11"))
    track.see(Fixture.object(version: 12, condition: Fixture.succeeded()), now: at(2))
    #expect(track.next(now: at(2)) == .end(.elsewhere))
  }

  @Test func `a foreign condition, a False and a leaving object are not adopted`() {
    let objects = [
      Fixture.object(version: 1), Fixture.object(version: 1, condition: Fixture.succeeded()),
      Fixture.object(version: 1, condition: Condition(status: "True", reason: "Disk", message: "")),
      Fixture.object(
        version: 1, condition: Fixture.failed(), metadata: #","deletionTimestamp":"2026-11-24T10:00:00Z""#),
    ]
    for object in objects { #expect(DegradedTrack(adopting: object, limits: limits, now: start) == nil) }
  }

  @Test func `messages are printable and no longer than is kept`() {
    let long = DegradedVerdict.refused("a\u{1b}[31m" + String(repeating: "ü", count: 9000)).condition
    #expect(long.message.utf8.count <= 4096 && long.message.hasSuffix("…"))
    #expect(long.message.hasPrefix("a\\u{1b}[31m"))
    #expect(Condition.time(1_795_514_400) == "2026-11-24T10:00:00Z")
  }
}
