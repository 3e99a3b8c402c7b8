import CertificateForge
import Crypto
import Primitives
import Sigstore
import Testing

private let now = ForgedSigstore.now

@Suite struct KeylessCertificateTests {
  /// A Sigstore, a certificate of it, and what is trusted; each may be edited.
  struct Scene {
    let sigstore: ForgedSigstore
    var leaf: ForgedCertificate
    /// Timestamps of the certificate log; nil for one good one.
    var timestamps: [[UInt8]]?
    var times: [UnixTime] = [now]
    var authorities: [[[UInt8]]]?
    var authorityValidity: Validity?
    var logValidity: Validity?
    var signer: PrivateKey?

    init() throws {
      sigstore = try ForgedSigstore()
      leaf = try sigstore.leaf()
    }

    func verdict() throws -> String {
      var logged = leaf
      let timestamps = try timestamps ?? [sigstore.timestamp(of: leaf)]
      if !timestamps.isEmpty { logged.extensions.append(ForgedSigstore.list(timestamps)) }
      let certificate = try X509Certificate(der: logged.signed(by: signer ?? sigstore.intermediateKey))
      let root = try TrustedRoot(
        parsing: sigstore.trustedRoot(
          authorities: authorities, authorityValidity: authorityValidity, logValidity: logValidity))
      do throws(CandidateRejection) {
        return try KeylessCertificate(certificate).verify(signedTimes: times, root: root).description
      } catch {
        #expect(error.reason == .certificateInvalid)
        #expect(error.description == error.description.printable(limit: 2000))
        return error.description
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

  static let jane = "jane@example.com (issuer https://issuer.example.com)"
  static let whole = Validity(start: ForgedSigstore.start, end: ForgedSigstore.end)

  static let times: [Case] = [
    Case("one time", jane) { _ in },
    Case("both ends of the certificate", jane) { $0.times = [now, now + 600] },
    Case("no time", "it is signed with a certificate, but nothing trusted says when") { $0.times = [] },
    Case(
      "a time before the certificate", "its certificate does not hold: the certificate jane@example.com is not valid"
    ) {
      $0.times = [now - 1]
    },
    Case(
      "of two times one behind the certificate",
      "its certificate does not hold: the certificate jane@example.com is not"
    ) {
      $0.times = [now, now + 601]
    },
    Case("the authority's last second", jane) { $0.authorityValidity = Validity(start: nil, end: now) },
    Case("the authority's first second", jane) { $0.authorityValidity = Validity(start: now, end: nil) },
    Case(
      "an authority out of service", "none of the 1 trusted certificate authorities was in service at 2026-06-01T00:00"
    ) {
      $0.authorityValidity = Validity(start: nil, end: now - 1)
    },
    Case(
      "an authority out of service at the second time", "none of the 1 trusted certificate authorities was in service"
    ) {
      $0.times = [now, now + 2]
      $0.authorityValidity = Validity(start: nil, end: now + 1)
    },
    Case("no authority", "none of the 0 trusted certificate authorities was in service") { $0.authorities = [] },
    Case("another authority", "its certificate does not hold: the certificate has no good path to a trusted root") {
      let other = try ForgedSigstore()
      $0.authorities = [[other.intermediate, other.root]]
    },
    Case("another authority before the right one", jane) {
      let other = try ForgedSigstore()
      $0.authorities = [[other.intermediate, other.root], [$0.sigstore.intermediate, $0.sigstore.root]]
    },
    Case(
      "CVE-2026-24122: an issuer that has expired", "its certificate does not hold: the certificate CN=old is not valid"
    ) {
      var old = try ForgedCertificate(
        subject: "old", issuer: "root", from: ForgedSigstore.start, to: now - 1,
        extensions: [.authority(), .keyUsage(0x06)])
      old.key = $0.sigstore.intermediateKey
      $0.leaf.issuer = "old"
      $0.authorities = [[try old.signed(by: $0.sigstore.rootKey), $0.sigstore.root]]
    },
    Case(
      "CVE-2026-24122: an issuer that expires before the second time",
      "its certificate does not hold: the certificate CN=old"
    ) {
      var old = try ForgedCertificate(
        subject: "old", issuer: "root", from: ForgedSigstore.start, to: now + 1,
        extensions: [.authority(), .keyUsage(0x06)])
      old.key = $0.sigstore.intermediateKey
      $0.leaf.issuer = "old"
      $0.times = [now, now + 2]
      $0.authorities = [[try old.signed(by: $0.sigstore.rootKey), $0.sigstore.root]]
    },
    Case("a certificate by a stranger", "its certificate does not hold: the certificate has no good path") {
      $0.signer = try PrivateKey(generating: .p256)
    },
    Case("a certificate for servers", "its certificate does not hold: the certificate jane@example.com is not for code")
    {
      $0.leaf.extensions[1] = .purposes("1.3.6.1.5.5.7.3.1")
    },
  ]

  static let identities: [Case] = [
    Case("only the older issuer", jane) { $0.leaf.extensions.removeLast() },
    Case("only the newer issuer", jane) { $0.leaf.extensions.remove(at: 3) },
    Case("issuers that disagree", "its certificate names two issuers, \"https://issuer.example.com\" and \"https://b\"")
    {
      $0.leaf.extensions[4] = .issuerV2("https://b")
    },
    Case("issuers that Unicode takes for one", "its certificate names two issuers") {
      $0.leaf.extensions[3] = .issuer("https://K")
      $0.leaf.extensions[4] = .issuerV2("https://\u{212A}")
    },
    Case("no issuer", "its certificate names no OpenID Connect issuer") { $0.leaf.extensions.removeLast(2) },
    Case("an empty issuer", "its certificate names its issuer in a form that is malformed") {
      $0.leaf.extensions[3] = .issuer("")
    },
    Case("an issuer that is not UTF-8", "its certificate names its issuer in a form that is malformed") {
      $0.leaf.extensions[3] = .init("1.3.6.1.4.1.57264.1.1", [0xFF, 0xFE])
    },
    Case("an older issuer in DER", "its certificate names its issuer in a form that is malformed") {
      $0.leaf.extensions[3] = .init("1.3.6.1.4.1.57264.1.1", DERText.utf8("https://issuer.example.com"))
    },
    Case("a newer issuer in bare bytes", "its certificate names its issuer (1.3.6.1.4.1.57264.1.8) in a form") {
      $0.leaf.extensions[4] = .init("1.3.6.1.4.1.57264.1.8", Array("https://issuer.example.com".utf8))
    },
    Case("a newer issuer with bytes behind", "its certificate names its issuer (1.3.6.1.4.1.57264.1.8) in a form") {
      $0.leaf.extensions[4] = .init("1.3.6.1.4.1.57264.1.8", DERText.utf8("https://issuer.example.com") + [0])
    },
    Case("an issuer of 200 bytes", "jane@example.com (issuer https://\(String(repeating: "x", count: 200)))") {
      let issuer = "https://\(String(repeating: "x", count: 200))"
      ($0.leaf.extensions[3], $0.leaf.extensions[4]) = (.issuer(issuer), .issuerV2(issuer))
    },
    Case("an issuer of 2049 bytes", "its certificate names its issuer in a form that is malformed: empty, too long") {
      $0.leaf.extensions[3] = .issuer(String(repeating: "x", count: 2049))
    },
    Case("an issuer with a newline", "its certificate names its issuer in a form that is malformed") {
      $0.leaf.extensions[4] = .issuerV2("https://issuer.example.com\n")
    },
    Case("no alternative name", "its certificate names no subject") {
      $0.leaf.subject = "jane@example.com"
      $0.leaf.extensions.remove(at: 2)
    },
    Case("only a directory's name", "its certificate names no subject") {
      $0.leaf.extensions[2] = .names((0xA4, DERText.name("jane@example.com")))
    },
    Case("an otherName of somebody else", "its certificate names no subject") {
      $0.leaf.extensions[2] = .otherName("jane@example.com", identifier: "1.2.3.4")
    },
    Case("a critical otherName", "foo!oidc.local (issuer https://issuer.example.com)") {
      $0.leaf.extensions[2] = .otherName("foo!oidc.local")
    },
  ]

  static let transparency: [Case] = [
    Case("a timestamp with extensions", jane) {
      $0.timestamps = [try $0.sigstore.timestamp(of: $0.leaf, extensions: [0, 0, 5, 0, 0, 0, 0, 1])]
    },
    Case("none", "its certificate has no timestamp of a certificate transparency log") { $0.timestamps = [] },
    Case("one of an unknown log", "its certificate's SCTs are by none of the 1 trusted") {
      $0.timestamps = [try $0.sigstore.timestamp(of: $0.leaf, by: PrivateKey(generating: .p256))]
    },
    Case("one of an unknown log before a good one", jane) {
      let stranger = try $0.sigstore.timestamp(of: $0.leaf, by: PrivateKey(generating: .p256))
      $0.timestamps = [stranger, try $0.sigstore.timestamp(of: $0.leaf)]
    },
    Case("one of another version before a good one", jane) {
      $0.timestamps = [[1, 2, 3], try $0.sigstore.timestamp(of: $0.leaf)]
    },
    Case("one of another certificate", "its certificate's SCT has a wrong signature for the log") {
      $0.timestamps = [try $0.sigstore.timestamp(of: $0.sigstore.leaf(.email("john@example.com")))]
    },
    Case("one for another issuer", "its certificate's SCT has a wrong signature for the log") {
      $0.timestamps = [try $0.sigstore.timestamp(of: $0.leaf, issuerKey: $0.sigstore.rootKey.publicKey)]
    },
    Case("one whose time is altered", "its certificate's SCT has a wrong signature for the log") {
      var altered = try $0.sigstore.timestamp(of: $0.leaf)
      altered[40] ^= 1
      $0.timestamps = [altered]
    },
    Case("one whose signature is altered", "its certificate's SCT has a wrong signature for the log") {
      var altered = try $0.sigstore.timestamp(of: $0.leaf)
      altered[altered.count - 1] ^= 1
      $0.timestamps = [altered]
    },
    Case("one that claims another algorithm", "its certificate's SCT has a wrong signature for the log") {
      var altered = try $0.sigstore.timestamp(of: $0.leaf)
      altered[43] = 2
      $0.timestamps = [altered]
    },
    Case("a wrong one before a good one", jane) {
      var altered = try $0.sigstore.timestamp(of: $0.leaf)
      altered[altered.count - 1] ^= 1
      $0.timestamps = [altered, try $0.sigstore.timestamp(of: $0.leaf)]
    },
    Case("the log's last second", jane) { $0.logValidity = Validity(start: ForgedSigstore.start, end: now) },
    Case("behind the log's last second", "its certificate's SCT is of 2026-06-01T00:00:00Z, when its log") {
      $0.logValidity = Validity(start: ForgedSigstore.start, end: now - 1)
    },
    Case("before the log's first second", "its certificate's SCT is of 2026-06-01T00:00:00Z, when its log") {
      $0.logValidity = Validity(start: now + 1, end: nil)
    },
    Case("a list that is empty", "its certificate's list of SCTs is malformed") {
      $0.timestamps = []
      $0.leaf.extensions.append(ForgedSigstore.list([]))
    },
    Case("a list that is cut", "its certificate's list of SCTs is malformed") {
      $0.timestamps = []
      $0.leaf.extensions.append(.init("1.3.6.1.4.1.11129.2.4.2", DERText.octets([0, 9, 0, 1, 0])))
    },
    Case("a timestamp that is cut", "its certificate's list of SCTs is malformed") {
      $0.timestamps = [Array(try $0.sigstore.timestamp(of: $0.leaf).dropLast())]
    },
    Case("a timestamp with bytes behind", "its certificate's list of SCTs is malformed") {
      $0.timestamps = [try $0.sigstore.timestamp(of: $0.leaf) + [0]]
    },
    Case("a list of more than 16 KB", "its certificate's list of SCTs is malformed") {
      $0.timestamps = [[1] + [UInt8](repeating: 0, count: 16_384), try $0.sigstore.timestamp(of: $0.leaf)]
    },
    Case("33 timestamps", "its certificate has more than 32 SCTs") {
      let stranger = try PrivateKey(generating: .p256)
      $0.timestamps = try (0..<33).map { [leaf = $0.leaf, sigstore = $0.sigstore] _ in
        try sigstore.timestamp(of: leaf, by: stranger)
      }
    },
    Case("a poisoned certificate", "its certificate does not hold: the certificate has no good path") {
      $0.leaf.extensions.append(.init("1.3.6.1.4.1.11129.2.4.3", critical: true, DERText.null))
    },
  ]

  @Test(arguments: times + identities + transparency)
  func `each rule of a keyless certificate is its own verdict`(_ example: Case) throws {
    var scene = try Scene()
    try example.edit(&scene)
    let found = try scene.verdict()
    #expect(found.hasPrefix(example.expected), "\(found)")
  }

  @Test func `time-stamps of trusted authorities are times, of others nothing, and wrong ones a refusal`() throws {
    let (sigstore, other) = (try ForgedSigstore(), try ForgedSigstore())
    let root = try TrustedRoot(parsing: sigstore.trustedRoot())
    let signature = Array("signature".utf8)
    let good = try sigstore.stamp(signature)
    let later = try sigstore.stamp(signature, at: now + 5)
    #expect(try SignedTimes.verify([good, later], over: signature, root: root) == [now, now + 5])
    #expect(try SignedTimes.verify([], over: signature, root: root) == [])
    // What holds at the seconds around a time holds at the time.
    var between = ForgedTimestamp(over: signature, at: now, certificate: sigstore.stamper)
    between.time = "20260601000000.5Z"
    let halfPast = try between.signed(by: sigstore.stamperKey)
    #expect(try SignedTimes.verify([halfPast], over: signature, root: root) == [now, now + 1])
    var stranger = try ForgedCertificate(
      subject: "stranger", issuer: "stranger", from: ForgedSigstore.start, to: ForgedSigstore.end,
      extensions: [.timeStamping])
    stranger.serialNumber = DERText.integer(1)
    let foreign = try ForgedTimestamp(over: signature, at: now, certificate: stranger.signed(by: stranger.key))
      .signed(by: stranger.key)
    #expect(try SignedTimes.verify([foreign], over: signature, root: root) == [])
    #expect(try SignedTimes.verify([foreign, good], over: signature, root: root) == [now])
    func refusal(_ timestamps: [[UInt8]], over message: [UInt8]) throws -> CandidateRejection {
      try #require(throws: CandidateRejection.self) {
        try SignedTimes.verify(timestamps, over: message, root: root)
      }
    }
    let replayed = try refusal([good], over: [1])
    #expect(replayed.reason == .timestampInvalid)
    #expect(replayed.description == "the time-stamp is of another message: its hash differs")
    // Names and serial numbers are those of the trusted authority, the key is not.
    #expect(try SignedTimes.verify([good, other.stamp(signature)], over: signature, root: root) == [now])
    let forged = try refusal(
      [ForgedTimestamp(over: signature, at: now, certificate: sigstore.stamper).signed(by: other.stamperKey)],
      over: signature)
    #expect(forged.description == "the time-stamp's signature is wrong")
    #expect(forged.reason == .timestampInvalid)
  }

  @Test func `CVE-2024-45395: more than 32 time-stamps are refused before one is read`() throws {
    let root = try TrustedRoot(parsing: ForgedSigstore().trustedRoot())
    let error = try #require(throws: CandidateRejection.self) {
      try SignedTimes.verify(Array(repeating: [0], count: 33), over: [1], root: root)
    }
    #expect(error.description == "it has 33 time-stamps, at most 32 are read")
  }
}
