public import Crypto
import Primitives

/// Whom to believe: the logs, authorities and keys of a Sigstore instance (protobuf-specs, sigstore_trustroot.proto).
public struct TrustedRoot: Sendable {
  /// SHA-256 of the text (or of the keys) that it was read from, for the keys of caches.
  public let fingerprint: [UInt8]
  /// Logs of signatures.
  public let transparencyLogs: [TransparencyLog]
  /// Issuers of signing certificates.
  public let certificateAuthorities: [CertificateAuthority]
  /// Logs of signing certificates.
  public let certificateLogs: [CertificateLog]
  /// Issuers of timestamps.
  public let timestampAuthorities: [TimestampAuthority]

  /// Logs that are known by their keys alone. No certificate, and no timestamp, counts with it.
  public init(transparencyLogKeys keys: [PublicKey]) {
    var seen: Set<PublicKey> = []
    let distinct = keys.filter { seen.insert($0).inserted }
    fingerprint = HashAlgorithm.sha256.hash(
      Array("transparency log keys\n".utf8) + distinct.flatMap(\.fingerprint.bytes))
    transparencyLogs = distinct.map(TransparencyLog.init(key:))
    (certificateAuthorities, certificateLogs, timestampAuthorities) = ([], [], [])
  }

  /// All that any of `roots` trusts.
  public init(combining roots: [TrustedRoot]) {
    fingerprint =
      roots.count == 1
      ? roots[0].fingerprint
      : HashAlgorithm.sha256.hash(Array("trusted roots\n".utf8) + roots.flatMap(\.fingerprint))
    transparencyLogs = roots.flatMap(\.transparencyLogs).distinct
    certificateAuthorities = roots.flatMap(\.certificateAuthorities).distinct
    certificateLogs = roots.flatMap(\.certificateLogs).distinct
    timestampAuthorities = roots.flatMap(\.timestampAuthorities).distinct
  }

  init(
    fingerprint: [UInt8], transparencyLogs: [TransparencyLog], certificateAuthorities: [CertificateAuthority],
    certificateLogs: [CertificateLog], timestampAuthorities: [TimestampAuthority]
  ) {
    self.fingerprint = fingerprint
    self.transparencyLogs = transparencyLogs
    self.certificateAuthorities = certificateAuthorities
    self.certificateLogs = certificateLogs
    self.timestampAuthorities = timestampAuthorities
  }
}

/// An issuer of signing certificates (Fulcio).
public struct CertificateAuthority: Sendable, Hashable {
  /// Its certificates, the one that issues first and the root last.
  public let chain: [X509Certificate]
  /// When it was in use.
  public let validity: Validity
  /// Where it is; for messages.
  public let uri: String
}

/// A log of certificates (RFC 6962).
public struct CertificateLog: Sendable, Hashable {
  /// Where it is; for messages.
  public let baseURL: String
  /// What it signs with.
  public let key: PublicKey
  /// SHA-256 of the key's SPKI.
  public let logID: [UInt8]
  /// When the key was in use.
  public let validity: Validity
}

/// An issuer of timestamps (RFC 3161).
public struct TimestampAuthority: Sendable, Hashable {
  /// Its certificates, the one that signs first and the root last.
  public let chain: [X509Certificate]
  /// When it was in use.
  public let validity: Validity
  /// Where it is; for messages.
  public let uri: String
}

/// Why text is no trusted root.
public struct TrustedRootError: Error, Sendable, Equatable, CustomStringConvertible {
  /// What is wrong, and what would be right; printable.
  public let description: String

  /// An error with this text.
  public init(_ description: String) { self.description = description }
}

extension Array where Element: Hashable {
  fileprivate var distinct: [Element] {
    var seen: Set<Element> = []
    return filter { seen.insert($0).inserted }
  }
}
