import Crypto
import Primitives

/// Finds out which trusted key made a signature.
enum Signer {
  /// What a bundle says about the key that signed it. Unsigned: it orders the attempts and explains a refusal, no more.
  struct Hint {
    let text: String
    let fingerprint: KeyFingerprint?

    init(_ text: String) {
      self.text = text
      fingerprint = Base64.decode(text, dialect: .protobuf).flatMap(KeyFingerprint.init(bytes:))
    }
  }

  /// The first of `keys` that `signature` over `message` verifies with.
  static func find(
    of signature: [UInt8], over message: [UInt8], among keys: [PublicKey], format: VerifiedSignature.Format, hint: Hint?
  ) throws(CandidateRejection) -> PublicKey {
    let hinted = hint?.fingerprint
    var obstacle: (key: KeyFingerprint, reason: String)?
    for key in keys.filter({ $0.fingerprint == hinted }) + keys.filter({ $0.fingerprint != hinted }) {
      for scheme in schemes(for: key.kind, format) {
        switch key.verify(signature, of: message, scheme: scheme) {
        case .valid: return key
        case .invalid: continue
        case .unsupported(let reason):
          // Where the hint names another key, or the length fits no Ed25519 signature, nothing was missed.
          if obstacle == nil, signature.count == 64, hinted == nil || hinted == key.fingerprint {
            obstacle = (key.fingerprint, reason)
          }
        }
      }
    }
    if let obstacle {
      throw CandidateRejection(
        .unsupported, "its signature may be by \(obstacle.key.short), but cannot be checked here: \(obstacle.reason)")
    }
    guard !keys.isEmpty else {
      throw CandidateRejection(.otherKey, "signed with a key, where only identities are trusted")
    }
    throw CandidateRejection(.otherKey, explanation(keys, hint))
  }

  /// Whether `key` made the signature; throws if that cannot be checked here.
  static func made(
    _ signature: [UInt8], over message: [UInt8], by key: PublicKey, format: VerifiedSignature.Format
  ) throws(CandidateRejection) -> Bool {
    var obstacle: String?
    for scheme in schemes(for: key.kind, format) {
      switch key.verify(signature, of: message, scheme: scheme) {
      case .valid: return true
      case .invalid: continue
      case .unsupported(let reason): obstacle = reason
      }
    }
    guard let obstacle else { return false }
    throw CandidateRejection(.unsupported, "its signature cannot be checked here: \(obstacle)")
  }

  /// The schemes that signers use with a key of this kind, most likely first.
  ///
  /// In payloads cosign hashes with SHA-256 for every key; in bundles with the curve's own hash, and Ed25519 as
  /// Ed25519ph. Both hashes and both forms are safe, and libraries write either.
  static func schemes(for kind: PublicKey.Kind, _ format: VerifiedSignature.Format) -> [SignatureScheme] {
    let isBundle = format == .bundle
    switch kind {
    case .p256: return [.ecdsa(.sha256)]
    case .p384: return isBundle ? [.ecdsa(.sha384), .ecdsa(.sha256)] : [.ecdsa(.sha256), .ecdsa(.sha384)]
    case .p521: return isBundle ? [.ecdsa(.sha512), .ecdsa(.sha256)] : [.ecdsa(.sha256), .ecdsa(.sha512)]
    case .rsa: return [.rsaPKCS1v15(.sha256)]
    case .ed25519: return isBundle ? [.ed25519, .ed25519ph] : [.ed25519]
    }
  }

  private static func explanation(_ keys: [PublicKey], _ hint: Hint?) -> String {
    if let hinted = hint?.fingerprint, keys.contains(where: { $0.fingerprint == hinted }) {
      return
        "its hint names \(hinted.short), but its signature is not by that key: changed after it was signed, or a false hint"
    }
    let names = keys.prefix(4).map(\.fingerprint.short).joined(separator: ", ") + (keys.count > 4 ? ", …" : "")
    let base =
      keys.count == 1
      ? "signed by another key than \(names)" : "signed by none of the \(keys.count) trusted keys (\(names))"
    if let hinted = hint?.fingerprint { return "\(base) (its hint names \(hinted.short))" }
    if let text = hint?.text { return "\(base) (its hint is \"\(text.printable(limit: 64))\")" }
    return "\(base), or changed after it was signed"
  }
}
