import Primitives
import Testing

@Suite(.timeLimit(.minutes(5))) struct SingleFlightTests {
  /// Deadlines pass when a test says so.
  private final class Clock: Sendable {
    private struct State {
      var passed: Set<Deadline> = []
      var waiting: [(deadline: Deadline, shot: OneShot<Void>)] = []
    }

    private let state = Locked(State())

    var timer: DeadlineTimer {
      DeadlineTimer { [self] deadline in
        let shot = OneShot<Void>()
        let hasPassed = state.withLock { state in
          state.waiting.append((deadline, shot))
          return state.passed.contains(deadline)
        }
        if !hasPassed { _ = await shot.wait(until: SingleFlightTests.never) }
      }
    }

    func pass(_ deadline: Deadline) {
      let shots = state.withLock { state in
        state.passed.insert(deadline)
        return state.waiting.filter { $0.deadline == deadline }.map(\.shot)
      }
      for shot in shots { shot.settle(.value(())) }
    }
  }

  /// Work that ends when a test says so, or when it is cancelled unless it is deaf to that.
  private final class Work: Sendable {
    let begun = Locked(0)
    let ended = OneShot<Int>()
    let wasCancelled = Locked(false)
    private let isDeaf: Bool

    init(isDeaf: Bool = false) { self.isDeaf = isDeaf }

    func run() async -> Int {
      begun.withLock { $0 += 1 }
      let ended = ended
      let outcome =
        isDeaf
        ? await Task.detached { await ended.wait(until: SingleFlightTests.never) }.value
        : await ended.wait(until: SingleFlightTests.never)
      wasCancelled.withLock { $0 = Task.isCancelled }
      guard case .value(let number) = outcome else { return -1 }
      return number
    }
  }

  static let never = Deadline.after(.seconds(3600))
  static let soon = Deadline.after(.seconds(1800))

  private let clock = Clock()

  /// Waits, by yielding, for what another task brings about; the suite's time limit ends that.
  private func until(_ condition: () -> Bool) async {
    while !condition(), !Task.isCancelled { await Task.yield() }
  }

  private func value(_ outcome: OneShot<Int>.Outcome) -> Int? {
    if case .value(let number) = outcome { number } else { nil }
  }

  @Test func `work that several want is done once, and anew for who comes later`() async {
    let flights = SingleFlight<String, Int, Void>(timer: clock.timer)
    let (work, other) = (Work(), Work())
    let joined = Locked(0)
    await withTaskGroup(of: OneShot<Int>.Outcome.self) { group in
      for _ in 0..<10 {
        group.addTask {
          await flights.value(
            of: "a", deadline: Self.never, joined: { joined.withLock { $0 += 1 } }, work: { await work.run() })
        }
      }
      await until { flights.waiterCount("a") == 10 && work.begun.withLock { $0 } == 1 }
      work.ended.settle(.value(7))
      for await outcome in group { #expect(value(outcome) == 7) }
    }
    #expect(work.begun.withLock { $0 } == 1)
    #expect(joined.withLock { $0 } == 9)
    #expect(flights.waiterCount("a") == 0)
    other.ended.settle(.value(8))
    let later = await flights.value(of: "a", deadline: Self.never, work: { await other.run() })
    #expect(value(later) == 8)
  }

  @Test func `other keys are other flights`() async {
    let flights = SingleFlight<Int, Int, Void>()
    await withTaskGroup(of: OneShot<Int>.Outcome.self) { group in
      for number in 0..<5 {
        group.addTask { await flights.value(of: number, deadline: Self.never, work: { number }) }
      }
      var found: [Int] = []
      for await outcome in group { found.append(value(outcome) ?? -1) }
      #expect(found.sorted() == [0, 1, 2, 3, 4])
    }
  }

  @Test(arguments: [true, false])
  func `each leaves by its own deadline and takes nothing from the others`(leavesFirst: Bool) async {
    let flights = SingleFlight<Int, Int, String>(timer: clock.timer) { "the context" }
    let work = Work()
    let seen = Locked("")
    func hasty() async -> OneShot<Int>.Outcome {
      await flights.value(
        of: 1, deadline: Self.soon, late: { context in seen.withLock { $0 = context } },
        work: { _ in await work.run() })
    }
    func patient() async -> OneShot<Int>.Outcome {
      await flights.value(of: 1, deadline: Self.never, work: { _ in await work.run() })
    }
    async let first = leavesFirst ? hasty() : patient()
    await until { flights.waiterCount(1) == 1 }
    async let second = leavesFirst ? patient() : hasty()
    await until { flights.waiterCount(1) == 2 }
    clock.pass(Self.soon)
    guard case .timedOut = await leavesFirst ? first : second else {
      Issue.record("the deadline had passed")
      return
    }
    #expect(seen.withLock { $0 } == "the context")
    #expect(flights.waiterCount(1) == 1)
    work.ended.settle(.value(3))
    #expect(value(await leavesFirst ? second : first) == 3)
    #expect(!work.wasCancelled.withLock { $0 })
  }

  /// What the context says of the work's state is still true then: steps end when work is cancelled.
  @Test func `who is late sees the context before the work is given up`() async {
    let work = Work()
    let flights = SingleFlight<Int, Int, Work>(timer: clock.timer) { work }
    let wasCancelled = Locked<Bool?>(nil)
    async let only = flights.value(
      of: 1, deadline: Self.soon, late: { work in wasCancelled.withLock { $0 = work.wasCancelled.withLock { $0 } } },
      work: { await $0.run() })
    await until { work.begun.withLock { $0 } == 1 }
    clock.pass(Self.soon)
    guard case .timedOut = await only else {
      Issue.record("the deadline had passed")
      return
    }
    #expect(wasCancelled.withLock { $0 } == false)
    await until { work.wasCancelled.withLock { $0 } }
  }

  @Test func `a caller that is cancelled leaves at once, and with the last one the work ends`() async {
    let flights = SingleFlight<Int, Int, Void>(timer: clock.timer)
    let work = Work()
    let tasks = (0..<2).map { _ in
      Task { await flights.value(of: 1, deadline: Self.never, work: { await work.run() }) }
    }
    await until { flights.waiterCount(1) == 2 }
    tasks[0].cancel()
    guard case .cancelled = await tasks[0].value else {
      Issue.record("it was cancelled")
      return
    }
    #expect(flights.waiterCount(1) == 1)
    tasks[1].cancel()
    guard case .cancelled = await tasks[1].value else {
      Issue.record("it was cancelled")
      return
    }
    await until { work.wasCancelled.withLock { $0 } }
  }

  @Test func `work that is to be finished goes on without anybody, and may be joined`() async {
    let flights = SingleFlight<Int, Int, Void>(unwanted: .finished, timer: clock.timer)
    let (work, unused) = (Work(), Work())
    async let hasty = flights.value(of: 1, deadline: Self.soon, work: { await work.run() })
    await until { work.begun.withLock { $0 } == 1 }
    clock.pass(Self.soon)
    guard case .timedOut = await hasty else {
      Issue.record("the deadline had passed")
      return
    }
    async let second = flights.value(of: 1, deadline: Self.never, work: { await unused.run() })
    await until { flights.waiterCount(1) == 1 }
    work.ended.settle(.value(5))
    #expect(value(await second) == 5)
    #expect(unused.begun.withLock { $0 } == 0)
    #expect(!work.wasCancelled.withLock { $0 })
  }

  @Test func `who comes while given-up work still winds down begins anew`() async {
    let flights = SingleFlight<Int, Int, Void>(timer: clock.timer)
    // Deaf to cancellation, as a C library may be.
    let (deaf, next) = (Work(isDeaf: true), Work())
    async let first = flights.value(of: 1, deadline: Self.soon, work: { await deaf.run() })
    await until { deaf.begun.withLock { $0 } == 1 }
    clock.pass(Self.soon)
    guard case .timedOut = await first else {
      Issue.record("the deadline had passed")
      return
    }
    async let second = flights.value(of: 1, deadline: Self.never, work: { await next.run() })
    await until { next.begun.withLock { $0 } == 1 }
    // The old work's end is none for the new flight.
    deaf.ended.settle(.value(1))
    await until { deaf.wasCancelled.withLock { $0 } }
    #expect(flights.waiterCount(1) == 1)
    next.ended.settle(.value(2))
    #expect(value(await second) == 2)
  }

  @Test func `the monotonic timer ends what passed, and what is cancelled`() async {
    let flights = SingleFlight<Int, Int, Void>()
    let (work, other) = (Work(), Work())
    guard case .timedOut = await flights.value(of: 1, deadline: .now, work: { await work.run() }) else {
      Issue.record("the deadline had passed")
      return
    }
    // No clock's end is too far away to be waited for.
    let task = Task {
      await flights.value(of: 2, deadline: Deadline(nanoseconds: .max), work: { await other.run() })
    }
    await until { flights.waiterCount(2) == 1 }
    task.cancel()
    guard case .cancelled = await task.value else {
      Issue.record("it was cancelled")
      return
    }
  }
}
