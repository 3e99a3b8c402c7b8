import Crypto
import OCI
import Primitives

/// A parsed image reference, for those who need not know of registries.
public struct RequestedImage: Sendable, Hashable {
  let reference: ImageReference

  /// As the user wrote it.
  public var literal: String { reference.literal }

  /// The repository with Docker's defaults filled in: `docker.io/library/nginx`.
  public var normalizedName: String { reference.name }

  /// The tag, where the user gave one.
  public var tag: String? { reference.tag }

  /// `sha256:…`, where the user gave one.
  public var digest: String? { reference.digest?.description }

  /// Parses `literal` by the distribution project's grammar.
  ///
  /// Throws `IMAGE_REFERENCE_INVALID`; the message says what is wrong and at which byte, not the literal itself.
  public init(parsing literal: String) throws(Refusal) {
    do throws(ReferenceError) {
      reference = try ImageReference(parsing: literal)
    } catch {
      throw Refusal(.imageReferenceInvalid, "not an image reference: \(error.description.printable(limit: 500))")
    }
  }
}
