/// A namespace, as far as Pinseal reads it.
public struct Namespace: Sendable, Hashable {
  /// Its name.
  public let name: String
  /// All its annotations.
  public let annotations: [String: String]
  /// All its labels.
  public let labels: [String: String]
  /// Changes whenever the object does.
  public let resourceVersion: String

  /// A namespace of these parts.
  public init(
    name: String, annotations: [String: String], labels: [String: String] = [:], resourceVersion: String = ""
  ) {
    self.name = name
    self.annotations = annotations
    self.labels = labels
    self.resourceVersion = resourceVersion
  }
}

/// A Secret. Its values appear in no description.
public struct Secret: Sendable, CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
  /// The namespace that it is in.
  public let namespace: String
  /// Its name.
  public let name: String
  /// As `kubernetes.io/dockerconfigjson`; `Opaque` where none was given.
  public let type: String
  /// Changes whenever the object does.
  public let resourceVersion: String
  /// The decoded values.
  public let data: [String: [UInt8]]

  /// A Secret of these parts.
  public init(namespace: String, name: String, type: String, data: [String: [UInt8]], resourceVersion: String = "") {
    self.namespace = namespace
    self.name = name
    self.type = type
    self.data = data
    self.resourceVersion = resourceVersion
  }

  /// Where it is, its type and the names of its keys.
  public var description: String {
    "Secret \(namespace)/\(name) (\(type), keys: \(data.keys.sorted().joined(separator: ", ")); values withheld)"
  }

  /// As `description`.
  public var debugDescription: String { description }

  /// Without the values, so that `dump` shows none.
  public var customMirror: Mirror {
    Mirror(self, children: ["description": description], displayStyle: .struct)
  }
}

/// A ConfigMap, as far as Pinseal reads it.
public struct ConfigMap: Sendable, Hashable {
  /// The namespace that it is in.
  public let namespace: String
  /// Its name.
  public let name: String
  /// Changes whenever the object does.
  public let resourceVersion: String
  /// The text values; `binaryData` is not read.
  public let data: [String: String]

  /// A ConfigMap of these parts.
  public init(namespace: String, name: String, data: [String: String], resourceVersion: String = "") {
    self.namespace = namespace
    self.name = name
    self.data = data
    self.resourceVersion = resourceVersion
  }
}
