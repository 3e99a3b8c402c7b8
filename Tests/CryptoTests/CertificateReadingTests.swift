import CertificateForge
import Crypto
import Primitives
import Testing

/// What `body` throws, as "check: words"; "accepted" if nothing.
func verdict(_ body: () throws(CertificateError) -> Void) -> String {
  do throws(CertificateError) {
    try body()
    return "accepted"
  } catch {
    #expect(error.description == error.description.printable(limit: 2000), "a message must be printable")
    return "\(error.check.rawValue): \(error.description)"
  }
}

@Suite struct CertificateReadingTests {
  private static let start = ForgedSigstore.start
  private static let end = ForgedSigstore.end

  private static func certificate(_ edit: (inout ForgedCertificate) -> Void = { _ in }) throws -> [UInt8] {
    var certificate = try ForgedCertificate(
      subject: "leaf", issuer: "root", from: start, to: end, extensions: [.keyUsage(0x80), .codeSigning])
    edit(&certificate)
    return try certificate.signed(by: PrivateKey(generating: .p256))
  }

  @Test func `a certificate tells its key, its times, its names and its extensions`() throws {
    let key = try PrivateKey(generating: .p384)
    let der = try Self.certificate { certificate in
      certificate.key = key
      certificate.extensions.append(
        .names(
          (0x81, Array("jane@example.com".utf8)), (0x82, Array("host.example.com".utf8)),
          (0x86, Array("https://example.com/x".utf8)), (0x87, [192, 0, 2, 1]),
          (0x87, [0x20, 0x01, 0x0D, 0xB8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]),
          (0xA0, DERText.identifier("1.3.6.1.4.1.57264.1.7") + DERText.value(0xA0, DERText.utf8("foo!bar"))),
          (0xA0, DERText.identifier("1.2.3") + DERText.value(0xA0, DERText.utf8("other"))), (0xA4, DERText.name("x"))))
    }
    let certificate = try X509Certificate(der: der)
    #expect(try certificate.publicKey == key.publicKey)
    #expect(certificate.subjectPublicKeyInfo == key.publicKey.subjectPublicKeyInfo)
    #expect(certificate.validity == Validity(start: Self.start, end: Self.end))
    #expect(
      certificate.subjectAlternativeNames.map(\.text) == [
        "jane@example.com", "host.example.com", "https://example.com/x", "192.0.2.1", "2001:db8::1", "foo!bar", nil,
        nil,
      ])
    #expect(!certificate.isCertificateAuthority)
    #expect(certificate.extension("2.5.29.15")?.critical == true)
    #expect(certificate.extension("2.5.29.37")?.critical == false)
    #expect(certificate.extension("2.5.29.99") == nil)
    #expect(certificate.description == "CN=leaf")
    #expect(try X509Certificate.parsePEM(certificate.pem + "\n" + certificate.pem) == [certificate, certificate])
  }

  @Test(
    arguments: [
      ([192, 0, 2, 255], "192.0.2.255"),
      ([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], "::"),
      ([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1], "::1"),
      ([0, 1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1], "1:0:0:1::1"),
      ([0, 1, 0, 0, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 0xAB], "1:0:1:1:1:1:1:ab"),
      ([0xFE, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], "fe80::"),
    ] as [([UInt8], String)])
  func `addresses are written as RFC 5952 asks`(_ bytes: [UInt8], _ text: String) {
    #expect(SubjectAlternativeName.ip(bytes).text == text)
  }

  struct Malformed: CustomTestStringConvertible {
    let testDescription: String
    let expected: String
    let edit: @Sendable (inout ForgedCertificate) -> Void

    init(_ description: String, _ expected: String, _ edit: @escaping @Sendable (inout ForgedCertificate) -> Void) {
      testDescription = description
      self.expected = expected
      self.edit = edit
    }
  }

  static let malformed: [Malformed] = [
    Malformed("version 1", "form: the certificate is of version 1") { $0.version = [] },
    Malformed("version 2", "form: the certificate is not of version 3") {
      $0.version = DERText.value(0xA0, DERText.integer(1))
    },
    Malformed("two algorithms", "form: the certificate names two different signature algorithms") {
      $0.innerAlgorithm = DERText.sequence(DERText.identifier("1.2.840.113549.1.1.11"), DERText.null)
    },
    Malformed("an extension twice", "extensions: the certificate has the extension 2.5.29.37 twice") {
      $0.extensions.append(.codeSigning)
    },
    Malformed("two lists of alternative names", "extensions: the certificate has the extension 2.5.29.17 twice") {
      $0.extensions += [.email("jane@example.com"), .email("john@example.com")]
    },
    Malformed("two issuers of Fulcio", "extensions: the certificate has the extension 1.3.6.1.4.1.57264.1.1 twice") {
      $0.extensions += [.issuer("https://a"), .issuer("https://b")]
    },
    Malformed("an empty list of names", "form: the certificate's DER has an empty list of alternative names") {
      $0.extensions.append(.names())
    },
    Malformed("a name that is empty", "extensions: the certificate has an alternative name that is empty") {
      $0.extensions.append(.email(""))
    },
    Malformed("a name with NUL", "extensions: the certificate has an alternative name that is empty or has control") {
      $0.extensions.append(.email("jane@example.com\u{0}.evil.example"))
    },
    Malformed("a name that is not ASCII", "extensions: the certificate has an alternative name that is not ASCII") {
      $0.extensions.append(.email("j\u{E4}ne@example.com"))
    },
    Malformed("an address of five bytes", "extensions: the certificate names an address of 5 bytes") {
      $0.extensions.append(.names((0x87, [1, 2, 3, 4, 5])))
    },
    Malformed("65 names", "extensions: the certificate has more than 64 alternative names") {
      let names = (0..<65).flatMap { DERText.value(0x81, Array("a\($0)@b".utf8)) }
      $0.extensions.append(.init("2.5.29.17", DERText.value(0x30, names)))
    },
    Malformed("65 extensions", "form: the certificate has more than 64 extensions") {
      $0.extensions += (0..<65).map { .init("1.2.3.\($0)", [5, 0]) }
    },
    Malformed("an end before the beginning", "form: the certificate ends before it begins") {
      swap(&$0.notBefore, &$0.notAfter)
    },
    Malformed("a time without seconds", "form: the certificate's DER has a time that is not") {
      $0.notBefore = DERText.value(0x17, Array("2601010000Z".utf8))
    },
    Malformed("a time with an offset", "form: the certificate's DER has a time that is not") {
      $0.notBefore = DERText.value(0x17, Array("260101000000+0100".utf8))
    },
    Malformed("attack 33: a time with a fraction", "form: the certificate's DER has a time that is not") {
      $0.notBefore = DERText.value(0x18, Array("20260101000000.5Z".utf8))
    },
    Malformed("a day that does not exist", "form: the certificate's DER has a time that is not") {
      $0.notBefore = DERText.value(0x17, Array("260229000000Z".utf8))
    },
    Malformed("a leap second", "form: the certificate's DER has a time that is not") {
      $0.notBefore = DERText.value(0x17, Array("261231235960Z".utf8))
    },
    Malformed("a negative digit", "form: the certificate's DER has a time that is not") {
      $0.notBefore = DERText.value(0x17, Array("2601-1000000Z".utf8))
    },
    Malformed("unique identifiers", "form: the certificate has unique identifiers") {
      $0.uniqueIdentifiers = DERText.value(0x81, [0, 1])
    },
    Malformed("a serial number of 30 bytes", "form: the certificate's serial number is too long") {
      $0.serialNumber = DERText.value(0x02, [UInt8](repeating: 1, count: 30))
    },
    Malformed("a Boolean of 1", "form: the certificate's DER has a Boolean that is neither") {
      $0.extensions.append(.init("2.5.29.19", DERText.sequence([1, 1, 1])))
    },
    Malformed("a default that is spelt out", "form: the certificate's DER spells out a default") {
      $0.extensions.append(.init("2.5.29.19", DERText.sequence([1, 1, 0])))
    },
    Malformed("no purpose", "form: the certificate's DER has an empty list of extended key usages") {
      $0.extensions = [.purposes()]
    },
    Malformed("33 purposes", "extensions: the certificate has more than 32 extended key usages") {
      $0.extensions = [.init("2.5.29.37", DERText.value(0x30, (0..<33).flatMap { DERText.identifier("1.2.3.\($0)") }))]
    },
    Malformed("an empty key usage", "extensions: the certificate's key usage is empty") {
      $0.extensions = [.init("2.5.29.15", [3, 1, 0])]
    },
    Malformed("no extension in a list of them", "form: the certificate's DER has an empty list of extensions") {
      $0.extensions = []
      $0.uniqueIdentifiers = DERText.value(0xA3, DERText.sequence())
    },
  ]

  @Test(arguments: malformed) func `a malformed certificate is refused, with the reason`(_ example: Malformed) throws {
    let der = try Self.certificate(example.edit)
    let found = verdict { () throws(CertificateError) in _ = try X509Certificate(der: der) }
    #expect(found.hasPrefix(example.expected), "\(found)")
  }

  @Test func `bytes around a certificate are refused, and none is too large to say so`() throws {
    let der = try Self.certificate()
    for bytes in [
      [], der + [0], der + der, [0] + der, Array(der.dropLast()), [0x30, 0x80] + der.dropFirst(4) + [0, 0],
    ] {
      let found = verdict { () throws(CertificateError) in _ = try X509Certificate(der: bytes) }
      #expect(found.hasPrefix("form: the certificate's DER"), "\(found)")
    }
    let large = verdict { () throws(CertificateError) in
      _ = try X509Certificate(der: [UInt8](repeating: 0x30, count: 32_769))
    }
    #expect(large == "form: the certificate has 32769 bytes, at most 32768 are read")
  }

  @Test func `no change of one byte makes the reader trap`() throws {
    let der = try Self.certificate { $0.extensions.append(.otherName("a")) }
    var readable = 0
    for index in der.indices {
      for value in [0, 0x7F, 0x80, 0xFF, der[index] ^ 1, der[index] &+ 1] as [UInt8] where value != der[index] {
        var changed = der
        changed[index] = value
        if (try? X509Certificate(der: changed)) != nil { readable += 1 }
      }
    }
    // The signature, the names and the like may be anything.
    #expect(readable > 0)
  }

  @Test(
    arguments: [
      ("=#", "CN==#"), ("a,b\u{0}c", "CN=a\\,b\\00c"), ("\u{202E}evil\n", "CN=\\E2\\80\\AEevil\\0A"),
    ])
  func `CVE-2023-25656: a strange distinguished name is only text`(_ name: String, _ shown: String) throws {
    let certificate = try X509Certificate(der: Self.certificate { $0.subject = name })
    #expect(certificate.description == shown)
    let long = try X509Certificate(der: Self.certificate { $0.subject = String(repeating: "=#", count: 5000) })
    #expect(long.description.unicodeScalars.count == 97)
  }

  @Test func `a key of a kind that is not taken is an error when it is asked for`() throws {
    let der = try Self.certificate()
    // P-256's curve becomes one that does not exist.
    let curve: [UInt8] = [0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x03, 0x01, 0x07]
    let place = try #require(
      der.indices.first { $0 + curve.count <= der.count && Array(der[$0..<($0 + curve.count)]) == curve })
    var changed = der
    changed[place + 7] = 0x01
    let certificate = try X509Certificate(der: changed)
    let found = verdict { () throws(CertificateError) in _ = try certificate.publicKey }
    #expect(
      found.hasPrefix("key: the certificate's key cannot be used: the key is of an unsupported kind, curve P-192"))
  }

  @Test(
    arguments: [
      ("", "form: there is no certificate: expected a PEM block -----BEGIN CERTIFICATE-----"),
      ("x", "form: line 1: \"x\" stands outside of a PEM block; only -----BEGIN CERTIFICATE-----"),
      (
        "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n", "form: line 1: a PEM block \"PUBLIC KEY\" is no"
      ),
      ("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "form: the certificate's DER has tag 0"),
      ("-----BEGIN CERTIFICATE-----\nA\n-----END CERTIFICATE-----\n", "form: the block begun in line 1 does not hold"),
    ])
  func `text that is no certificate is refused`(_ text: String, _ expected: String) {
    let found = verdict { () throws(CertificateError) in _ = try X509Certificate.parsePEM(text) }
    #expect(found.hasPrefix(expected), "\(found)")
  }

  @Test func `more certificates than are wanted are refused`() throws {
    let pem = try X509Certificate(der: Self.certificate()).pem
    let found = verdict { () throws(CertificateError) in _ = try X509Certificate.parsePEM(pem + pem, maximumCount: 1) }
    #expect(found == "form: more than one certificate")
  }

  @Test(
    arguments: [
      (0, "1970-01-01T00:00:00Z"), (951_782_400, "2000-02-29T00:00:00Z"), (1_767_225_599, "2025-12-31T23:59:59Z"),
      (-1, "1969-12-31T23:59:59Z"), (-2_203_891_200, "1900-03-01T00:00:00Z"), (253_402_300_799, "9999-12-31T23:59:59Z"),
      (253_402_300_800, "253402300800 s after 1970"), (Int64.min, "-9223372036854775808 s after 1970"),
    ] as [(UnixTime, String)])
  func `times are written in the calendar`(_ time: UnixTime, _ text: String) {
    #expect(CalendarTime.text(time) == text)
  }

  @Test func `the calendar is read as it is written`() {
    for day in stride(from: -62_135_596_800 as UnixTime, through: 253_402_300_799, by: 86_400 * 13 + 3601) {
      let parts = CalendarTime.text(day).split { !$0.isNumber }.compactMap { Int($0) }
      #expect(
        CalendarTime.time(
          year: parts[0], month: parts[1], day: parts[2], hour: parts[3], minute: parts[4], second: parts[5]) == day)
    }
  }
}
