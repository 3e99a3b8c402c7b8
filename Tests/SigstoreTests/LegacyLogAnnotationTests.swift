import Crypto
import Primitives
import Testing

@testable import Sigstore

/// The annotation `dev.sigstore.cosign/bundle`.
@Suite struct LegacyLogAnnotationTests {
  let log: ForgeLog
  let signature: ForgeSignature

  init() throws {
    log = try ForgeLog()
    signature = try ForgeSignature()
  }

  private var body: [UInt8] { Array(signature.hashedRekord.utf8) }

  private func refusalOf(_ json: [UInt8], logs: [TransparencyLog]? = nil) throws -> CandidateRejection? {
    let logs = try logs ?? [log.trusted()]
    return try refusal { try LogVerifier.verifyAnnotation(json, entryOf: signature.signature, logs: logs) }
  }

  static let artifacts = ["x_c25-rekor1", "sk_rekor", "dr_x_c25-rekor1", "dr_sk_rekor"]

  @Test(arguments: artifacts) func `what cosign 2 and skopeo attach is verified`(_ name: String) throws {
    let root = try Artifacts.root("rekor1")
    let proof = try #require(try Artifacts.logged(name).verify(root.transparencyLogs).first)
    #expect(proof.logID == root.transparencyLogs[0].logID)
    #expect(proof.logURL == "http://127.0.0.1:3100")
    #expect(try #require(proof.integratedTime) > 1_790_000_000)
    // The log's key alone will do.
    let key = try #require(PublicKey.parsePEM(String(decoding: Artifacts.bytes("rekor1/log.pub"), as: UTF8.self)).first)
    let byKey = try Artifacts.logged(name).verify(TrustedRoot(transparencyLogKeys: [key]).transparencyLogs)
    #expect(byKey.first?.logIndex == proof.logIndex)
    #expect(byKey.first?.logURL == "")
  }

  @Test(arguments: artifacts) func `a proof of a log that is not trusted says which it is of`(_ name: String) throws {
    let sample = try Artifacts.logged(name)
    let other = try Artifacts.root("rekor2").transparencyLogs
    #expect(
      try refusal { try sample.verify(other) }.names(
        .logUnknown, "is of the log 9b42386fd776fa2423e526b4509a2f39e14a1b6d1adbf35708997000a0f5affd"))
    #expect(try refusal { try sample.verify([]) }.names(.logUnknown, "none is trusted"))
  }

  @Test func `CVE-2022-23649, CVE-2026-22703: the annotation of another signature is refused`() throws {
    let logs = try Artifacts.root("rekor1").transparencyLogs
    for (name, other) in zip(Self.artifacts, Self.artifacts.dropFirst() + [Self.artifacts[0]]) {
      var sample = try Artifacts.logged(name)
      sample.proof = try Artifacts.logged(other).proof
      let refusal = try refusal { try sample.verify(logs) }
      #expect(refusal?.reason == .logProofInvalid, "\(refusal?.description ?? "accepted")")
      // The payload is the same for both samples of one signer; the signature never is.
      #expect(
        refusal.names(.logProofInvalid, "is of another signature")
          || refusal.names(.logProofInvalid, "hash of what is signed is another one"))
    }
  }

  @Test func `a timestamp that the log did not sign is refused`() throws {
    #expect(try refusalOf(log.annotation(body)) == nil)
    let text = String(decoding: try log.annotation(body), as: UTF8.self)
    let other = try ForgeSignature().hashedRekord
    for (from, to) in [
      ("1700000000", "1700000001"), (#""logIndex":7"#, #""logIndex":8"#),
      (Base64.encode(body), Base64.encode(Array(other.utf8))),
    ] {
      let edited = Array(text.replacing(from, with: to).utf8)
      #expect(try refusalOf(edited).names(.logProofInvalid, "entry timestamp does not verify with the key of the log"))
    }
    // Signed by another log under this one's identifier.
    let stranger = try ForgeLog().annotation(body, id: log.spkiID)
    #expect(try refusalOf(stranger).names(.logProofInvalid, "entry timestamp does not verify"))
  }

  @Test func `attack 28: a member that lacks is not 0`() throws {
    // Signed over zeros, so that only the reading can refuse.
    let zero = String(decoding: try log.annotation(body, time: 0, index: 0), as: UTF8.self)
    for (member, name) in [(#""integratedTime":0,"#, "integratedTime"), (#""logIndex":0,"#, "logIndex")] {
      try #require(zero.contains(member))
      let json = Array(zero.replacing(member, with: "").utf8)
      #expect(try refusalOf(json).names(.malformed, "lacks the member \"\(name)\""))
    }
  }

  @Test func `attack 28: a time that is 0, negative or outside of the key's validity is refused`() throws {
    for time in [0, -1, Int64.min] as [Int64] {
      let open = TransparencyLog(key: log.key.publicKey)
      #expect(try refusalOf(log.annotation(body, time: time), logs: [open]).names(.logProofInvalid, "is not possible"))
    }
    #expect(try refusalOf(log.annotation(body, index: -1)).names(.logProofInvalid, "is not possible"))
    let window = Validity(start: 1_700_000_000, end: 1_700_000_100)
    for (time, isGood) in [
      (1_699_999_999, false), (1_700_000_000, true), (1_700_000_100, true), (1_700_000_101, false), (Int64.max, false),
    ] as [(Int64, Bool)] {
      let refusal = try refusalOf(log.annotation(body, time: time), logs: [log.trusted(validity: window)])
      if isGood {
        #expect(refusal == nil)
      } else {
        #expect(refusal.names(.logProofInvalid, "was in use from 2023-11-14T22:13:20Z to 2023-11-14T22:15:00Z"))
      }
    }
  }

  @Test func `of logs with one identifier the one in use then counts`() throws {
    let early = try log.trusted(validity: Validity(start: 0, end: 1_000))
    let late = try log.trusted(validity: Validity(start: 1_600_000_000, end: nil))
    #expect(try refusalOf(log.annotation(body), logs: [early, late]) == nil)
    #expect(try refusalOf(log.annotation(body), logs: [early]).names(.logProofInvalid, "was in use"))
  }

  @Test func `attack 28: a log's identifier is 64 lower-case digits`() throws {
    let id = Hex.encode(log.spkiID)
    let text = String(decoding: try log.annotation(body), as: UTF8.self)
    for form in [id.uppercased(), String(id.dropLast(2)), id + "00", "", Base64.encode(log.spkiID)] {
      let json = Array(text.replacing(id, with: form).utf8)
      #expect(try refusalOf(json).names(.malformed, "Payload.logID is not 64 lower-case hexadecimal digits"))
    }
  }

  @Test func `attack 28: a certificate log's key is no key of a transparency log`() throws {
    let key = Base64.encode(log.key.publicKey.subjectPublicKeyInfo)
    let root = try TrustedRoot(
      parsing: Array(
        (#"{"mediaType":"application/vnd.dev.sigstore.trustedroot+json;version=0.1","ctlogs":[{"baseUrl":"#
          + #""https://ct.example.com","hashAlgorithm":"SHA2_256","publicKey":{"rawBytes":"\#(key)","keyDetails":"#
          + #""PKIX_ECDSA_P256_SHA_256","validFor":{"start":"2021-01-01T00:00:00Z"}},"logId":{"keyId":""#
          + Base64.encode(log.spkiID) + #""}}]}"#).utf8))
    #expect(root.certificateLogs.count == 1)
    #expect(try refusalOf(log.annotation(body), logs: root.transparencyLogs).names(.logUnknown, "which is not trusted"))
  }

  @Test func `a log of Rekor v2 signs no timestamps`() throws {
    let tiles = try ForgeLog(.ed25519)
    let id = tiles.noteID(tiles.host)
    #expect(
      try refusalOf(tiles.annotation(body, id: id), logs: [tiles.trusted(v2: true)])
        .names(.logProofInvalid, "has an entry timestamp, which the log log.example.com does not sign"))
  }

  /// With cosign 3.0.4 a body that was no string ended the process.
  @Test(arguments: [
    "null", "1", "[]", "{}", "true", "\"\"", "\"!\"", "\"bnVsbA==\"", "\"e30=\"", "\"W10=\"", "\"IiI=\"",
  ])
  func `cosign 3.0.5, CVE-2023-33199, CVE-2026-23831: a body that is no entry is refused`(_ value: String) throws {
    let text = String(decoding: try log.annotation(body), as: UTF8.self)
    let json = Array(text.replacing("\"\(Base64.encode(body))\"", with: value).utf8)
    #expect(try refusalOf(json) != nil)
    // Also where the log signed it.
    let bytes = Base64.decode(value.replacing("\"", with: "")) ?? []
    #expect(try refusalOf(log.annotation(bytes)).names(.malformed, "its log entry is malformed"))
  }

  @Test(arguments: [
    "", "null", "[]", "{}", "\u{FEFF}{}", "{", #"{"SignedEntryTimestamp":""}"#, #"{"Payload":{}}"#,
    #"{"SignedEntryTimestamp":null,"Payload":null}"#, #"{"SignedEntryTimestamp":"AAAA","Payload":[]}"#,
  ]) func `an annotation that is none is refused`(_ text: String) throws {
    #expect(try refusalOf(Array(text.utf8)).names(.malformed, "its annotation dev.sigstore.cosign/bundle is malformed"))
  }

  static let spellings: [(from: String, to: String, check: String)] = [
    (#""logIndex":7"#, #""logIndex":7.0"#, "not an integer"), (#""logIndex":7"#, #""logIndex":7e0"#, "not an integer"),
    (#""logIndex":7"#, #""logIndex":"7""#, "expected number"),
    (#""logIndex":7"#, #""logIndex":07"#, "malformed number"),
    (#""logIndex":7"#, #""logIndex":-0"#, "not an integer"),
    (#""logIndex":7"#, #""logIndex":9223372036854775808"#, "not an integer"),
    (#""logIndex":7"#, #""logIndex":1e400"#, "not an integer"),
    (#""logIndex":7"#, #""logIndex":NaN"#, "expected a value"),
    (#""logIndex":7"#, #""logIndex":7,"logIndex":7"#, "twice"),
    (#""logIndex":7"#, #""logIndex":7,"LogIndex":7"#, "unknown member"),
    (#""logIndex":7"#, #""logIndex":7,"x":7"#, "unknown member"), (#""logIndex""#, #""LogIndex""#, "unknown member"),
    (#""Payload""#, #""payload""#, "unknown member"), (#""Payload""#, #""X":0,"Payload""#, "unknown member"),
    (#""Payload""#, #""Payload":{},"Payload""#, "twice"),
    (#""logIndex""#, "\"\\u006cogIndex\":7,\"logIndex\"", "twice"),
    (#""logID""#, "\"logI\u{212A}\"", "unknown member"),
  ]

  @Test(arguments: spellings.indices) func `attack 24: an annotation has one reading`(_ index: Int) throws {
    let (from, to, check) = Self.spellings[index]
    let text = String(decoding: try log.annotation(body), as: UTF8.self)
    try #require(text.contains(from))
    let refusal = try refusalOf(Array(text.replacing(from, with: to).utf8))
    #expect(refusal.names(.malformed, check), "\(to): \(refusal?.description ?? "accepted")")
  }

  @Test func `attack 25: base64 in an annotation has one spelling`() throws {
    let text = String(decoding: try log.annotation(body), as: UTF8.self)
    let encoded = Base64.encode(body)
    for form in [
      encoded + "\\n", encoded + "=", encoded.prefix(4) + " " + encoded.dropFirst(4), encoded.dropLast() + "*",
    ]
      as [any StringProtocol]
    {
      let json = Array(text.replacing(encoded, with: String(form)).utf8)
      #expect(try refusalOf(json).names(.malformed, "Payload.body is not base64"))
    }
  }

  @Test func `a certificate must have been valid when the log took it in`() throws {
    let certificate = try DevelopmentCertificate()
    let signed = LoggedSignature(
      signature: signature.bytes, verifier: .certificate(certificate.certificate), content: signature.signature.content)
    let body = Array(
      signature.hashedRekord.replacing(signature.pem, with: Base64.encode(Array(certificate.pem.utf8))).utf8)
    let validity = certificate.certificate.validity
    let (start, end) = (try #require(validity.start), try #require(validity.end))
    for (time, isGood) in [(start - 1, false), (start, true), (end, true), (end + 1, false)] {
      let json = try log.annotation(body, time: time)
      let refusal = try refusal { try LogVerifier.verifyAnnotation(json, entryOf: signed, logs: [log.trusted()]) }
      if isGood {
        #expect(refusal == nil)
      } else {
        #expect(refusal.names(.logProofInvalid, "when its certificate was not valid"))
      }
    }
  }
}
