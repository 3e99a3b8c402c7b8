import Crypto

/// Keys made once for all tests.
enum Keys {
  static let first = make(.p256)
  static let second = make(.ed25519)

  static func make(_ kind: PublicKey.Kind) -> PrivateKey {
    do { return try PrivateKey(generating: kind) } catch { fatalError("no key for tests: \(error)") }
  }

  /// The middle of the PEM text: what must not turn up in any message.
  static func inside(of pem: String) -> String {
    String(pem.split(separator: "\n")[1].prefix(24))
  }
}
