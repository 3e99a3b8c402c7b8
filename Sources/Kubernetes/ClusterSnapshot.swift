import JSON
import Primitives

/// The objects of a set of files at one time.
struct ClusterSnapshot: Sendable {
  private(set) var namespaces: [String: Namespace] = [:]
  private(set) var secrets: [ObjectID: Secret] = [:]
  private(set) var configMaps: [ObjectID: ConfigMap] = [:]
  private var origins: [ObjectID: String] = [:]

  /// Adds the objects of one file (JSON if its name ends so, else YAML).
  mutating func add(_ bytes: [UInt8], file path: String) throws(ClusterError) {
    let file = path.printable(limit: 1024)
    let documents = try Self.documents(bytes, isJSON: path.hasSuffix(".json"), file: file)
    for (index, document) in documents.enumerated() {
      let objects: [(id: ObjectID, object: ClusterObject)]
      do throws(NodeError) {
        objects = try ObjectReader.objects(in: document)
      } catch {
        throw Self.error(error, file: file, document: documents.count > 1 ? index + 1 : nil)
      }
      for (id, object) in objects { try add(object, id: id, file: file) }
    }
  }

  private mutating func add(_ object: ClusterObject, id: ObjectID, file: String) throws(ClusterError) {
    if let other = origins.updateValue(file, forKey: id) {
      let place = other == file ? "twice in \(file)" : "in \(other) and in \(file)"
      throw ClusterError(.invalid, "\(id) stands \(place); keep one")
    }
    switch object {
    case .namespace(let namespace): namespaces[id.name] = namespace
    case .secret(let secret): secrets[id] = secret
    case .configMap(let configMap): configMaps[id] = configMap
    }
  }

  /// Gives each object a resource version: its old one if it is as it was in `old`, else one made of `generation`.
  ///
  /// What a file itself says of the version is not taken: people change files without changing that line.
  mutating func setVersions(after old: ClusterSnapshot, generation: Int) {
    let version = "file-\(generation)"
    for (name, new) in namespaces {
      let before = old.namespaces[name]
      let isSame = before?.annotations == new.annotations && before?.labels == new.labels
      namespaces[name] = Namespace(
        name: name, annotations: new.annotations, labels: new.labels,
        resourceVersion: isSame ? before?.resourceVersion ?? version : version)
    }
    for (id, new) in secrets {
      let before = old.secrets[id]
      let isSame = before?.type == new.type && before?.data == new.data
      secrets[id] = Secret(
        namespace: new.namespace, name: new.name, type: new.type, data: new.data,
        resourceVersion: isSame ? before?.resourceVersion ?? version : version)
    }
    for (id, new) in configMaps {
      let before = old.configMaps[id]
      configMaps[id] = ConfigMap(
        namespace: new.namespace, name: new.name, data: new.data,
        resourceVersion: before?.data == new.data ? before?.resourceVersion ?? version : version)
    }
  }

  private static func documents(_ bytes: [UInt8], isJSON: Bool, file: String) throws(ClusterError) -> [Node] {
    if isJSON {
      do throws(JSONError) {
        return [try Node(try JSONDocument(bytes).root)]
      } catch {
        throw ClusterError(
          .invalid, "\(file) is not JSON as Pinseal reads it: \(error.description.printable(limit: 200))")
      }
    }
    do throws(NodeError) {
      return try YAML.documents(bytes)
    } catch {
      throw Self.error(error, file: file, document: nil)
    }
  }

  private static func error(_ error: NodeError, file: String, document: Int?) -> ClusterError {
    var place = file
    if let document { place += ", document \(document)" }
    if error.line > 0 { place += ", line \(error.line)" }
    return ClusterError(.invalid, "\(place): \(error.description.printable(limit: 300))")
  }
}
