import Crypto
import Primitives
import Testing

@testable import Sigstore

/// Entries of logs in bundles.
@Suite struct BundleLogEntryTests {
  var log: ForgeLog
  let signature: ForgeSignature

  init() throws {
    log = try ForgeLog()
    signature = try ForgeSignature()
    log.log(Array(signature.hashedRekord.utf8))
  }

  private func entry(edit: (inout ForgeLog.Entry) throws -> Void = { _ in }) throws -> String {
    try log.entry(3, v2: false, edit: edit)
  }

  private func proofs(
    _ entries: String..., version: BundleVersion = .v03, logs: [TransparencyLog]? = nil, times: [UnixTime] = []
  ) throws -> [LogProof] {
    let text = #"{"verificationMaterial":{"tlogEntries":[\#(entries.joined(separator: ","))]}}"#
    return try LoggedSample(
      signature: signature.signature, proof: .bundle(Array(text.utf8)), version: version
    ).verify(logs ?? [log.trusted()], times: times)
  }

  static let artifacts = ["x_c31-rekor1", "dr_x_c31-rekor1"]

  @Test(arguments: artifacts) func `what cosign 3 gets of Rekor v1 is verified`(_ name: String) throws {
    let logs = try Artifacts.root("rekor1").transparencyLogs
    let proof = try #require(try Artifacts.logged(name).verify(logs).first)
    #expect(proof.logURL == "http://127.0.0.1:3100")
    #expect(try #require(proof.integratedTime) > 1_790_000_000)
    let key = try #require(PublicKey.parsePEM(String(decoding: Artifacts.bytes("rekor1/log.pub"), as: UTF8.self)).first)
    let byKey = try Artifacts.logged(name).verify(TrustedRoot(transparencyLogKeys: [key]).transparencyLogs)
    #expect(byKey.map(\.logIndex) == [proof.logIndex])
    #expect(
      try refusal { try Artifacts.logged(name).verify(Artifacts.root("rekor2").transparencyLogs) }
        .names(.logUnknown, "which is not trusted"))
  }

  @Test func `CVE-2024-53267: the entry of another signature is refused`() throws {
    let logs = try Artifacts.root("rekor1").transparencyLogs
    var sample = try Artifacts.logged("x_c31-rekor1")
    sample.proof = try Artifacts.logged("dr_x_c31-rekor1").proof
    #expect(try refusal { try sample.verify(logs) }.names(.logProofInvalid, "is of another signature"))
  }

  // MARK: Timestamp, proof and version

  @Test func `a proof with timestamp says place and time as the log signed them`() throws {
    let proof = try #require(try proofs(entry()).first)
    #expect(
      proof
        == LogProof(
          logID: log.spkiID, logIndex: 1003, integratedTime: 1_700_000_000, logURL: "https://log.example.com"))
  }

  @Test func `CVE-2024-55655: a time that no timestamp signs is not reported`() throws {
    let proof = try #require(try proofs(entry { $0.timestamp = nil }).first)
    #expect(proof.integratedTime == nil)
    // Nor is the place in all of the log: what the checkpoint is over is the place in the tree.
    #expect(proof.logIndex == 3)
    // Whatever it says, as long as it does not contradict.
    let other = try entry { ($0.timestamp, $0.integratedTime) = (nil, 1_888_888_888) }
    #expect(try proofs(other).first?.integratedTime == nil)
    #expect(try proofs(entry { ($0.timestamp, $0.integratedTime) = (nil, nil) }).first?.integratedTime == nil)
  }

  @Test func `a time without timestamp must still lie in the key's validity`() throws {
    let early = try entry { ($0.timestamp, $0.integratedTime) = (nil, 1_599_999_999) }
    #expect(try refusal { try proofs(early) }.names(.logProofInvalid, "was in use from"))
    // Where the log signs no time, times of timestamp authorities are held against the key's validity.
    let untimed = try entry { ($0.timestamp, $0.integratedTime) = (nil, nil) }
    #expect(try refusal { try proofs(untimed, times: [1_599_999_999]) }.names(.logProofInvalid, "was in use from"))
    #expect(try proofs(untimed, times: [1_600_000_000]).count == 1)
  }

  @Test func `a timestamp that is there must verify, also beside a good proof`() throws {
    for edit in [
      { $0.timestamp?[20] ^= 1 }, { $0.integratedTime = 1_700_000_001 }, { $0.logIndex = "1004" },
      { $0.timestamp = [1] },
    ] as [(inout ForgeLog.Entry) -> Void] {
      let refusal = try refusal { try proofs(entry(edit: edit)) }
      #expect(
        refusal.names(.logProofInvalid, "entry timestamp does not verify"), "\(refusal?.description ?? "accepted")")
    }
    for edit in [{ $0.integratedTime = nil }, { $0.integratedTime = 0 }] as [(inout ForgeLog.Entry) -> Void] {
      #expect(
        try refusal { try proofs(entry(edit: edit)) }
          .names(.logProofInvalid, "has an entry timestamp without integratedTime"))
    }
    // cosign passes over such an entry if there is a good one; here it is an error.
    let bad = try entry { $0.logIndex = "1004" }
    #expect(try refusal { try proofs(entry(), bad) }.names(.logProofInvalid, "entry timestamp does not verify"))
  }

  @Test func `version 0.1 needs a timestamp, later ones a proof with checkpoint`() throws {
    let neither = try entry { ($0.timestamp, $0.hasProof) = (nil, false) }
    let timestamp = try entry { $0.hasProof = false }
    let proof = try entry { $0.timestamp = nil }
    let bare = try entry { $0.hasCheckpoint = false }
    #expect(try proofs(timestamp, version: .v01).first?.integratedTime == 1_700_000_000)
    #expect(try proofs(entry(), version: .v01).count == 1)
    for text in [proof, neither] {
      #expect(
        try refusal { try proofs(text, version: .v01) }.names(
          .logProofInvalid, "has no signed entry timestamp, which a bundle of version 0.1 must have"))
    }
    for version in [BundleVersion.v02, .v03] {
      #expect(try proofs(proof, version: version).count == 1)
      #expect(try proofs(entry(), version: version).count == 1)
      for text in [timestamp, neither] {
        #expect(
          try refusal { try proofs(text, version: version) }.names(
            .logProofInvalid, "has no inclusion proof, which a bundle of version \(version.rawValue) must have"))
      }
    }
    // What is there is checked, and whole.
    for version in [BundleVersion.v01, .v02, .v03] {
      #expect(try refusal { try proofs(bare, version: version) }.names(.logProofInvalid, "has no checkpoint"))
    }
  }

  @Test func `what proof and checkpoint say of the tree must agree, unlike in cosign`() throws {
    let root = Base64.encode(ForgeLog.root(log.leaves[...]))
    let good = try entry()
    let edits: [(String, String, String)] = [
      (#""treeSize":"6""#, #""treeSize":"7""#, "is in a tree of 7, its checkpoint of one of 6"),
      (#""treeSize":"6""#, #""treeSize":"0""#, "is in a tree of 0"),
      (#""treeSize":"6","#, "", "is in a tree of 0"),
      (
        #""rootHash":"\#(root)""#, #""rootHash":"\#(Base64.encode(log.spkiID))""#,
        "for another root than its checkpoint's"
      ),
      (#""logIndex":"3""#, #""logIndex":"6""#, "for the index 6 in a tree of 6"),
      (#""logIndex":"3""#, #""logIndex":"2""#, "does not lead to the root"),
      (#""logIndex":"3","#, "", "does not lead to the root"),
      (#""hashes":["#, #""hashes":["\#(root)","#, "does not lead to the root"),
    ]
    for (from, to, check) in edits {
      try #require(good.contains(from))
      let refusal = try refusal { try proofs(good.replacing(from, with: to)) }
      #expect(refusal.names(.logProofInvalid, check), "\(to): \(refusal?.description ?? "accepted")")
    }
    // All three changed alike: then the checkpoint is not the log's.
    let all = good.replacing(#""treeSize":"6""#, with: #""treeSize":"7""#).replacing("\\n6\\n", with: "\\n7\\n")
    #expect(
      try refusal { try proofs(all) }.names(.logProofInvalid, "a signature by the log log.example.com that does not"))
  }

  @Test func `attack 29: a tree of one leaf is no way around the checkpoint`() throws {
    let leaf = Base64.encode(MerkleProof.leafHash(Array(signature.hashedRekord.utf8)))
    var alone = log
    alone.leaves = [log.leaves[3]]
    #expect(try proofs(alone.entry(0, v2: false)).count == 1)
    // The same entry, with the checkpoint of the larger tree.
    let forged = try alone.entry(0, v2: false) { $0.checkpoint = try log.checkpoint(v2: false) }
    #expect(forged.contains(leaf))
    #expect(try refusal { try proofs(forged) }.names(.logProofInvalid, "is in a tree of 1, its checkpoint of one of 6"))
  }

  @Test func `sigstore-java 1.2.0: a checkpoint by another log is refused`() throws {
    var stranger = try ForgeLog()
    stranger.leaves = log.leaves
    let text = try entry { $0.checkpoint = try stranger.checkpoint(v2: false) }
    #expect(try refusal { try proofs(text) }.names(.logProofInvalid, "has a signature that is not by the log"))
    // With the log's hint.
    let hinted = try entry {
      $0.checkpoint = try stranger.checkpoint(
        v2: false,
        lines: { _ in
          try stranger.line("\(log.originV1)\n6\n\(Base64.encode(ForgeLog.root(log.leaves[...])))\n", hint: log.spkiID)
        })
    }
    #expect(try refusal { try proofs(hinted) }.names(.logProofInvalid, "that does not verify"))
  }

  // MARK: Which log, and how many

  @Test func `an entry of an unknown log is passed over, and does not count`() throws {
    var stranger = try ForgeLog()
    stranger.leaves = log.leaves
    let foreign = try stranger.entry(3, v2: false)
    #expect(try proofs(foreign, entry()).map(\.logID) == [log.spkiID])
    #expect(try proofs(entry(), foreign).map(\.logID) == [log.spkiID])
    #expect(
      try refusal { try proofs(foreign) }
        .names(
          .logUnknown, "is of the log \(Hex.encode(stranger.spkiID)), which is not trusted (trusted: the log log.ex"))
    #expect(try refusal { try proofs() }.names(.logProofMissing, "has no entry of a transparency log"))
  }

  @Test func `a bad entry of a known log is an error, whatever stands beside it`() throws {
    let other = try ForgeSignature()
    var second = log
    second.leaves[3] = Array(other.hashedRekord.utf8)
    let bad = try second.entry(3, v2: false) {
      $0.logIndex = "2003"; $0.timestamp = nil
    }
    for entries in [(try entry(), bad), (bad, try entry())] {
      #expect(try refusal { try proofs(entries.0, entries.1) }.names(.logProofInvalid, "its log entry"))
    }
  }

  @Test func `CVE-2026-49834: one entry twice is refused, one log counts once`() throws {
    #expect(try refusal { try proofs(entry(), entry()) }.names(.logProofInvalid, "has one log entry twice"))
    // Another index for the same entry, where no timestamp covers it: two proofs of one log.
    let again = try entry { ($0.timestamp, $0.logIndex) = (nil, "5") }
    #expect(Set(try proofs(entry(), again).map(\.logID)).count == 1)
  }

  @Test func `CVE-2024-45395: more than 32 entries are refused`() throws {
    let one = try BundleLogEntry(LogEntryForm(Field(parsing: Array(entry().utf8), context: "it")))
    func verify(_ count: Int) throws -> CandidateRejection? {
      try refusal {
        try LogVerifier.verify(
          [BundleLogEntry](repeating: one, count: count), entryOf: signature.signature, logs: [log.trusted()],
          version: .v03)
      }
    }
    #expect(try verify(33).names(.logProofInvalid, "has 33 log entries, at most 32 are read"))
    #expect(try verify(32).names(.logProofInvalid, "twice"))
  }

  @Test func `CVE-2023-47122: the log and its key are the trust root's choice, not the bundle's`() throws {
    // Another trusted log's identifier on this log's entry.
    var other = try ForgeLog()
    other.host = "other.example.com"
    let text = try entry { $0.logID = other.spkiID }
    #expect(
      try refusal { try proofs(text, logs: [log.trusted(), other.trusted()]) }
        .names(.logProofInvalid, "entry timestamp does not verify with the key of the log other.example.com"))
    let untimed = try entry { ($0.logID, $0.timestamp) = (other.spkiID, nil) }
    #expect(
      try refusal { try proofs(untimed, logs: [log.trusted(), other.trusted()]) }
        .names(.logProofInvalid, "which is not of the log other.example.com"))
  }

  @Test func `kind and version are the body's`() throws {
    for edit in [{ $0.kind = "dsse" }, { $0.kind = "" }, { $0.version = "0.0.3" }] as [(inout ForgeLog.Entry) -> Void] {
      #expect(
        try refusal { try proofs(entry(edit: edit)) }.names(.logProofInvalid, "but is hashedrekord 0.0.1"))
    }
    // What is called an entry of Rekor v2 must be one in all.
    let text = try entry { $0.version = "0.0.2" }
    #expect(try refusal { try proofs(text) }.names(.logProofInvalid, "which v2 has not"))
    let untimed = try entry { ($0.version, $0.timestamp, $0.integratedTime) = ("0.0.2", nil, nil) }
    #expect(try refusal { try proofs(untimed) }.names(.logProofInvalid, "is not the one of this signature"))
  }

  // MARK: Reading

  static let spellings: [(from: String, to: String, check: String)] = [
    (#""logIndex":"1003""#, #""logIndex":"+1003""#, "not an integer"),
    (#""logIndex":"1003""#, #""logIndex":"01003""#, "not an integer"),
    (#""logIndex":"1003""#, #""logIndex":" 1003""#, "not an integer"),
    (#""logIndex":"1003""#, #""logIndex":1003.0"#, "not an integer"),
    (#""logIndex":"1003""#, #""logIndex":1e3"#, "not an integer"),
    (#""logIndex":"1003""#, #""logIndex":"-1003""#, "is negative"),
    (#""logIndex":"1003""#, #""logIndex":"9223372036854775808""#, "not an integer"),
    (#""logIndex":"1003""#, #""logIndex":"1003","logIndex":"1003""#, "twice"),
    (#""logIndex":"1003""#, #""log_index":"1003""#, "unknown member"),
    (#""integratedTime":"1700000000""#, #""integratedTime":"-1""#, "is negative"),
    (#""integratedTime":"1700000000""#, #""integratedTime":"1.7e9""#, "not an integer"),
    (#""treeSize":"6""#, #""treeSize":"-6""#, "is negative"),
    (#""treeSize":"6""#, #""treeSize":"six""#, "not an integer"),
    (#""kind":"hashedrekord""#, #""kind":1"#, "expected string"),
    (#""kindVersion":"#, #""kindversion":"#, "unknown member"),
    (#""canonicalizedBody":"#, #""x":"","canonicalizedBody":"#, "unknown member"),
    (#""hashes":["#, #""hashes":["AAAA","#, "has 3 bytes, expected 32"),
    (#""hashes":["#, #""hashes":[null,"#, "expected string"),
    (#""envelope":"#, #""x":1,"envelope":"#, "unknown member"), (#""keyId":""#, #""keyId":"AAAA"#, "bytes"),
  ]

  @Test(arguments: spellings.indices) func `attack 24: an entry has one reading`(_ index: Int) throws {
    let (from, to, check) = Self.spellings[index]
    let good = try entry()
    try #require(good.contains(from))
    let refusal = try refusal { try proofs(good.replacing(from, with: to)) }
    #expect(refusal.names(.malformed, check), "\(to): \(refusal?.description ?? "accepted")")
  }

  /// A member that protobuf's JSON may leave out and an entry must have: its form is good, the entry is none.
  @Test func `an entry lacks nothing that is not an integer`() throws {
    let good = try entry()
    for (member, inside, way) in [
      ("logId", #"\{[^}]*\}"#, "logId.keyId"), ("keyId", #""[^"]*""#, "logId.keyId"),
      ("kindVersion", #"\{[^}]*\}"#, "kindVersion.kind"), ("kind", #""[^"]*""#, "kindVersion.kind"),
      ("version", #""[^"]*""#, "kindVersion.version"), ("canonicalizedBody", #""[^"]*""#, "canonicalizedBody"),
      ("signedEntryTimestamp", #""[^"]*""#, "inclusionPromise.signedEntryTimestamp"),
      ("rootHash", #""[^"]*""#, "inclusionProof.rootHash"),
      ("envelope", #""[^"]*""#, "inclusionProof.checkpoint.envelope"),
    ] {
      let pattern = try Regex("\"\(member)\":\(inside)")
      let nulled = good.replacing(pattern, with: "\"\(member)\":null", maxReplacements: 1)
      try #require(nulled != good, "\(member)")
      _ = try LogEntryForm(Field(parsing: Array(nulled.utf8), context: "it"))
      let refusal = try refusal { try proofs(nulled) }
      #expect(
        refusal.names(.malformed, "verificationMaterial.tlogEntries[0].\(way) is missing"),
        "\(member): \(refusal?.description ?? "accepted")")
    }
  }

  /// Decoded when the bundle is read, whether or not logs are: what is verified are those very bytes, not others like them.
  @Test func `an entry is decoded once`() throws {
    guard case .bundle(let bytes) = try Artifacts.sample("x_c31-rekor1").candidate,
      case .entries(let forms, _) = try Bundle(parsing: bytes).evidence.log, let form = forms.first
    else {
      Issue.record("the sample is no bundle with an entry")
      return
    }
    func place(_ bytes: [UInt8]?) -> UnsafeRawPointer? { bytes?.withUnsafeBytes { $0.baseAddress } }
    let entry = try BundleLogEntry(form)
    #expect(form.body != nil && place(form.body) == place(entry.body))
    #expect(place(form.signedEntryTimestamp) == place(entry.signedEntryTimestamp))
    #expect(place(form.logID) == place(entry.logID))
    let (proof, read) = (try #require(form.proof), try #require(entry.proof))
    #expect(place(proof.rootHash) == place(read.rootHash))
    #expect(!proof.path.isEmpty && proof.path.map(place) == read.path.map(place))
  }

  @Test func `integers may be numbers, as protobuf may write them`() throws {
    let text = try entry().replacing(#""logIndex":"1003""#, with: #""logIndex":1003"#)
      .replacing(#""treeSize":"6""#, with: #""treeSize":6"#)
      .replacing(#""integratedTime":"1700000000""#, with: #""integratedTime":1700000000"#)
    #expect(try proofs(text).first?.logIndex == 1003)
  }

  @Test func `the first entry of a log, whose index protobuf leaves out, is verified`() throws {
    var first = log
    first.leaves = [log.leaves[3], [1]]
    let text = try first.entry(0, v2: false) {
      $0.logIndex = "0"
      $0.timestamp = try log.timestamp(log.leaves[3], time: 1_700_000_000, index: 0)
    }.replacing(#""logIndex":"0","#, with: "")
    #expect(!text.contains("logIndex"))
    #expect(try proofs(text).first?.logIndex == 0)
  }

  @Test func `a path of more than 64 hashes is not read`() throws {
    let hash = "\"\(Base64.encode(log.spkiID))\","
    let text = try entry().replacing(#""hashes":["#, with: #""hashes":["# + String(repeating: hash, count: 63))
    #expect(try refusal { try proofs(text) }.names(.malformed, "at most 64 are read"))
  }

  @Test func `a certificate must have been valid at the entry's time, signed or not`() throws {
    let certificate = try DevelopmentCertificate()
    let signed = LoggedSignature(
      signature: signature.bytes, verifier: .certificate(certificate.certificate), content: signature.signature.content)
    var log = log
    log.leaves[3] = Array(
      signature.hashedRekord.replacing(signature.pem, with: Base64.encode(Array(certificate.pem.utf8))).utf8)
    let start = try #require(certificate.certificate.validity.start)
    for isTimed in [true, false] {
      for (time, isGood) in [(start - 1, false), (start, true)] {
        let text = try log.entry(3, v2: false) {
          $0.integratedTime = time
          $0.timestamp = isTimed ? try log.timestamp(log.leaves[3], time: time, index: 1003) : nil
        }
        let sample = LoggedSample(signature: signed, proof: .bundle(ForgeLog.bundle(text)))
        let refusal = try refusal { try sample.verify([log.trusted()]) }
        if isGood {
          #expect(refusal == nil)
        } else {
          #expect(refusal.names(.logProofInvalid, "when its certificate was not valid"))
        }
      }
    }
  }
}
