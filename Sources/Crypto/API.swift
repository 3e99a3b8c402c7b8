import Primitives

/// The hash functions that Pinseal computes.
public enum HashAlgorithm: String, Sendable, Hashable, CaseIterable {
  case sha256, sha384, sha512
  /// Bytes of a hash.
  public var byteCount: Int {
    switch self {
    case .sha256: 32
    case .sha384: 48
    case .sha512: 64
    }
  }
  /// The hash of `bytes`.
  public func hash(_ bytes: [UInt8]) -> [UInt8] { fatalError("skeleton") }
}

/// Why text is not a digest.
public struct DigestError: Error, Sendable, Equatable, CustomStringConvertible {
  public let description: String
}

/// A content digest as the OCI image specification writes it: `sha256:` or `sha512:` and lower-case hexadecimal digits.
public struct Digest: Hashable, Sendable, CustomStringConvertible {
  public let algorithm: HashAlgorithm
  public let bytes: [UInt8]
  public init(parsing text: some StringProtocol) throws(DigestError) { fatalError("skeleton") }
  public init(hashing content: [UInt8], algorithm: HashAlgorithm = .sha256) { fatalError("skeleton") }
  public var hex: String { Hex.encode(bytes) }
  public var description: String { algorithm.rawValue + ":" + hex }
}

/// SHA-256 of a public key's SubjectPublicKeyInfo (DER): who signed, in 32 bytes.
public struct KeyFingerprint: Hashable, Sendable, CustomStringConvertible {
  public let bytes: [UInt8]
  public init?(bytes: [UInt8]) { guard bytes.count == 32 else { return nil }; self.bytes = bytes }
  /// `SHA256:` and 64 hexadecimal digits.
  public var description: String { "SHA256:" + Hex.encode(bytes) }
  /// `SHA256:` and the first 16 digits, for messages.
  public var short: String { "SHA256:" + Hex.encode(bytes.prefix(8)) + "…" }
}

public struct KeyError: Error, Sendable, Equatable, CustomStringConvertible {
  public let description: String
}

public enum SignatureScheme: Hashable, Sendable {
  case ecdsa(HashAlgorithm), rsaPKCS1v15(HashAlgorithm), ed25519, ed25519ph
}

public enum SignatureCheck: Sendable, Equatable {
  case valid, invalid
  /// The scheme does not belong to this kind of key, or the OpenSSL at hand cannot compute it; says which.
  case unsupported(String)
}

public final class PublicKey: Sendable, Hashable {
  public enum Kind: Sendable, Hashable { case p256, p384, p521, ed25519, rsa(bits: Int) }
  public let kind: Kind
  public let subjectPublicKeyInfo: [UInt8]
  public let fingerprint: KeyFingerprint
  /// All keys of a text with one or more PEM blocks `PUBLIC KEY` / `RSA PUBLIC KEY`; anything else is refused with the reason.
  public static func parsePEM(_ text: String, maximumCount: Int = 16) throws(KeyError) -> [PublicKey] { fatalError("skeleton") }
  public init(subjectPublicKeyInfo: [UInt8]) throws(KeyError) { fatalError("skeleton") }
  public var pem: String { fatalError("skeleton") }
  public func verify(_ signature: [UInt8], of message: [UInt8], scheme: SignatureScheme) -> SignatureCheck { fatalError("skeleton") }
  public static func == (left: PublicKey, right: PublicKey) -> Bool { left.fingerprint == right.fingerprint }
  public func hash(into hasher: inout Hasher) { hasher.combine(fingerprint) }
}

/// A private key, for the demo, development certificates and tests.
public final class PrivateKey: Sendable {
  public let publicKey: PublicKey
  public init(generating kind: PublicKey.Kind) throws(KeyError) { fatalError("skeleton") }
  public init(pem: String) throws(KeyError) { fatalError("skeleton") }
  public var pem: String { fatalError("skeleton") }
  public func sign(_ message: [UInt8], scheme: SignatureScheme) throws(KeyError) -> [UInt8] { fatalError("skeleton") }
}

/// An X.509 certificate with its private key, made here: for the demo and tests.
public struct IssuedCertificate: Sendable {
  public let certificatePEM: String
  public let key: PrivateKey
  /// A self-signed authority (`issuer` nil, CA:TRUE) or a leaf of `issuer` with these subject alternative names.
  public static func authority(commonName: String, days: Int = 30) throws(KeyError) -> IssuedCertificate { fatalError("skeleton") }
  public func issueLeaf(commonName: String, dnsNames: [String], ipAddresses: [String], client: Bool = false, days: Int = 30) throws(KeyError) -> IssuedCertificate { fatalError("skeleton") }
}
