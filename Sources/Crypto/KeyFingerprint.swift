import Primitives

/// SHA-256 of a public key's SubjectPublicKeyInfo (DER): who signed, in 32 bytes.
public struct KeyFingerprint: Hashable, Sendable, CustomStringConvertible {
  /// The hash: 32 bytes.
  public let bytes: [UInt8]

  /// A fingerprint that was computed elsewhere; nil unless it has 32 bytes.
  public init?(bytes: [UInt8]) {
    guard bytes.count == HashAlgorithm.sha256.byteCount else { return nil }
    self.bytes = bytes
  }

  /// The fingerprint of the key with this encoding.
  init(hashing subjectPublicKeyInfo: [UInt8]) { bytes = HashAlgorithm.sha256.hash(subjectPublicKeyInfo) }

  /// Hashes the bytes, in one piece.
  public func hash(into hasher: inout Hasher) { bytes.withUnsafeBytes { hasher.combine(bytes: $0) } }

  /// `SHA256:` and 64 hexadecimal digits.
  public var description: String { "SHA256:" + Hex.encode(bytes) }

  /// `SHA256:` and the first 16 digits, for messages.
  public var short: String { "SHA256:" + Hex.encode(bytes.prefix(8)) + "…" }
}

/// Why a key is refused, or could not be made or used.
public struct KeyError: Error, Sendable, Equatable, CustomStringConvertible {
  /// What is wrong, and what would be right.
  public let description: String

  /// An error with this text.
  public init(_ description: String) { self.description = description }
}
