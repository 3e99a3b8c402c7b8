import EmbeddedRegistry
import EndToEndSupport
import Foundation
import HTTPServer
import Logging
import Testing

/// Signatures of the real programs, changed in one thing and served by a registry: what cosign 3 says of each, and what
/// Pinseal says.
@Suite(.serialized, .enabled(if: EndToEnd.isWanted, "\(EndToEnd.reason)"))
struct MutantTests {
  /// How many are tried at a time.
  private static let width = 4

  /// Where Pinseal refuses what cosign takes, and why. Everything else that only Pinseal refuses is a fault.
  struct Strictness: Sendable {
    let why: String
    /// The reason of the candidate; nil where it is no candidate for Pinseal.
    let codes: Set<String?>
    let applies: @Sendable (Mutant) -> Bool

    init(_ why: String, _ codes: String?..., applies: @escaping @Sendable (Mutant) -> Bool) {
      self.why = why
      self.codes = Set(codes)
      self.applies = applies
    }
  }

  static let strictness = [
    Strictness(
      "JSON: a member that is there twice is refused; Go takes the last", "malformed", "logProofInvalid"
    ) { $0.name.contains(" doubled") && !$0.name.contains("]") },
    Strictness("JSON: names of members are exact; Go takes capitals for small letters", "malformed", "logProofInvalid")
    {
      $0.name.hasSuffix(" in capitals")
    },
    Strictness("JSON: members that the format does not have are refused", "malformed", "logProofInvalid") {
      $0.name.hasSuffix("with an unknown member")
    },
    Strictness(
      "a log's entry has a proof that says the same in all its parts, also where cosign looks at one of them only: size,"
        + " root and index beside what the checkpoint and the entry say", "logProofInvalid", "malformed"
    ) { mutant in
      ["treeSize", "rootHash", "logIndex"].contains { mutant.name.contains("inclusionProof.\($0)") }
    },
    Strictness("an inclusion promise that is there has a timestamp", "malformed") {
      $0.name.contains("inclusionPromise.signedEntryTimestamp")
    },
    Strictness(
      "an entry of Rekor v2 is the one that is rebuilt from the bundle; cosign rebuilds it and looks at none",
      "logProofInvalid", "malformed"
    ) { $0.sample.log == .rekor2 && ($0.name.hasPrefix("bundle entry ") || $0.name.contains("canonicalizedBody")) },
    Strictness(
      "an entry is called what it is; cosign goes by the entry alone", "logProofInvalid", "malformed"
    ) { $0.name.contains("kindVersion") },
    Strictness("base64 is of one spelling, without line breaks", "malformed", "logProofInvalid") {
      $0.name.hasSuffix("with a newline after it")
    },
    Strictness("a layer that is no simple signing layer is no signature", nil) {
      !$0.sample.isBundle && $0.name.hasPrefix("layer of type")
    },
  ]

  /// Changes that both may take, and why they change nothing. Everything else that both take is a fault of both.
  static let harmless = [
    Strictness("the hint says which key to try first, and nothing else") { $0.name.contains("publicKey.hint") },
    Strictness("protobuf's JSON has base64 in either alphabet, and without padding") {
      $0.sample.isBundle && ($0.name.hasSuffix("without padding") || $0.name.hasSuffix("in the alphabet for URLs"))
    },
    Strictness("protobuf's JSON has integers of 64 bits as text and as numbers") { $0.name.hasSuffix("as a number") },
    Strictness("space around a bundle is none of its members") {
      $0.sample.isBundle && $0.name == "blob with spaces around it"
    },
    Strictness("version 0.3 has two spellings") { $0.name == "bundle of version 0.3" },
    Strictness("an entry of Rekor v1 with a proof and a checkpoint needs no promise beside it") {
      $0.name.hasSuffix("inclusionPromise removed") || $0.name.hasSuffix("inclusionPromise → null")
    },
    Strictness("a layer's type begins as those of bundles do; the bundle says itself what it is") {
      $0.sample.isBundle && $0.name.hasPrefix("layer of type application/vnd.dev.sigstore.bundle")
    },
  ]

  private struct Verdict: Sendable {
    let cosign: Outcome
    let accepted: Bool
    /// The candidate's reason, or what Pinseal said if it saw none.
    let code: String?
    let message: String
  }

  @Test func `what cosign refuses Pinseal refuses, and where it alone refuses the reason is listed`() async throws {
    try await EndToEnd.withFolder("mutants") { folder in
      let registry = EmbeddedRegistry()
      let server = try Server.start(
        address: "127.0.0.1:0", tls: nil, limits: EmbeddedRegistry.serverLimits, handler: registry,
        logger: Logger(label: "mutants"))
      do {
        try await compare(registry, address: "127.0.0.1:\(server.port)", folder: folder)
      } catch {
        await server.drain()
        throw error
      }
      await server.drain()
    }
  }

  private func compare(_ registry: EmbeddedRegistry, address: String, folder: String) async throws {
    var all: [Mutant] = []
    for (index, sample) in MutantSample.all.enumerated() {
      let (unchanged, mutants) = try sample.mutants()
      let verdict = try await judge(unchanged, registry, address, number: 100_000 + index, folder)
      #expect(verdict.cosign.succeeded, "unchanged, cosign refuses \(sample.name): \(verdict.cosign)")
      #expect(verdict.accepted, "unchanged, Pinseal refuses \(sample.name): \(verdict.message)")
      all += mutants
    }
    #expect(all.count > 1500)

    var both = 0
    var neither = 0
    var used: Set<Int> = []
    for (mutant, verdict) in try await judge(all, registry, address, folder) {
      switch (verdict.cosign.succeeded, verdict.accepted) {
      case (true, true):
        both += 1
        #expect(Self.harmless.contains { $0.applies(mutant) }, "both accept \(mutant.description)")
      case (false, false): neither += 1
      case (false, true):
        Issue.record("only cosign refuses \(mutant.description): \(verdict.cosign)")
      case (true, false):
        let reasons = Self.strictness.indices.filter { index in
          Self.strictness[index].applies(mutant) && Self.strictness[index].codes.contains(verdict.code)
        }
        used.formUnion(reasons)
        if reasons.isEmpty {
          Issue.record(
            "only Pinseal refuses \(mutant.description), for no listed reason: \(verdict.code ?? "-"): \(verdict.message)"
          )
        }
      }
    }
    #expect(neither > all.count / 2, "most changes are refused by both")
    #expect(both > 20, "some changes are harmless")
    for index in Self.strictness.indices where !used.contains(index) {
      Issue.record("no mutant meets the listed reason \"\(Self.strictness[index].why)\"")
    }
  }

  private func judge(
    _ mutants: [Mutant], _ registry: EmbeddedRegistry, _ address: String, _ folder: String
  ) async throws -> [(Mutant, Verdict)] {
    try await withThrowingTaskGroup(of: (Mutant, Verdict).self) { group in
      var result: [(Mutant, Verdict)] = []
      for (number, mutant) in mutants.enumerated() {
        if number >= Self.width, let done = try await group.next() { result.append(done) }
        group.addTask { (mutant, try await judge(mutant, registry, address, number: number, folder)) }
      }
      for try await done in group { result.append(done) }
      return result
    }
  }

  private func judge(
    _ mutant: Mutant, _ registry: EmbeddedRegistry, _ address: String, number: Int, _ folder: String
  ) async throws -> Verdict {
    let image = try mutant.place(in: registry, address: address, number: number)
    let key = ["--key", MutantSample.keyFile]
    let root = mutant.sample.trustedRootFile.map { ["--trusted-root", $0] }
    let cosign = try await command(
      Tool.cosign3.path(),
      // Nobody is asked for a proof that is not there.
      ["verify"] + key
        + (root.map { $0 + ["--offline", "--rekor-url", "http://127.0.0.1:9"] } ?? ["--insecure-ignore-tlog"])
        + [image],
      environment: ["HOME": folder, "DOCKER_CONFIG": folder, "NO_PROXY": "127.0.0.1"])
    let pinseal = try await command(
      Tool.pinseal.path(),
      ["verify"] + key + (root ?? ["--ignore-tlog"]) + ["--insecure-registry", address, "--output", "json", image],
      environment: ["NO_PROXY": "127.0.0.1"])
    guard pinseal.status == 0 || pinseal.status == 1,
      let report = try JSONSerialization.jsonObject(with: Data(pinseal.output.utf8)) as? [String: Any],
      (report["verdict"] as? String == "verified") == pinseal.succeeded
    else { throw EndToEndFailure("\(mutant.description): \(pinseal)") }
    let places = report["places"] as? [[String: Any]] ?? []
    let candidates = places.flatMap { $0["candidates"] as? [[String: Any]] ?? [] }
    return Verdict(
      cosign: cosign, accepted: pinseal.succeeded, code: candidates.lazy.compactMap { $0["code"] as? String }.first,
      message: report["message"] as? String ?? "")
  }
}
