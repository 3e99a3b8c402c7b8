public import Crypto
import Primitives

/// A transparency log whose word counts: Rekor v1, Rekor v2, or by its key either.
public struct TransparencyLog: Sendable, Hashable {
  /// Where it is, as the trust root writes it; empty for a log that is known by its key alone.
  public let baseURL: String
  /// What it signs with: entry timestamps (v1) and checkpoints.
  public let key: PublicKey
  /// How entries name it: 32 bytes. SHA-256 of the key's SPKI, or with v2 the identifier of key and origin.
  public let logID: [UInt8]
  /// When the key was in use.
  public let validity: Validity
  /// The name that its checkpoints carry: the host of `baseURL`; nil for a log that is known by its key alone.
  public let origin: String?

  /// A log of a trust root. `logID` must be one of the two identifiers that follow from the key (and origin).
  init(baseURL: String, key: PublicKey, logID: [UInt8], validity: Validity) throws(TrustedRootError) {
    guard let origin = Self.host(of: baseURL) else {
      throw TrustedRootError("its baseUrl \"\(baseURL.printable(limit: 100))\" is no http or https URL with a host")
    }
    self.baseURL = baseURL
    self.key = key
    self.logID = logID
    self.validity = validity
    self.origin = origin
    guard logID == key.fingerprint.bytes || logID == noteIdentifier(name: origin) else {
      throw TrustedRootError(
        "its logId \(Hex.encode(logID.prefix(32))) is neither the SHA-256 of its key nor the identifier of its key under"
          + " the name \(origin)")
    }
  }

  /// A private log that is known by its key and nothing else.
  ///
  /// What then cannot be checked is the origin in checkpoints (any name will do, as long as signature and origin agree)
  /// and when the key was in use. Whoever holds the key is the log.
  public init(key: PublicKey) {
    baseURL = ""
    self.key = key
    logID = key.fingerprint.bytes
    validity = Validity()
    origin = nil
  }

  /// Whether it is Rekor v2 for certain: named by key and origin, in a way that v1 does not have.
  ///
  /// With ECDSA keys both versions have one identifier. Then an entry's kind says which it is read as; in either case all
  /// of that version must hold.
  var isV2Only: Bool { logID != key.fingerprint.bytes }

  /// The key's identifier in signed notes under `name` (C2SP signed-note.md; for ECDSA and RSA as Rekor v2 has it).
  func noteIdentifier(name: String) -> [UInt8] {
    switch key.kind {
    case .p256, .p384, .p521: key.fingerprint.bytes
    case .ed25519: HashAlgorithm.sha256.hash(Array(name.utf8) + [0x0A, 0x01] + key.subjectPublicKeyInfo.suffix(32))
    case .rsa:
      HashAlgorithm.sha256.hash(
        Array(name.utf8) + [0x0A, 0xFF] + Array("PKIX-RSA-PKCS#1v1.5".utf8) + key.subjectPublicKeyInfo)
    }
  }

  /// Whether its key made `signature` over `text`. ECDSA in DER, over SHA-256 or the curve's own hash; RSA as PKCS #1
  /// v1.5; Ed25519 over the text itself.
  func hasSigned(_ text: [UInt8], _ signature: [UInt8]) -> Bool {
    let schemes: [SignatureScheme] =
      switch key.kind {
      case .p256: [.ecdsa(.sha256)]
      case .p384: [.ecdsa(.sha256), .ecdsa(.sha384)]
      case .p521: [.ecdsa(.sha256), .ecdsa(.sha512)]
      case .rsa: [.rsaPKCS1v15(.sha256)]
      case .ed25519: [.ed25519]
      }
    if case .ecdsa = schemes.first, !Self.isSequence(signature) { return false }
    return schemes.contains { key.verify(signature, of: text, scheme: $0) == .valid }
  }

  /// Whether this is framed as a DER sequence: logs never write r and s bare, which the key would also take.
  private static func isSequence(_ signature: [UInt8]) -> Bool {
    guard signature.count > 2, signature[0] == 0x30 else { return false }
    return signature[1] < 0x80
      ? signature.count == 2 + Int(signature[1]) : signature[1] == 0x81 && signature.count == 3 + Int(signature[2])
  }

  /// How messages name it.
  var name: String {
    origin.map { "the log \($0.printable(limit: 100))" } ?? "the log with the key \(key.fingerprint.short)"
  }

  /// The host of an http or https URL, without port, brackets of IPv6 removed; nil if it has none or there is a user.
  static func host(of url: String) -> String? {
    let bytes = Array(url.utf8)
    guard bytes.allSatisfy({ $0 > 0x20 && $0 < 0x7F }) else { return nil }
    guard let scheme = ["https://", "http://"].first(where: { bytes.starts(with: $0.utf8) }) else { return nil }
    let authority = bytes.dropFirst(scheme.utf8.count).prefix { !Array("/?#".utf8).contains($0) }
    guard !authority.contains(UInt8(ascii: "@")) else { return nil }
    var host = authority[...]
    if authority.first == UInt8(ascii: "[") {
      guard let end = authority.firstIndex(of: UInt8(ascii: "]")) else { return nil }
      host = authority[(authority.startIndex + 1)..<end]
      let rest = authority[(end + 1)...]
      guard rest.isEmpty || rest.first == UInt8(ascii: ":") else { return nil }
    } else if let colon = authority.firstIndex(of: UInt8(ascii: ":")) {
      host = authority[..<colon]
      guard !authority[(colon + 1)...].contains(UInt8(ascii: ":")) else { return nil }
    }
    // No plus sign: it cannot be in a note's name.
    return host.isEmpty || host.contains(UInt8(ascii: "+")) ? nil : String(decoding: host, as: UTF8.self)
  }
}
