import Glibc

/// A point on the monotonic clock by which something must be done. Setting the wall clock does not move it.
public struct Deadline: Sendable, Hashable, Comparable {
  /// Nanoseconds on `CLOCK_MONOTONIC`.
  public let nanoseconds: UInt64

  /// A deadline at an absolute reading of `CLOCK_MONOTONIC`.
  public init(nanoseconds: UInt64) { self.nanoseconds = nanoseconds }

  /// The present moment.
  public static var now: Deadline {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return Deadline(nanoseconds: UInt64(time.tv_sec) &* 1_000_000_000 &+ UInt64(time.tv_nsec))
  }

  /// `duration` from now; a negative duration is now, an absurd one the end of time.
  public static func after(_ duration: Duration) -> Deadline { now.advanced(by: duration) }

  /// This deadline moved by `duration`, kept within the clock's range.
  public func advanced(by duration: Duration) -> Deadline {
    let (seconds, attoseconds) = duration.components
    let (whole, overflow) = seconds.multipliedReportingOverflow(by: 1_000_000_000)
    guard !overflow else { return Deadline(nanoseconds: seconds < 0 ? 0 : .max) }
    let (offset, overflow2) = whole.addingReportingOverflow(attoseconds / 1_000_000_000)
    guard !overflow2 else { return Deadline(nanoseconds: whole < 0 ? 0 : .max) }
    let magnitude = offset.magnitude
    if offset < 0 { return Deadline(nanoseconds: nanoseconds > magnitude ? nanoseconds - magnitude : 0) }
    let (sum, overflow3) = nanoseconds.addingReportingOverflow(magnitude)
    return Deadline(nanoseconds: overflow3 ? .max : sum)
  }

  /// What is left until this deadline; zero once it has passed.
  public var remaining: Duration { since(.now) }

  /// How long `earlier` was before this moment; zero if it was not.
  public func since(_ earlier: Deadline) -> Duration {
    guard nanoseconds > earlier.nanoseconds else { return .zero }
    return .nanoseconds(Int64(clamping: nanoseconds - earlier.nanoseconds))
  }

  /// Whether the moment has passed.
  public var hasPassed: Bool { nanoseconds <= Deadline.now.nanoseconds }

  /// Whether `left` is the earlier one.
  public static func < (left: Deadline, right: Deadline) -> Bool { left.nanoseconds < right.nanoseconds }
}

extension Duration {
  /// Whole milliseconds, rounded towards zero, clamped to `Int`.
  public var milliseconds: Int {
    let (seconds, attoseconds) = components
    let (whole, overflow) = seconds.multipliedReportingOverflow(by: 1000)
    let (sum, overflow2) = whole.addingReportingOverflow(attoseconds / 1_000_000_000_000_000)
    if overflow || overflow2 { return seconds < 0 ? .min : .max }
    return Int(clamping: sum)
  }

  /// Whole microseconds, rounded down; zero for what is negative.
  public var microseconds: Int64 {
    let (seconds, attoseconds) = components
    return max(0, seconds &* 1_000_000 &+ attoseconds / 1_000_000_000_000)
  }
}
