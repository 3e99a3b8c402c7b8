import Primitives

/// A Secret with what must be known to write it. Its values appear in no description.
public struct KeptSecret: Sendable, CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
  /// As `kubernetes.io/tls`.
  public var type: String
  /// All its annotations.
  public var annotations: [String: String]
  /// The decoded values.
  public var data: [String: [UInt8]]
  /// What it was read as: a write that is based on it holds only while it is so.
  public var resourceVersion: String

  /// A Secret of these parts.
  public init(type: String, annotations: [String: String], data: [String: [UInt8]], resourceVersion: String) {
    self.type = type
    self.annotations = annotations
    self.data = data
    self.resourceVersion = resourceVersion
  }

  /// Its type and the names of its keys.
  public var description: String {
    "Secret (\(type), keys: \(data.keys.sorted().joined(separator: ", ")); values withheld)"
  }

  /// As `description`.
  public var debugDescription: String { description }

  /// Without the values, so that `dump` shows none.
  public var customMirror: Mirror { Mirror(self, children: ["description": description], displayStyle: .struct) }
}

/// Where a Secret is: names that Kubernetes allows.
public struct SecretPlace: Sendable, Hashable, CustomStringConvertible {
  /// The namespace that it is in.
  public let namespace: String
  /// Its name.
  public let name: String
  let id: ObjectID

  /// `NAMESPACE/NAME`; anything else is refused.
  public init(parsing text: String) throws(ClusterError) {
    let parts = text.split(separator: "/", omittingEmptySubsequences: false).map(String.init)
    guard parts.count == 2 else {
      throw ClusterError(.invalid, "\"\(text.printable(limit: 128))\" names no Secret; write NAMESPACE/NAME")
    }
    id = try ObjectID(.secret, namespace: parts[0], name: parts[1])
    namespace = parts[0]
    name = parts[1]
  }

  /// `NAMESPACE/NAME`.
  public var description: String { "\(namespace)/\(name)" }
}
