import Primitives

/// Something to be said about a StatefulSet with an Event, which `kubectl describe` and `kubectl get events` show.
public struct ClusterEvent: Sendable, Hashable {
  /// The two types that Events have.
  public enum Kind: String, Sendable {
    case normal = "Normal"
    case warning = "Warning"
  }

  /// What the Event hangs on.
  public enum Subject: Sendable, Hashable {
    /// A StatefulSet that exists.
    case statefulSet(name: String, uid: String)
    /// A StatefulSet that is being created. Its Event waits some seconds for it to appear; then the namespace gets it.
    case newStatefulSet(name: String)
    /// The namespace, since there is no such StatefulSet; the note names it. The name may be empty.
    case namespace(mentioning: String)

    /// Of the StatefulSet.
    var name: String {
      switch self {
      case .statefulSet(let name, _), .newStatefulSet(let name), .namespace(let name): name
      }
    }
  }

  /// Bytes of a note: the API takes no more.
  static let maximumNoteBytes = 1024
  /// Bytes of reasons, actions and reporting instances: the API takes no more.
  static let maximumLabelBytes = 128

  /// Normal or Warning.
  public let kind: Kind
  /// Why, in one word: `ImageVerificationFailed`.
  public let reason: String
  /// What was being done, in one word: `Verify`.
  public private(set) var action: String
  /// The namespace of the StatefulSet and of the Event.
  public let namespace: String
  /// What it hangs on.
  public private(set) var subject: Subject
  /// What there is to say. Made printable; cut where the API takes no more.
  public let note: String

  /// An Event of these parts. A StatefulSet whose name can be none is not looked for: the namespace gets its Events.
  public init(kind: Kind, reason: String, action: String, namespace: String, subject: Subject, note: String) {
    self.kind = kind
    self.reason = reason
    self.action = action
    self.namespace = namespace
    self.subject = DNSName.isSubdomain(subject.name) ? subject : .namespace(mentioning: subject.name)
    self.note = note.printable(limit: Self.maximumNoteBytes)
  }

  /// This event about another subject.
  func about(_ subject: Subject) -> ClusterEvent {
    var event = self
    event.subject = subject
    return event
  }

  /// This event with another action.
  func doing(_ action: String) -> ClusterEvent {
    var event = self
    event.action = action
    return event
  }

  /// The note as it is sent: led by the StatefulSet's name where the Event hangs on the namespace.
  var sentNote: String {
    var text = note
    if case .namespace(let name) = subject {
      text = (name.isEmpty ? "a new StatefulSet" : "StatefulSet " + name.printable(limit: 253)) + ": " + note
    }
    return text.cut(toBytes: Self.maximumNoteBytes)
  }

  /// A name for an Event: the subject's own and a moment, as other reporters write it; a name that Kubernetes allows.
  func objectName(nanoseconds: Int64) -> String {
    let name = if case .namespace = subject { namespace } else { subject.name }
    // Sixteen digits and a dot at most follow; 253 bytes are allowed.
    var stem = name.utf8.prefix(230)
    while let last = stem.last, last == UInt8(ascii: ".") || last == UInt8(ascii: "-") { stem.removeLast() }
    return "\(Substring(stem)).\(String(nanoseconds.magnitude, radix: 16))"
  }
}

extension String {
  /// At most `limit` bytes of UTF-8, whole scalars, with an ellipsis for what is cut off.
  func cut(toBytes limit: Int) -> String {
    guard utf8.count > limit else { return self }
    var result = String.UnicodeScalarView()
    var count = 3
    for scalar in unicodeScalars {
      count += UTF8.width(scalar)
      if count > limit { break }
      result.append(scalar)
    }
    return String(result) + "…"
  }
}
