import JSON
import Primitives

/// One element of `status.conditions`, as far as Pinseal writes and compares it.
struct Condition: Sendable, Hashable {
  /// The type of the condition that Pinseal keeps.
  static let degraded = "Degraded"
  /// Why it is true.
  static let failed = "ImageVerificationFailed"
  /// Why it is false: the images of an update were verified.
  static let succeeded = "ImageVerificationSucceeded"
  /// Why it is false: an update was let in without that, for verification is off or does not block.
  static let notEnforced = "ImageVerificationNotEnforced"

  /// Bytes of a message, which is kept in etcd: as long as a refusal can be.
  static let maximumMessageBytes = 4096

  /// `True`, `False` or `Unknown`.
  var status: String
  /// In one word.
  var reason: String
  /// In words.
  var message: String
  /// When `status` last changed, as RFC 3339 has it; empty if nobody said.
  var lastTransitionTime: String

  var isTrue: Bool { status.utf8.elementsEqual("True".utf8) }

  /// Whether it says what Pinseal says: that images failed, or that they no longer do.
  var isOwn: Bool {
    if isTrue { return reason.utf8.elementsEqual(Self.failed.utf8) }
    guard status.utf8.elementsEqual("False".utf8) else { return false }
    return [Self.succeeded, Self.notEnforced].contains { reason.utf8.elementsEqual($0.utf8) }
  }

  /// Whether both say the same, if in other words: the same status, and either both or neither of them as Pinseal would.
  func agrees(with other: Condition) -> Bool {
    status.utf8.elementsEqual(other.status.utf8) && isOwn == other.isOwn
  }

  /// The condition of this type; nil where there is none. Members that are missing or no strings are taken for empty.
  init?(type: String, in conditions: [JSONValue]) {
    guard let value = conditions.first(where: { $0["type"]?.isString(type) == true }) else { return nil }
    func text(_ name: String) -> String { (try? value[name]?.string()) ?? "" }
    self.init(
      status: text("status"), reason: text("reason"), message: text("message"),
      lastTransitionTime: text("lastTransitionTime"))
  }

  init(status: String, reason: String, message: String, lastTransitionTime: String = "") {
    self.status = status
    self.reason = reason
    self.message = message
    self.lastTransitionTime = lastTransitionTime
  }

  /// Writes it as an element of a list of conditions.
  func write(type: String, observedGeneration: Int64? = nil, to writer: inout JSONWriter) {
    writer.object {
      $0.member("type", type)
      $0.member("status", status)
      if let observedGeneration { $0.member("observedGeneration", observedGeneration) }
      $0.member("lastTransitionTime", lastTransitionTime)
      $0.member("reason", reason)
      $0.member("message", message)
    }
  }

  /// Seconds since 1970 as Kubernetes writes a time: `2026-11-24T10:00:00Z`.
  static func time(_ seconds: Int64) -> String {
    CalendarTime.text(seconds)
  }
}
