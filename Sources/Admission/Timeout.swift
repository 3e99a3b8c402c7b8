import Primitives

/// The caller's time: the `timeout` that the API server adds to the URL's query.
enum Timeout {
  /// The least and the most that a `timeout` is taken for; the API server allows webhooks 1 to 30 seconds.
  static let bounds: ClosedRange<Duration> = .milliseconds(100) ... .seconds(30)

  /// The time there is for an answer: what the query says, or else `fallback`, kept within bounds, less `margin` for the
  /// way back (half of it at most).
  static func budget(query: String, fallback: Duration, margin: Duration) -> Duration {
    let asked = value(inQuery: query).flatMap(parse) ?? fallback
    let timeout = min(max(asked, bounds.lowerBound), bounds.upperBound)
    return max(timeout - max(margin, .zero), timeout / 2)
  }

  /// The first `timeout` of a query, its percent encoding resolved.
  private static func value(inQuery query: String) -> [UInt8]? {
    for pair in query.utf8.prefix(8192).split(separator: UInt8(ascii: "&")) {
      let parts = pair.split(separator: UInt8(ascii: "="), maxSplits: 1, omittingEmptySubsequences: false)
      if parts.count == 2, parts[0].elementsEqual("timeout".utf8) { return decode(parts[1]) }
    }
    return nil
  }

  private static func decode(_ text: Substring.UTF8View) -> [UInt8]? {
    var bytes: [UInt8] = []
    var rest = text[...]
    while let byte = rest.popFirst() {
      guard byte == UInt8(ascii: "%") else {
        bytes.append(byte)
        continue
      }
      guard let high = rest.popFirst().flatMap(digit), let low = rest.popFirst().flatMap(digit) else { return nil }
      bytes.append(high << 4 | low)
    }
    return bytes
  }

  private static func digit(_ byte: UInt8) -> UInt8? {
    switch byte {
    case UInt8(ascii: "0")...UInt8(ascii: "9"): byte - 0x30
    case UInt8(ascii: "a")...UInt8(ascii: "f"): byte - 0x57
    case UInt8(ascii: "A")...UInt8(ascii: "F"): byte - 0x37
    default: nil
    }
  }

  /// A duration as Go writes and reads it: `10s`, `1m30s`, `1.5h`, `500ms`; nil for anything else, negative ones included.
  static func parse(_ text: [UInt8]) -> Duration? {
    if text == Array("0".utf8) { return .zero }
    guard !text.isEmpty, text.count <= 64 else { return nil }
    var total: Int64 = 0
    var rest = text[...]
    while !rest.isEmpty {
      guard let part = component(&rest) else { return nil }
      let (sum, overflow) = total.addingReportingOverflow(part)
      if overflow { return nil }
      total = sum
    }
    return .nanoseconds(total)
  }

  /// One number with its unit, in nanoseconds.
  private static func component(_ rest: inout ArraySlice<UInt8>) -> Int64? {
    func digits() -> ArraySlice<UInt8> {
      let run = rest.prefix { $0 >= 0x30 && $0 <= 0x39 }
      rest = rest.dropFirst(run.count)
      return run
    }
    let whole = digits()
    var fraction: ArraySlice<UInt8> = []
    if rest.first == UInt8(ascii: ".") {
      rest = rest.dropFirst()
      fraction = digits()
    }
    if whole.isEmpty && fraction.isEmpty { return nil }
    let unit = rest.prefix { !($0 >= 0x30 && $0 <= 0x39) && $0 != UInt8(ascii: ".") }
    rest = rest.dropFirst(unit.count)
    guard let scale = nanoseconds(inUnit: unit), whole.count <= 18 else { return nil }
    var value: Int64 = 0
    for byte in whole { value = value * 10 + Int64(byte - 0x30) }
    let (scaled, overflow) = value.multipliedReportingOverflow(by: scale)
    if overflow { return nil }
    var part = scale
    var extra: Int64 = 0
    for byte in fraction.prefix(18) {
      part /= 10
      extra += part * Int64(byte - 0x30)
    }
    let (sum, overflow2) = scaled.addingReportingOverflow(extra)
    return overflow2 ? nil : sum
  }

  private static func nanoseconds(inUnit unit: ArraySlice<UInt8>) -> Int64? {
    switch String(decoding: unit, as: UTF8.self) {
    case "ns": 1
    case "us", "\u{B5}s", "\u{3BC}s": 1000
    case "ms": 1_000_000
    case "s": 1_000_000_000
    case "m": 60_000_000_000
    case "h": 3_600_000_000_000
    default: nil
    }
  }
}
