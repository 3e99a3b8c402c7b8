import Crypto
import Foundation
import Primitives
import Testing

@testable import Sigstore

/// Checkpoints to the byte (attack 29): each case is signed as it is, unless it is changed after that.
@Suite struct CheckpointTests {
  var v1: ForgeLog
  var v2: ForgeLog

  init() throws {
    v1 = try ForgeLog()
    v2 = try ForgeLog(.ed25519)
    v1.log([1])
    v2.log([1])
  }

  private func refusalV1(_ envelope: String, log: TransparencyLog? = nil) throws -> CandidateRejection? {
    let log = try log ?? v1.trusted()
    return try refusal { try Checkpoint(parsing: envelope).requireSigned(byV1: log) }
  }

  private func refusalV2(_ envelope: String, log: TransparencyLog? = nil) throws -> CandidateRejection? {
    let log = try log ?? v2.trusted(v2: true)
    return try refusal { try Checkpoint(parsing: envelope).requireSigned(byV2: log) }
  }

  @Test func `a checkpoint says what it says`() throws {
    let checkpoint = try Checkpoint(parsing: v1.checkpoint(v2: false))
    #expect(checkpoint.origin == "log.example.com - 42")
    #expect(checkpoint.size == 6)
    #expect(checkpoint.rootHash == ForgeLog.root(v1.leaves[...]))
    #expect(try refusalV1(v1.checkpoint(v2: false)) == nil)
    #expect(try refusalV2(v2.checkpoint(v2: true)) == nil)
    // Further lines are signed too, and have no meaning here.
    #expect(try refusalV1(v1.checkpoint(v2: false, text: { $0 + "Timestamp: 1697034484441201852\n" })) == nil)
  }

  @Test(arguments: [PublicKey.Kind.p256, .p384, .p521, .ed25519, .rsa(bits: 2048)])
  func `logs sign with keys of all kinds`(_ kind: PublicKey.Kind) throws {
    var log = try ForgeLog(kind)
    log.log([1])
    #expect(try refusalV1(log.checkpoint(v2: false), log: log.trusted()) == nil)
    #expect(try refusalV2(log.checkpoint(v2: true), log: log.trusted(v2: true)) == nil)
    #expect(try refusalV1(log.checkpoint(v2: false), log: TransparencyLog(key: log.key.publicKey)) == nil)
    #expect(try refusalV2(log.checkpoint(v2: true), log: TransparencyLog(key: log.key.publicKey)) == nil)
    let other = try log.checkpoint(v2: true, text: { $0 }, whole: { $0.replacing("\n6\n", with: "\n7\n") })
    #expect(try refusalV2(other, log: log.trusted(v2: true)).names(.logProofInvalid, "that does not verify"))
  }

  /// Changes of the text before it is signed: the log itself would have to write them.
  static let texts: [(name: String, edit: @Sendable (String) -> String, check: String)] = [
    ("CRLF", { $0.replacing("\n", with: "\r\n") }, "control character 13"),
    ("tab", { $0 + "a\tb\n" }, "control character 9"),
    ("NUL", { $0 + "\0\n" }, "control character 0"),
    ("empty line", { $0.replacing("\n6\n", with: "\n\n6\n") }, "has an empty line in its text"),
    ("empty line first", { "\n" + $0 }, "has an empty line in its text"),
    ("no root", { $0.split(separator: "\n").prefix(2).joined(separator: "\n") + "\n" }, "has 2 lines of text"),
    ("size with a leading zero", { $0.replacing("\n6\n", with: "\n06\n") }, "has a size that is not"),
    ("size with a plus", { $0.replacing("\n6\n", with: "\n+6\n") }, "has a size that is not"),
    ("size with a space", { $0.replacing("\n6\n", with: "\n 6\n") }, "has a size that is not"),
    ("size with an exponent", { $0.replacing("\n6\n", with: "\n6e0\n") }, "has a size that is not"),
    ("size zero", { $0.replacing("\n6\n", with: "\n0\n") }, "has a size that is not"),
    ("size negative", { $0.replacing("\n6\n", with: "\n-6\n") }, "has a size that is not"),
    ("size of 64 bits", { $0.replacing("\n6\n", with: "\n9223372036854775808\n") }, "has a size that is not"),
    ("size in other digits", { $0.replacing("\n6\n", with: "\n\u{0666}\n") }, "has a size that is not"),
    ("short root", { $0.replacing("=\n", with: "\n") }, "has a root that is not"),
    ("root of 31 bytes", { cut($0, Base64.encode([UInt8](repeating: 1, count: 31))) }, "has a root that is not"),
    ("root of 33 bytes", { cut($0, Base64.encode([UInt8](repeating: 1, count: 33))) }, "has a root that is not"),
    ("root with a space", { cut($0, " " + Base64.encode([UInt8](repeating: 1, count: 32))) }, "has a root that is not"),
    ("root with URL alphabet", { cut($0, String(repeating: "_", count: 42) + "8=") }, "has a root that is not"),
    ("many lines", { $0 + String(repeating: "x\n", count: 62) }, "has 65 lines of text"),
  ]

  private static func cut(_ text: String, _ root: String) -> String {
    text.split(separator: "\n").prefix(2).joined(separator: "\n") + "\n" + root + "\n"
  }

  @Test(arguments: texts.indices) func `attack 29: a text that is no checkpoint is refused`(_ index: Int) throws {
    let (name, edit, check) = Self.texts[index]
    let first = try refusalV1(v1.checkpoint(v2: false, text: edit))
    #expect(first.names(.logProofInvalid, check), "\(name): \(first?.description ?? "accepted")")
    let second = try refusalV2(v2.checkpoint(v2: true, text: edit))
    #expect(second.names(.logProofInvalid, check), "\(name): \(second?.description ?? "accepted")")
  }

  /// Changes of the signature lines.
  static let lines: [(name: String, edit: @Sendable (String) -> String, check: String)] = [
    ("no signature", { _ in "" }, "has no signature"),
    ("hyphen for EM DASH", { $0.replacing("—", with: "-") }, "does not begin with an EM DASH"),
    ("EN DASH for EM DASH", { $0.replacing("—", with: "–") }, "does not begin with an EM DASH"),
    ("no EM DASH", { String($0.dropFirst(2)) }, "does not begin with an EM DASH"),
    ("space before", { " " + $0 }, "does not begin with an EM DASH"),
    ("two spaces", { $0.replacing(" log", with: "  log") }, "not of the form"),
    ("space behind", { $0.replacing("\n", with: " \n") }, "not of the form"),
    ("name with a plus", { $0.replacing("log.", with: "log+") }, "not of the form"),
    ("name with a no-break space", { $0.replacing("log.", with: "log\u{A0}") }, "not of the form"),
    ("no name", { $0.replacing("log.example.com ", with: "") }, "not of the form"),
    ("no base64", { $0.prefix(18) + "!!!!\n" }, "is not base64"),
    ("hint alone", { $0.prefix(18) + "AAAAAA==\n" }, "is not base64"),
    ("nothing", { $0.prefix(18) + "\n" }, "is not base64"),
    ("too long", { $0.prefix(18) + String(repeating: "AAAA", count: 400) + "\n" }, "is not base64"),
    ("no newline", { String($0.dropLast()) }, "does not end with a newline"),
    ("empty line behind", { $0 + "\n" }, "has no signature"),
    ("noise behind", { $0 + "x\n" }, "does not begin with an EM DASH"),
    ("carriage return", { $0.replacing("\n", with: "\r\n") }, "control character 13"),
    ("twice", { $0 + $0 }, "has 2 signatures by"),
    ("a hundred and one", { String(repeating: $0, count: 101) }, "has 101 signatures, at most 100"),
  ]

  @Test(arguments: lines.indices) func `attack 29: signature lines of another form are refused`(_ index: Int) throws {
    let (name, edit, check) = Self.lines[index]
    let first = try refusalV1(v1.checkpoint(v2: false, lines: edit))
    #expect(first.names(.logProofInvalid, check), "\(name): \(first?.description ?? "accepted")")
    let second = try refusalV2(v2.checkpoint(v2: true, lines: edit))
    #expect(second.names(.logProofInvalid, check), "\(name): \(second?.description ?? "accepted")")
  }

  @Test(arguments: ["", "\n", "\n\n", "\n\n\n", "a", "a\n", "a\n\n", "\n\n— a AAAAAAA=\n", "\u{FEFF}"])
  func `what is hardly a note is refused`(_ envelope: String) throws {
    #expect(try refusal { try Checkpoint(parsing: envelope) }?.reason == .logProofInvalid)
  }

  @Test func `a note is bounded`() throws {
    let long = try v1.checkpoint(v2: false, text: { $0 + String(repeating: "x", count: 33_000) + "\n" })
    #expect(try refusalV1(long).names(.logProofInvalid, "at most 32768 are read"))
  }

  @Test func `a checkpoint that was changed after it was signed is refused`() throws {
    let root = Base64.encode(ForgeLog.root(v1.leaves[...]))
    let edits: [(String, String)] = [
      ("\n6\n", "\n7\n"), (root, Base64.encode([UInt8](repeating: 7, count: 32))), (" - 42\n", " - 43\n"),
      ("\n\n", "\nanother line\n\n"),
    ]
    for (from, to) in edits {
      let envelope = try v1.checkpoint(v2: false, whole: { $0.replacing(from, with: to) })
      #expect(
        try refusalV1(envelope).names(
          .logProofInvalid, "has a signature by the log log.example.com that does not verify"))
    }
  }

  @Test(arguments: [
    "log.example.com", "log.example.com -42", "log.example.com - ", "log.example.com - 042", "log.example.com - 42x",
    "log.example.com - -42", " - 42", "- 42", "log.example.com - 42 ", "log.example.com - 99999999999999999999",
  ]) func `an origin of Rekor v1 has a name and a tree`(_ origin: String) throws {
    let envelope = try v1.checkpoint(v2: false, text: { $0.replacing("log.example.com - 42", with: origin) })
    #expect(try refusalV1(envelope).names(.logProofInvalid, "not one of Rekor v1"))
  }

  @Test func `the origin's name is compared with the log's, unlike in cosign`() throws {
    var other = v1
    other.host = "other.example.com"
    let log = try v1.trusted()
    #expect(
      try refusalV1(other.checkpoint(v2: false), log: log).names(
        .logProofInvalid, "has the origin \"other.example.com - 42\", which is not of the log log.example.com"))
    // Any tree will do: shards of one log have one key.
    var shard = v1
    shard.tree = "43"
    #expect(try refusalV1(shard.checkpoint(v2: false), log: log) == nil)
    // Origin and signature must agree, also where the log has no name.
    let mixed = try v1.checkpoint(v2: false, lines: { $0.replacing("log.example.com", with: "log.example.org") })
    for log in [log, TransparencyLog(key: v1.key.publicKey)] {
      #expect(try refusalV1(mixed, log: log).names(.logProofInvalid, "has a signature that is not by"))
    }
    #expect(try refusalV1(other.checkpoint(v2: false), log: TransparencyLog(key: v1.key.publicKey)) == nil)
    // Cyrillic letters are other letters.
    var cyrillic = v1
    cyrillic.host = "l\u{43E}g.example.com"
    #expect(try refusalV1(cyrillic.checkpoint(v2: false), log: log).names(.logProofInvalid, "which is not of"))
  }

  @Test func `the origin of Rekor v2 is the log's name and nothing else`() throws {
    for origin in ["log.example.com - 42", "other.example.com", "LOG.example.com", "log.example.com."] {
      let envelope = try v2.checkpoint(v2: true, text: { $0.replacing("log.example.com", with: origin) })
      #expect(try refusalV2(envelope).names(.logProofInvalid, "has the origin \"\(origin)\", which is not of"))
    }
  }

  @Test func `a checkpoint of Rekor v1 has no signatures by others`() throws {
    let stranger = try ForgeLog()
    let text = try String(v1.checkpoint(v2: false).split(separator: "— ")[0].dropLast())
    let foreign = try stranger.line(text, hint: stranger.spkiID)
    for lines in [{ $0 + foreign }, { foreign + $0 }] as [(String) -> String] {
      let envelope = try v1.checkpoint(v2: false, lines: lines)
      #expect(try refusalV1(envelope).names(.logProofInvalid, "has a signature that is not by"))
    }
  }

  @Test func `witnesses of Rekor v2 are not looked at, wherever they stand`() throws {
    let witness = try ForgeLog(.ed25519)
    let foreign = try witness.line("anything", name: "witness.example.org/w1", hint: [1, 2, 3, 4])
    // The log's name under another hint, and the log's hint under another name, are others too.
    let sameName = try witness.line("anything", hint: [1, 2, 3, 4])
    let sameHint = try witness.line("anything", name: "other.example.com", hint: v2.noteID(v2.host))
    for lines in [{ $0 + foreign }, { foreign + $0 }, { sameName + $0 + sameHint }] as [(String) -> String] {
      #expect(try refusalV2(v2.checkpoint(v2: true, lines: lines)) == nil)
    }
    // Alone they are nothing.
    for lines in [{ _ in foreign }, { _ in sameName }, { _ in sameHint }] as [(String) -> String] {
      #expect(try refusalV2(v2.checkpoint(v2: true, lines: lines)).names(.logProofInvalid, "has 0 signatures by"))
    }
  }

  @Test func `a signature under the log's name and hint that fails is an error, whatever stands beside it`() throws {
    let bad = try ForgeLog(.ed25519).line("anything", hint: v2.noteID(v2.host))
    #expect(try refusalV2(v2.checkpoint(v2: true, lines: { _ in bad })).names(.logProofInvalid, "that does not verify"))
    for lines in [{ $0 + bad }, { bad + $0 }] as [(String) -> String] {
      #expect(try refusalV2(v2.checkpoint(v2: true, lines: lines)).names(.logProofInvalid, "has 2 signatures by"))
    }
  }

  @Test func `logs sign with ECDSA in DER only`() throws {
    let envelope = try v1.checkpoint(
      v2: false,
      lines: { line in
        let parts = line.dropLast().split(separator: " ")
        var bytes = try #require(Base64.decode(parts[2]))
        let raw = try #require(Self.bare(Array(bytes[4...])))
        bytes = bytes.prefix(4) + raw
        return "— log.example.com \(Base64.encode(bytes))\n"
      })
    #expect(try refusalV1(envelope).names(.logProofInvalid, "that does not verify"))
  }

  /// r and s of a DER signature on P-256 side by side.
  static func bare(_ der: [UInt8]) -> [UInt8]? {
    var rest = der.dropFirst(2)
    var result: [UInt8] = []
    for _ in 0..<2 {
      guard rest.popFirst() == 2, let count = rest.popFirst() else { return nil }
      let digits = rest.prefix(Int(count)).drop { $0 == 0 }
      result += [UInt8](repeating: 0, count: 32 - digits.count) + digits
      rest = rest.dropFirst(Int(count))
    }
    return result
  }

  /// sigstore-java's parser cases.
  @Test(
    .enabled(if: Fixtures.folder != nil, "PINSEAL_FIXTURES names no folder"),
    arguments: [
      ("valid", nil), ("valid_multi_sig", nil), ("error_header_count", "lines of text"),
      ("error_header_body_separator", "has no blank line"), ("error_no_newline_after_signature", "newline"),
      ("error_no_signatures", "has no signature"), ("error_not_a_number", "has a size that is not"),
      ("error_signature_format_invalid", "does not begin with an EM DASH"),
      ("error_signature_length_insufficient", "is not base64 of 5"),
    ] as [(String, String?)])
  func `the published parser cases are judged as published`(_ name: String, _ check: String?) throws {
    let folder = "sigstore-java/sigstore-java/src/test/resources/dev/sigstore/samples/checkpoints"
    let text = String(decoding: try Fixtures.bytes("\(folder)/\(name).txt"), as: UTF8.self)
    let refusal = try refusal { try Checkpoint(parsing: text) }
    guard let check else {
      #expect(refusal == nil)
      return
    }
    #expect(refusal.names(.logProofInvalid, check), "\(refusal?.description ?? "accepted")")
  }
}
