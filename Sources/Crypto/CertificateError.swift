/// Why a certificate, or a path of certificates, is refused.
public struct CertificateError: Error, Sendable, Equatable, CustomStringConvertible {
  /// What was looked at when the fault was found.
  public enum Check: String, Sendable, Hashable {
    /// The encoding: not one certificate in DER, or not of X.509 version 3.
    case form
    /// The key in it is of a kind that is not taken.
    case key
    /// A certificate of the path is not valid at the time.
    case validity
    /// Basic constraints, path length, key usage of issuers: who may issue, and that a leaf may not.
    case authority
    /// Extended key usage, and the leaf's key usage.
    case purpose
    /// No path leads to a trusted root.
    case issuer
    /// An issuer's signature is wrong.
    case signature
    /// Extensions: critical ones that are not known, malformed ones, names that constraints exclude.
    case extensions
    /// Keys or hashes that are too weak.
    case strength
  }

  /// What was looked at.
  public let check: Check
  /// What is wrong, in words; printable.
  public let description: String

  /// An error of this check, in these words.
  public init(_ check: Check, _ description: String) {
    self.check = check
    self.description = description
  }
}

extension CertificateError: DERFailure {
  static let encoding = "the certificate's DER"
  init(encodingProblem: String) { self.init(.form, encodingProblem) }
}
