import Crypto
import Primitives
import Testing

@Suite struct KeyTests {
  static func block(_ body: String, _ label: String = "PUBLIC KEY") -> String {
    "-----BEGIN \(label)-----\n\(body)\n-----END \(label)-----\n"
  }

  static let p256 = block(
    """
    MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAElrkF1JkOfBsldxz4q+tGEejr3A+L
    hc0Kd+FY8OV65eg0OFlWFp1alrNzfieUIsP49iT7a59zNll9t+uZKW7gSw==
    """)
  static let ed25519 = block("MCowBQYDK2VwAyEAvxAhA2kVUgA0DOrXUqX4ZyK2Y3n0su+wcQgstajVXck=")
  static let rsaBody = """
    MIIBCgKCAQEAw0GqoarwX8qI0qcZWiGPKDwfEB189S3elux9fqEd04xoaSdLgMP3
    xE7WSwZZ6C9L9hXPdxyUVjfMOw7qygJYsIL8Gt9CHINp/LAvz0avovZNsHPcYPfB
    dqDUdBjp5rjzD99KAKaEgwzO5SlgJxPrlD5nDFpdfpTc1fsFr7X6fWeRNtwI+ATs
    pDThtGRid8h1KtgSQkOQ0TELJNvpZ6hHsazYvIMFuKLVcmlJ9rPrF2GMKSQflDHU
    8eyzc8k4qpEFt3RupRn44bqBergFDYXwN+IaX0eoGT1vkJWzu7xJaKMoq85V93YS
    gtv+AN9jDO8kYdM8+hlp+ZDEnKkP4ydROQIDAQAB
    """
  static let rsa = block(
    """
    MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAw0GqoarwX8qI0qcZWiGP
    KDwfEB189S3elux9fqEd04xoaSdLgMP3xE7WSwZZ6C9L9hXPdxyUVjfMOw7qygJY
    sIL8Gt9CHINp/LAvz0avovZNsHPcYPfBdqDUdBjp5rjzD99KAKaEgwzO5SlgJxPr
    lD5nDFpdfpTc1fsFr7X6fWeRNtwI+ATspDThtGRid8h1KtgSQkOQ0TELJNvpZ6hH
    sazYvIMFuKLVcmlJ9rPrF2GMKSQflDHU8eyzc8k4qpEFt3RupRn44bqBergFDYXw
    N+IaX0eoGT1vkJWzu7xJaKMoq85V93YSgtv+AN9jDO8kYdM8+hlp+ZDEnKkP4ydR
    OQIDAQAB
    """)

  @Test func `all keys of a text are read, in their order, each once`() throws {
    let text = "\n  \n" + Self.p256 + "\r\n" + Self.ed25519 + Self.rsa + Self.p256 + "\n\n"
    let keys = try PublicKey.parsePEM(text)
    #expect(keys.map(\.kind) == [.p256, .ed25519, .rsa(bits: 2048)])
    #expect(keys.map(\.kind.description) == ["ECDSA P-256", "Ed25519", "RSA 2048"])
    #expect(try keys.map { try PublicKey.parsePEM($0.pem) } == keys.map { [$0] })
    #expect(keys[0].pem == Self.p256)
    #expect(keys[2].pem == Self.rsa)
    #expect(try PublicKey.parsePEM(text.replacing("\n", with: "\r\n")) == keys)
    #expect(try PublicKey.parsePEM(text.replacing("\n", with: " \t\n  ")) == keys)
  }

  @Test func `both forms of an RSA key are one key`() throws {
    let keys = try PublicKey.parsePEM(Self.block(Self.rsaBody, "RSA PUBLIC KEY") + Self.rsa)
    #expect(keys.count == 1)
    #expect(keys[0].pem == Self.rsa)
  }

  @Test func `a fingerprint is the hash of the key's encoding`() throws {
    let key = try #require(PublicKey.parsePEM(Self.p256).first)
    #expect(key.fingerprint.bytes == HashAlgorithm.sha256.hash(key.subjectPublicKeyInfo))
    #expect(key.fingerprint.description == "SHA256:" + Hex.encode(key.fingerprint.bytes))
    #expect(key.fingerprint.short == key.fingerprint.description.prefix(23) + "…")
    #expect(KeyFingerprint(bytes: key.fingerprint.bytes) == key.fingerprint)
    #expect(KeyFingerprint(bytes: []) == nil)
    #expect(KeyFingerprint(bytes: [UInt8](repeating: 0, count: 33)) == nil)
    // Not only the first bytes count.
    var changed = key.fingerprint.bytes
    changed[31] ^= 1
    #expect(KeyFingerprint(bytes: changed) != key.fingerprint)
  }

  struct Refusal: CustomTestStringConvertible {
    let name: String
    let text: String
    let reason: String
    init(_ name: String, _ text: String, _ reason: String) {
      (self.name, self.text, self.reason) = (name, text, reason)
    }
    var testDescription: String { name }
  }

  static let filler = "AAAA"
  static let texts: [Refusal] = [
    Refusal("empty", "", "there is no key"),
    Refusal("white space", " \r\n\t\n", "there is no key"),
    Refusal("plain text", "my key", "\"my key\" stands outside of a PEM block"),
    Refusal("base64 only", "MFkwEwYHKoZIzj0CAQ==", "stands outside of a PEM block"),
    Refusal("text before", "# production\n" + p256, "line 1: \"# production\" stands outside"),
    Refusal("text between", p256 + "and\n" + ed25519, "line 5: \"and\" stands outside"),
    Refusal("text behind", p256 + "x", "line 5: \"x\" stands outside"),
    Refusal("byte order mark", "\u{FEFF}" + p256, "stands outside of a PEM block"),
    Refusal("NUL behind", p256 + "\0", "line 5: \"\\u{0}\" stands outside"),
    Refusal("OpenSSH", "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAA me@host", "ssh-keygen -e -m PKCS8"),
    Refusal(
      "private", block(filler, "PRIVATE KEY"),
      "line 1: this is a private key (PRIVATE KEY): put only the public key there"),
    Refusal("EC private", block(filler, "EC PRIVATE KEY"), "this is a private key (EC PRIVATE KEY)"),
    Refusal("RSA private", block(filler, "RSA PRIVATE KEY"), "this is a private key (RSA PRIVATE KEY)"),
    Refusal("OpenSSH private", block(filler, "OPENSSH PRIVATE KEY"), "this is a private key"),
    Refusal("encrypted", block(filler, "ENCRYPTED PRIVATE KEY"), "this is a private key"),
    Refusal("cosign's", block(filler, "ENCRYPTED SIGSTORE PRIVATE KEY"), "this is a private key"),
    Refusal("private behind public", p256 + block(filler, "PRIVATE KEY"), "line 5: this is a private key"),
    Refusal(
      "certificate", block(filler, "CERTIFICATE"), "this is a certificate (CERTIFICATE): put its public key there"),
    Refusal("trusted certificate", block(filler, "TRUSTED CERTIFICATE"), "this is a certificate"),
    Refusal("request", block(filler, "CERTIFICATE REQUEST"), "\"CERTIFICATE REQUEST\" is no public key"),
    Refusal("parameters", block(filler, "EC PARAMETERS"), "\"EC PARAMETERS\" is no public key"),
    Refusal("OpenPGP", block(filler, "PGP PUBLIC KEY BLOCK"), "OpenPGP keys do not make Sigstore signatures"),
    Refusal("SSH2", block(filler, "SSH2 PUBLIC KEY"), "\"SSH2 PUBLIC KEY\" is no public key"),
    Refusal("lower case", block(filler, "public key"), "expected PUBLIC KEY or RSA PUBLIC KEY"),
    Refusal("Kelvin sign", p256.replacing("KEY", with: "\u{212A}EY"), "is no public key"),
    Refusal("EC public", block(filler, "EC PUBLIC KEY"), "expected PUBLIC KEY or RSA PUBLIC KEY"),
    Refusal("control characters", block(filler, "\u{1B}[31mKEY"), "a PEM block \"\\u{1b}[31mKEY\""),
    Refusal("long label", block(filler, String(repeating: "X", count: 5000)), "XXX…\" is no public key"),
    Refusal(
      "header", p256.replacing("Y-----\nM", with: "Y-----\nProc-Type: 4,ENCRYPTED\n\nM", maxReplacements: 1),
      "a header inside"),
    Refusal(
      "empty line inside", p256.replacing("\nhc0K", with: "\n\nhc0K"), "line 3: an empty line inside a PEM block"),
    Refusal("no end", String(p256.dropLast(26)), "has no -----END PUBLIC KEY-----"),
    Refusal("other end", p256.replacing("END PUBLIC", with: "END RSA PUBLIC"), "expected -----END PUBLIC KEY-----"),
    Refusal("begin inside", p256.replacing("-----END", with: "-----BEGIN"), "expected -----END PUBLIC KEY-----"),
    Refusal("one line", p256.replacing("\n", with: " "), "a whole PEM block in one line"),
    Refusal("begin runs on", "-----BEGIN PUBLIC KEY----- MFkw\n", "line breaks seem to be lost"),
    Refusal("begin without dashes", "-----BEGIN PUBLIC KEY\n", "line breaks seem to be lost"),
    Refusal("nothing inside", "-----BEGIN PUBLIC KEY-----\n-----END PUBLIC KEY-----\n", "does not hold valid base64"),
    Refusal("bad base64", block("!!!!"), "does not hold valid base64"),
    Refusal("padding inside", block("AA==\nAA=="), "does not hold valid base64"),
    Refusal("space inside", block("MFkw EwYH"), "does not hold valid base64"),
    Refusal("URL alphabet", p256.replacing("+", with: "-"), "does not hold valid base64"),
    Refusal("trailing bits", p256.replacing("gSw==", with: "gSx=="), "does not hold valid base64"),
    Refusal("unpadded", p256.replacing("gSw==", with: "gSw"), "does not hold valid base64"),
    Refusal("second bad", p256 + block("AAAA"), "key 2 of 2: the key's DER has tag 0"),
    Refusal("wrong label", block(rsaBody), "the key's DER has tag 2"),
    Refusal("wrong label, other way", rsa.replacing("PUBLIC", with: "RSA PUBLIC"), "the key's DER has tag 48"),
    Refusal("a megabyte", String(repeating: "\n", count: 1 << 20), "1048576 bytes of text, at most 65536 are read"),
  ]

  @Test(arguments: texts) func `attack 26: any other text is refused, with the reason`(_ refusal: Refusal) throws {
    let error = try #require(throws: KeyError.self) { try PublicKey.parsePEM(refusal.text) }
    #expect(error.description.contains(refusal.reason), "\(error)")
    #expect(error.description == error.description.printable(limit: 400))
  }

  static let keys: [Refusal] = [
    Refusal(
      "secp256k1",
      """
      MFYwEAYHKoZIzj0CAQYFK4EEAAoDQgAEx7dPUCB69au71x6rKvJbXJNJ2tTKgJ5x
      XAtW9eIzeDGybGuRt3y9A0QGPxsM0n5ZawbNCVaS49S49LIAoAKYhQ==
      """, "curve secp256k1"),
    Refusal(
      "P-224",
      """
      ME4wEAYHKoZIzj0CAQYFK4EEACEDOgAEcy0Z+xld+7CRPZE30br/R2BKDXmiPzf0
      4oT7O9CY/GAlhfcyS1ug0cH1WZb5qLXQ9blQescUBps=
      """, "curve P-224"),
    Refusal(
      "compressed point",
      """
      MDkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDIgADlrkF1JkOfBsldxz4q+tGEejr3A+L
      hc0Kd+FY8OV65eg=
      """, "point is compressed"),
    Refusal(
      "hybrid point",
      """
      MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAHlrkF1JkOfBsldxz4q+tGEejr3A+L
      hc0Kd+FY8OV65eg0OFlWFp1alrNzfieUIsP49iT7a59zNll9t+uZKW7gSw==
      """, "does not have the form and size of ECDSA P-256"),
    Refusal(
      "explicit parameters",
      """
      MIIBSzCCAQMGByqGSM49AgEwgfcCAQEwLAYHKoZIzj0BAQIhAP////8AAAABAAAA
      AAAAAAAAAAAA////////////////MFsEIP////8AAAABAAAAAAAAAAAAAAAA////
      ///////////8BCBaxjXYqjqT57PrvVV2mIa8ZR0GsMxTsPY7zjw+J9JgSwMVAMSd
      NgiG5wSTamZ44ROdJreBn36QBEEEaxfR8uEsQkf4vOblY6RA8ncDfYEt6zOg9KE5
      RdiYwpZP40Li/hp/m47n60p8D54WK84zV2sxXs7LtkBoN79R9QIhAP////8AAAAA
      //////////+85vqtpxeehPO5ysL8YyVRAgEBA0IABJa5BdSZDnwbJXcc+KvrRhHo
      69wPi4XNCnfhWPDleuXoNDhZVhadWpazc34nlCLD+PYk+2ufczZZfbfrmSlu4Es=
      """, "spells out its curve's parameters"),
    Refusal(
      "Ed448", "MEMwBQYDK2VxAzoAB6yEAUXxh15qGjKNQdbgaaWudqIEcuq/daHIH6MFzq6zEjkRgWcvTKQG3ufYtBq9FhX6upZ2YdmA", "Ed448"),
    Refusal("X25519", "MCowBQYDK2VuAyEAGYXg2YzdkUrPH8riCe1h9CMZmWJlOFP8Uh6lvGuMSng=", "X25519"),
    Refusal(
      "PSS",
      """
      MIIBIDALBgkqhkiG9w0BAQoDggEPADCCAQoCggEBAN+TPt/qSO6oJEqI7k7/ZdvC
      pL2Ct07TntygNp+wuMXQV6XbYMFQ0Fhy5QgrEg6lWd+dJLQvzrsjev4Gyn/NhC6Q
      qycTvXWhNFRft6t26wpC4cwNrQ/DhQ18DcgLgSzmfy3gWChPi08/oStrAnaaPpwa
      2JqqkTiqdl6l9+EK2P5VJlB9pLnaB7WIoV/JcnDcMImBJaCxIcRWT0O+e9eIDxdw
      KZShqPPJuzPk8lU8xBLZvmjcy/LPD7XhP+zjk9c7DYJXO0dxv2UiW6TScTTWVfRC
      hUuf080MFucQkeu7S/M2HGu6QzBCE4w7EBOZ012miXIKrRQ1En7SJwyh6lcowLMC
      AwEAAQ==
      """, "RSA restricted to PSS"),
  ]

  @Test(arguments: keys) func `attack 26: a key of another kind or form is refused by its name`(_ refusal: Refusal)
    throws
  {
    let error = try #require(throws: KeyError.self) { try PublicKey.parsePEM(Self.block(refusal.text)) }
    #expect(error.description.contains(refusal.reason), "\(error)")
  }

  /// DER of the given tag.
  static func der(_ tag: UInt8, _ content: [UInt8]) -> [UInt8] {
    let count = content.count
    let length: [UInt8] =
      count < 128
      ? [UInt8(count)] : count < 256 ? [0x81, UInt8(count)] : [0x82, UInt8(count >> 8), UInt8(count & 255)]
    return [tag] + length + content
  }

  static func rsa(modulus: [UInt8], exponent: [UInt8], parameters: [UInt8] = [5, 0]) -> [UInt8] {
    let key = der(0x30, der(2, modulus) + der(2, exponent))
    let algorithm = der(0x30, [6, 9, 0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 1, 1, 1] + parameters)
    return der(0x30, algorithm + der(3, [0] + key))
  }

  static func modulus(_ bytes: Int, first: UInt8 = 0x80, last: UInt8 = 0xFD) -> [UInt8] {
    (first >= 0x80 ? [0] : []) + [first] + [UInt8](repeating: 0x5A, count: bytes - 2) + [last]
  }

  @Test func `attack 26: an RSA key of unusual numbers is refused`() throws {
    let good: [UInt8] = [1, 0, 1]
    let cases: [(name: String, key: [UInt8], reason: String)] = [
      ("1024 bits", Self.rsa(modulus: Self.modulus(128), exponent: good), "has 1024 bits, taken are 2048 to 8192"),
      ("2047 bits", Self.rsa(modulus: Self.modulus(256, first: 0x40), exponent: good), "has 2047 bits"),
      ("8200 bits", Self.rsa(modulus: Self.modulus(1025), exponent: good), "has 8200 bits"),
      ("16384 bits", Self.rsa(modulus: Self.modulus(2048), exponent: good), "at most 2048 are looked at"),
      ("even modulus", Self.rsa(modulus: Self.modulus(256, last: 0xFC), exponent: good), "modulus is even"),
      ("e = 1", Self.rsa(modulus: Self.modulus(256), exponent: [1]), "exponent is 1;"),
      ("e = 3", Self.rsa(modulus: Self.modulus(256), exponent: [3]), "exponent is 3;"),
      ("e = 65535", Self.rsa(modulus: Self.modulus(256), exponent: [0, 0xFF, 0xFF]), "exponent is 65535;"),
      ("e = 65538", Self.rsa(modulus: Self.modulus(256), exponent: [1, 0, 2]), "must be odd"),
      ("e = 0", Self.rsa(modulus: Self.modulus(256), exponent: [0]), "zero or not minimal"),
      ("e < 0", Self.rsa(modulus: Self.modulus(256), exponent: [0x81]), "negative integer"),
      (
        "e of 72 bits", Self.rsa(modulus: Self.modulus(256), exponent: [1] + [UInt8](repeating: 1, count: 8)),
        "more than 64 bits"
      ),
      ("e padded", Self.rsa(modulus: Self.modulus(256), exponent: [0, 1, 0, 1]), "not minimal"),
      ("e empty", Self.rsa(modulus: Self.modulus(256), exponent: []), "empty integer"),
      ("n padded", Self.rsa(modulus: [0] + Self.modulus(256), exponent: good), "not minimal"),
      ("n negative", Self.rsa(modulus: Array(Self.modulus(256).dropFirst()), exponent: good), "negative integer"),
      ("parameters absent", Self.rsa(modulus: Self.modulus(256), exponent: good, parameters: []), "ends early"),
      ("parameters twice", Self.rsa(modulus: Self.modulus(256), exponent: good, parameters: [5, 0, 5, 0]), "too many"),
      (
        "parameters not empty", Self.rsa(modulus: Self.modulus(256), exponent: good, parameters: [5, 1, 0]), "not NULL"
      ),
    ]
    #expect(
      try PublicKey(subjectPublicKeyInfo: Self.rsa(modulus: Self.modulus(256), exponent: good)).kind == .rsa(bits: 2048)
    )
    #expect(
      try PublicKey(subjectPublicKeyInfo: Self.rsa(modulus: Self.modulus(1024), exponent: good)).kind
        == .rsa(bits: 8192))
    for (name, key, reason) in cases {
      let error = try #require(throws: KeyError.self) { try PublicKey(subjectPublicKeyInfo: key) }
      #expect(error.description.contains(reason), "\(name): \(error)")
    }
  }

  @Test func `attack 26: a point that is not on its curve is refused`() throws {
    let good = try #require(PublicKey.parsePEM(Self.p256).first).subjectPublicKeyInfo
    for index in good.indices.suffix(64) {
      var changed = good
      changed[index] ^= 1
      let error = try #require(throws: KeyError.self) { try PublicKey(subjectPublicKeyInfo: changed) }
      #expect(error.description.hasPrefix("the key's point is not on the curve of ECDSA P-256"))
    }
    // Another curve's name over this point, and coordinates that are not reduced.
    for fill: UInt8 in [0, 0xFF] {
      let key = good.dropLast(64) + [UInt8](repeating: fill, count: 64)
      #expect(throws: KeyError.self) { try PublicKey(subjectPublicKeyInfo: Array(key)) }
    }
  }

  @Test func `attack 27: a key with any byte of its frame changed, cut or added to is refused`() throws {
    for pem in [Self.p256, Self.ed25519, Self.rsa] {
      let key = try #require(PublicKey.parsePEM(pem).first)
      let good = key.subjectPublicKeyInfo
      let frame = key.kind == .rsa(bits: 2048) ? 32 : good.count - (key.kind == .p256 ? 64 : 32)
      for index in 0..<frame {
        for bit in 0..<8 {
          var changed = good
          changed[index] ^= 1 << UInt8(bit)
          #expect(throws: KeyError.self) { try PublicKey(subjectPublicKeyInfo: changed) }
        }
      }
      for count in good.indices {
        #expect(throws: KeyError.self) { try PublicKey(subjectPublicKeyInfo: Array(good.prefix(count))) }
      }
      #expect(throws: KeyError.self) { try PublicKey(subjectPublicKeyInfo: good + [0]) }
    }
    // Lengths of BER.
    let ed25519 = try #require(PublicKey.parsePEM(Self.ed25519).first).subjectPublicKeyInfo
    for head in [[0x30, 0x81, 42], [0x30, 0x82, 0, 42], [0x30, 0x80], [0x30, 0x84, 0, 0, 0, 42], [0x30, 0xFF]]
      as [[UInt8]]
    {
      let error = try #require(throws: KeyError.self) {
        try PublicKey(subjectPublicKeyInfo: head + ed25519.dropFirst(2))
      }
      #expect(error.description.contains("length"))
    }
  }

  @Test func `attack 26: an Ed25519 key for which anybody could sign is refused`() throws {
    let frame = try #require(PublicKey.parsePEM(Self.ed25519).first).subjectPublicKeyInfo.prefix(12)
    let points = [
      "0100000000000000000000000000000000000000000000000000000000000000",
      "0000000000000000000000000000000000000000000000000000000000000000",
      "0000000000000000000000000000000000000000000000000000000000000080",
      "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
      "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
      "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
      "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
      "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
      "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
      "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
      "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    ]
    for point in points {
      let key = frame + (try #require(Hex.decode(point)))
      let error = try #require(throws: KeyError.self) { try PublicKey(subjectPublicKeyInfo: Array(key)) }
      #expect(error.description.contains("anybody could sign"), "\(point)")
    }
  }

  @Test func `attack 32: noise is refused and harms nothing`() throws {
    var state: UInt64 = 88_172_645_463_325_252
    func next() -> UInt8 {
      state ^= state << 13
      state ^= state >> 7
      state ^= state << 17
      return UInt8(truncatingIfNeeded: state >> 32)
    }
    let good = try #require(PublicKey.parsePEM(Self.rsa).first).subjectPublicKeyInfo
    for _ in 0..<1000 {
      let noise = (0..<Int(next())).map { _ in next() }
      #expect(throws: KeyError.self) { try PublicKey(subjectPublicKeyInfo: noise) }
      var changed = good
      for _ in 0...(next() % 3) { changed[Int(next()) % 40] = next() }
      if changed != good, let key = try? PublicKey(subjectPublicKeyInfo: changed) {
        #expect(key.subjectPublicKeyInfo == changed)
      }
      _ = try? PublicKey.parsePEM(String(decoding: noise, as: UTF8.self))
    }
  }

  @Test func `more keys than allowed are refused`() throws {
    #expect(try PublicKey.parsePEM(Self.p256 + Self.ed25519, maximumCount: 2).count == 2)
    let error = try #require(throws: KeyError.self) {
      try PublicKey.parsePEM(Self.p256 + Self.ed25519, maximumCount: 1)
    }
    #expect(error.description == "more than one key")
  }
}
