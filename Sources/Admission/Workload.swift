import JSON
import Primitives

/// The lists of a Pod's specification that name images.
enum ImageList: String, Sendable, CaseIterable {
  case initContainers, containers, ephemeralContainers, volumes

  /// What an element of the list is called in messages.
  var noun: String {
    switch self {
    case .initContainers: "init container"
    case .containers: "container"
    case .ephemeralContainers: "ephemeral container"
    case .volumes: "volume"
    }
  }
}

/// One place in a workload where an image is named.
struct ImagePlace: Sendable {
  let list: ImageList
  let index: Int
  /// Of the container or volume; may be empty.
  let name: String
  /// The string value in the object; nil where the place names no image at all.
  let value: JSONValue?
  /// What it says.
  let image: String
  /// Whether the old object names the same image, letter by letter, in the same list under the same name.
  let isUnchanged: Bool

  /// Where the string is in the object, as RFC 6901 writes it.
  var pointer: String {
    "/spec/template/spec/" + list.rawValue + "/\(index)" + (list == .volumes ? "/image/reference" : "/image")
  }

  /// `container db`, for messages.
  var description: String {
    list.noun + " " + (name.isEmpty ? "number \(index + 1)" : name.printable(limit: 63))
  }
}

/// The images of a StatefulSet (apps/v1), and what else of it matters.
struct Workload: Sendable {
  let places: [ImagePlace]
  /// Names of the template's `imagePullSecrets`.
  let pullSecrets: [String]
  let object: JSONValue
  private let template: JSONValue
  private let oldTemplate: JSONValue?

  /// Why an object is not a StatefulSet that can be read.
  struct Invalid: Error {
    let reason: String
  }

  /// Elements of one list that are looked at.
  fileprivate static let maximumElements = 4096

  init(object: JSONValue, old: JSONValue?, maximumImages: Int) throws(Invalid) {
    do {
      self.object = object
      template = try object.member("spec").member("template")
      let specification = try template.member("spec")
      // Trusting an old object that cannot be read would be to take a new image for an old one.
      oldTemplate = old?["spec"]?["template"]
      let oldSpecification = oldTemplate?["spec"]

      var places: [ImagePlace] = []
      for list in ImageList.allCases {
        let elements = try Self.elements(of: list, in: specification)
        if list == .containers, elements.isEmpty { throw Invalid(reason: "spec.template.spec.containers is empty") }
        guard elements.count <= Self.maximumElements else {
          throw Invalid(reason: "spec.template.spec.\(list.rawValue) has more than \(Self.maximumElements) elements")
        }
        if elements.isEmpty { continue }
        let oldImages = OldImages(list, in: oldSpecification)
        for (index, element) in elements.enumerated() {
          guard let (value, image) = try Self.image(of: element, in: list) else { continue }
          guard places.count < maximumImages else {
            throw Invalid(reason: "it names more than \(maximumImages) images, which is as many as are verified")
          }
          let name = try element.optionalMember("name")?.string() ?? ""
          places.append(
            ImagePlace(
              list: list, index: index, name: name, value: value, image: image,
              isUnchanged: value != nil && oldImages.contains(image, named: name)))
        }
      }
      self.places = places
      pullSecrets = try Self.pullSecrets(of: specification)
    } catch let error as JSONError {
      throw Invalid(reason: error.description)
    } catch let error as Invalid {
      throw error
    } catch {
      throw Invalid(reason: "it cannot be read")
    }
  }

  /// Whether every image is where it was.
  var isUnchanged: Bool { places.allSatisfy(\.isUnchanged) }

  /// Whether the whole Pod template is as it was: the update starts nothing that would not start without it.
  func keepsTemplate() -> Bool {
    guard let oldTemplate else { return false }
    return template.differingScalars(from: oldTemplate)?.isEmpty == true
  }

  fileprivate static func elements(of list: ImageList, in specification: JSONValue) throws(JSONError) -> [JSONValue] {
    try specification.optionalMember(list.rawValue)?.elements() ?? []
  }

  /// The image that an element names: nil for a volume that is none of images, a nil value where the image is missing.
  private static func image(
    of element: JSONValue, in list: ImageList
  ) throws(JSONError) -> (value: JSONValue?, text: String)? {
    let value: JSONValue?
    if list == .volumes {
      guard let source = try element.optionalMember("image") else { return nil }
      value = try source.optionalMember("reference")
    } else {
      value = try element.optionalMember("image")
    }
    guard let value else { return (nil, "") }
    let text = try value.string()
    return text.isEmpty ? (nil, "") : (value, text)
  }

  private static func pullSecrets(of specification: JSONValue) throws -> [String] {
    guard let list = try specification.optionalMember("imagePullSecrets") else { return [] }
    let elements = try list.elements()
    guard elements.count <= 64 else {
      throw Invalid(reason: "spec.template.spec.imagePullSecrets has more than 64 elements")
    }
    return try elements.compactMap { try $0.optionalMember("name")?.string() }.filter { !$0.isEmpty }
  }
}

/// The images that one list of the old object names. Looked up by hash: comparing every place with every old element would
/// let a large object hold the loop for seconds.
struct OldImages {
  /// By their bytes: equal strings in Swift may be spelt differently.
  private struct Named: Hashable {
    let name: [UInt8]
    let image: [UInt8]
  }

  private var images: Set<Named> = []

  /// None where the list is absent, larger than is looked at, or cannot be read.
  init(_ list: ImageList, in specification: JSONValue?) {
    guard let specification, let elements = try? Workload.elements(of: list, in: specification),
      elements.count <= Workload.maximumElements
    else { return }
    for element in elements {
      let value = list == .volumes ? element["image"]?["reference"] : element["image"]
      guard let image = try? value?.string(), let name = try? element["name"]?.string() else { continue }
      images.insert(Named(name: Array(name.utf8), image: Array(image.utf8)))
    }
  }

  func contains(_ image: String, named name: String) -> Bool {
    images.contains(Named(name: Array(name.utf8), image: Array(image.utf8)))
  }
}
