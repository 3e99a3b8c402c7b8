import Crypto
import Testing

@Suite struct SignatureTests {
  static let message = Array("what is signed".utf8)

  struct Case: CustomTestStringConvertible {
    let kind: PublicKey.Kind
    let scheme: SignatureScheme
    var testDescription: String { "\(kind), \(scheme)" }
  }

  static let cases: [Case] =
    [PublicKey.Kind.p256, .p384, .p521].flatMap { kind in
      HashAlgorithm.allCases.map { Case(kind: kind, scheme: .ecdsa($0)) }
    } + HashAlgorithm.allCases.map { Case(kind: .rsa(bits: 2048), scheme: .rsaPKCS1v15($0)) }
    + [Case(kind: .ed25519, scheme: .ed25519)]

  @Test(arguments: cases) func `what a key signs its public half verifies, and nothing near it`(_ example: Case) throws
  {
    let key = try PrivateKey(generating: example.kind)
    #expect(key.publicKey.kind == example.kind)
    let signature = try key.sign(Self.message, scheme: example.scheme)
    #expect(key.publicKey.verify(signature, of: Self.message, scheme: example.scheme) == .valid)
    #expect(key.publicKey.verify(signature, of: Self.message + [0], scheme: example.scheme) == .invalid)
    #expect(key.publicKey.verify(signature, of: [], scheme: example.scheme) == .invalid)
    #expect(key.publicKey.verify(signature + [0], of: Self.message, scheme: example.scheme) == .invalid)
    #expect(key.publicKey.verify(Array(signature.dropLast()), of: Self.message, scheme: example.scheme) == .invalid)
    #expect(key.publicKey.verify([], of: Self.message, scheme: example.scheme) == .invalid)
    let other = try PrivateKey(generating: example.kind).publicKey
    #expect(other.verify(signature, of: Self.message, scheme: example.scheme) == .invalid)
    for position in signature.indices {
      var changed = signature
      changed[position] ^= 1 << UInt8(position % 8)
      #expect(key.publicKey.verify(changed, of: Self.message, scheme: example.scheme) == .invalid)
    }
  }

  @Test func `an empty message is signed like any other`() throws {
    let key = try PrivateKey(generating: .p256)
    let signature = try key.sign([], scheme: .ecdsa(.sha256))
    #expect(key.publicKey.verify(signature, of: [], scheme: .ecdsa(.sha256)) == .valid)
  }

  @Test(arguments: [
    (PublicKey.Kind.p256, SignatureScheme.rsaPKCS1v15(.sha256), "RSA"), (.p256, .ed25519, "Ed25519"),
    (.ed25519, .ecdsa(.sha256), "ECDSA"), (.rsa(bits: 2048), .ecdsa(.sha256), "ECDSA"),
    (.rsa(bits: 2048), .ed25519ph, "Ed25519"),
  ]) func `attack 30: a scheme of another kind of key is unsupported`(
    _ kind: PublicKey.Kind, _ scheme: SignatureScheme, _ name: String
  ) throws {
    let key = try PrivateKey(generating: kind)
    let expected = SignatureCheck.unsupported("\(name) does not belong to a key of kind \(kind)")
    #expect(key.publicKey.verify([1, 2, 3], of: Self.message, scheme: scheme) == expected)
    #expect(throws: KeyError.self) { try key.sign(Self.message, scheme: scheme) }
  }

  @Test func `Ed25519ph works from OpenSSL 3.2 on, and is said to be missing before`() throws {
    let key = try PrivateKey(generating: .ed25519)
    if PublicKey.canVerifyEd25519ph {
      let signature = try key.sign(Self.message, scheme: .ed25519ph)
      #expect(key.publicKey.verify(signature, of: Self.message, scheme: .ed25519ph) == .valid)
      #expect(key.publicKey.verify(signature, of: Self.message, scheme: .ed25519) == .invalid)
    } else {
      // Older versions ignore the parameter: a pure signature must not pass for the other kind.
      let signature = try key.sign(Self.message, scheme: .ed25519)
      guard case .unsupported(let reason) = key.publicKey.verify(signature, of: Self.message, scheme: .ed25519ph) else {
        Issue.record("a pure Ed25519 signature was judged as Ed25519ph")
        return
      }
      #expect(reason.hasPrefix("Ed25519ph needs OpenSSL 3.2 or later, here is 3."))
    }
  }

  @Test(arguments: [(PublicKey.Kind.p256, 32), (.p384, 48), (.p521, 66)])
  func `a raw signature of the curve's size is taken, of no other size`(_ kind: PublicKey.Kind, _ size: Int) throws {
    let key = try PrivateKey(generating: kind)
    let raw = try rawSignature(from: key.sign(Self.message, scheme: .ecdsa(.sha256)), size: size)
    #expect(raw.count == 2 * size)
    let scheme = SignatureScheme.ecdsa(.sha256)
    #expect(key.publicKey.verify(raw, of: Self.message, scheme: scheme) == .valid)
    let (r, s) = (Array(raw.prefix(size)), Array(raw.suffix(size)))
    #expect(key.publicKey.verify([0] + r + [0] + s, of: Self.message, scheme: scheme) == .invalid)
    #expect(key.publicKey.verify(r + s + [0, 0], of: Self.message, scheme: scheme) == .invalid)
    #expect(key.publicKey.verify(r + [0, 0] + s, of: Self.message, scheme: scheme) == .invalid)
    #expect(key.publicKey.verify(s + r, of: Self.message, scheme: scheme) == .invalid)
    // Attack 27: zero, and numbers past the group's order.
    let zero = [UInt8](repeating: 0, count: size)
    let huge = [UInt8](repeating: 0xFF, count: size)
    for forged in [zero + zero, zero + s, r + zero, huge + huge, huge + s, r + huge] {
      #expect(key.publicKey.verify(forged, of: Self.message, scheme: scheme) == .invalid)
    }
  }

  @Test func `attack 27: an ECDSA signature must be strict DER`() throws {
    let key = try PrivateKey(generating: .p256)
    // One whose numbers have a known form, so that the lengths below are right.
    var signature: [UInt8] = []
    repeat { signature = try key.sign(Self.message, scheme: .ecdsa(.sha256)) } while signature.count != 70
    let scheme = SignatureScheme.ecdsa(.sha256)
    let content = Array(signature.dropFirst(2))
    let r = Array(content[..<34])
    let s = Array(content[34...])
    try #require(r[1] == 32 && s[1] == 32)
    let padded = [0x02, 0x21, 0x00] + r[2...]
    let forms: [String: [UInt8]] = [
      "long length": [0x30, 0x81, 68] + content,
      "longer length": [0x30, 0x82, 0, 68] + content,
      "indefinite length": [0x30, 0x80] + content + [0, 0],
      "trailing byte": signature + [0],
      "trailing byte inside": [0x30, 69] + content + [0],
      "third number": [0x30, 71] + content + [0x02, 0x01, 0x00],
      "padded r": [0x30, 69] + padded + s,
      "set, not sequence": [0x31, 68] + content,
      "negative r": [0x30, 68] + [0x02, 0x20, r[2] | 0x80] + r[3...] + s,
      "zero r": [0x30, 37] + [0x02, 0x01, 0x00] + s,
      "zero s": [0x30, 37] + r + [0x02, 0x01, 0x00],
      "empty r": [0x30, 36] + [0x02, 0x00] + s,
      "only r": [0x30, 34] + r,
      "length past the end": [0x30, 69] + content,
      "empty sequence": [0x30, 0],
    ]
    #expect(key.publicKey.verify(signature, of: Self.message, scheme: scheme) == .valid)
    for (name, form) in forms {
      #expect(key.publicKey.verify(form, of: Self.message, scheme: scheme) == .invalid, "\(name)")
    }
  }

  @Test func `a key is used from many tasks at once`() async throws {
    let key = try PrivateKey(generating: .p256)
    let signature = try key.sign(Self.message, scheme: .ecdsa(.sha256))
    await withTaskGroup(of: SignatureCheck.self) { group in
      for index in 0..<200 {
        let message = index.isMultiple(of: 2) ? Self.message : [1]
        group.addTask { key.publicKey.verify(signature, of: message, scheme: .ecdsa(.sha256)) }
      }
      var valid = 0
      for await result in group where result == .valid { valid += 1 }
      #expect(valid == 100)
    }
  }
}

/// Takes a DER signature of two short numbers apart.
func rawSignature(from encoded: [UInt8], size: Int) throws -> [UInt8] {
  var position = encoded[1] & 0x80 == 0 ? 2 : 3
  var result: [UInt8] = []
  for _ in 0..<2 {
    let count = Int(encoded[position + 1])
    let number = encoded[(position + 2)..<(position + 2 + count)].drop { $0 == 0 }
    try #require(number.count <= size)
    result += [UInt8](repeating: 0, count: size - number.count) + number
    position += 2 + count
  }
  return result
}
