import Primitives

/// The earliest moment at which the loop must look at its transfers' deadlines. Of the loop's thread alone.
final class Alarm {
  private(set) var earliest = Deadline(nanoseconds: .max)

  /// A deadline that may be earlier than all others; that of a transfer may move on without the alarm being told.
  func note(_ deadline: Deadline) { earliest = min(earliest, deadline) }

  func set(_ deadline: Deadline?) { earliest = deadline ?? Deadline(nanoseconds: .max) }
}
