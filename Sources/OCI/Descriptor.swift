public import Crypto
import JSON

/// What a manifest says of content that lies elsewhere (OCI image specification, descriptor.md).
///
/// `urls` and `data` of a descriptor are not read: content comes from the registry that was asked, and is hashed.
public struct Descriptor: Sendable, Hashable {
  /// Media type of the content, as the manifest claims it.
  public let mediaType: String
  /// Digest of the content.
  public let digest: Digest
  /// Bytes of the content, never negative.
  public let size: Int64
  /// What the content is, where it is itself a manifest. Registries disagree on this: never a reason to skip something.
  public let artifactType: String?
  /// Names and values as they stand in the manifest; nothing of it is signed.
  public let annotations: [String: String]

  /// A descriptor of these members.
  public init(
    mediaType: String, digest: Digest, size: Int64, artifactType: String? = nil, annotations: [String: String] = [:]
  ) {
    self.mediaType = mediaType
    self.digest = digest
    self.size = size
    self.artifactType = artifactType
    self.annotations = annotations
  }
}

extension Descriptor {
  init(_ value: JSONValue) throws(ManifestFault) {
    self.init(
      mediaType: try value.requiredText("mediaType", limit: ManifestBounds.mediaTypeBytes),
      digest: try value.requiredDigest("digest"),
      size: try value.requiredSize("size"),
      artifactType: try value.optionalText("artifactType", limit: ManifestBounds.mediaTypeBytes),
      annotations: try value.annotations())
  }
}
