import Crypto
import JSON
import Primitives
import Testing

@testable import Sigstore

@Suite struct TrustedRootTests {
  /// A root with one of each.
  static let text: String = {
    let key =
      "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE1zi+ba0rSnespBJTacM+MrVSEgHcLs95n56AR3vM6AerJS1v3qEkLguyIwc9r5e7BYHUXUqKS++/y4DZXkDO6w=="
    let id = "m0I4b9d2+iQj5Sa0UJovOeFKG20a2/NXCJlwAKD1r/0="
    let log =
      #"{"baseUrl":"https://log.example.com","hashAlgorithm":"SHA2_256","publicKey":{"rawBytes":"\#(key)","keyDetails":"#
      + #""PKIX_ECDSA_P256_SHA_256","validFor":{"start":"2024-01-01T00:00:00Z","end":"2025-01-01T00:00:00.999Z"}},"#
      + #""logId":{"keyId":"\#(id)"}}"#
    let certificate = (try? DevelopmentCertificate().certificate.der).map { Base64.encode($0) } ?? ""
    let authority =
      #"{"subject":{"organization":"o","commonName":"c"},"uri":"https://ca.example.com","certChain":{"certificates":"#
      + #"[{"rawBytes":"\#(certificate)"}]},"validFor":{"start":"2024-01-01T00:00:00.5Z"}}"#
    return
      #"{"mediaType":"application/vnd.dev.sigstore.trustedroot+json;version=0.1","tlogs":[\#(log)],"ctlogs":[\#(log)],"#
      + #""certificateAuthorities":[\#(authority)],"timestampAuthorities":[\#(authority)]}"#
  }()

  private func failure(_ text: String) throws -> String? {
    do {
      _ = try TrustedRoot(parsing: Array(text.utf8))
      return nil
    } catch {
      #expect(error.description == error.description.printable(limit: 2000))
      return error.description
    }
  }

  @Test func `a root is read`() throws {
    let root = try TrustedRoot(parsing: Array(Self.text.utf8))
    #expect(root.fingerprint == HashAlgorithm.sha256.hash(Array(Self.text.utf8)))
    let log = try #require(root.transparencyLogs.first)
    #expect(log.baseURL == "https://log.example.com")
    #expect(log.origin == "log.example.com")
    #expect(log.logID == log.key.fingerprint.bytes)
    // Both ends belong to it, so an end within a second is that second's.
    #expect(log.validity == Validity(start: 1_704_067_200, end: 1_735_689_600))
    #expect(root.certificateLogs.first?.key == log.key)
    // A start within a second excludes that second.
    let authority = try #require(root.certificateAuthorities.first)
    #expect(authority.validity == Validity(start: 1_704_067_201, end: nil))
    #expect(authority.uri == "https://ca.example.com")
    #expect(root.timestampAuthorities.first?.chain == authority.chain)
  }

  @Test(arguments: ["rekor1", "rekor2"]) func `the roots of the artifacts are read`(_ name: String) throws {
    let root = try Artifacts.root(name)
    let log = try #require(root.transparencyLogs.first)
    #expect(root.transparencyLogs.count == 1)
    #expect(log.origin == "127.0.0.1")
    #expect(log.isV2Only == (name == "rekor2"))
    #expect(
      log.key == (try PublicKey.parsePEM(String(decoding: Artifacts.bytes("\(name)/log.pub"), as: UTF8.self)).first))
  }

  static let edits: [(name: String, from: String, to: String, check: String)] = [
    ("version 0.2", "version=0.1", "version=0.2", "its mediaType is"),
    ("another type", "trustedroot+json", "bundle+json", "its mediaType is"),
    ("a member too many", #""tlogs""#, #""x":1,"tlogs""#, #"unknown member "x""#),
    ("a member in snake case", #""baseUrl""#, #""base_url""#, #"unknown member "base_url""#),
    ("a member in capitals", #""validFor""#, #""ValidFor""#, "unknown member"),
    ("a member twice", #""baseUrl""#, #""baseUrl":"","baseUrl""#, "twice"),
    ("no start", #""start":"2024-01-01T00:00:00Z","#, "", #"lacks the member "start""#),
    ("an end before the start", "2025-01-01", "2023-01-01", "ends before it starts"),
    ("no time", "2024-01-01T00:00:00Z", "2024-01-01", "expected a time as"),
    ("no day", "2024-01-01T00:00:00Z", "2023-02-29T00:00:00Z", "expected a time as"),
    ("another offset", "2024-01-01T00:00:00Z", "2024-01-01T00:00:00+00:00", "expected a time as"),
    ("another hash", "SHA2_256", "SHA2_512", "hashAlgorithm"),
    ("another key's details", "PKIX_ECDSA_P256_SHA_256", "PKIX_ED25519", "does not fit its ECDSA P-256 key"),
    ("unknown details", "PKIX_ECDSA_P256_SHA_256", "ML_DSA_65", "does not fit"),
    ("details of PSS", "PKIX_ECDSA_P256_SHA_256", "PKIX_RSA_PSS", "does not fit"),
    ("a broken key", #""rawBytes":"MFkw"#, #""rawBytes":"MFkx"#, "publicKey.rawBytes"),
    ("a point beside the curve", #"kDO6w==""#, #"kDO6g==""#, "not on the curve"),
    ("another log's identifier", "m0I4b9d2", "m0I4b9d3", "logId"),
    ("a short identifier", "m0I4b9d2+iQj5Sa0UJovOeFKG20a2/NXCJlwAKD1r/0=", "m0I4bw==", "logId"),
    ("no URL", "https://log.example.com", "log.example.com", "no http or https URL"),
    ("no host", "https://log.example.com", "https:///x", "no http or https URL"),
    ("a user in the URL", "https://log.example.com", "https://a@log.example.com", "no http or https URL"),
    ("no certificates", #""certificates":[{"#, #""certificates":[],"x":[{"#, "unknown member"),
    (
      "a broken certificate", #"{"certificates":[{"rawBytes":"MII"#, #"{"certificates":[{"rawBytes":"MIJ"#,
      "certificates[0]"
    ),
  ]

  @Test(arguments: edits.indices) func `a root with a fault is refused, and the fault named`(_ index: Int) throws {
    let (name, from, to, check) = Self.edits[index]
    try #require(Self.text.contains(from), "\(name)")
    let failure = try failure(Self.text.replacing(from, with: to))
    #expect(failure?.contains(check) == true, "\(name): \(failure ?? "accepted")")
    #expect(failure?.hasPrefix("the trusted root is malformed: ") == true)
  }

  @Test func `a chain without certificates is refused`() throws {
    let start = try #require(Self.text.firstRange(of: #""certificates":["#)).upperBound
    let end = try #require(Self.text[start...].firstIndex(of: "]"))
    let failure = try failure(Self.text.replacingCharacters(start..<end))
    #expect(failure?.contains("certificateAuthorities[0].certChain has no certificate") == true)
  }

  @Test func `two logs with one identifier are refused`() throws {
    let root = try JSONDocument(Array(Self.text.utf8)).root
    let log = String(decoding: try root.member("tlogs").elements()[0].bytes, as: UTF8.self)
    for list in ["tlogs", "ctlogs"] {
      let failure = try failure(Self.text.replacing("\"\(list)\":[\(log)]", with: "\"\(list)\":[\(log),\(log)]"))
      #expect(failure?.contains("two logs have one logId") == true)
    }
  }

  @Test func `what is counted is bounded`() throws {
    let many = "[" + String(repeating: "{},", count: 64) + "{}]"
    for list in ["tlogs", "ctlogs", "certificateAuthorities", "timestampAuthorities"] {
      let text = #"{"mediaType":"application/vnd.dev.sigstore.trustedroot+json;version=0.1","\#(list)":\#(many)}"#
      #expect(try failure(text)?.contains("\(list) has 65 elements, at most 64 are read") == true)
    }
    #expect(try failure(Self.text + String(repeating: " ", count: 1 << 20))?.contains("bytes of JSON") == true)
  }

  @Test func `a root may have nothing in it`() throws {
    for type in [
      "application/vnd.dev.sigstore.trustedroot+json;version=0.1", "application/vnd.dev.sigstore.trustedroot.v0.1+json",
    ] {
      let root = try TrustedRoot(parsing: Array(#"{"mediaType":"\#(type)"}"#.utf8))
      #expect(root.transparencyLogs.isEmpty && root.certificateAuthorities.isEmpty)
    }
    for text in ["", "{}", "[]", "null", #"{"mediaType":null}"#, #"{"mediaType":1}"#] {
      #expect(try failure(text) != nil)
    }
  }

  /// Members that protobuf may leave out, and no others.
  @Test func `a root with a member removed, doubled or of another type is refused`() throws {
    let accepted = try Set(
      Tree(Array(Self.text.utf8)).mutations().filter { try failure($0.tree.text) == nil }.map(\.name))
    let authorities = ["certificateAuthorities", "timestampAuthorities"]
    var harmless: Set<String> = []
    for list in ["tlogs", "ctlogs"] + authorities {
      harmless.formUnion(["\(list) removed", "\(list) → null", "\(list) → array", "\(list)[0] removed"])
    }
    for list in ["tlogs", "ctlogs"] {
      harmless.formUnion(["\(list)[0].publicKey.validFor.end removed", "\(list)[0].publicKey.validFor.end → null"])
    }
    for list in authorities {
      harmless.insert("\(list)[0] doubled")
      // The same certificate twice: the path decides.
      harmless.insert("\(list)[0].certChain.certificates[0] doubled")
      for member in ["subject", "subject.organization", "subject.commonName", "uri", "validFor.start"] {
        harmless.formUnion(["\(list)[0].\(member) removed", "\(list)[0].\(member) → null"])
      }
      harmless.formUnion([
        "\(list)[0].subject → object", "\(list)[0].validFor → object",
      ])
    }
    // A list or object that is there already is no mutation of its own type.
    #expect(accepted.subtracting(harmless).isEmpty, "\(accepted.subtracting(harmless).sorted())")
    #expect(harmless.subtracting(accepted).allSatisfy { $0.hasSuffix("→ array") || $0.hasSuffix("→ object") })
  }

  @Test func `checkpointKeyId must follow from the key`() throws {
    let id = #""logId":{"keyId":"m0I4b9d2+iQj5Sa0UJovOeFKG20a2/NXCJlwAKD1r/0="}"#
    for (value, isGood) in [
      ("m0I4bw==", true), ("m0I4b9d2+iQj5Sa0UJovOeFKG20a2/NXCJlwAKD1r/0=", true), ("AAAAAA==", false),
      ("m0I4b9c=", false),
      ("", false),
    ] {
      let text = Self.text.replacing(id, with: id + #","checkpointKeyId":{"keyId":"\#(value)"}"#)
      // A certificate log has no checkpoints; there only its form is looked at.
      let failure = try failure(text)
      #expect((failure == nil) == isGood, "\(value): \(failure ?? "accepted")")
    }
  }

  @Test func `keys alone make logs without name and window`() throws {
    let keys = [try PrivateKey(generating: .p256).publicKey, try PrivateKey(generating: .ed25519).publicKey]
    let root = TrustedRoot(transparencyLogKeys: keys + keys)
    #expect(root.transparencyLogs.map(\.logID) == keys.map(\.fingerprint.bytes))
    #expect(root.transparencyLogs.allSatisfy { $0.origin == nil && $0.validity == Validity() && $0.baseURL.isEmpty })
    #expect(root.certificateAuthorities.isEmpty && root.certificateLogs.isEmpty && root.timestampAuthorities.isEmpty)
    // The fingerprint is the keys': it stands in the keys of caches.
    #expect(root.fingerprint == TrustedRoot(transparencyLogKeys: keys).fingerprint)
    #expect(root.fingerprint != TrustedRoot(transparencyLogKeys: [keys[0]]).fingerprint)
    #expect(root.fingerprint != TrustedRoot(transparencyLogKeys: []).fingerprint)
  }

  @Test func `roots are combined`() throws {
    let (one, two) = (try Artifacts.root("rekor1"), try Artifacts.root("rekor2"))
    let both = TrustedRoot(combining: [one, two, one])
    #expect(both.transparencyLogs == one.transparencyLogs + two.transparencyLogs)
    #expect(both.fingerprint != one.fingerprint && both.fingerprint != two.fingerprint)
    #expect(TrustedRoot(combining: [one]).fingerprint == one.fingerprint)
    #expect(try Artifacts.logged("x_c31-rekor2").verify(both.transparencyLogs).count == 1)
  }

  @Test(
    arguments: [
      ("https://log.example.com", "log.example.com"), ("http://127.0.0.1:3003", "127.0.0.1"),
      ("https://log.example.com/", "log.example.com"), ("https://log.example.com:443/a?b#c", "log.example.com"),
      ("http://[::1]:3000", "::1"), ("http://[::1]", "::1"), ("https://localhost?x", "localhost"),
      ("ftp://log.example.com", nil), ("https://", nil), ("https://a:b:c", nil), ("https://a@b", nil),
      ("https://a b", nil),
      ("https://a+b", nil), ("HTTPS://a", nil), ("http://[::1", nil), ("http://[::1]x", nil), ("https://ä", nil),
      ("", nil),
    ] as [(String, String?)])
  func `a log's name is its URL's host`(_ url: String, _ host: String?) {
    #expect(TransparencyLog.host(of: url) == host)
  }

  @Test(.enabled(if: Fixtures.folder != nil, "PINSEAL_FIXTURES names no folder"))
  func `published roots are read`() throws {
    var count = 0
    for name in try Fixtures.names(under: ".") {
      guard name.hasSuffix(".json"), let bytes = try? Fixtures.bytes(name), bytes.count < 1 << 20 else { continue }
      guard let root = try? JSONDocument(bytes).root, root["tlogs"] != nil else { continue }
      let text = String(decoding: bytes, as: UTF8.self)
      let failure = try failure(text)
      if name.hasSuffix("trustedroot.badtype.json") {
        #expect(failure?.contains("its mediaType is \"bad-media-type\"") == true)
      } else {
        #expect(failure == nil, "\(name): \(failure ?? "")")
        count += 1
      }
    }
    #expect(count >= 12)
    let root = try TrustedRoot(parsing: Fixtures.bytes("root-signing/targets/trusted_root.json"))
    #expect(Hex.encode(root.fingerprint) == "6494e21ea73fa7ee769f85f57d5a3e6a08725eae1e38c755fc3517c9e6bc0b66")
    #expect(root.transparencyLogs.map(\.origin) == ["rekor.sigstore.dev", "log2025-1.rekor.sigstore.dev"])
    #expect(root.transparencyLogs.map(\.isV2Only) == [false, true])
    #expect(
      root.certificateLogs[0].validity.end
        == CalendarTime.time(year: 2022, month: 10, day: 31, hour: 23, minute: 59, second: 59))
    #expect(root.certificateAuthorities.map(\.chain.count) == [1, 2])
  }
}

extension String {
  fileprivate func replacingCharacters(_ range: Range<Index>) -> String {
    String(self[..<range.lowerBound] + self[range.upperBound...])
  }
}

@Suite struct InternetTimeTests {
  @Test(
    arguments: [
      ("1970-01-01T00:00:00Z", 0, false), ("2021-01-12T11:53:27Z", 1_610_452_407, false),
      ("2021-01-12T11:53:27.000Z", 1_610_452_407, false), ("2022-10-31T23:59:59.999Z", 1_667_260_799, true),
      ("2024-02-29T12:00:00.000000001Z", 1_709_208_000, true), ("0001-01-01T00:00:00Z", -62_135_596_800, false),
      ("9999-12-31T23:59:59Z", 253_402_300_799, false),
    ] as [(String, Int64, Bool)]) func `a time is read`(_ text: String, _ second: Int64, _ hasFraction: Bool) throws
  {
    let time = try #require(InternetTime.parse(text))
    #expect(time.second == second)
    #expect(time.hasFraction == hasFraction)
  }

  @Test(arguments: [
    "", "1970-01-01T00:00:00", "1970-01-01t00:00:00Z", "1970-01-01T00:00:00z", "1970-01-01 00:00:00Z",
    "1970-01-01T00:00:00.Z", "1970-01-01T00:00:00,5Z", "1970-01-01T00:00:00.1234567890Z", "1970-01-01T24:00:00Z",
    "1970-01-01T00:60:00Z", "1970-01-01T00:00:60Z", "1970-13-01T00:00:00Z", "1970-00-01T00:00:00Z",
    "1970-02-30T00:00:00Z",
    "1900-02-29T00:00:00Z", "+970-01-01T00:00:00Z", "1970-01-01T00:00:00+00:00", "1970-01-01T00:00:00.5",
    "-1970-01-01T00:00:0Z",
    "1970-01-01T00:00:0\u{661}Z", " 1970-01-01T00:00:00Z",
  ]) func `what is no time in UTC is refused`(_ text: String) {
    #expect(InternetTime.parse(text) == nil)
  }
}
