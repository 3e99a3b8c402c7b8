/// Seconds since 1970-01-01T00:00:00Z, leap seconds not counted. Times come in as values: nothing that verifies reads a
/// clock.
public typealias UnixTime = Int64

/// A span of time. Both ends belong to it; an end that is absent is open.
public struct Validity: Sendable, Hashable {
  /// The first second.
  public let start: UnixTime?
  /// The last second.
  public let end: UnixTime?

  /// A span, without bounds where none are given.
  public init(start: UnixTime? = nil, end: UnixTime? = nil) {
    self.start = start
    self.end = end
  }

  /// Whether `time` lies in it, ends included.
  public func contains(_ time: UnixTime) -> Bool {
    if let start, time < start { return false }
    if let end, time > end { return false }
    return true
  }
}
