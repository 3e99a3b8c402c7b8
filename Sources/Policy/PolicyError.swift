/// Why annotations do not make a policy.
///
/// The description is one sentence or two for people: it names the annotation, what is wrong with it and what is
/// allowed. It quotes values short and printable, and of a `public-key` never more than a scheme or a name, for what
/// stands there by mistake may be a private key.
public struct PolicyError: Error, Sendable, Hashable, CustomStringConvertible {
  /// The full name of the annotation, as `pinseal.dev/public-key`; empty for a pattern that was read by itself.
  public let annotation: String
  /// The whole message.
  public let description: String

  /// An error about `annotation`.
  public init(annotation: String, _ description: String) {
    self.annotation = annotation
    self.description = description
  }

  init(_ annotation: PolicyAnnotation, _ problem: String) {
    self.init(annotation: annotation.fullName, "annotation \(annotation.fullName): \(problem)")
  }
}
