public import Crypto
import JSON
import Primitives

/// The media types of manifests that Pinseal reads.
public enum ManifestMediaType {
  /// OCI image manifest.
  public static let image = "application/vnd.oci.image.manifest.v1+json"
  /// OCI image index.
  public static let index = "application/vnd.oci.image.index.v1+json"
  /// Docker image manifest, schema 2.
  public static let dockerImage = "application/vnd.docker.distribution.manifest.v2+json"
  /// Docker manifest list.
  public static let dockerList = "application/vnd.docker.distribution.manifest.list.v2+json"
  /// All of them, as an `Accept` header asks for them.
  public static let all = [image, index, dockerImage, dockerList]
}

/// A manifest as it came: its bytes, what they hash to and what the registry called them.
public struct FetchedManifest: Sendable {
  /// Digest of `bytes`, computed here.
  public let digest: Digest
  /// Content-Type without parameters; empty if the registry gave none.
  public let mediaType: String
  /// The manifest's bytes, nothing added or taken away.
  public let bytes: [UInt8]

  /// A manifest whose digest the caller has computed.
  public init(digest: Digest, mediaType: String, bytes: [UInt8]) {
    self.digest = digest
    self.mediaType = mediaType
    self.bytes = bytes
  }
}

/// An OCI image manifest or Docker schema-2 manifest, or an index / manifest list; never both (CVE-2021-41190).
public enum Manifest: Sendable {
  /// Config and layers (OCI image specification, manifest.md). A signature manifest is one as well.
  case image(
    artifactType: String?, config: Descriptor, layers: [Descriptor], subject: Descriptor?, annotations: [String: String]
  )
  /// Other manifests (image-index.md).
  case index(manifests: [Descriptor], subject: Descriptor?, annotations: [String: String])

  /// Reads a manifest: strict JSON, `schemaVersion` 2, and the form that its media type promises. Content-Type and the
  /// body's `mediaType` must agree; where the registry sends none that says anything, the body's must be there. Members
  /// that nobody knows are let through, as the specification demands. More layers or manifests than
  /// `maximumDescriptors` are refused. Throws `registryMisbehaved` and nothing else.
  public init(parsing manifest: FetchedManifest, maximumDescriptors: Int = 1000) throws(RegistryError) {
    do throws(ManifestFault) {
      try self.init(contentType: manifest.mediaType, bytes: manifest.bytes, limit: maximumDescriptors)
    } catch {
      throw RegistryError(.registryMisbehaved, "manifest \(manifest.digest): \(error.description)")
    }
  }

  private init(contentType: String, bytes: [UInt8], limit: Int) throws(ManifestFault) {
    let document: JSONDocument
    do { document = try JSONDocument(bytes) } catch {
      throw ManifestFault("not JSON: \(error.description.printable())")
    }
    let root = document.root
    guard root.kind == .object else { throw ManifestFault("not a JSON object") }

    // Older formats are named before anything else is found wrong with them.
    if root["fsLayers"] != nil || root["schemaVersion"].map({ $0.bytes.elementsEqual("1".utf8) }) == true {
      throw ManifestFault("Docker's manifest schema 1 is not supported; push the image again with a current tool")
    }
    guard try root.required("schemaVersion").integerValue() == 2 else { throw ManifestFault("schemaVersion is not 2") }

    switch try Form(
      contentType: contentType, body: root.optionalText("mediaType", limit: ManifestBounds.mediaTypeBytes))
    {
    case .image:
      try Self.refuse(["manifests"], in: root, of: "an image manifest")
      self = .image(
        artifactType: try root.optionalText("artifactType", limit: ManifestBounds.mediaTypeBytes),
        config: try Descriptor(root.required("config")),
        layers: try Self.descriptors("layers", in: root, limit: limit),
        subject: try root.optional("subject").map(Descriptor.init),
        annotations: try root.annotations())
    case .index:
      try Self.refuse(["layers", "config"], in: root, of: "an index")
      self = .index(
        manifests: try Self.descriptors("manifests", in: root, limit: limit),
        subject: try root.optional("subject").map(Descriptor.init),
        annotations: try root.annotations())
    }
  }

  /// A document that is two things at once means one to whoever verifies it and another to whoever runs it.
  private static func refuse(_ names: [String], in root: JSONValue, of form: String) throws(ManifestFault) {
    for name in names where try root.optional(name) != nil {
      throw ManifestFault("\(form) by its media type, and yet with \"\(name)\": it could be read as either")
    }
  }

  /// Go programs write an empty list as `null`.
  private static func descriptors(_ name: String, in root: JSONValue, limit: Int) throws(ManifestFault) -> [Descriptor]
  {
    let list = try root.required(name)
    if list.isNull { return [] }
    var descriptors: [Descriptor] = []
    for element in try list.list(limit: limit, of: name) { descriptors.append(try Descriptor(element)) }
    return descriptors
  }
}

/// Which of the two forms a manifest has.
private enum Form {
  case image, index

  /// By what the registry called it and what it calls itself.
  init(contentType: String, body: String?) throws(ManifestFault) {
    let sent = String(contentType.prefix { $0 != ";" }).lowercased().filter { $0 != " " && $0 != "\t" }
    // What a plain file server says of a file it knows nothing about.
    let saysNothing = ["", "application/json", "text/plain", "application/octet-stream"].contains(sent)
    guard let mediaType = saysNothing ? body : sent else {
      throw ManifestFault("neither its Content-Type (\(sent.printable())) nor a member \"mediaType\" says what it is")
    }
    if let body, body != mediaType {
      throw ManifestFault(
        "its Content-Type is \(mediaType.printable()), but it calls itself \(body.printable()): it could be read as either"
      )
    }
    switch mediaType {
    case ManifestMediaType.image, ManifestMediaType.dockerImage: self = .image
    case ManifestMediaType.index, ManifestMediaType.dockerList: self = .index
    case "application/vnd.docker.distribution.manifest.v1+json",
      "application/vnd.docker.distribution.manifest.v1+prettyjws":
      throw ManifestFault("Docker's manifest schema 1 is not supported; push the image again with a current tool")
    default:
      throw ManifestFault(
        "media type \(mediaType.printable()) is no manifest's; known are \(ManifestMediaType.all.joined(separator: ", "))"
      )
    }
  }
}
