import CertificateForge
import Crypto
import Primitives
import Testing

private let start = ForgedSigstore.start
private let end = ForgedSigstore.end
private let now = ForgedSigstore.now

@Suite struct CertificatePathTests {
  /// A chain of three, each of which may be edited before it is signed.
  struct Chain {
    var root: ForgedCertificate
    var intermediate: ForgedCertificate
    var leaf: ForgedCertificate
    var rootSigner: PrivateKey
    var intermediateSigner: PrivateKey
    var leafSigner: PrivateKey
    var offersIntermediate = true
    var trusts: X509Certificate?
    var purpose = CertificatePath.Purpose.codeSigning

    init() throws {
      root = try ForgedCertificate(
        subject: "root", issuer: "root", from: start, to: end, extensions: [.authority(), .keyUsage(0x06)])
      intermediate = try ForgedCertificate(
        subject: "intermediate", issuer: "root", from: start, to: end,
        extensions: [.authority(pathLength: 0), .keyUsage(0x06), .codeSigning])
      leaf = try ForgedCertificate(
        subject: "leaf", issuer: "intermediate", from: now, to: now + 600,
        extensions: [.keyUsage(0x80), .codeSigning, .email("jane@example.com")])
      (rootSigner, intermediateSigner, leafSigner) = (root.key, root.key, intermediate.key)
    }

    func certificates() throws -> [X509Certificate] {
      [
        try X509Certificate(der: leaf.signed(by: leafSigner)),
        try X509Certificate(der: intermediate.signed(by: intermediateSigner)),
        try X509Certificate(der: root.signed(by: rootSigner)),
      ]
    }

    func verdict(at time: UnixTime = now) throws -> String {
      let all = try certificates()
      return CryptoTests.verdict { () throws(CertificateError) in
        let path = try CertificatePath.verify(
          leaf: all[0], intermediates: offersIntermediate ? [all[1]] : [], roots: [trusts ?? all[2]], at: time,
          purpose: purpose)
        #expect(path == all)
      }
    }
  }

  @Test
  func `TOB-SIGSTORE-2..12: a good chain is its own path, at both ends of the leaf's validity and no second beyond`()
    throws
  {
    let chain = try Chain()
    for time in [now, now + 300, now + 600] { #expect(try chain.verdict(at: time) == "accepted") }
    for time in [now - 1, now + 601, 0, UnixTime.max, UnixTime.min] {
      let found = try chain.verdict(at: time)
      #expect(found.hasPrefix("validity: the certificate CN=leaf is not valid at "), "\(found)")
    }
  }

  struct Case: CustomTestStringConvertible {
    let testDescription: String
    let expected: String
    let edit: @Sendable (inout Chain) throws -> Void

    init(_ description: String, _ expected: String, _ edit: @escaping @Sendable (inout Chain) throws -> Void) {
      testDescription = description
      self.expected = expected
      self.edit = edit
    }
  }

  static let unknownCritical = ForgedCertificate.Extension("1.2.3.4", critical: true, [5, 0])

  static let cases: [Case] = [
    Case("a critical SAN of nothing but an otherName", "accepted") { chain in
      chain.leaf.subject = ""
      chain.leaf.extensions = [.keyUsage(0x80), .codeSigning, .otherName("foo!oidc.local")]
    },
    Case("an unknown extension that is not critical", "accepted") {
      $0.leaf.extensions.append(.init("1.2.3.4", [5, 0]))
    },
    Case("purposes besides code signing", "accepted") {
      $0.leaf.extensions = [.keyUsage(0x80), .purposes("1.3.6.1.5.5.7.3.3", "1.3.6.1.5.5.7.3.4")]
    },
    Case("an intermediate without purposes", "accepted") { $0.intermediate.extensions.remove(at: 2) },
    Case("CVE-2026-24122: an intermediate that has expired", "validity: the certificate CN=intermediate is not valid") {
      $0.intermediate.notAfter = DERText.certificateTime(now - 1)
    },
    Case("an intermediate that ends now", "accepted") { $0.intermediate.notAfter = DERText.certificateTime(now) },
    Case("an intermediate that begins later", "validity: the certificate CN=intermediate is not valid") {
      $0.intermediate.notBefore = DERText.certificateTime(now + 1)
    },
    Case("a root that has expired", "validity: the certificate CN=root is not valid") {
      $0.root.notAfter = DERText.certificateTime(now - 1)
    },
    Case("a leaf that is an authority", "authority: the certificate CN=leaf is an authority's") {
      $0.leaf.extensions.append(.authority())
    },
    Case("a leaf without a purpose", "purpose: the certificate CN=leaf has no extended key usage") {
      $0.leaf.extensions = [.keyUsage(0x80)]
    },
    Case("a leaf for servers", "purpose: the certificate CN=leaf is not for code signing") {
      $0.leaf.extensions = [.purposes("1.3.6.1.5.5.7.3.1")]
    },
    Case("a leaf for anything", "purpose: the certificate CN=leaf is not for code signing") {
      $0.leaf.extensions = [.purposes("2.5.29.37.0")]
    },
    Case("a leaf whose key may not sign", "purpose: the certificate CN=leaf has a key usage without digital") {
      $0.leaf.extensions = [.keyUsage(0x20), .codeSigning]
    },
    Case("an intermediate for servers", "purpose: the issuer CN=intermediate may not issue certificates for code") {
      $0.intermediate.extensions[2] = .purposes("1.3.6.1.5.5.7.3.1")
    },
    Case("an intermediate that is no authority", "authority: the issuer CN=intermediate is no authority") {
      $0.intermediate.extensions[0] = .authority(false)
    },
    Case("an intermediate without constraints", "authority: the issuer CN=intermediate is no authority") {
      $0.intermediate.extensions.remove(at: 0)
    },
    Case("an intermediate that may not sign certificates", "authority: the issuer CN=intermediate is no authority") {
      $0.intermediate.extensions[1] = .keyUsage(0x80)
    },
    Case("a root that may have no intermediate", "authority: the certificate has no good path to a trusted root: path")
    {
      $0.root.extensions[0] = .authority(pathLength: 0)
    },
    Case("a critical extension that nobody knows", "extensions: the certificate has no good path to a trusted root") {
      $0.leaf.extensions.append(unknownCritical)
    },
    Case("one at the intermediate", "extensions: the certificate has no good path to a trusted root") {
      $0.intermediate.extensions.append(unknownCritical)
    },
    Case("names that the intermediate may not give", "extensions: the certificate has no good path to a trusted root") {
      // Permitted: mail addresses of other.example.
      let permitted = DERText.value(0xA0, DERText.sequence(DERText.value(0x81, Array("other.example".utf8))))
      $0.intermediate.extensions.append(.init("2.5.29.30", critical: true, DERText.sequence(permitted)))
    },
    Case("no intermediate", "issuer: the certificate has no good path to a trusted root") {
      $0.offersIntermediate = false
    },
    Case("a leaf by a stranger with the issuer's name", "signature: the certificate has no good path") {
      $0.leafSigner = try PrivateKey(generating: .p256)
    },
    Case("an intermediate by a stranger with the root's name", "signature: the certificate has no good path") {
      $0.intermediateSigner = try PrivateKey(generating: .p256)
    },
    Case("another issuer's name", "issuer: the certificate has no good path to a trusted root") {
      $0.leaf.issuer = "somebody"
    },
    Case("another root with the same name", "signature: the certificate has no good path") {
      $0.trusts = try Chain().certificates()[2]
    },
    Case("the leaf as the root", "issuer: the certificate CN=leaf is itself given as a root") {
      // Signed once, so that both are the same bytes.
      $0.leafSigner = try PrivateKey(generating: .ed25519)
      $0.trusts = try X509Certificate(der: $0.leaf.signed(by: $0.leafSigner))
    },
    Case("a code signer for time stamping", "purpose: the certificate CN=leaf is not for time stamping") {
      $0.purpose = .timeStamping
    },
    Case("a time stamper", "accepted") {
      $0.leaf.extensions = [.timeStamping]
      $0.intermediate.extensions[2] = .purposes("1.3.6.1.5.5.7.3.8")
      $0.purpose = .timeStamping
    },
    Case(
      "a time stamper whose purpose is not critical", "purpose: the certificate CN=leaf is not for time stamping alone"
    ) {
      $0.leaf.extensions = [.purposes("1.3.6.1.5.5.7.3.8")]
      $0.purpose = .timeStamping
    },
    Case("a time stamper that signs code too", "purpose: the certificate CN=leaf is not for time stamping alone") {
      $0.leaf.extensions = [.purposes("1.3.6.1.5.5.7.3.8", "1.3.6.1.5.5.7.3.3", critical: true)]
      $0.purpose = .timeStamping
    },
    Case("a time stamper that is an authority", "authority: the certificate CN=leaf is an authority's") {
      $0.leaf.extensions = [.timeStamping, .authority()]
      $0.purpose = .timeStamping
    },
    Case("a time stamper below a code signing intermediate", "purpose: the issuer CN=intermediate may not issue") {
      $0.leaf.extensions = [.timeStamping]
      $0.purpose = .timeStamping
    },
  ]

  @Test(arguments: cases) func `each rule of a path is its own verdict`(_ example: Case) throws {
    var chain = try Chain()
    try example.edit(&chain)
    let found = try chain.verdict()
    #expect(found.hasPrefix(example.expected), "\(found)")
  }

  @Test func `issuers may have every kind of key that is taken`() throws {
    for kind in [PublicKey.Kind.p384, .p521, .rsa(bits: 2048), .ed25519] {
      var chain = try Chain()
      chain.leafSigner = try PrivateKey(generating: kind)
      chain.intermediate.key = chain.leafSigner
      #expect(try chain.verdict() == "accepted", "\(kind)")
    }
  }

  /// A root whose key is RSA of 1024 bits, and a leaf that it signed with SHA-256.
  private static let weakKey = [
    """
    MIIB9TCCAV6gAwIBAgIUQ+conn46OVJLWba6KTmb59YjCYQwDQYJKoZIhvcNAQELBQAwFDESMBAGA1UEAwwJd2VhayByb290MCAX\
    DTI2MTEyNDA4MDUyOFoYDzIxMjYxMDMxMDgwNTI4WjAUMRIwEAYDVQQDDAl3ZWFrIHJvb3QwgZ8wDQYJKoZIhvcNAQEBBQADgY0A\
    MIGJAoGBAKor1VP3boglR0mSkrFFE1jQxhLdSQMlmj2OJY0/aPJKVN6HXUDBSiy9kkOXMDU4sxRpt0HvIlRIZcsW9XVkIcDg77ly\
    CDZEx0CT2tM7WM53k1Fny+zlwo9CVfdggjtVtBkrsBIIRtoIjIWGwMT7JB7sWlf8tjXiJkuKB+DkmjVdAgMBAAGjQjBAMA8GA1Ud\
    EwEB/wQFMAMBAf8wDgYDVR0PAQH/BAQDAgIEMB0GA1UdDgQWBBQmUfJR9mHKpcMK23Gq96nO1r0woDANBgkqhkiG9w0BAQsFAAOB\
    gQBZzhKWfMkd5HCPKtTsHq77rs+ina2M5KJ+n3RigrFcUkRGrSaLqOldAS+1++ZrQc7BYdTwa0Xcc937t17gHvZJ9yIjUPXjRx+T\
    0SR2MUyte6Tx4TZ61vQFFfvd7nOm5dcG3ZdyK9CISw+9DcYxHTLENcwLcFO94C6sVSbHbPDS+Q==
    """,
    """
    MIIB2jCCAUOgAwIBAgIBATANBgkqhkiG9w0BAQsFADAUMRIwEAYDVQQDDAl3ZWFrIHJvb3QwIBcNMjYxMTI0MDgwNTI4WhgPMjEy\
    NjEwMzEwODA1MjhaMA8xDTALBgNVBAMMBGxlYWYwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAAS/5edKoQ6HTR7lvQlaUSzvgyiI\
    Hd0oiT/t8Nzu8ZYClpJCD3chh4jtXLbV401rm0E4+4tkemCHe8j6Mhyujlhvo4GFMIGCMA4GA1UdDwEB/wQEAwIHgDATBgNVHSUE\
    DDAKBggrBgEFBQcDAzAbBgNVHREEFDASgRBqYW5lQGV4YW1wbGUuY29tMB0GA1UdDgQWBBQ7XkUMhzE14RuvpuM0R6wowo0QQDAf\
    BgNVHSMEGDAWgBQmUfJR9mHKpcMK23Gq96nO1r0woDANBgkqhkiG9w0BAQsFAAOBgQCAUP47nlhq0Zbaazyn+EosHzQheh8n7hnS\
    jFbY8PgxPkjL+RgmpIduSQi8mHEwIAMxuNnCubfvWIQdcgkWLtDyih3STqUnSCLzZogWa5WHZXvESMEK32SOh99ZNqcT412CS3o6\
    NKlUJcdu0ahZOPzTU2f8wIShwK5hPyRE8SDkmg==
    """,
  ]
  /// A root with a key on P-256, and a leaf that it signed with SHA-1.
  private static let weakHash = [
    """
    MIIBbzCCARSgAwIBAgIUSEiarcDwMuEv+7aaHRiMamWZ9AswCgYIKoZIzj0EAwIwFDESMBAGA1UEAwwJd2VhayByb290MCAXDTI2\
    MTEyNDA4MDUyOFoYDzIxMjYxMDMxMDgwNTI4WjAUMRIwEAYDVQQDDAl3ZWFrIHJvb3QwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNC\
    AASSfD4lgfnTEAoMhUh+7uPI0re15LNXXz4f7CxmaDm6hAFpuSIY/btHbC8tH1hwa67MnlRGDP+2r0by1wGp3v8fo0IwQDAPBgNV\
    HRMBAf8EBTADAQH/MA4GA1UdDwEB/wQEAwICBDAdBgNVHQ4EFgQUrCvlHIOF6XZif/B9VWi+VNt59+kwCgYIKoZIzj0EAwIDSQAw\
    RgIhAKWEPY/A1IFRfhZ8H+gfAQWqQywObR6V1c1ZrdZJ+mMNAiEA/vOPxOjIbPl4KoQ38U9ouyRQ/NGJ3MfIMCR6EYFfVcU=
    """,
    """
    MIIBmDCCAT+gAwIBAgIBATAJBgcqhkjOPQQBMBQxEjAQBgNVBAMMCXdlYWsgcm9vdDAgFw0yNjExMjQwODA1MjhaGA8yMTI2MTAz\
    MTA4MDUyOFowDzENMAsGA1UEAwwEbGVhZjBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABL/l50qhDodNHuW9CVpRLO+DKIgd3SiJ\
    P+3w3O7xlgKWkkIPdyGHiO1cttXjTWubQTj7i2R6YId7yPoyHK6OWG+jgYUwgYIwDgYDVR0PAQH/BAQDAgeAMBMGA1UdJQQMMAoG\
    CCsGAQUFBwMDMBsGA1UdEQQUMBKBEGphbmVAZXhhbXBsZS5jb20wHQYDVR0OBBYEFDteRQyHMTXhG6+m4zRHrCjCjRBAMB8GA1Ud\
    IwQYMBaAFKwr5RyDhel2Yn/wfVVovlTbeffpMAkGByqGSM49BAEDSAAwRQIgb9uxm1nGIBvpGeGxqV6Qeb4SbnWu52kJsdOQtamb\
    oSoCIQDAxgqMRWYQaQukFqq7dPaYo91Rgv4EJXPsdXXsKNYQaQ==
    """,
  ]

  @Test func `weak keys and hashes of issuers are refused`() throws {
    for (chain, expected) in [
      (Self.weakKey, "CA certificate key too weak"), (Self.weakHash, "CA signature digest algorithm too weak"),
    ] {
      let all = try chain.map { try X509Certificate(der: try #require(Base64.decode($0))) }
      let found = verdict { () throws(CertificateError) in
        // 2030-01-01T00:00:00Z.
        _ = try CertificatePath.verify(
          leaf: all[1], intermediates: [], roots: [all[0]], at: 1_893_456_000, purpose: .codeSigning)
      }
      #expect(found.hasPrefix("strength: ") && found.contains(expected), "\(found)")
    }
  }

  @Test func `of two intermediates with one key the one that is valid is found`() throws {
    var chain = try Chain()
    chain.intermediate.notAfter = DERText.certificateTime(now - 1)
    let old = try chain.certificates()
    chain.intermediate.notAfter = DERText.certificateTime(end)
    let new = try chain.certificates()
    for order in [[old[1], new[1]], [new[1], old[1]]] {
      let path = try CertificatePath.verify(
        leaf: new[0], intermediates: order, roots: [new[2]], at: now, purpose: .codeSigning)
      #expect(path == new)
    }
  }

  @Test func `an intermediate may be what is trusted`() throws {
    let all = try Chain().certificates()
    let path = try CertificatePath.verify(
      leaf: all[0], intermediates: [], roots: [all[1]], at: now, purpose: .codeSigning)
    #expect(path == [all[0], all[1]])
  }

  @Test func `no root, and too many issuers, are refused`() throws {
    let all = try Chain().certificates()
    let none = verdict { () throws(CertificateError) in
      _ = try CertificatePath.verify(
        leaf: all[0], intermediates: [all[1]], roots: [], at: now, purpose: .codeSigning)
    }
    #expect(none == "issuer: no root is trusted")
    let many = verdict { () throws(CertificateError) in
      _ = try CertificatePath.verify(
        leaf: all[0], intermediates: Array(repeating: all[1], count: 10), roots: [all[2]], at: now,
        purpose: .codeSigning)
    }
    #expect(many == "issuer: 11 certificates are offered as issuers, at most 10 are tried")
  }
}
