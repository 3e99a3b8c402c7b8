import Crypto
import Primitives
import Sigstore
import Testing

/// Bundles and statements that are wrong, each signed by the trusted key.
@Suite struct BundleTests {
  let forge: Forge

  init() throws { forge = try Forge() }

  typealias Edit = SimpleSigningTests.Edit

  static let key = #""publicKey":{"#
  static let edits: [Edit] = [
    Edit("bundle.v0.3+json", "bundle.v0.1+json", #"its mediaType is "application/vnd.dev.sigstore.bundle.v0.1+json""#),
    Edit("bundle.v0.3+json", "bundle.v0.4+json", "its mediaType is"),
    Edit("bundle.v0.3+json", "bundle+json;version=0.2", "its mediaType is"),
    Edit("bundle.v0.3+json", "bundle.v0.3+json ", "its mediaType is"),
    Edit("bundle.v0.3+json", "BUNDLE.v0.3+json", "its mediaType is"),
    Edit(#""mediaType""#, #""media_type""#, #"unknown member "media_type""#),
    Edit(#""mediaType""#, #""MediaType""#, #"unknown member "MediaType""#),
    Edit("{\"mediaType", "{\"extra\":1,\"mediaType", #"unknown member "extra""#),
    Edit("{\"mediaType", "{\"verificationMaterial\":{},\"mediaType", #"member "verificationMaterial" twice"#),
    Edit("{\"mediaType", "{\"media\\u0054ype\":\"x\",\"mediaType", #"member "mediaType" twice"#),
    Edit(key, #""extra":1,"publicKey":{"#, #"verificationMaterial has an unknown member "extra""#),
    Edit(key, #""publicKey":{"extra":1,"#, #"verificationMaterial.publicKey has an unknown member "extra""#),
    Edit(key, #""publicKey":{"rawBytes":"","#, #"unknown member "rawBytes""#),
    Edit(#""hint":""#, #""hint":1,"x":""#, #"unknown member "x""#),
    Edit(key, #""certificate":{"rawBytes":""},"publicKey":{"#, "it names both a key and a certificate"),
    Edit(#""publicKey":{"#, #""certificate":{"#, .keyless, "signed with a certificate (keyless)"),
    Edit(#""publicKey":{"#, #""x509CertificateChain":{"#, .keyless, "signed with a certificate (keyless)"),
    Edit(#""publicKey""#, #""Publickey""#, #"unknown member "Publickey""#),
    Edit(#""publicKey""#, "\"public\u{212A}ey\"", "verificationMaterial has an unknown member"),
    Edit(#""publicKey""#, #""public\u212aey""#, "verificationMaterial has an unknown member"),
    Edit("\"dsseEnvelope\"", "\"messageSignature\":{},\"dsseEnvelope\"", "both a messageSignature and a dsseEnvelope"),
    Edit("\"dsseEnvelope\"", "\"messageSignature\"", .notAnImageSignature, "a bundle with a messageSignature"),
    Edit("\"dsseEnvelope\"", "\"dsseEnvelope\":null,\"x\"", #"unknown member "x""#),
    Edit(#"{"payload""#, #"{"extra":1,"payload""#, #"dsseEnvelope has an unknown member "extra""#),
    Edit("in-toto+json", "in-toto", .notAnImageSignature, #"a DSSE envelope around "application/vnd.in-toto""#),
    Edit("application/vnd.in-toto+json", "text/plain", .notAnImageSignature, #"a DSSE envelope around "text/plain""#),
    Edit(#"{"sig""#, #"{"cert":"","sig""#, #"signatures[0] has an unknown member "cert""#),
    Edit(#"{"sig""#, #"{"keyid":1,"sig""#, "keyid is of type number, expected string"),
    Edit(#"[{"sig""#, #"[{"sig":"AAAA"},{"sig""#, "the envelope has 2 signatures, expected one"),
    Edit(#""signatures":[{"#, #""signatures":[],"x":[{"#, #"unknown member "x""#),
    Edit(#"{"sig":""#, #"{"sig":"_-+/"#, "signatures[0].sig is not base64"),
    Edit(#"{"sig":""#, #"{"sig":"\n"#, "signatures[0].sig is not base64"),
    Edit(#"{"payload":""#, #"{"payload":" "#, "dsseEnvelope.payload is not base64"),
    Edit(#"{"payload":""#, #"{"payload":"AAAA"#, .otherKey, "its hint names"),
  ]

  @Test(arguments: edits) func `a bundle of another form is refused`(_ edit: Edit) throws {
    let verdict = try forge.verdict {
      let edited = $0.replacing(edit.from, with: edit.to, maxReplacements: 1)
      #expect(!edited.utf8.elementsEqual($0.utf8))
      return edited
    }
    #expect(verdict.isRefused(edit.reason, edit.text), "\(verdict)")
  }

  @Test(arguments: [
    ("bundle.v0.3+json", "bundle+json;version=0.3"), (#"{"sig""#, #"{"keyid":"anything","sig""#),
    (#"{"sig""#, #"{"keyid":"","sig""#), (#""mediaType""#, " \n\"mediaType\""),
    (#"publicKey":{"hint""#, #"tlogEntries":[],"publicKey":{"hint""#),
    (#"publicKey":{"hint""#, #"timestampVerificationData":{"rfc3161Timestamps":[]},"publicKey":{"hint""#),
    (#"publicKey":{"hint""#, #"timestampVerificationData":{},"tlogEntries":null,"publicKey":{"hint""#),
  ]) func `what does not matter is let through`(_ from: String, _ to: String) throws {
    let verdict = try forge.verdict { $0.replacing(from, with: to, maxReplacements: 1) }
    #expect(verdict.reason == nil, "\(verdict)")
  }

  @Test func `the hint orders and explains, and decides nothing`() throws {
    let right = Base64.encode(forge.key.publicKey.fingerprint.bytes)
    let stranger = try PrivateKey(generating: .p256).publicKey.fingerprint
    let bundle = try forge.bundle(Array(forge.statement.utf8)) {
      $0.replacing(right, with: Base64.encode(stranger.bytes))
    }
    #expect(try forge.verify(bundle).key == forge.key.publicKey.fingerprint)
    // A hint that names the trusted key does not make a stranger's signature good.
    let forged = try Forge()
    let candidate = try forged.bundle(Array(forge.statement.utf8)) {
      $0.replacing(Base64.encode(forged.key.publicKey.fingerprint.bytes), with: right)
    }
    let verdict = try Verdict { try forge.verify(candidate) }
    #expect(
      verdict.isRefused(
        .otherKey, "its hint names \(forge.key.publicKey.fingerprint.short), but its signature is not by that key"))
    // Any other text is shown, made printable.
    let noise = try forged.bundle(Array(forge.statement.utf8)) {
      $0.replacing(Base64.encode(forged.key.publicKey.fingerprint.bytes), with: #"\u202e\u0007 SHA256:x"#)
    }
    #expect(try Verdict { try forge.verify(noise) }.isRefused(.otherKey, #"(its hint is "\u{202e}\u{7} SHA256:x")"#))
    let silent = try forged.bundle(Array(forge.statement.utf8)) {
      $0.replacing(#""hint":"\#(Base64.encode(forged.key.publicKey.fingerprint.bytes))""#, with: "")
    }
    #expect(try Verdict { try forge.verify(silent) }.isRefused(.otherKey, "or changed after it was signed"))
  }

  static let statements: [Edit] = [
    Edit("https://in-toto.io/Statement/v1", "https://in-toto.io/Statement/v0.1", "its _type is"),
    Edit("https://in-toto.io/Statement/v1", "https://in-toto.io/Statement/v1/", "its _type is"),
    Edit(#""_type":"https://in-toto.io/Statement/v1","#, "", #"lacks the member "_type""#),
    Edit(#""_type""#, #""type""#, #"unknown member "type""#),
    Edit(#""_type""#, #""extra":1,"_type""#, #"unknown member "extra""#),
    Edit("cosign/sign/v1", "cosign/sign/v2", .notAnImageSignature, "cosign/sign/v2"),
    Edit("cosign/sign/v1", "cosign/sign/v1/", .notAnImageSignature, "an attestation"),
    Edit("cosign/sign/v1", "cosign/SIGN/v1", .notAnImageSignature, "an attestation"),
    Edit(#""predicateType":"https://sigstore.dev/cosign/sign/v1","#, "", #"lacks the member "predicateType""#),
    Edit(#""https://sigstore.dev/cosign/sign/v1""#, "null", "predicateType is of type null, expected string"),
    Edit(#""predicate":{}"#, #""predicate":[]"#, "predicate is of type array, expected object"),
    Edit(#"[{"digest""#, #"[null,{"digest""#, "subject[0] is of type null, expected object"),
    Edit(#"[{"digest""#, #"[{},{"digest""#, #"subject[0] lacks the member "digest""#),
    Edit(#"[{"digest""#, #"[{"extra":1,"digest""#, #"subject[0] has an unknown member "extra""#),
    Edit(#"[{"digest""#, #"[{"name":1,"digest""#, "subject[0].name is of type number, expected string"),
    Edit(#"[{"digest""#, #"[{"content":"!","digest""#, "subject[0].content is not base64"),
    Edit(#""annotations":{}"#, #""annotations":"x""#, "subject[0].annotations is of type string, expected object"),
    Edit(#"{"sha256""#, #"{"sha1":"XYZ","sha256""#, "subject[0].digest.sha1 is not lower-case hexadecimal"),
    Edit(#"{"sha256""#, #"{"sha1":null,"sha256""#, "subject[0].digest.sha1 is of type null, expected string"),
    Edit(#"{"sha256":""#, #"{"sha256":"ab"#, "subject[0].digest.sha256 has 66 digits, expected 64"),
    Edit(#"{"sha256":""#, #"{"sha256":"","sha384":""#, "subject[0].digest.sha256 is not lower-case hexadecimal"),
    Edit("\"sha256\"", "\"SHA256\"", .otherDigest, "for no sha256 digest, not for this image's"),
  ]

  @Test(arguments: statements) func `a statement of another form is refused even where the trusted key signed it`(
    _ edit: Edit
  ) throws {
    let statement = forge.statement.replacing(edit.from, with: edit.to, maxReplacements: 1)
    #expect(statement != forge.statement)
    let verdict = try forge.verdict(statement: statement)
    #expect(verdict.isRefused(edit.reason, edit.text), "\(verdict)")
    #expect(verdict.description.hasPrefix("signed by \(forge.key.publicKey.fingerprint.short), but"))
  }

  @Test func `sigstore-go issue 609: any subject may be the image, and none is refused`() throws {
    let other = Digest(hashing: [9])
    let subject = #"{"digest":{"sha256":"\#(other.hex)"},"name":"n","uri":"u","mediaType":"m"}"#
    #expect(
      try forge.verdict(statement: forge.statement.replacing(#"[{"digest""#, with: #"[\#(subject),{"digest""#)).reason
        == nil)
    let foreign = try forge.verdict(statement: forge.statement.replacing(forge.digest.hex, with: other.hex))
    #expect(foreign.isRefused(.otherDigest, "for \(other), not for this image's \(forge.digest)"))
    let start = try #require(forge.statement.firstRange(of: #""subject":["#)).upperBound
    let end = try #require(forge.statement.firstRange(of: #"],"predicateType""#)).lowerBound
    let empty = forge.statement[..<start] + forge.statement[end...]
    #expect(try forge.verdict(statement: String(empty)).isRefused(.malformed, "it has no subject"))
  }

  @Test func `a digest in upper case is none`() throws {
    let statement = forge.statement.replacing(forge.digest.hex, with: forge.digest.hex.uppercased())
    #expect(try forge.verdict(statement: statement).isRefused(.malformed, "is not lower-case hexadecimal"))
  }

  @Test func `a bundle signs a sha512 digest by its own name`() throws {
    let digest = Digest(hashing: [1], algorithm: .sha512)
    let candidate = SignatureCandidate.bundle(try ImageSigner.bundle(digest: digest, key: forge.key))
    #expect(try ImageSignature.verify(candidate, imageDigest: digest, keys: [forge.key.publicKey]).format == .bundle)
  }

  /// Entries of logs are not evaluated yet, but they are read within bounds.
  @Test(arguments: [
    (#"[{"extra":1}]"#, #"tlogEntries[0] has an unknown member "extra""#),
    (#"[1]"#, "tlogEntries[0] is of type number, expected object"),
    (#"{}"#, "tlogEntries is of type object, expected array"),
    (#"[{"logIndex":"01"}]"#, "tlogEntries[0].logIndex is not an integer of 64 bits"),
    (#"[{"logIndex":9223372036854775808}]"#, "tlogEntries[0].logIndex is not an integer of 64 bits"),
    (#"[{"logIndex":1e2}]"#, "tlogEntries[0].logIndex is not an integer of 64 bits"),
    (#"[{"integratedTime":-0}]"#, "tlogEntries[0].integratedTime is not an integer of 64 bits"),
    (#"[{"canonicalizedBody":{}}]"#, "canonicalizedBody is of type object, expected string"),
    (#"[{"canonicalizedBody":"*"}]"#, "canonicalizedBody is not base64"),
    (#"[{"logId":{"keyId":"\#(String(repeating: "A", count: 100))"}}]"#, "logId.keyId has 100 bytes, at most 88"),
    (#"[{"inclusionProof":{"hashes":["\#(String(repeating: "A", count: 200))"]}}]"#, "hashes[0] has 200 bytes"),
    (#"[{"inclusionProof":{"checkpoint":{"envelope":1}}}]"#, "checkpoint.envelope is of type number"),
  ]) func `an entry of a log must have its form`(_ entries: String, _ text: String) throws {
    let verdict = try forge.verdict {
      $0.replacing(#""publicKey""#, with: #""tlogEntries":\#(entries),"publicKey""#, maxReplacements: 1)
    }
    #expect(verdict.isRefused(.malformed, text), "\(verdict)")
  }

  @Test func `CVE-2024-45395: entries, timestamps, subjects and digests are bounded`() throws {
    func list(_ element: String, _ count: Int) -> String {
      [String](repeating: element, count: count).joined(separator: ",")
    }
    func material(_ name: String, _ list: String) throws -> Verdict {
      try forge.verdict { $0.replacing(#""publicKey""#, with: #""\#(name)":\#(list),"publicKey""#, maxReplacements: 1) }
    }
    #expect(try material("tlogEntries", "[\(list("{}", 32))]").reason == nil)
    #expect(try material("tlogEntries", "[\(list("{}", 33))]").isRefused(.malformed, "33 elements, at most 32"))
    let stamp = #"{"signedTimestamp":"AAAA"}"#
    func stamps(_ count: Int) throws -> Verdict {
      try material("timestampVerificationData", #"{"rfc3161Timestamps":[\#(list(stamp, count))]}"#)
    }
    #expect(try stamps(32).reason == nil)
    #expect(try stamps(33).isRefused(.malformed, "33 elements, at most 32"))
    func subjects(_ count: Int) throws -> Verdict {
      try forge.verdict(
        statement: forge.statement.replacing(
          #"[{"digest""#, with: #"[\#(list(#"{"digest":{"sha256":"\#(Digest(hashing: []).hex)"}}"#, count)),{"digest""#)
      )
    }
    #expect(try subjects(1023).reason == nil)
    #expect(try subjects(1024).isRefused(.malformed, "1025 elements, at most 1024"))
    func digests(_ count: Int) throws -> Verdict {
      let more = (0..<count).map { #""x\#($0)":"00""# }.joined(separator: ",")
      return try forge.verdict(statement: forge.statement.replacing(#"{"sha256""#, with: #"{\#(more),"sha256""#))
    }
    #expect(try digests(31).reason == nil)
    #expect(try digests(32).isRefused(.malformed, "33 members, at most 32"))
  }

  @Test func `CVE-2024-29902: a bundle beyond the bound is not read`() throws {
    let verdict = try forge.verdict { $0 + String(repeating: " ", count: 1 << 20) }
    #expect(verdict.isRefused(.malformed, "at most 1048576 are read"))
  }
}
