public import Primitives

/// A failure of a registry exchange: definitive or not, by its code.
public struct RegistryError: Error, Sendable, CustomStringConvertible {
  /// One of imageNotFound, imageReferenceInvalid, digestMismatch, registryUnavailable, registryUnauthorized,
  /// registryMisbehaved, deadlineExceeded; logUnavailable of those who ask transparency logs.
  public let code: RefusalCode
  /// Who, what and why, printable; no credentials, no queries.
  public let description: String

  /// A failure of this kind.
  public init(_ code: RefusalCode, _ description: String) {
    self.code = code
    self.description = description
  }
}
