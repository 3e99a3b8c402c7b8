import Crypto
import JSON
import Primitives
import Testing

@testable import Sigstore

/// Good proofs with one thing changed. What is still accepted is listed, and the lists are exact.
@Suite struct LogMutationTests {
  static let names = LegacyLogAnnotationTests.artifacts + BundleLogEntryTests.artifacts + RekorV2Tests.artifacts

  private func logs(_ name: String) throws -> [TransparencyLog] {
    try Artifacts.root(name.hasSuffix("rekor2") ? "rekor2" : "rekor1").transparencyLogs
  }

  /// The text of the annotation, or of the bundle's list of entries, and the sample with another text for it.
  private func parts(_ sample: LoggedSample) throws -> (text: [UInt8], sample: ([UInt8]) -> LoggedSample) {
    switch sample.proof {
    case .annotation(let json):
      return (
        json,
        {
          var other = sample; other.proof = .annotation($0); return other
        }
      )
    case .bundle(let json):
      let entries = try JSONDocument(json).root.member("verificationMaterial").member("tlogEntries")
      return (
        Array(entries.bytes),
        {
          var other = sample
          other.proof = .bundle(Array(#"{"verificationMaterial":{"tlogEntries":"#.utf8) + $0 + Array("}}".utf8))
          return other
        }
      )
    }
  }

  @Test(arguments: names) func `a proof with a member removed, doubled or of another type is refused`(_ name: String)
    throws
  {
    let logs = try logs(name)
    let (text, sample) = try parts(Artifacts.logged(name))
    #expect(try refusal { try sample(text).verify(logs) } == nil)
    let mutations = try Tree(text).mutations()
    #expect(mutations.count > 40)
    let accepted = try Set(
      mutations.filter { mutation in
        try refusal { try sample(Array(mutation.tree.text.utf8)).verify(logs) } == nil
      }.map(\.name))
    // With a proof of inclusion the timestamp is optional; without it no time is reported.
    #expect(
      accepted
        == (name.contains("x_c31-rekor1") ? ["[0].inclusionPromise removed", "[0].inclusionPromise → null"] : []))
    for mutation in mutations where accepted.contains(mutation.name) {
      #expect(try sample(Array(mutation.tree.text.utf8)).verify(logs).first?.integratedTime == nil)
    }
  }

  @Test(arguments: names) func `a proof with a bit of any byte changed is refused`(_ name: String) throws {
    let logs = try logs(name)
    let (text, sample) = try parts(Artifacts.logged(name))
    for index in text.indices {
      var changed = text
      changed[index] ^= 1 << UInt8(index % 8)
      #expect(try refusal { try sample(changed).verify(logs) } != nil, "bit \(index % 8) of byte \(index)")
    }
  }

  /// Every character of every string, moved on by one in the alphabet of base64.
  @Test(arguments: names) func `a proof with base64 nudged is refused`(_ name: String) throws {
    let logs = try logs(name)
    let (text, sample) = try parts(Artifacts.logged(name))
    let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)
    for index in text.indices {
      guard let place = alphabet.firstIndex(of: text[index]) else { continue }
      var changed = text
      changed[index] = alphabet[(place + 1) % 64]
      #expect(try refusal { try sample(changed).verify(logs) } != nil, "byte \(index)")
    }
  }

  /// Entries with a change that the log signed and took in: only equality with the signature can refuse them.
  @Test(arguments: ["hashedrekord", "rekord", "dsse", "intoto"])
  func `an entry with a member removed, doubled or of another type is refused, though the log has it`(_ kind: String)
    throws
  {
    let signature = try ForgeSignature(dsse: kind == "dsse" || kind == "intoto")
    let body =
      switch kind {
      case "hashedrekord": signature.hashedRekord
      case "rekord": signature.rekord
      case "dsse": signature.dsse
      default: signature.inToto
      }
    let log = try ForgeLog()
    func refusalOf(_ text: String) throws -> CandidateRejection? {
      let json = try log.annotation(Array(text.utf8))
      return try refusal {
        try LogVerifier.verifyAnnotation(json, entryOf: signature.signature, logs: [log.trusted()])
      }
    }
    #expect(try refusalOf(body) == nil)
    let mutations = try Tree(Array(body.utf8)).mutations()
    #expect(mutations.count > 40)
    let accepted = try Set(mutations.filter { try refusalOf($0.tree.text) == nil }.map(\.name))
    // The hash of the envelope as it was submitted cannot be compared with anything, so it may lack.
    #expect(accepted == (kind == "intoto" ? ["spec.content.hash removed", "spec.content.hash → null"] : []))
  }

  @Test func `the forged log's proofs with a bit changed are refused, entry by entry`() throws {
    var log = try ForgeLog()
    let signature = try ForgeSignature(dsse: true)
    log.log(Array(signature.dsse.utf8))
    let text = Array(
      try log.entry(3, v2: false) {
        $0.kind = "dsse"
        $0.timestamp = nil
        $0.integratedTime = nil
      }.utf8)
    func refusalOf(_ text: [UInt8]) throws -> CandidateRejection? {
      try refusal {
        try LoggedSample(
          signature: signature.signature,
          proof: .bundle(Array(#"{"verificationMaterial":{"tlogEntries":["#.utf8) + text + Array("]}}".utf8))
        ).verify([log.trusted()])
      }
    }
    #expect(try refusalOf(text) == nil)
    // The place in all of the log is covered by the timestamp alone: without it, it is neither used nor reported.
    let place = try #require(text.firstRange(of: Array(#""1003""#.utf8)))
    for index in text.indices {
      var changed = text
      changed[index] ^= 1 << UInt8((index + 3) % 8)
      let refusal = try refusalOf(changed)
      #expect(refusal != nil || place.contains(index), "byte \(index)")
    }
  }
}
