import Crypto
import Primitives
import Sigstore
import Testing

/// Good signatures with one thing changed. What is still accepted is listed, and the lists are exact.
@Suite struct MutationTests {
  /// The names of the mutations that were accepted.
  private func accepted(
    _ bytes: [UInt8], _ verdict: ([UInt8]) throws -> Verdict
  ) throws -> Set<String> {
    let mutations = try Tree(bytes).mutations()
    #expect(mutations.count > 40)
    #expect(try verdict(Array(Tree(bytes).text.utf8)).reason == nil, "the text itself is good")
    return try Set(mutations.filter { try verdict(Array($0.tree.text.utf8)).reason == nil }.map(\.name))
  }

  /// Around the signed statement only the hint, which decides nothing, may be absent.
  @Test(arguments: ["m_cosign31-p256", "m_cosign31-p384", "m_cosign31-rsa2048", "x_c31-annot"])
  func `a bundle with a member removed, doubled or of another type is refused`(_ repository: String) throws {
    let sample = try Artifacts.sample(repository)
    guard case .bundle(let bytes) = sample.candidate else { return }
    let keys = try ArtifactTests.keys.map { try Artifacts.key($0.1) }
    let accepted = try accepted(bytes) { text in
      try Verdict { try ImageSignature.verify(.bundle(text), imageDigest: sample.imageDigest, keys: keys) }
    }
    #expect(accepted == ["verificationMaterial.publicKey.hint removed", "verificationMaterial.publicKey.hint → null"])
  }

  /// Entries of the log are not evaluated yet: they may be absent, or doubled, or numbers spelt as protobuf may spell
  /// them, but must have their types.
  @Test(arguments: ["x_c31-rekor1", "x_c31-rekor2"])
  func `a bundle with an entry of a log is refused where a member has another type`(_ repository: String) throws {
    let sample = try Artifacts.sample(repository)
    guard case .bundle(let bytes) = sample.candidate else { return }
    let key = try Artifacts.key("p256")
    let accepted = try accepted(bytes) { text in
      try Verdict { try ImageSignature.verify(.bundle(text), imageDigest: sample.imageDigest, keys: [key]) }
    }
    for name in accepted where !name.hasPrefix("verificationMaterial.publicKey.hint") {
      #expect(name.hasPrefix("verificationMaterial.tlogEntries"))
      let isNumber = ["logIndex", "treeSize", "integratedTime"].contains { name.hasSuffix("\($0) → number") }
      let isAbsent = name.hasSuffix(" removed") || name.hasSuffix(" → null")
      let isDoubledElement = name.hasSuffix("] doubled")
      #expect(isNumber || isAbsent || isDoubledElement, "\(name)")
      #expect(!name.hasSuffix("[0] → null"))
    }
  }

  @Test func `a statement with a member removed, doubled or of another type is refused, though its signature is good`()
    throws
  {
    let forge = try Forge()
    let accepted = try accepted(Array(forge.statement.utf8)) {
      try forge.verdict(statement: String(decoding: $0, as: UTF8.self))
    }
    // Both are optional in in-toto; two equal subjects say what one says.
    #expect(
      accepted == [
        "subject[0].annotations removed", "subject[0].annotations → null", "subject[0] doubled", "predicate removed",
        "predicate → null",
      ])
  }

  @Test func `a payload with a member removed, doubled or of another type is refused, though its signature is good`()
    throws
  {
    let forge = try Forge()
    let accepted = try accepted(Array(forge.payload.utf8)) { try forge.verdict(payload: $0) }
    #expect(accepted == ["optional → object"])
  }

  @Test(arguments: ["m_cosign25-p256", "m_cosign25-rsa2048", "m_cosign25-ed25519", "sk_p384"])
  func `CVE-2026-44309: a payload with any change is refused under its old signature`(_ repository: String) throws {
    let sample = try Artifacts.sample(repository)
    guard case .simpleSigning(let payload, let mediaType, let annotations) = sample.candidate else { return }
    let keys = try ArtifactTests.keys.map { try Artifacts.key($0.1) }.filter { key in
      try Verdict { try sample.verify([key]) }.reason == nil
    }
    func verdict(_ payload: [UInt8], _ annotations: [String: String]) throws -> Verdict {
      try Verdict {
        try ImageSignature.verify(
          .simpleSigning(payload: payload, layerMediaType: mediaType, annotations: annotations),
          imageDigest: sample.imageDigest, keys: keys)
      }
    }
    #expect(try verdict(payload, annotations).reason == nil)
    for mutation in try Tree(payload).mutations() {
      #expect(try verdict(Array(mutation.tree.text.utf8), annotations).reason == .otherKey, "\(mutation.name)")
    }
    // What means the same is not what was signed.
    for space in [payload + [0x20], [0x0A] + payload, Array(payload.prefix(1)) + [0x20] + payload.dropFirst(1)] {
      #expect(try verdict(space, annotations).reason == .otherKey)
    }
    for index in payload.indices {
      var changed = payload
      changed[index] ^= 1 << UInt8(index % 8)
      #expect(try verdict(changed, annotations).reason == .otherKey, "bit of byte \(index)")
    }
    let signature = try #require(Base64.decode(annotations[MediaType.signatureAnnotation] ?? ""))
    for index in signature.indices {
      var changed = signature
      changed[index] ^= 1 << UInt8(index % 8)
      let annotations = [MediaType.signatureAnnotation: Base64.encode(changed)]
      #expect(try verdict(payload, annotations).reason == .otherKey, "bit of byte \(index) of the signature")
    }
  }

  /// In the whole text of a bundle only bits of the hint may change.
  @Test func `a bundle with any bit changed outside of its hint is refused`() throws {
    let sample = try Artifacts.sample("m_cosign31-p256")
    guard case .bundle(let bytes) = sample.candidate else { return }
    let key = try Artifacts.key("p256")
    let hint = try #require(bytes.firstRange(of: Array(Base64.encode(key.fingerprint.bytes).utf8)))
    var accepted = 0
    for index in bytes.indices {
      for bit in 0..<8 {
        var changed = bytes
        changed[index] ^= 1 << UInt8(bit)
        let verdict = try Verdict {
          try ImageSignature.verify(.bundle(changed), imageDigest: sample.imageDigest, keys: [key])
        }
        guard verdict.reason == nil else { continue }
        accepted += 1
        #expect(hint.contains(index), "bit \(bit) of byte \(index)")
      }
    }
    #expect(accepted > 0)
  }
}
