public import Crypto
import Primitives

/// The state of the trusted root, as values for metrics and as lines for people.
public struct TrustRootStatus: Sendable {
  /// The root in use.
  public let snapshot: TrustRootSnapshot
  /// When the user's source was last seen to be as it is in use; nil without one.
  public let checked: UnixTime?
  /// Why the present state of the user's source is not used; nil if it is.
  public let failure: String?
  /// Times that another root was taken up.
  public let reloads: Int
  /// Times that a changed source was not usable.
  public let failures: Int
  /// The state of the refresh through TUF; nil if that is off.
  public let tuf: TUFStatus?

  /// The kinds of the parts, user's first, for a label: `bundled`, `file`, `file+tuf`.
  public var label: String { snapshot.parts.map(\.kind.rawValue).joined(separator: "+") }

  /// Seconds since the oldest part was last known to be the present one.
  public func age(at now: UnixTime) -> Int64 {
    let times = snapshot.parts.map { part in
      switch part.kind {
      case .bundled, .tuf: part.asOf
      case .file, .configMap: checked ?? part.asOf
      }
    }
    return max(0, now.subtractingReportingOverflow(times.min() ?? now).partialValue)
  }

  /// Lines for `/readyz?verbose`. None of them makes an instance unready: a root that was good stays good.
  public func lines(at now: UnixTime) -> [String] {
    var lines: [String] = []
    for part in snapshot.parts {
      lines.append(
        "trusted root: \(part.kind.rawValue), \(part.place.printable()), \(part.digest), as of \(CalendarTime.text(part.asOf))"
      )
    }
    lines.append(
      "trusted root: in use since \(CalendarTime.text(snapshot.since)), "
        + (snapshot.validUntil.map {
          "\($0 < now ? "NO LONGER vouches" : "vouches") for new signatures until \(CalendarTime.text($0))"
        } ?? "vouches for new signatures without an end"))
    if let failure { lines.append("trusted root: NOT RELOADED: \(failure)") }
    if let tuf { lines += tuf.lines(at: now) }
    return lines
  }
}

/// The state of the refresh through TUF.
public struct TUFStatus: Sendable, Equatable {
  /// The mirror's address.
  public let mirror: String
  /// The version of the root that is trusted.
  public var rootVersion: Int64
  /// When the first of the repository's files at hand goes out of date.
  public var expires: UnixTime
  /// The last refresh that succeeded.
  public var lastSuccess: UnixTime?
  /// The last refresh.
  public var lastAttempt: UnixTime?
  /// Why the last refresh failed; nil if it did not.
  public var failure: TUFError?
  /// Refreshes that succeeded.
  public var successes = 0
  /// Refreshes that failed.
  public var failures = 0

  func lines(at now: UnixTime) -> [String] {
    var lines = [
      "tuf: root version \(rootVersion), files at hand \(expires < now ? "OUT OF DATE since" : "good until")"
        + " \(CalendarTime.text(expires)), last refreshed \(lastSuccess.map(CalendarTime.text) ?? "never"), \(mirror)"
    ]
    if let failure { lines.append("tuf: REFRESH FAILED: \(failure.description.printable(limit: 512))") }
    return lines
  }
}
