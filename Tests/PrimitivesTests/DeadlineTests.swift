import Primitives
import Testing

@Suite struct DeadlineTests {
  struct Step: Sendable {
    let from: UInt64
    let by: Duration
    let to: UInt64
  }

  @Test(arguments: [
    Step(from: 0, by: .zero, to: 0), Step(from: 5, by: .nanoseconds(7), to: 12),
    Step(from: 5, by: .nanoseconds(-5), to: 0),
    Step(from: 5, by: .nanoseconds(-6), to: 0), Step(from: 0, by: .seconds(2), to: 2_000_000_000),
    Step(from: 1_500_000_000, by: .milliseconds(-500), to: 1_000_000_000),
    Step(from: .max, by: .nanoseconds(1), to: .max),
    Step(from: .max, by: .seconds(Int64.max), to: .max), Step(from: 7, by: .seconds(Int64.max), to: .max),
    Step(from: .max, by: .seconds(Int64.min), to: 0), Step(from: 7, by: .seconds(Int64.min), to: 0),
    Step(
      from: 0, by: Duration(secondsComponent: 9_223_372_036, attosecondsComponent: 854_775_807_000_000_000),
      to: UInt64(Int64.max)),
    Step(
      from: 0, by: Duration(secondsComponent: 9_223_372_036, attosecondsComponent: 854_775_808_000_000_000), to: .max),
    Step(
      from: .max, by: Duration(secondsComponent: -9_223_372_036, attosecondsComponent: -854_775_808_000_000_000),
      to: UInt64(Int64.max)),
    Step(from: 1, by: Duration(secondsComponent: 0, attosecondsComponent: 999_999_999), to: 1),
  ])
  func `a deadline moves and stays within the clock's range`(_ step: Step) {
    #expect(Deadline(nanoseconds: step.from).advanced(by: step.by).nanoseconds == step.to)
  }

  @Test func `what has passed has nothing left`() {
    #expect(Deadline(nanoseconds: 0).hasPassed)
    #expect(Deadline(nanoseconds: 0).remaining == .zero)
    #expect(Deadline.after(.seconds(-1)).hasPassed)
    #expect(!Deadline(nanoseconds: .max).hasPassed)
    #expect(Deadline(nanoseconds: .max).remaining == .nanoseconds(Int64.max))
    let hour = Deadline.after(.seconds(3600))
    #expect(hour.remaining > .seconds(3500) && hour.remaining <= .seconds(3600))
    #expect(Deadline.now <= Deadline.now)
    #expect(Deadline(nanoseconds: 1) < Deadline(nanoseconds: 2))
  }

  @Test(arguments: [
    (Duration.zero, 0), (.milliseconds(1), 1), (.microseconds(1999), 1), (.microseconds(-1999), -1),
    (.seconds(3), 3000),
    (.seconds(Int64.max), Int.max), (.seconds(Int64.min), Int.min),
    (Duration(secondsComponent: 9_223_372_036_854_775, attosecondsComponent: 807_000_000_000_000_000), Int.max),
    (Duration(secondsComponent: 9_223_372_036_854_775, attosecondsComponent: 999_000_000_000_000_000), Int.max),
    (Duration(secondsComponent: -9_223_372_036_854_775, attosecondsComponent: -999_000_000_000_000_000), Int.min),
  ])
  func `milliseconds are clamped`(_ duration: Duration, _ expected: Int) {
    #expect(duration.milliseconds == expected)
  }

  @Test func `a moment is no time after a later one`() {
    let (one, two) = (Deadline(nanoseconds: 1_000_000), Deadline(nanoseconds: 4_500_000))
    #expect(two.since(one) == .microseconds(3500) && two.since(one).microseconds == 3500)
    #expect(one.since(two) == .zero && Duration.seconds(-1).microseconds == 0)
    #expect(Deadline(nanoseconds: .max).since(Deadline(nanoseconds: 0)) == .nanoseconds(Int64.max))
  }
}
