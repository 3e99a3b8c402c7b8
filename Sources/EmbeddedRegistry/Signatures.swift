public import Crypto
import JSON
import OCI
import Primitives
public import Sigstore

/// Where and how a signature is attached.
public enum SignatureFormat: Sendable, Hashable, CaseIterable {
  /// A simple signing layer at the tag `sha256-HEX.sig`, as cosign 1 and 2 and skopeo do; signing again adds a layer.
  case signatureTag
  /// The same layer in a manifest that refers to the image, as cosign 2 does with `--registry-referrers-mode=oci-1-1`.
  case signatureReferrer
  /// A Sigstore bundle in a manifest that refers to the image, as cosign 3 does.
  case bundle
}

/// What `attachSignature` cannot do.
public enum AttachError: Error, Sendable, CustomStringConvertible {
  /// The registry refused.
  case registry(RegistryFault)
  /// The key could not sign.
  case key(KeyError)

  /// The reason.
  public var description: String {
    switch self {
    case .registry(let fault): fault.description
    case .key(let error): error.description
    }
  }
}

extension EmbeddedRegistry {
  /// The predicate type of an image signature in a bundle.
  public static var imageSignaturePredicate: String { "https://sigstore.dev/cosign/sign/v1" }

  /// Signs the manifest `digest` and attaches the signature as cosign would. Gives the signature manifest's digest.
  ///
  /// `dockerReference` is what the payload calls the image: by default the registry's name and the repository.
  /// `annotations` are signed with it; with `log`, its proof is attached.
  @discardableResult
  public func attachSignature(
    repository: String, digest: Digest, key: PrivateKey, as format: SignatureFormat = .signatureTag,
    dockerReference: String? = nil, predicateType: String = EmbeddedRegistry.imageSignaturePredicate,
    annotations: [String: String] = [:], log: MemoryLog? = nil
  ) throws(AttachError) -> Digest {
    switch format {
    case .signatureTag, .signatureReferrer:
      let signed = try signing { () throws(KeyError) in
        try ImageSigner.layer(
          dockerReference: dockerReference ?? "\(configuration.name)/\(repository)", digest: digest, key: key,
          annotations: annotations, log: log)
      }
      return try storing { () throws(RegistryFault) in
        try attachSimpleSigning(
          repository: repository, digest: digest, payload: signed.payload,
          annotations: signed.annotations, asReferrer: format == .signatureReferrer)
      }
    case .bundle:
      let bundle = try signing { () throws(KeyError) in
        try ImageSigner.bundle(
          digest: digest, key: key, predicateType: predicateType, annotations: annotations, log: log)
      }
      return try storing { () throws(RegistryFault) in
        try attachBundle(repository: repository, digest: digest, bundle: bundle, predicateType: predicateType)
      }
    }
  }

  /// Attaches any bytes as a simple signing payload: what `attachSignature` does after signing.
  @discardableResult
  public func attachSimpleSigning(
    repository: String, digest: Digest, payload: [UInt8], annotations: [String: String],
    layerMediaType: String = MediaType.simpleSigning, asReferrer: Bool = false
  ) throws(RegistryFault) -> Digest {
    let layer = try put(blob: payload, repository: repository).typed(layerMediaType, annotations: annotations)
    if asReferrer {
      let config = try put(blob: signatureConfig(layers: [layer]), repository: repository)
      let manifest = imageManifest(
        config: config.typed(MediaType.cosignSignatureArtifact), layers: [layer],
        subject: try descriptor(of: digest, in: repository))
      return try attachReferrer(
        manifest, listedAs: MediaType.cosignSignatureArtifact, repository: repository, subject: digest)
    }
    let tag = ImageSignature.signatureTag(digest)
    var layers: [Descriptor] = []
    if let present = manifest(.tag(tag), repository: repository),
      case .image(_, _, let old, _, _)? = try? Manifest(parsing: present)
    {
      layers = old
    }
    layers.append(layer)
    let config = try put(blob: signatureConfig(layers: layers), repository: repository)
    let manifest = imageManifest(config: config.typed("application/vnd.oci.image.config.v1+json"), layers: layers)
    return try put(manifest: manifest, mediaType: ManifestMediaType.image, repository: repository, tag: tag)
  }

  /// Attaches any bytes as a Sigstore bundle: what `attachSignature` does after signing.
  @discardableResult
  public func attachBundle(
    repository: String, digest: Digest, bundle: [UInt8],
    predicateType: String = EmbeddedRegistry.imageSignaturePredicate
  ) throws(RegistryFault) -> Digest {
    let layer = try put(blob: bundle, repository: repository).typed(MediaType.bundleV03)
    let config = try put(blob: Array("{}".utf8), repository: repository)
    let manifest = imageManifest(
      config: config.typed("application/vnd.oci.empty.v1+json", artifactType: MediaType.bundleV03), layers: [layer],
      annotations: [
        "dev.sigstore.bundle.content": "dsse-envelope", "dev.sigstore.bundle.predicateType": predicateType,
        // The same for all: what was signed when is not what these signatures are about.
        "org.opencontainers.image.created": "2026-01-01T00:00:00Z",
      ], subject: try descriptor(of: digest, in: repository), artifactType: MediaType.bundleV03)
    return try attachReferrer(
      manifest, listedAs: "application/vnd.oci.empty.v1+json", repository: repository, subject: digest)
  }

  /// Stores a manifest that refers to `subject`; without the referrers API, also adds it to the index at the fallback tag,
  /// under the config's media type as go-containerregistry does.
  @discardableResult
  public func attachReferrer(
    _ manifest: [UInt8], listedAs artifactType: String, repository: String, subject: Digest
  ) throws(RegistryFault) -> Digest {
    let digest = try put(manifest: manifest, mediaType: ManifestMediaType.image, repository: repository)
    if configuration.hasReferrersAPI { return digest }
    let tag = Self.fallbackTag(subject)
    var listed: [Descriptor] = []
    if let present = self.manifest(.tag(tag), repository: repository),
      case .index(let old, _, _)? = try? Manifest(parsing: present)
    {
      listed = old
    }
    if !listed.contains(where: { $0.digest == digest }) {
      listed.append(
        try descriptor(of: digest, in: repository).typed(ManifestMediaType.image, artifactType: artifactType))
    }
    try put(manifest: indexManifest(listed), mediaType: ManifestMediaType.index, repository: repository, tag: tag)
    return digest
  }

  /// Puts the signatures of one image where another's belong, as a thief would: they are genuine, but for another digest.
  public func copySignatures(
    from source: Digest, in sourceRepository: String, to target: Digest, in targetRepository: String
  ) throws(RegistryFault) {
    if let manifest = manifest(.tag(ImageSignature.signatureTag(source)), repository: sourceRepository) {
      try copyBlobs(of: manifest, from: sourceRepository, to: targetRepository)
      try put(
        manifest: manifest.bytes, mediaType: manifest.mediaType, repository: targetRepository,
        tag: ImageSignature.signatureTag(target))
    }
    let referrers = state.withLock { $0.repositories[sourceRepository]?.referrers[source] ?? [] }
    for digest in referrers {
      guard let manifest = manifest(.digest(digest), repository: sourceRepository),
        case .image(let artifactType, let config, let layers, _, let annotations)? = try? Manifest(parsing: manifest)
      else { continue }
      try copyBlobs(of: manifest, from: sourceRepository, to: targetRepository)
      try attachReferrer(
        imageManifest(
          config: config, layers: layers, annotations: annotations,
          subject: try descriptor(of: target, in: targetRepository), artifactType: artifactType),
        listedAs: config.mediaType, repository: targetRepository, subject: target)
    }
  }

  /// `sha256-HEX`: the tag of the index of referrers where there is no API for them.
  public static func fallbackTag(_ digest: Digest) -> String { "\(digest.algorithm.rawValue)-\(digest.hex)" }

  private func copyBlobs(of manifest: FetchedManifest, from source: String, to target: String) throws(RegistryFault) {
    guard case .image(_, let config, let layers, _, _)? = try? Manifest(parsing: manifest) else { return }
    for descriptor in [config] + layers {
      guard let bytes = blob(descriptor.digest, repository: source) else { continue }
      try put(blob: bytes, repository: target)
    }
  }
}

private func signing<Result>(_ body: () throws(KeyError) -> Result) throws(AttachError) -> Result {
  do { return try body() } catch { throw .key(error) }
}

private func storing<Result>(_ body: () throws(RegistryFault) -> Result) throws(AttachError) -> Result {
  do { return try body() } catch { throw .registry(error) }
}

/// The image config that go-containerregistry writes for a manifest of signatures.
private func signatureConfig(layers: [Descriptor]) -> [UInt8] {
  let epoch = "0001-01-01T00:00:00Z"
  var writer = JSONWriter()
  writer.object { config in
    config.member("architecture", "")
    config.member("created", epoch)
    config.name("history")
    config.array { history in
      for _ in layers { history.object { $0.member("created", epoch) } }
    }
    config.member("os", "")
    config.name("rootfs")
    config.object {
      $0.member("type", "layers")
      $0.strings("diff_ids", layers.map(\.digest.description))
    }
    config.name("config")
    config.object { _ in }
  }
  return writer.bytes
}
