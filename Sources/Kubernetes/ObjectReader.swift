import Primitives

/// One object of a file or an answer.
enum ClusterObject: Sendable {
  case namespace(Namespace)
  case secret(Secret)
  case configMap(ConfigMap)
}

/// Makes objects of documents.
enum ObjectReader {
  /// The objects of a document of any kind, those of a `List` one by one; kinds that are not read are left out.
  static func objects(in document: Node) throws(NodeError) -> [(id: ObjectID, object: ClusterObject)] {
    if case .null = document.content { return [] }
    let reader = NodeReader(document)
    let kind = try requiredString("kind", in: reader)
    guard kind == "List" || kind == "NamespaceList" || kind == "SecretList" || kind == "ConfigMapList" else {
      return try object(reader, kind: kind).map { [$0] } ?? []
    }
    guard try requiredString("apiVersion", in: reader) == "v1" else { throw reader.error("is a List, but not of v1") }
    var objects: [(id: ObjectID, object: ClusterObject)] = []
    for item in try reader.optional("items")?.elements() ?? [] {
      // The items of a typed list need not repeat what they are.
      var itemKind = String(kind.dropLast("List".count))
      var isTyped = true
      if itemKind.isEmpty {
        itemKind = try requiredString("kind", in: item)
        isTyped = false
      }
      guard !itemKind.hasSuffix("List") else { throw item.error("is a list within a List, which is not read") }
      if let object = try object(item, kind: itemKind, isVersionKnown: isTyped) { objects.append(object) }
    }
    return objects
  }

  /// The object, or nil for a kind that is not read.
  private static func object(
    _ reader: NodeReader, kind: String, isVersionKnown: Bool = false
  ) throws(NodeError) -> (id: ObjectID, object: ClusterObject)? {
    guard let known = ObjectKind(rawValue: kind) else { return nil }
    if !isVersionKnown {
      let version = try requiredString("apiVersion", in: reader)
      // Another group may well have a kind of this name; the core group has one version.
      if version.contains("/") { return nil }
      guard version == "v1" else {
        throw reader.error("is a \(kind) of apiVersion \"\(version.printable(limit: 32))\", expected v1")
      }
    }
    return try object(reader, known)
  }

  /// An object whose kind and version have been looked at.
  static func object(
    _ reader: NodeReader, _ kind: ObjectKind
  ) throws(NodeError) -> (id: ObjectID, object: ClusterObject) {
    guard let metadata = try reader.optional("metadata") else {
      throw reader.error("is a \(kind.rawValue) without metadata")
    }
    let name = try requiredString("name", in: metadata)
    let namespace = try namespace(metadata)
    let id: ObjectID
    do throws(ClusterError) {
      id = try ObjectID(kind, namespace: namespace, name: name)
    } catch {
      throw metadata.error("is not right: \(error.description)")
    }
    let version = try metadata.optionalString("resourceVersion") ?? ""
    switch kind {
    case .namespace:
      return (
        id,
        .namespace(
          Namespace(
            name: id.name, annotations: try metadata.optional("annotations")?.strings() ?? [:],
            labels: try metadata.optional("labels")?.strings() ?? [:], resourceVersion: version))
      )
    case .secret:
      return (
        id,
        .secret(
          Secret(
            namespace: id.namespace, name: id.name, type: try reader.optionalString("type") ?? "Opaque",
            data: try secretData(reader), resourceVersion: version))
      )
    case .configMap:
      return (
        id,
        .configMap(
          ConfigMap(
            namespace: id.namespace, name: id.name, data: try reader.optional("data")?.strings() ?? [:],
            resourceVersion: version))
      )
    }
  }

  /// The values of `data` decoded, those of `stringData` over them, as the API server merges them.
  private static func secretData(_ reader: NodeReader) throws(NodeError) -> [String: [UInt8]] {
    var result: [String: [UInt8]] = [:]
    for (key, value) in try reader.optional("data")?.members() ?? [] {
      if case .null = value.node.content {
        result[key] = []
        continue
      }
      guard let bytes = Base64.decode(try value.string()) else {
        throw value.error("is not base64 (with padding, without white space); use stringData for plain text")
      }
      result[key] = bytes
    }
    for (key, text) in try reader.optional("stringData")?.strings() ?? [:] { result[key] = Array(text.utf8) }
    return result
  }

  private static func namespace(_ metadata: NodeReader) throws(NodeError) -> String {
    let namespace = try metadata.optionalString("namespace") ?? ""
    return namespace.isEmpty ? "default" : namespace
  }

  private static func requiredString(_ key: String, in reader: NodeReader) throws(NodeError) -> String {
    guard let value = try reader.optionalString(key) else { throw reader.error("lacks \(key)") }
    return value
  }
}
