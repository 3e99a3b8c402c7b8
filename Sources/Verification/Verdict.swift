import Crypto
import OCI
public import Primitives
public import Sigstore

/// Why an image is not verified: a stable code and a sentence for people.
///
/// The message does not name the image: whoever knows the container puts both in front.
public struct Refusal: Error, Sendable, Hashable {
  /// What kind of refusal it is; leads the message and labels the metric.
  public let code: RefusalCode

  /// A sentence without a leading capital, fit for logs and terminals.
  public let message: String

  /// A refusal with this code and sentence.
  public init(_ code: RefusalCode, _ message: String) {
    self.code = code
    self.message = message
  }
}

/// An image whose digest carries a signature that counts.
public struct VerifiedImage: Sendable, Hashable {
  /// What was asked.
  public let image: RequestedImage

  /// The digest that was verified: `sha256:…`.
  public let digest: String

  /// The signature that counted.
  public let signature: VerifiedSignature

  /// Whether the fact was in the cache.
  public let fromCache: Bool

  /// `repo:tag@sha256:…`: the literal with the verified digest appended.
  public var pinnedKeepingTag: String { pinned(.tagAndDigest) }

  /// `repo@sha256:…`: the literal with the verified digest in place of the tag.
  public var pinnedByDigest: String { pinned(.digest) }

  /// What is known of one image; also for tests and other implementations of `ImageVerifying`.
  public init(image: RequestedImage, digest: String, signature: VerifiedSignature, fromCache: Bool) {
    self.image = image
    self.digest = digest
    self.signature = signature
    self.fromCache = fromCache
  }

  private func pinned(_ style: ImageReference.PinStyle) -> String {
    // Only a hand-made value can hold text that is no digest. What comes out then pulls nothing at all, which is safe.
    guard let parsed = try? Digest(parsing: digest) else { return image.literal + "@" + digest }
    return image.reference.pinned(to: parsed, style: style)
  }
}

/// What came out of a verification.
public enum Verdict: Sendable, Hashable {
  /// The image's digest carries a signature that the request accepts.
  case verified(VerifiedImage)

  /// It does not, or it could not be decided: the code tells which.
  case refused(Refusal)
}
