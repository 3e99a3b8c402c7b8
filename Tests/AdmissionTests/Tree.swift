import JSON

@testable import Admission

/// JSON as a tree that tests can change at will, also into what no serialiser would write.
indirect enum Tree {
  case object([(name: String, value: Tree)])
  case array([Tree])
  /// JSON text of a scalar, or of anything.
  case text(String)

  init(_ value: JSONValue) throws {
    switch value.kind {
    case .object: self = .object(try value.members().map { ($0.name, try Tree($0.value)) })
    case .array: self = .array(try value.elements().map { try Tree($0) })
    default: self = .text(String(decoding: value.bytes, as: UTF8.self))
    }
  }

  init(_ bytes: [UInt8]) throws { try self.init(try JSONDocument(bytes, limits: .init(depth: 128)).root) }

  static func string(_ text: String) -> Tree {
    var writer = JSONWriter()
    writer.string(text)
    return .text(writer.text)
  }

  var text: String {
    switch self {
    case .object(let members):
      "{" + members.map { Tree.string($0.name).text + ":" + $0.value.text }.joined(separator: ",") + "}"
    case .array(let elements): "[" + elements.map(\.text).joined(separator: ",") + "]"
    case .text(let text): text
    }
  }

  var bytes: [UInt8] { Array(text.utf8) }

  subscript(_ path: [Step]) -> Tree? {
    guard let step = path.first else { return self }
    switch (self, step) {
    case (.object(let members), .name(let name)):
      return members.first { $0.name == name }?.value[Array(path.dropFirst())]
    case (.array(let elements), .index(let index)):
      return elements.indices.contains(index) ? elements[index][Array(path.dropFirst())] : nil
    default: return nil
    }
  }

  enum Step: Sendable { case name(String), index(Int) }

  /// This tree with what is at `path` changed by `change`, which is given the whole container's entry: nil removes it.
  func changing(_ path: [Step], _ change: (Tree) -> [Tree]) -> Tree {
    guard let step = path.first else { return change(self).first ?? .text("null") }
    let rest = Array(path.dropFirst())
    switch (self, step) {
    case (.object(let members), .name(let name)):
      return .object(
        members.flatMap { member -> [(name: String, value: Tree)] in
          guard member.name == name else { return [member] }
          if rest.isEmpty { return change(member.value).map { (name, $0) } }
          return [(name, member.value.changing(rest, change))]
        })
    case (.array(let elements), .index(let index)):
      return .array(
        elements.enumerated().flatMap { position, element -> [Tree] in
          guard position == index else { return [element] }
          return rest.isEmpty ? change(element) : [element.changing(rest, change)]
        })
    default: return self
    }
  }

  func setting(_ path: [Step], to value: Tree) -> Tree { changing(path) { _ in [value] } }

  /// This tree with a member added to the object at `path`.
  func adding(_ name: String, _ value: Tree, at path: [Step]) -> Tree {
    changing(path) { tree in
      guard case .object(let members) = tree else { return [tree] }
      return [.object(members + [(name, value)])]
    }
  }

  /// The ways to everything in it.
  var paths: [[Step]] {
    switch self {
    case .object(let members):
      members.flatMap { member in [[.name(member.name)]] + member.value.paths.map { [.name(member.name)] + $0 } }
    case .array(let elements):
      elements.enumerated().flatMap { index, element in [[.index(index)]] + element.paths.map { [.index(index)] + $0 } }
    case .text: []
    }
  }
}

extension [Tree.Step] {
  /// `request.object.metadata`, with numbers for indices.
  static func at(_ path: String) -> [Tree.Step] {
    path.split(separator: ".").map { part in Int(part).map { .index($0) } ?? .name(String(part)) }
  }
}

/// One review, built.
struct TestReview {
  var operation = "CREATE"
  var containers: [(name: String, image: String?)] = [("db", "registry.example/db:v1")]
  var initContainers: [(name: String, image: String?)] = []
  var volumes: [(name: String, image: String?)] = []
  /// The stored object's containers; nil for no stored object.
  var oldContainers: [(name: String, image: String?)]?
  var templateAnnotation = ""
  var oldTemplateAnnotation = ""
  var namespace = "hk"
  var isDryRun = false
  var pullSecrets: [String] = []

  var body: [UInt8] { tree.bytes }

  var tree: Tree {
    let object = object(containers, initContainers, volumes, templateAnnotation)
    let old = oldContainers.map { self.object($0, [], [], oldTemplateAnnotation) } ?? .text("null")
    let kind: Tree = .object([
      ("group", .string("apps")), ("version", .string("v1")), ("kind", .string("StatefulSet")),
    ])
    return .object([
      ("kind", .string("AdmissionReview")), ("apiVersion", .string("admission.k8s.io/v1")),
      (
        "request",
        .object([
          ("uid", .string("7a1f")), ("kind", kind), ("name", .string("db")), ("namespace", .string(namespace)),
          ("operation", .string(operation)), ("object", object), ("oldObject", old),
          ("dryRun", .text(isDryRun ? "true" : "false")),
        ])
      ),
    ])
  }

  private func object(
    _ containers: [(name: String, image: String?)], _ initContainers: [(name: String, image: String?)],
    _ volumes: [(name: String, image: String?)], _ annotation: String
  ) -> Tree {
    func list(_ containers: [(name: String, image: String?)]) -> Tree {
      .array(
        containers.map { container in
          .object(
            [("name", .string(container.name))] + (container.image.map { [("image", Tree.string($0))] } ?? []))
        })
    }
    var specification: [(name: String, value: Tree)] = [("containers", list(containers))]
    if !initContainers.isEmpty { specification.append(("initContainers", list(initContainers))) }
    if !volumes.isEmpty {
      let volumes = volumes.map { volume -> Tree in
        guard let image = volume.image else {
          return .object([("name", .string(volume.name)), ("emptyDir", .object([]))])
        }
        return .object([
          ("name", .string(volume.name)),
          ("image", .object([("reference", .string(image)), ("pullPolicy", .string("Always"))])),
        ])
      }
      specification.append(("volumes", .array(volumes)))
    }
    if !pullSecrets.isEmpty {
      specification.append(("imagePullSecrets", .array(pullSecrets.map { .object([("name", .string($0))]) })))
    }
    let template: Tree = .object([
      ("metadata", .object([("annotations", .object([("note", .string(annotation))]))])),
      ("spec", .object(specification)),
    ])
    return .object([
      ("kind", .string("StatefulSet")), ("apiVersion", .string("apps/v1")),
      ("metadata", .object([("name", .string("db")), ("namespace", .string(namespace))])),
      ("spec", .object([("replicas", .text("1")), ("template", template)])),
    ])
  }
}
