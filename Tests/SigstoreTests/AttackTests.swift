import Crypto
import Primitives
import Sigstore
import Testing

/// Attacks on verifiers of image signatures, by the numbers of the project's list, and published advisories.
@Suite struct AttackTests {
  let forge: Forge

  init() throws { forge = try Forge() }

  @Test func `attack 22: an attestation by the trusted key for this image is no signature of it`() throws {
    for type in [
      "https://slsa.dev/provenance/v1", "https://spdx.dev/Document", "https://cosign.sigstore.dev/attestation/v1", "",
    ] {
      let statement = forge.statement.replacing("https://sigstore.dev/cosign/sign/v1", with: type)
      let verdict = try forge.verdict(statement: statement)
      #expect(verdict.isRefused(.notAnImageSignature, "an attestation (predicate type \"\(type)\")"), "\(verdict)")
    }
  }

  @Test func `attack 22: one format's bytes do not pass for the other's`() throws {
    // A simple signing payload in an envelope, a statement as a payload, and an envelope as a payload.
    #expect(try forge.verdict(statement: forge.payload).reason == .malformed)
    #expect(try forge.verdict(payload: forge.statement).isRefused(.malformed, #"unknown member "_type""#))
    guard case .bundle(let bundle) = try forge.bundle(Array(forge.statement.utf8)) else { return }
    #expect(try forge.verdict(payload: bundle).reason == .malformed)
    // A signature over the bare statement is none over the envelope.
    let signature = Base64.encode(try forge.key.sign(Array(forge.statement.utf8), scheme: .ecdsa(.sha256)))
    let raw = try forge.verdict {
      let start = $0.firstRange(of: #""sig":""#)?.upperBound ?? $0.endIndex
      return $0[..<start] + signature + #""}]}}"#
    }
    #expect(raw.reason == .otherKey)
  }

  @Test func `attack 22: a message signature is no envelope`() throws {
    let message = #"{"messageDigest":{"algorithm":"SHA2_256","digest":""},"signature":""}"#
    let text =
      #"{"mediaType":"\#(MediaType.bundleV03)","verificationMaterial":{"publicKey":{}},"messageSignature":\#(message)}"#
    let verdict = try Verdict { try forge.verify(.bundle(Array(text.utf8))) }
    #expect(verdict.isRefused(.notAnImageSignature, "an image's signature is a DSSE envelope"))
  }

  @Test func `attack 23: a signature is bound to the digest and not to a repository's name`() throws {
    // The docker-reference is not compared, as cosign does not; what keeps images apart is the digest.
    let payload = ImageSignature.defaultPayload(dockerReference: "elsewhere.example/other", digest: forge.digest)
    #expect(try forge.verdict(payload: payload).reason == nil)
    let other = Digest(hashing: Array("an older image".utf8))
    let replayed = ImageSignature.defaultPayload(dockerReference: "r/i", digest: other)
    let verdict = try forge.verdict(payload: replayed)
    #expect(verdict.isRefused(.otherDigest, "for \(other), not for this image's \(forge.digest)"))
  }

  static let texts: [(String, [UInt8], [UInt8], String)] = [
    ("duplicate", Array(#"{"critical""#.utf8), Array(#"{"critical":{},"critical""#.utf8), "twice"),
    ("duplicate by escape", Array(#"{"critical""#.utf8), Array(#"{"\u0063ritical":{},"critical""#.utf8), "twice"),
    ("nested duplicate", Array(#"{"identity""#.utf8), Array(#"{"type":"x","identity""#.utf8), "twice"),
    ("case folding", Array(#""critical""#.utf8), Array(#""Critical""#.utf8), "unknown member"),
    (
      "long s", Array(#""docker-manifest-digest""#.utf8), Array(#""docker-manife\#u{17F}t-digest""#.utf8),
      "unknown member"
    ),
    ("NaN", Array("null".utf8), Array("NaN".utf8), "expected a value"),
    ("1e400", Array("null".utf8), Array(#"{"timestamp":1e400}"#.utf8), "not an integer"),
    ("-0", Array("null".utf8), Array(#"{"timestamp":-0}"#.utf8), "not an integer"),
    ("leading zero", Array("null".utf8), Array(#"{"timestamp":01}"#.utf8), "malformed number"),
    ("past 64 bits", Array("null".utf8), Array(#"{"timestamp":18446744073709551616}"#.utf8), "not an integer"),
    ("lone surrogate", Array("null".utf8), Array(#"{"creator":"\ud800"}"#.utf8), "lone surrogate"),
    ("NUL", Array("null".utf8), Array("null\0".utf8), "expected a comma"),
    ("NUL in a string", Array("r/i".utf8), Array("r\0i".utf8), "control character"),
    ("invalid UTF-8", Array("r/i".utf8), [0xC0, 0xAF], "not UTF-8"),
    ("overlong", Array("r/i".utf8), [0xE0, 0x80, 0xAF], "not UTF-8"),
    ("encoded surrogate", Array("r/i".utf8), [0xED, 0xA0, 0x80], "not UTF-8"),
    ("comment", Array("null".utf8), Array("null/**/".utf8), "expected a comma"),
    ("trailing comma", Array("null".utf8), Array("null,".utf8), "expected a member name"),
    ("single quotes", Array("\"r/i\"".utf8), Array("'r/i'".utf8), "expected a value"),
  ]

  @Test(arguments: texts.indices) func `attack 24: a payload that two readers may read in two ways is refused`(
    _ index: Int
  ) throws {
    let (name, from, to, reason) = Self.texts[index]
    let payload = Array(forge.payload.utf8)
    let place = try #require(payload.firstRange(of: from))
    let edited = payload[..<place.lowerBound] + to + payload[place.upperBound...]
    let verdict = try forge.verdict(payload: Array(edited))
    #expect(verdict.isRefused(.malformed, reason), "\(name): \(verdict)")
  }

  @Test(arguments: ["{}", "x", "\0", "\u{FEFF}", "null", ","]) func `attack 24: nothing may stand around a text`(
    _ noise: String
  ) throws {
    for text in [forge.payload + noise, noise + forge.payload] {
      #expect(try forge.verdict(payload: text).reason == .malformed)
    }
    for text in [forge.statement + noise, noise + forge.statement] {
      #expect(try forge.verdict(statement: text).reason == .malformed)
    }
    #expect(try forge.verdict { $0 + noise }.reason == .malformed)
    #expect(try forge.verdict { noise + $0 }.reason == .malformed)
  }

  @Test func `attack 24: deep nesting is refused and harms nothing`() throws {
    let deep = String(repeating: "[", count: 100_000)
    #expect(try forge.verdict(payload: deep).isRefused(.malformed, "nested deeper than 64 levels"))
    #expect(try forge.verdict(statement: deep).isRefused(.malformed, "nested deeper than 64 levels"))
    #expect(try Verdict { try forge.verify(.bundle(Array(deep.utf8))) }.isRefused(.malformed, "nested deeper"))
  }

  @Test func `attack 25: base64 in a bundle has protobuf's spellings and no others`() throws {
    func verdict(_ change: (String) -> String) throws -> Verdict {
      try forge.verdict { text in
        guard let start = text.firstRange(of: #""payload":""#)?.upperBound,
          let end = text[start...].firstIndex(of: "\"")
        else { return text }
        return text[..<start] + change(String(text[start..<end])) + text[end...]
      }
    }
    // A signed payload of a length that has padding.
    let encoded = Base64.encode(Array(forge.statement.utf8))
    if encoded.hasSuffix("=") { #expect(try verdict { $0.replacing("=", with: "") }.reason == nil) }
    for change in [
      { $0 + "=" }, { $0 + "\\n" }, { " " + $0 }, { $0.prefix(4) + "\\r\\n" + $0.dropFirst(4) }, { _ in "=" },
      { "-/" + $0 }, { $0 + "A" }, { $0.prefix(8) + "=" + $0.dropFirst(8) },
    ] as [(String) -> String] {
      let verdict = try verdict(change)
      #expect(verdict.reason == .malformed || verdict.reason == .otherKey, "\(verdict)")
    }
    #expect(try verdict { _ in "" }.reason == .otherKey)
  }

  @Test func `attack 30: what a bundle says of algorithms chooses none`() throws {
    for member in [#""keyDetails":"PKIX_RSA_PKCS1V15_2048_SHA256""#, #""algorithm":"SHA2_512""#, #""rawBytes":"AAAA""#]
    {
      let verdict = try forge.verdict { $0.replacing(#"{"hint""#, with: #"{\#(member),"hint""#) }
      #expect(verdict.isRefused(.malformed, "unknown member"), "\(verdict)")
    }
  }

  @Test(arguments: [
    (PublicKey.Kind.p256, [HashAlgorithm.sha256], [HashAlgorithm.sha256]),
    (.p384, [.sha256, .sha384], [.sha256, .sha384]), (.p521, [.sha256, .sha512], [.sha256, .sha512]),
    (.rsa(bits: 2048), [.sha256], [.sha256]),
  ]) func `attack 30, cosign PR 5019, TOB-SIGSTORE-2..12: each kind of key has its hashes and no others`(
    _ kind: PublicKey.Kind, _ payloadHashes: [HashAlgorithm], _ bundleHashes: [HashAlgorithm]
  ) throws {
    let forge = try Forge(kind)
    for hash in HashAlgorithm.allCases {
      let scheme: SignatureScheme = if case .rsa = kind { .rsaPKCS1v15(hash) } else { .ecdsa(hash) }
      let signature = Base64.encode(try forge.key.sign(Array(forge.payload.utf8), scheme: scheme))
      let payload = try Verdict {
        try forge.verify(
          forge.simpleSigning(Array(forge.payload.utf8), annotations: [MediaType.signatureAnnotation: signature]))
      }
      #expect(payload.reason == (payloadHashes.contains(hash) ? nil : .otherKey), "\(hash): \(payload)")
      let bundle = try Verdict { try forge.verify(forge.bundle(Array(forge.statement.utf8), scheme: scheme)) }
      #expect(bundle.reason == (bundleHashes.contains(hash) ? nil : .otherKey), "\(hash): \(bundle)")
    }
  }

  @Test func `attack 30: a pure Ed25519 bundle is verified, and Ed25519ph is none in a payload`() throws {
    let forge = try Forge(.ed25519)
    #expect(try forge.verdict(statement: forge.statement).reason == nil)
    guard PublicKey.canVerifyEd25519ph else { return }
    let prehashed = Base64.encode(try forge.key.sign(Array(forge.payload.utf8), scheme: .ed25519ph))
    let candidate = try forge.simpleSigning(
      Array(forge.payload.utf8), annotations: [MediaType.signatureAnnotation: prehashed])
    #expect(try Verdict { try forge.verify(candidate) }.reason == .otherKey)
  }

  @Test func `attack 31: bad signatures leave nothing behind that spoils a good one`() throws {
    let payload = Array(forge.payload.utf8)
    let good = try forge.simpleSigning(payload)
    for noise in [
      [0x30], [0x30, 0x80, 0, 0], [0xFF], [UInt8](repeating: 0, count: 64), [UInt8](repeating: 0x30, count: 500),
    ] {
      let annotations = [MediaType.signatureAnnotation: Base64.encode(noise)]
      let bad = try forge.simpleSigning(payload, annotations: annotations)
      #expect(try Verdict { try forge.verify(bad) }.reason == .otherKey)
      #expect(try Verdict { try forge.verify(good) }.reason == nil)
      #expect(try Verdict { try forge.verify(bad) }.reason == .otherKey)
    }
  }

  @Test func `attack 32: a text cut short anywhere is refused`() throws {
    guard case .bundle(let bundle) = try Artifacts.sample("x_c31-rekor1").candidate else { return }
    let digest = try Artifacts.sample("x_c31-rekor1").imageDigest
    let key = try Artifacts.key("p256")
    for count in bundle.indices {
      let cut = SignatureCandidate.bundle(Array(bundle.prefix(count)))
      #expect(try Verdict { try ImageSignature.verify(cut, imageDigest: digest, keys: [key]) }.reason == .malformed)
    }
    let payload = Array(forge.payload.utf8)
    for count in payload.indices {
      #expect(try forge.verdict(payload: Array(payload.prefix(count))).reason == .malformed)
    }
    let statement = forge.statement
    for count in 0..<statement.count {
      #expect(try forge.verdict(statement: String(statement.prefix(count))).reason == .malformed)
    }
  }

  @Test func `attack 32: noise is refused and harms nothing`() throws {
    // A fixed sequence, so that what fails once fails again.
    var state: UInt64 = 0x9E37_79B9_7F4A_7C15
    func next(_ bound: Int) -> Int {
      state ^= state << 13
      state ^= state >> 7
      state ^= state << 17
      return Int(state % UInt64(bound))
    }
    guard case .bundle(let bundle) = try Artifacts.sample("x_c31-rekor2").candidate else { return }
    let payload = Array(forge.payload.utf8)
    for _ in 0..<2000 {
      var text = bundle
      for _ in 0..<(1 + next(4)) {
        let place = next(text.count)
        switch next(3) {
        case 0: text[place] = UInt8(next(256))
        case 1: text.remove(at: place)
        default: text.insert(contentsOf: text[next(text.count)...].prefix(next(20)), at: place)
        }
      }
      // By no trusted key, so never accepted: what is tested is that every text gets an answer.
      #expect(try Verdict { try forge.verify(.bundle(text)) }.reason != nil)
      var signed = payload
      signed[next(signed.count)] = UInt8(next(256))
      // Signed by the trusted key, so it gets to the checks behind the signature; only the free text may differ.
      let accepted = try forge.verdict(payload: signed).reason == nil
      let free = try #require(payload.firstRange(of: Array("r/i".utf8)))
      #expect(!accepted || zip(payload, signed).enumerated().allSatisfy { $1.0 == $1.1 || free.contains($0) })
    }
  }

  @Test func `attack 34: without a trusted key nothing is trusted`() throws {
    for candidate in [
      try forge.simpleSigning(Array(forge.payload.utf8)), try forge.bundle(Array(forge.statement.utf8)),
    ] {
      let verdict = try Verdict { try ImageSignature.verify(candidate, imageDigest: forge.digest, keys: []) }
      #expect(verdict.isRefused(.otherKey, "no key is trusted"))
    }
  }

  @Test func `CVE-2022-35929: where only other attestations are, there is no signature`() throws {
    let statement = forge.statement.replacing("https://sigstore.dev/cosign/sign/v1", with: "https://example.com/custom")
    #expect(try forge.verdict(statement: statement).reason == .notAnImageSignature)
  }

  @Test(arguments: ["", "{", "null", "[]", "1", "\"x\"", #"{"predicateType":1}"#])
  func `CVE-2026-39395: a statement that cannot be read is refused, though its signature is good`(_ text: String) throws
  {
    #expect(try forge.verdict(statement: text).reason == .malformed)
  }

  @Test func `GHSA-mhg6-2q2v-9h2c: a statement about another subject is refused`() throws {
    let statement = forge.statement.replacing(forge.digest.hex, with: Digest(hashing: []).hex)
    #expect(try forge.verdict(statement: statement).reason == .otherDigest)
  }

  @Test func `CVE-2022-36056: a bundle is bound to the trusted key`() throws {
    let stranger = try Forge().bundle(Array(forge.statement.utf8))
    #expect(try Verdict { try forge.verify(stranger) }.reason == .otherKey)
  }

  @Test
  func
    `sigstore-go issue 225, TOB-SIGSTORE-2..12: an envelope with several signatures is refused, wherever the good one stands`()
    throws
  {
    for (from, to) in [(#"[{"sig""#, #"[{"sig":"AAAA"},{"sig""#), (#""}]}}"#, #""},{"sig":"AAAA"}]}}"#)] {
      let verdict = try forge.verdict { $0.replacing(from, with: to) }
      #expect(verdict.isRefused(.malformed, "2 signatures, expected one"), "\(verdict)")
    }
    let none = try forge.verdict {
      let start = $0.firstRange(of: "[{\"sig\"")?.lowerBound ?? $0.endIndex
      return $0[..<start] + "[]}}"
    }
    #expect(none.isRefused(.malformed, "0 signatures, expected one"))
  }
}
