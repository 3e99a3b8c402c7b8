import Crypto
import JSON
import OCI
import Primitives
import Sigstore

@testable import Verification

/// Keys made once for all tests.
enum Keys {
  static let mine = make(.p256)
  static let second = make(.ed25519)
  static let stranger = make(.p256)

  private static func make(_ kind: PublicKey.Kind) -> PrivateKey {
    do throws(KeyError) { return try PrivateKey(generating: kind) } catch { preconditionFailure("\(error)") }
  }
}

/// A layer of a `.sig` manifest.
struct Layer {
  var digest: Digest
  var size: Int
  var mediaType = MediaType.simpleSigning
  var annotations: [String: String] = [:]
}

/// A registry with a repository, a verifier that reads it, and ways to sign.
struct Scene {
  let registry = FakeRegistry()
  let clock = TestClock()
  let verifier: ImageVerifier
  /// The repository that things go to.
  var repository = "ghcr.io/team/app"
  /// Far off; passes only when a test says so.
  let deadline: Deadline

  init(_ configure: (inout VerifierLimits) -> Void = { _ in }) {
    var limits = VerifierLimits()
    configure(&limits)
    let clock = clock
    verifier = ImageVerifier(registry: registry, limits: limits, timer: clock.timer, now: { clock.now })
    deadline = clock.now.advanced(by: .milliseconds(9500))
  }

  // MARK: Asking

  func request(
    _ literal: String, keys: [PrivateKey] = [Keys.mine], requiresLog: Bool = false, scope: String = ""
  ) throws -> VerificationRequest {
    VerificationRequest(
      image: try RequestedImage(parsing: literal), keys: keys.map(\.publicKey), requiresLog: requiresLog,
      credentials: Scope(scope: scope))
  }

  func verify(
    _ literal: String, keys: [PrivateKey] = [Keys.mine], requiresLog: Bool = false, scope: String = ""
  ) async throws -> Verdict {
    await verifier.verify(
      try request(literal, keys: keys, requiresLog: requiresLog, scope: scope), deadline: deadline)
  }

  // MARK: Filling the registry

  /// An image that differs from others by its name.
  func pushImage(_ content: String = "one", tag: String? = "v1") -> Digest {
    registry.push(
      """
      {"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json",\
      "config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"\(Self.empty)","size":2},\
      "layers":[],"annotations":{"content":"\(content)"}}
      """, to: repository, tag: tag)
  }

  /// A simple signing layer over `digest`; its payload goes into the registry.
  func layer(
    over digest: Digest, by key: PrivateKey = Keys.mine, dockerReference: String? = nil
  ) throws -> Layer {
    let (payload, signature) = try ImageSigner.simpleSigning(
      dockerReference: dockerReference ?? repository, digest: digest, key: key)
    return Layer(
      digest: registry.push(blob: payload, to: repository), size: payload.count,
      annotations: [MediaType.signatureAnnotation: signature])
  }

  /// Puts layers under the `.sig` tag of `digest`.
  func sign(_ digest: Digest, with layers: [Layer]) {
    registry.push(
      manifest(layers: layers), to: repository, tag: ImageSignature.signatureTag(digest))
  }

  /// Signs as cosign 2 does.
  func sign(_ digest: Digest, by key: PrivateKey = Keys.mine, dockerReference: String? = nil) throws {
    sign(digest, with: [try layer(over: digest, by: key, dockerReference: dockerReference)])
  }

  /// A manifest that refers, with one bundle layer; its descriptor as the referrers API lists it.
  func bundleManifest(_ bundle: [UInt8], annotations: [String: String] = [:]) -> Descriptor {
    let layer = Layer(
      digest: registry.push(blob: bundle, to: repository), size: bundle.count, mediaType: MediaType.bundleV03)
    let digest = registry.push(
      manifest(layers: [layer], configType: "application/vnd.oci.empty.v1+json", artifactType: MediaType.bundleV03),
      to: repository)
    return descriptor(digest, artifactType: MediaType.bundleV03, annotations: annotations)
  }

  /// Signs as cosign 3 does.
  func attach(
    to digest: Digest, by key: PrivateKey = Keys.mine,
    predicateType: String = "https://sigstore.dev/cosign/sign/v1", signing other: Digest? = nil
  ) throws {
    let bundle = try ImageSigner.bundle(digest: other ?? digest, key: key, predicateType: predicateType)
    registry.refer(
      [bundleManifest(bundle, annotations: ["dev.sigstore.bundle.predicateType": predicateType])], to: digest,
      in: repository)
  }

  func descriptor(
    _ digest: Digest, mediaType: String = "application/vnd.oci.image.manifest.v1+json", artifactType: String? = nil,
    annotations: [String: String] = [:]
  ) -> Descriptor {
    Descriptor(mediaType: mediaType, digest: digest, size: 500, artifactType: artifactType, annotations: annotations)
  }

  func manifest(
    layers: [Layer], configType: String = "application/vnd.oci.image.config.v1+json", artifactType: String? = nil
  ) -> String {
    var writer = JSONWriter()
    writer.object { manifest in
      manifest.name("schemaVersion")
      manifest.integer(2)
      manifest.member("mediaType", "application/vnd.oci.image.manifest.v1+json")
      if let artifactType { manifest.member("artifactType", artifactType) }
      manifest.name("config")
      manifest.object { config in
        config.member("mediaType", configType)
        config.member("digest", Self.empty.description)
        config.name("size")
        config.integer(2)
      }
      manifest.name("layers")
      manifest.array { list in
        for layer in layers {
          list.object { object in
            object.member("mediaType", layer.mediaType)
            object.member("digest", layer.digest.description)
            object.name("size")
            object.integer(Int64(layer.size))
            object.name("annotations")
            object.object { annotations in
              for (name, value) in layer.annotations { annotations.member(name, value) }
            }
          }
        }
      }
    }
    return writer.text
  }

  static let empty = Digest(hashing: Array("{}".utf8))
}

extension Verdict {
  var image: VerifiedImage? {
    guard case .verified(let image) = self else { return nil }
    return image
  }
  var code: RefusalCode? {
    guard case .refused(let refusal) = self else { return nil }
    return refusal.code
  }
  var message: String {
    guard case .refused(let refusal) = self else { return "" }
    return refusal.message
  }
}
