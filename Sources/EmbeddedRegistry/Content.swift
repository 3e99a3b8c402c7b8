public import Crypto
import JSON
public import OCI
import Primitives

// What a program puts into the registry without asking over HTTP. Nothing here is refused for its form: a test may want
// exactly what no honest client pushes.
extension EmbeddedRegistry {
  /// Stores a blob and names it by its digest.
  @discardableResult
  public func put(blob bytes: [UInt8], repository: String) throws(RegistryFault) -> Descriptor {
    let digest = Digest(hashing: bytes)
    try state.withLock { state throws(RegistryFault) in try state.store(blob: bytes, as: digest, in: repository) }
    return Descriptor(mediaType: "application/octet-stream", digest: digest, size: Int64(bytes.count))
  }

  /// Stores a manifest, or any bytes as one, under its digest and perhaps a tag.
  @discardableResult
  public func put(manifest bytes: [UInt8], mediaType: String, repository: String, tag: String? = nil)
    throws(RegistryFault) -> Digest
  {
    let digest = Digest(hashing: bytes)
    let entry: RegistryState.StoredManifest
    if let manifest = try? Manifest(parsing: FetchedManifest(digest: digest, mediaType: mediaType, bytes: bytes)) {
      entry = .init(manifest, mediaType: mediaType, bytes: bytes)
    } else {
      entry = .init(
        mediaType: mediaType, bytes: bytes, subject: nil, artifactType: nil, configMediaType: nil, annotations: [:])
    }
    try state.withLock { state throws(RegistryFault) in
      try state.store(manifest: entry, as: digest, tag: tag, in: repository)
    }
    return digest
  }

  /// Pushes a tiny image that no other push has made: one layer, a tar archive with one file, and a config.
  @discardableResult
  public func pushImage(repository: String, tag: String? = nil) throws(RegistryFault) -> Digest {
    let number = state.withLock { state in
      state.imageCount += 1
      return state.imageCount
    }
    let layer = try put(blob: tarArchive(name: "image", content: "\(randomName()) \(number)\n"), repository: repository)
    var config = JSONWriter()
    config.object { config in
      config.member("architecture", "amd64")
      config.member("os", "linux")
      config.name("config")
      config.object { _ in }
      config.name("rootfs")
      config.object {
        $0.member("type", "layers")
        $0.strings("diff_ids", [layer.digest.description])
      }
    }
    let configuration = try put(blob: config.bytes, repository: repository)
    let manifest = imageManifest(
      config: configuration.typed("application/vnd.oci.image.config.v1+json"),
      layers: [layer.typed("application/vnd.oci.image.layer.v1.tar")])
    return try put(manifest: manifest, mediaType: ManifestMediaType.image, repository: repository, tag: tag)
  }

  /// Pushes an index of manifests that are there.
  @discardableResult
  public func pushIndex(repository: String, tag: String? = nil, of manifests: [Digest]) throws(RegistryFault) -> Digest
  {
    var descriptors: [Descriptor] = []
    for digest in manifests { descriptors.append(try descriptor(of: digest, in: repository)) }
    return try put(
      manifest: indexManifest(descriptors), mediaType: ManifestMediaType.index, repository: repository, tag: tag)
  }

  // MARK: Looking

  /// The manifest that is there, without a request being logged.
  public func manifest(_ address: ManifestAddress, repository: String) -> FetchedManifest? {
    state.withLock { state in
      guard let repository = state.repositories[repository] else { return nil }
      let digest: Digest?
      switch address {
      case .tag(let tag): digest = repository.tags[tag]
      case .digest(let named): digest = named
      }
      guard let digest, let manifest = repository.manifests[digest] else { return nil }
      return FetchedManifest(digest: digest, mediaType: manifest.mediaType, bytes: manifest.bytes)
    }
  }

  /// The blob that is there, without a request being logged.
  public func blob(_ digest: Digest, repository: String) -> [UInt8]? {
    state.withLock { $0.repositories[repository]?.blobs[digest] }
  }

  /// The tags of a repository, sorted.
  public func tags(repository: String) -> [String] {
    state.withLock { $0.repositories[repository]?.tags.keys.sorted() ?? [] }
  }

  func descriptor(of digest: Digest, in repository: String) throws(RegistryFault) -> Descriptor {
    guard let manifest = manifest(.digest(digest), repository: repository) else {
      throw .notFound("MANIFEST_UNKNOWN", "no manifest \(digest) in \(repository)")
    }
    return Descriptor(mediaType: manifest.mediaType, digest: digest, size: Int64(manifest.bytes.count))
  }

  // MARK: Tampering

  /// Points a tag elsewhere, or with nil nowhere.
  public func setTag(_ tag: String, repository: String, to digest: Digest?) {
    state.withLock { $0.setTag(tag, in: repository, to: digest) }
  }

  /// Takes a manifest and its tags away.
  @discardableResult
  public func deleteManifest(_ digest: Digest, repository: String) -> Bool {
    state.withLock { $0.removeManifest(digest, in: repository) }
  }

  /// Serves other bytes under a blob's digest, which they do not have. False if there is no such blob.
  @discardableResult
  public func tamper(blob digest: Digest, repository: String, with bytes: [UInt8]) -> Bool {
    state.withLock { $0.overwrite(blob: digest, in: repository, with: bytes) }
  }

  /// Serves other bytes under a manifest's digest, which they do not have. False if there is no such manifest.
  @discardableResult
  public func tamper(manifest digest: Digest, repository: String, with bytes: [UInt8]) -> Bool {
    state.withLock { $0.overwrite(manifest: digest, in: repository, with: bytes) }
  }
}

// MARK: - Forms

extension Descriptor {
  /// The same content under this media type, with these annotations.
  func typed(_ mediaType: String, artifactType: String? = nil, annotations: [String: String] = [:]) -> Descriptor {
    Descriptor(mediaType: mediaType, digest: digest, size: size, artifactType: artifactType, annotations: annotations)
  }
}

/// An OCI image manifest with its members in the order in which cosign writes them.
func imageManifest(
  config: Descriptor, layers: [Descriptor], annotations: [String: String] = [:], subject: Descriptor? = nil,
  artifactType: String? = nil
) -> [UInt8] {
  var writer = JSONWriter()
  writer.object { manifest in
    manifest.member("schemaVersion", 2)
    manifest.member("mediaType", ManifestMediaType.image)
    manifest.name("config")
    manifest.descriptor(config)
    manifest.name("layers")
    manifest.array { list in
      for layer in layers { list.descriptor(layer) }
    }
    if !annotations.isEmpty { manifest.strings("annotations", annotations) }
    if let subject {
      manifest.name("subject")
      manifest.descriptor(subject)
    }
    if let artifactType { manifest.member("artifactType", artifactType) }
  }
  return writer.bytes
}

/// An OCI index.
func indexManifest(_ manifests: [Descriptor]) -> [UInt8] {
  var writer = JSONWriter()
  writer.object { index in
    index.member("schemaVersion", 2)
    index.member("mediaType", ManifestMediaType.index)
    index.name("manifests")
    index.array { list in
      for manifest in manifests { list.descriptor(manifest) }
    }
  }
  return writer.bytes
}

/// A POSIX ustar archive with one file of at most 511 bytes.
private func tarArchive(name: String, content: String) -> [UInt8] {
  var header = [UInt8](repeating: 0, count: 512)
  func field(_ offset: Int, _ text: String) {
    for (index, byte) in text.utf8.enumerated() where offset + index < header.count { header[offset + index] = byte }
  }
  func octal(_ value: Int, digits: Int) -> String {
    let text = String(value, radix: 8)
    return String(repeating: "0", count: max(0, digits - text.count)) + text
  }
  let bytes = Array(content.utf8.prefix(511))
  field(0, name)
  field(100, octal(0o644, digits: 7))
  field(108, octal(0, digits: 7))
  field(116, octal(0, digits: 7))
  field(124, octal(bytes.count, digits: 11))
  field(136, octal(0, digits: 11))
  field(148, "        ")
  field(156, "0")
  field(257, "ustar")
  field(263, "00")
  field(148, octal(header.reduce(0) { $0 + Int($1) }, digits: 6))
  header[154] = 0
  header[155] = 0x20
  let padding = (512 - bytes.count % 512) % 512
  return header + bytes + [UInt8](repeating: 0, count: padding + 1024)
}
