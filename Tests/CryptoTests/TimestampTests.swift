import CertificateForge
import Crypto
import Primitives
import Testing

private let now = ForgedSigstore.now
private let signature = Array("a signature".utf8)

@Suite struct TimestampTests {
  /// An authority, and a token of it that may be edited before it is signed.
  struct Scene {
    var token: ForgedTimestamp
    var signer: PrivateKey
    var stamper: ForgedCertificate
    var stamperSigner: PrivateKey
    var root: ForgedCertificate
    var validity = Validity(start: ForgedSigstore.start, end: ForgedSigstore.end)
    var message = signature
    var edit: ([UInt8]) -> [UInt8] = { $0 }

    init(_ kind: PublicKey.Kind = .p256) throws {
      root = try ForgedCertificate(
        subject: "root", issuer: "root", from: ForgedSigstore.start, to: ForgedSigstore.end,
        extensions: [.authority(), .keyUsage(0x06)])
      stamper = try ForgedCertificate(
        subject: "stamper", issuer: "root", from: ForgedSigstore.start, to: ForgedSigstore.end,
        extensions: [.keyUsage(0x80), .timeStamping], key: PrivateKey(generating: kind))
      (stamperSigner, signer) = (root.key, stamper.key)
      token = ForgedTimestamp(over: signature, at: now, certificate: [])
    }

    mutating func verdict() throws -> String {
      let leaf = try X509Certificate(der: stamper.signed(by: stamperSigner))
      let root = try X509Certificate(der: self.root.signed(by: self.root.key))
      if token.certificate.isEmpty { token.certificate = leaf.der }
      let response = edit(try token.signed(by: signer))
      do throws(TimestampError) {
        let found = try TimestampToken.verify(
          response: response, over: message, authorities: [(chain: [leaf, root], validity: validity)])
        #expect(found.authority == 0)
        return "accepted: \(found.time.lowerBound - now)"
      } catch {
        #expect(error.description == error.description.printable(limit: 2000))
        return "\(error.check.rawValue): \(error.description)"
      }
    }
  }

  struct Case: CustomTestStringConvertible {
    let testDescription: String
    let expected: String
    let edit: @Sendable (inout Scene) throws -> Void

    init(_ description: String, _ expected: String, _ edit: @escaping @Sendable (inout Scene) throws -> Void) {
      testDescription = description
      self.expected = expected
      self.edit = edit
    }
  }

  static let cases: [Case] = [
    Case("nothing", "accepted: 0") { _ in },
    Case("a fraction of a second", "accepted: 0") { $0.token.time = "20260601000000.25Z" },
    Case("a fraction behind the last second of the authority", "validity: the time-stamp is of 2026-06-01T00:00:00Z") {
      $0.token.time = "20260601000000.25Z"
      $0.validity = Validity(start: now, end: now)
    },
    Case("a fraction behind the last second of the certificate", "path: the time-stamp authority's certificate") {
      $0.token.time = "20260601000000.25Z"
      $0.stamper.notAfter = DERText.certificateTime(now)
    },
    Case("a fraction before the end", "accepted: 0") {
      $0.token.time = "20260601000000.25Z"
      $0.validity = Validity(start: now, end: now + 1)
      $0.stamper.notAfter = DERText.certificateTime(now + 1)
    },
    Case("a fraction that ends in 0", "form: the time-stamp's DER has a time whose fraction is malformed") {
      $0.token.time = "20260601000000.50Z"
    },
    Case("a fraction of nothing", "form: the time-stamp's DER has a time whose fraction") {
      $0.token.time = "20260601000000.Z"
    },
    Case("a time without seconds", "form: the time-stamp's DER has a time that is not") {
      $0.token.time = "202606010000Z"
    },
    Case("accuracy, ordering, a nonce", "accepted: 0") {
      $0.token.rest = DERText.sequence(DERText.integer(1)) + DERText.yes + DERText.integer(99)
    },
    Case("the first second of the authority", "accepted: 0") {
      $0.validity = Validity(start: now, end: ForgedSigstore.end)
    },
    Case("the last second of the authority", "accepted: 0") {
      $0.validity = Validity(start: ForgedSigstore.start, end: now)
    },
    Case("before the authority", "validity: the time-stamp is of 2026-06-01T00:00:00Z, its authority was in service") {
      $0.validity = Validity(start: now + 1, end: nil)
    },
    Case("behind the authority", "validity: the time-stamp is of 2026-06-01T00:00:00Z, its authority was in service") {
      $0.validity = Validity(start: nil, end: now - 1)
    },
    Case("status 1", "status: the time-stamp was not granted: its status is 1") {
      $0.token.status = DERText.integer(1)
    },
    Case("status 2", "status: the time-stamp was not granted: its status is 2") {
      $0.token.status = DERText.integer(2)
    },
    Case("another message", "imprint: the time-stamp is of another message") { $0.message = Array("other".utf8) },
    Case("another imprint", "imprint: the time-stamp is of another message") {
      $0.token.imprint = HashAlgorithm.sha256.hash([])
    },
    Case("a short imprint", "imprint: the time-stamp is of another message") { $0.token.imprint = [] },
    Case("an imprint by SHA-1", "imprint: the time-stamp uses SHA-1") { $0.token.imprintAlgorithm = "1.3.14.3.2.26" },
    Case("an imprint by MD5", "imprint: the time-stamp uses a hash function that is not taken") {
      $0.token.imprintAlgorithm = "1.2.840.113549.2.5"
    },
    Case("another key", "signature: the time-stamp's signature is wrong") {
      $0.signer = try PrivateKey(generating: .p256)
    },
    Case("another kind of key", "signature: the time-stamp's signature algorithm does not belong") {
      $0.signer = try PrivateKey(generating: .ed25519)
    },
    Case("another hash in the algorithm", "signature: the time-stamp's signature algorithm does not belong") {
      $0.token.signatureAlgorithm = DERText.sequence(DERText.identifier("1.2.840.10045.4.3.4"))
    },
    Case("another digest of the content", "signature: the time-stamp's signature is over other content") {
      $0.token.messageDigest = HashAlgorithm.sha256.hash([])
    },
    Case("no digest of the content", "form: the time-stamp lacks the signed attribute 1.2.840.113549.1.9.4") {
      $0.token.omitted = ["1.2.840.113549.1.9.4"]
    },
    Case("no type of the content", "form: the time-stamp lacks the signed attribute 1.2.840.113549.1.9.3") {
      $0.token.omitted = ["1.2.840.113549.1.9.3"]
    },
    Case("another type of content", "form: the time-stamp's signature is over another type of content") {
      $0.token.contentType = "1.2.840.113549.1.7.1"
    },
    Case("no signing certificate", "form: the time-stamp lacks the signed attribute 1.2.840.113549.1.9.16.2.12") {
      $0.token.omitted = ["1.2.840.113549.1.9.16.2.47"]
    },
    Case("another signing certificate", "authority: the time-stamp is signed for another certificate") {
      $0.token.certificateHash = HashAlgorithm.sha256.hash([])
    },
    Case("an attribute twice", "form: the time-stamp has the signed attribute 1.2.840.113549.1.9.3 twice") {
      $0.token.attributes = [
        DERText.sequence(
          DERText.identifier("1.2.840.113549.1.9.3"), DERText.set(DERText.identifier(ForgedTimestamp.timestampInfo)))
      ]
    },
    Case("17 attributes", "form: the time-stamp has more than 16 signed attributes") {
      $0.token.attributes = (0..<14).map {
        DERText.sequence(DERText.identifier("1.2.3.\($0)"), DERText.set(DERText.null))
      }
    },
    Case("two signers", "form: the time-stamp has more than one signer") { $0.token.signerCount = 2 },
    Case("no signer", "form: the time-stamp's DER ends early") { $0.token.signerCount = 0 },
    Case("a signer by key identifier that nobody has", "authority: the time-stamp is made by none of the 1 trusted") {
      $0.token.signerName = DERText.value(0x80, [1, 2, 3])
    },
    Case("a signer by key identifier", "accepted: 0") {
      $0.stamper.extensions.append(.init("2.5.29.14", DERText.octets([1, 2, 3])))
      $0.token.signerName = DERText.value(0x80, [1, 2, 3])
    },
    Case("a critical extension", "form: the time-stamp has a critical extension that is not known, 1.2.3") {
      $0.token.rest = DERText.value(
        0xA1, DERText.sequence(DERText.identifier("1.2.3"), DERText.yes, DERText.octets([])))
    },
    Case("an authority that is not for time stamping", "path: the time-stamp authority's certificate does not hold") {
      $0.stamper.extensions = [.keyUsage(0x80), .codeSigning]
    },
    Case("an authority whose usage is not critical", "path: the time-stamp authority's certificate does not hold") {
      $0.stamper.extensions = [.purposes("1.3.6.1.5.5.7.3.8")]
    },
    Case("an authority that may issue", "path: the time-stamp authority's certificate does not hold") {
      $0.stamper.extensions = [.timeStamping, .authority()]
    },
    Case("an authority whose certificate has expired", "path: the time-stamp authority's certificate does not hold") {
      $0.stamper.notAfter = DERText.certificateTime(now - 1)
    },
    Case("a root that has expired", "path: the time-stamp authority's certificate does not hold") {
      $0.root.notAfter = DERText.certificateTime(now - 1)
    },
    Case("an authority by a stranger", "path: the time-stamp authority's certificate does not hold") {
      $0.stamperSigner = try PrivateKey(generating: .p256)
    },
    Case("bytes behind the response", "form: the time-stamp's DER has 1 bytes too many") { $0.edit = { $0 + [0] } },
    Case(
      "CVE-2025-66564, CVE-2026-49835: too many bytes", "form: the time-stamp has 65536 bytes, at most 65535 are read"
    ) {
      $0.edit = { $0 + [UInt8](repeating: 0, count: 65_536 - $0.count) }
    },
    Case("a response without a token", "form: the time-stamp's response holds no token") {
      $0.edit = { _ in DERText.sequence(DERText.sequence(DERText.integer(0))) }
    },
    Case("nothing at all", "form: the time-stamp's DER ends early") { $0.edit = { _ in [] } },
  ]

  @Test(arguments: cases) func `each rule of a time-stamp is its own verdict`(_ example: Case) throws {
    var scene = try Scene()
    try example.edit(&scene)
    let found = try scene.verdict()
    #expect(found.hasPrefix(example.expected), "\(found)")
  }

  @Test func `every kind of key and every hash can make time-stamps`() throws {
    for kind in [PublicKey.Kind.p256, .p384, .p521, .rsa(bits: 2048), .ed25519] {
      for hash in HashAlgorithm.allCases {
        var scene = try Scene(kind)
        scene.token.hash = hash
        #expect(try scene.verdict() == "accepted: 0", "\(kind) \(hash)")
      }
    }
  }

  @Test func `CVE-2026-39984: a certificate that the token brings along decides nothing`() throws {
    // The attacker signs, and puts the authority's certificate beside his own.
    var scene = try Scene()
    let authority = try scene.stamper.signed(by: scene.stamperSigner)
    let attacker = try ForgedCertificate(
      subject: "stamper", issuer: "root", from: ForgedSigstore.start, to: ForgedSigstore.end,
      extensions: [.keyUsage(0x80), .timeStamping])
    let injected = try attacker.signed(by: attacker.key)
    let root = try X509Certificate(der: scene.root.signed(by: scene.root.key))
    let chain = [try X509Certificate(der: authority), root]
    for (certificate, expected) in [(authority, TimestampError.Check.signature), (injected, .authority)] {
      for embedded in [[authority, injected], [injected, authority], [authority], [injected], []] {
        scene.token.certificate = certificate
        scene.token.embedded = embedded
        let response = try scene.token.signed(by: attacker.key)
        let error = try #require(throws: TimestampError.self) {
          try TimestampToken.verify(
            response: response, over: signature, authorities: [(chain: chain, validity: scene.validity)])
        }
        #expect(error.check == expected, "\(error)")
      }
    }
  }

  @Test func `TOB-SIGSTORE-2..12: the window of one authority is not lent to another`() throws {
    let (first, second) = (try ForgedSigstore(), try ForgedSigstore())
    func chain(_ sigstore: ForgedSigstore) throws -> [X509Certificate] {
      [try X509Certificate(der: sigstore.stamper), try X509Certificate(der: sigstore.root)]
    }
    let closed = Validity(start: nil, end: now - 1)
    let open = Validity(start: nil, end: nil)
    // Both have the same names and serial numbers.
    let authorities = [(chain: try chain(first), validity: closed), (chain: try chain(second), validity: open)]
    let good = try TimestampToken.verify(
      response: second.stamp(signature), over: signature, authorities: authorities)
    #expect(good.authority == 1)
    let error = try #require(throws: TimestampError.self) {
      try TimestampToken.verify(response: first.stamp(signature), over: signature, authorities: authorities)
    }
    #expect(error.check == .validity, "\(error)")
    let none = try #require(throws: TimestampError.self) {
      try TimestampToken.verify(response: first.stamp(signature), over: signature, authorities: [])
    }
    #expect(none.description == "the time-stamp is made by none of the 0 trusted time-stamp authorities")
  }

  @Test func `no change of one bit in what counts is accepted`() throws {
    let sigstore = try ForgedSigstore()
    let authorities = [
      (
        chain: [try X509Certificate(der: sigstore.stamper), try X509Certificate(der: sigstore.root)],
        validity: Validity(start: nil, end: nil)
      )
    ]
    let response = try sigstore.stamp(signature)
    var accepted: [Int] = []
    for index in response.indices {
      for bit in 0..<8 as Range<UInt8> {
        var changed = response
        changed[index] ^= 1 << bit
        if (try? TimestampToken.verify(response: changed, over: signature, authorities: authorities)) != nil {
          accepted.append(index)
        }
      }
    }
    // Harmless: the set of digest algorithms beside the signer's own, which nobody signs and nothing reads (13 bytes).
    #expect(Set(accepted).count <= 13, "\(Set(accepted).sorted())")
  }
}
