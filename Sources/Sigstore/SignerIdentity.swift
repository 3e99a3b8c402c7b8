/// Who a certificate was issued to: the names that its issuer put into it, and who vouched for them. Made by verification.
public struct SignerIdentity: Sendable, Hashable, CustomStringConvertible {
  /// Every alternative name of the certificate as text: mail addresses, URIs, host names, addresses, other names. Never empty.
  public let subjects: [String]
  /// The OpenID Connect issuer, as `https://accounts.example.com`.
  public let issuer: String

  init(subjects: [String], issuer: String) {
    self.subjects = subjects
    self.issuer = issuer
  }

  /// As it stands in messages; not escaped.
  public var description: String { "\(subjects.joined(separator: ", ")) (issuer \(issuer))" }

  /// Whether both are the same in every byte.
  public static func == (left: SignerIdentity, right: SignerIdentity) -> Bool {
    left.issuer.isExactly(right.issuer) && left.subjects.count == right.subjects.count
      && zip(left.subjects, right.subjects).allSatisfy { $0.isExactly($1) }
  }

  /// Hashes the bytes.
  public func hash(into hasher: inout Hasher) {
    hasher.combine(exactly: issuer)
    hasher.combine(subjects.count)
    for subject in subjects { hasher.combine(exactly: subject) }
  }
}
