import Primitives

/// SubjectPublicKeyInfo (RFC 5280 §4.1.2.7) of the kinds of key that Pinseal takes, and of no other.
///
/// Read here before OpenSSL sees it, because OpenSSL takes more: explicit curve parameters, curves of all sizes,
/// compressed points, BER.
enum SubjectPublicKeyInfo {
  /// Bytes of the largest encoding that is looked at; an RSA key of 8192 bits has 1062.
  static let maximumByteCount = 2048
  /// Bits of an RSA modulus.
  static let rsaBits = 2048...8192

  private static let rsaEncryption: [UInt8] = [0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x01, 0x01]
  private static let ecPublicKey: [UInt8] = [0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x02, 0x01]
  private static let ed25519: [UInt8] = [0x2B, 0x65, 0x70]
  private static let curves: [(identifier: [UInt8], kind: PublicKey.Kind)] = [
    ([0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x03, 0x01, 0x07], .p256),
    ([0x2B, 0x81, 0x04, 0x00, 0x22], .p384),
    ([0x2B, 0x81, 0x04, 0x00, 0x23], .p521),
  ]
  /// Names of what is refused, for the message.
  private static let others: [(identifier: [UInt8], name: String)] = [
    ([0x2B, 0x81, 0x04, 0x00, 0x0A], "curve secp256k1"),
    ([0x2B, 0x81, 0x04, 0x00, 0x21], "curve P-224"),
    ([0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x03, 0x01, 0x01], "curve P-192"),
    ([0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x01, 0x0A], "RSA restricted to PSS"),
    ([0x2A, 0x86, 0x48, 0xCE, 0x38, 0x04, 0x01], "DSA"),
    ([0x2B, 0x65, 0x71], "Ed448"),
    ([0x2B, 0x65, 0x6E], "X25519"),
    ([0x2B, 0x65, 0x6F], "X448"),
  ]

  private static let taken = "taken are ECDSA P-256, P-384 and P-521, Ed25519, and RSA of 2048 to 8192 bits"

  /// The kind of key, if `encoded` is in every byte what a signer of Sigstore would write.
  static func kind(of encoded: [UInt8]) throws(KeyError) -> PublicKey.Kind {
    guard encoded.count <= maximumByteCount else {
      throw KeyError("the key has \(encoded.count) bytes, at most \(maximumByteCount) are looked at; \(taken)")
    }
    var outer = DERReader<KeyError>(encoded)
    var info = try outer.enter(.sequence)
    try outer.finish()
    var algorithm = try info.enter(.sequence)
    let key = Array(try info.readWholeBytes())
    try info.finish()

    let identifier = Array(try algorithm.read(.objectIdentifier))
    switch identifier {
    case rsaEncryption:
      guard try algorithm.read(.null).isEmpty else { throw KeyError("the RSA key's parameters are not NULL") }
      try algorithm.finish()
      return .rsa(bits: try rsaBits(of: key))
    case ecPublicKey:
      guard algorithm.nextTag == DERTag.objectIdentifier.rawValue else {
        throw KeyError("the EC key spells out its curve's parameters instead of naming the curve; \(taken)")
      }
      let curve = Array(try algorithm.read(.objectIdentifier))
      try algorithm.finish()
      guard let kind = curves.first(where: { $0.identifier == curve })?.kind, let size = kind.coordinateByteCount else {
        throw KeyError("the key is of an unsupported kind, \(name(of: curve)); \(taken)")
      }
      guard key.first == 4, key.count == 1 + 2 * size else {
        throw KeyError(
          key.first == 2 || key.first == 3
            ? "the EC key's point is compressed; write it uncompressed (openssl ec -pubin -conv_form uncompressed)"
            : "the EC key's point does not have the form and size of \(kind)")
      }
      return kind
    case ed25519:
      try algorithm.finish()
      guard key.count == 32 else { throw KeyError("the Ed25519 key has \(key.count) bytes, not 32") }
      guard !isWeakEd25519(key) else {
        throw KeyError("the Ed25519 key is a point of small order or not reduced: anybody could sign for it")
      }
      return .ed25519
    default:
      throw KeyError("the key is of an unsupported kind, \(name(of: identifier)); \(taken)")
    }
  }

  /// Wraps an RSAPublicKey (RFC 8017 §A.1.1), so that both forms of one key have the same fingerprint.
  static func wrapping(rsaPublicKey: [UInt8]) throws(KeyError) -> [UInt8] {
    _ = try rsaBits(of: rsaPublicKey)
    let algorithm = DERWriter.value(.objectIdentifier, rsaEncryption) + DERWriter.value(.null, [])
    return DERWriter.value(
      .sequence, DERWriter.value(.sequence, algorithm) + DERWriter.value(.bitString, [0] + rsaPublicKey))
  }

  private static func rsaBits(of encoded: [UInt8]) throws(KeyError) -> Int {
    var outer = DERReader<KeyError>(encoded)
    var key = try outer.enter(.sequence)
    try outer.finish()
    let modulus = try key.readPositiveInteger()
    let exponent = try key.readPositiveInteger()
    try key.finish()
    let bits = modulus.count * 8 - (modulus.first?.leadingZeroBitCount ?? 0)
    guard rsaBits.contains(bits) else {
      throw KeyError("the RSA key has \(bits) bits, taken are \(rsaBits.lowerBound) to \(rsaBits.upperBound)")
    }
    guard let last = modulus.last, last & 1 == 1 else { throw KeyError("the RSA key's modulus is even") }
    guard exponent.count <= 8 else { throw KeyError("the RSA key's exponent has more than 64 bits") }
    let value = exponent.reduce(0 as UInt64) { $0 << 8 | UInt64($1) }
    guard value >= 65_537, value & 1 == 1 else {
      throw KeyError("the RSA key's exponent is \(value); it must be odd and not below 65537")
    }
    return bits
  }

  private static func name(of identifier: [UInt8]) -> String {
    others.first { $0.identifier == identifier }?.name
      ?? "object identifier in DER \(Hex.encode(identifier.prefix(32)))"
  }

  /// Whether `key` encodes one of the eight points of small order, or a y that is not below 2²⁵⁵ - 19 (RFC 8032 §5.1.3).
  private static func isWeakEd25519(_ key: [UInt8]) -> Bool {
    var y = key
    y[31] &= 0x7F
    if y[31] == 0x7F, y[1..<31].allSatisfy({ $0 == 0xFF }), y[0] >= 0xEC { return true }  // -1, and not reduced
    if y[1...].allSatisfy({ $0 == 0 }), y[0] <= 1 { return true }
    return smallOrder.contains(y)
  }

  /// The y of the points of order 8.
  private static let smallOrder: [[UInt8]] = [
    [
      0x26, 0xE8, 0x95, 0x8F, 0xC2, 0xB2, 0x27, 0xB0, 0x45, 0xC3, 0xF4, 0x89, 0xF2, 0xEF, 0x98, 0xF0,
      0xD5, 0xDF, 0xAC, 0x05, 0xD3, 0xC6, 0x33, 0x39, 0xB1, 0x38, 0x02, 0x88, 0x6D, 0x53, 0xFC, 0x05,
    ],
    [
      0xC7, 0x17, 0x6A, 0x70, 0x3D, 0x4D, 0xD8, 0x4F, 0xBA, 0x3C, 0x0B, 0x76, 0x0D, 0x10, 0x67, 0x0F,
      0x2A, 0x20, 0x53, 0xFA, 0x2C, 0x39, 0xCC, 0xC6, 0x4E, 0xC7, 0xFD, 0x77, 0x92, 0xAC, 0x03, 0x7A,
    ],
  ]
}
