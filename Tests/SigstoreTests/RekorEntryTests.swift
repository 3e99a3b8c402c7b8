import Crypto
import Primitives
import Testing

@testable import Sigstore

/// Bodies of Rekor v1 entries, each equality on its own.
@Suite struct RekorEntryTests {
  let simple: ForgeSignature
  let dsse: ForgeSignature

  init() throws {
    simple = try ForgeSignature()
    dsse = try ForgeSignature(dsse: true)
  }

  private func refusalOf(_ body: String, _ signature: ForgeSignature) throws -> CandidateRejection? {
    try refusal { try RekorEntry(parsing: Array(body.utf8)).requireEntry(of: signature.signature) }
  }

  @Test func `an entry of this signature is taken, of each kind`() throws {
    for body in [simple.hashedRekord, simple.rekord] { #expect(try refusalOf(body, simple) == nil) }
    for body in [dsse.dsse, dsse.inToto] { #expect(try refusalOf(body, dsse) == nil) }
    // Key identifiers mean nothing.
    let named = dsse.inToto.replacing(#"{"publicKey""#, with: #"{"keyid":"SHA256:x","publicKey""#)
    #expect(try refusalOf(named, dsse) == nil)
  }

  @Test func `CVE-2022-23649, CVE-2024-51746: an entry of another signature is refused`() throws {
    let other = Base64.encode(try simple.key.sign(simple.payload, scheme: .ecdsa(.sha256)))
    for body in [simple.hashedRekord, simple.rekord] {
      #expect(
        try refusalOf(body.replacing(simple.sig, with: other), simple)
          .names(.logProofInvalid, "is of another signature"))
    }
    #expect(
      try refusalOf(dsse.dsse.replacing(dsse.sig, with: other), dsse).names(.logProofInvalid, "is of another signature")
    )
    let twice = { (text: String) in Base64.encode(Array(text.utf8)) }
    #expect(
      try refusalOf(dsse.inToto.replacing(twice(dsse.sig), with: twice(other)), dsse)
        .names(.logProofInvalid, "is of another signature"))
  }

  @Test func `CVE-2022-36056: an entry of another key is refused`() throws {
    let other = Base64.encode(Array(try PrivateKey(generating: .p256).publicKey.pem.utf8))
    for (body, signature) in [
      (simple.hashedRekord, simple), (simple.rekord, simple), (dsse.dsse, dsse), (dsse.inToto, dsse),
    ] {
      #expect(
        try refusalOf(body.replacing(signature.pem, with: other), signature)
          .names(.logProofInvalid, "is of another key than SHA256:"))
    }
  }

  @Test func `CVE-2026-22703, sigstore-go 611: an entry of another payload is refused`() throws {
    let other = Hex.encode(HashAlgorithm.sha256.hash(Array("another".utf8)))
    for body in [simple.hashedRekord, simple.rekord] {
      #expect(
        try refusalOf(body.replacing(simple.hash, with: other), simple)
          .names(.logProofInvalid, "hash of what is signed is another one"))
    }
    for body in [dsse.dsse, dsse.inToto] {
      #expect(
        try refusalOf(body.replacing(dsse.hash, with: other), dsse)
          .names(.logProofInvalid, "hash of the envelope's payload is another one"))
    }
  }

  @Test func `CVE-2026-24117: an entry that names where its key is found is refused, and nothing is fetched`() throws {
    for member in [
      #""url":"http://169.254.169.254/key""#, #""url":"http://169.254.169.254/key","content":"\#(simple.pem)""#,
    ] {
      let body = simple.hashedRekord.replacing(#""content":"\#(simple.pem)""#, with: member)
      try #require(body.contains("169.254"))
      #expect(try refusalOf(body, simple).names(.malformed, #"unknown member "url""#))
    }
  }

  @Test func `a hash of another algorithm is refused`() throws {
    let sha512 = simple.hashedRekord.replacing("sha256", with: "sha512")
      .replacing(simple.hash, with: Hex.encode(HashAlgorithm.sha512.hash(simple.payload)))
    #expect(
      try refusalOf(sha512, simple).names(.logProofInvalid, "has a sha512 hash of what is signed, expected sha256"))
    for name in ["SHA256", "sha-256", "SHA2_256", "", "md5"] {
      let body = simple.hashedRekord.replacing("sha256", with: name)
      #expect(try refusalOf(body, simple).names(.logProofInvalid, "expected sha256"))
    }
  }

  @Test func `a message's digest is compared with its algorithm`() throws {
    let digest = HashAlgorithm.sha384.hash(simple.payload)
    let body = simple.hashedRekord.replacing("sha256", with: "sha384").replacing(simple.hash, with: Hex.encode(digest))
    func refusalAs(_ algorithm: HashAlgorithm, _ bytes: [UInt8]) throws -> CandidateRejection? {
      let signature = LoggedSignature(
        signature: simple.bytes, verifier: simple.signature.verifier, content: .messageDigest(algorithm, bytes))
      return try refusal { try RekorEntry(parsing: Array(body.utf8)).requireEntry(of: signature) }
    }
    #expect(try refusalAs(.sha384, digest) == nil)
    #expect(
      try refusalAs(.sha256, HashAlgorithm.sha256.hash(simple.payload)).names(.logProofInvalid, "has a sha384 hash"))
    #expect(try refusalAs(.sha384, HashAlgorithm.sha384.hash([])).names(.logProofInvalid, "is another one"))
  }

  @Test func `a kind that this format does not have is refused`() throws {
    #expect(try refusalOf(dsse.hashedRekord, dsse).names(.logProofInvalid, "which a DSSE envelope does not have"))
    #expect(try refusalOf(dsse.rekord, dsse).names(.logProofInvalid, "which a bundle does not have"))
    for body in [simple.dsse, simple.inToto] {
      #expect(try refusalOf(body, simple).names(.logProofInvalid, "which a signature without envelope does not have"))
    }
  }

  @Test(arguments: [
    ("0.0.1", "0.0.2"), ("0.0.1", "0.0.1 "), ("0.0.1", ""), ("0.0.1", "1"), ("hashedrekord", "hashedRekord"),
    ("hashedrekord", "intoto"), ("hashedrekord", "helm"), ("hashedrekord", "hashedre\u{212A}ord"),
    ("hashedrekord", "hashedrekord/0.0.1"), ("hashedrekord", ""),
  ]) func `other kinds and versions are refused`(_ from: String, _ to: String) throws {
    let body = simple.hashedRekord.replacing("\"\(from)\"", with: "\"\(to)\"")
    #expect(try refusalOf(body, simple).names(.logProofInvalid, "its log entry is of kind"))
  }

  @Test func `an entry with other than one signature is refused`() throws {
    let signature = #"{"signature":"\#(dsse.sig)","verifier":"\#(dsse.pem)"}"#
    for (list, count) in [("[]", 0), ("[\(signature),\(signature)]", 2)] {
      let body = dsse.dsse.replacing("[\(signature)]", with: list)
      #expect(try refusalOf(body, dsse).names(.logProofInvalid, "has \(count) signatures, expected one"))
    }
  }

  @Test func `TOB-SIGSTORE-2..12: an intoto entry of another payload type is refused`() throws {
    let body = dsse.inToto.replacing("application/vnd.in-toto+json", with: "text/plain")
    #expect(try refusalOf(body, dsse).names(.logProofInvalid, #"of another payload type, "text/plain""#))
  }

  @Test func `the envelope's own hash is not compared, but must be one`() throws {
    #expect(try refusalOf(dsse.dsse.replacing("5a5a", with: "0000"), dsse) == nil)
    #expect(try refusalOf(dsse.dsse.replacing("5a5a", with: "5A5A"), dsse).names(.malformed, "envelopeHash.value"))
    #expect(try refusalOf(dsse.inToto.replacing("a5a5", with: "a5"), dsse).names(.malformed, "spec.content.hash.value"))
  }

  @Test func `a key is compared as SPKI, however its PEM is wrapped`() throws {
    let spki = simple.key.publicKey.subjectPublicKeyInfo
    let inner = Base64.encode(spki)
    let good = [
      "-----BEGIN PUBLIC KEY-----\n\(inner)\n-----END PUBLIC KEY-----",
      "-----BEGIN PUBLIC KEY-----\r\n\(inner)\r\n-----END PUBLIC KEY-----\r\n",
      "-----BEGIN PUBLIC KEY-----\n\(inner.prefix(76))\n\(inner.dropFirst(76))\n-----END PUBLIC KEY-----\n",
    ]
    let bad = [
      "", inner, simple.key.publicKey.pem + simple.key.publicKey.pem, simple.key.publicKey.pem + "\n",
      simple.key.publicKey.pem + "x", " " + simple.key.publicKey.pem, "x\n" + simple.key.publicKey.pem,
      "-----BEGIN PUBLIC KEY-----\n\n\(inner)\n-----END PUBLIC KEY-----\n",
      "-----BEGIN PUBLIC KEY-----\nA: b\n\n\(inner)\n-----END PUBLIC KEY-----\n",
      "-----BEGIN RSA PUBLIC KEY-----\n\(inner)\n-----END RSA PUBLIC KEY-----\n",
      "-----BEGIN PUBLIC KEY-----\n\(inner)\n-----END CERTIFICATE-----\n",
      "-----BEGIN PUBLIC KEY-----\n\(inner)\n", "-----BEGIN PUBLIC KEY-----\n-----END PUBLIC KEY-----\n",
      "-----BEGIN PUBLIC KEY-----\n\(inner.dropLast(2))\n-----END PUBLIC KEY-----\n",
    ]
    for pem in good {
      let body = simple.hashedRekord.replacing(simple.pem, with: Base64.encode(Array(pem.utf8)))
      #expect(try refusalOf(body, simple) == nil)
    }
    for pem in bad {
      let body = simple.hashedRekord.replacing(simple.pem, with: Base64.encode(Array(pem.utf8)))
      #expect(try refusalOf(body, simple).names(.logProofInvalid, "is not exactly one PEM block"), "\(pem)")
    }
  }

  @Test func `a bare key and a certificate do not stand for one another`() throws {
    let authority = try DevelopmentCertificate()
    let bare = LoggedSignature(
      signature: simple.bytes, verifier: .certificate(authority.certificate), content: simple.signature.content)
    #expect(
      try refusal { try RekorEntry(parsing: Array(simple.hashedRekord.utf8)).requireEntry(of: bare) }
        .names(.logProofInvalid, "is of a bare key, but it is signed with a certificate"))
    let body = simple.hashedRekord.replacing(simple.pem, with: Base64.encode(Array(authority.pem.utf8)))
    #expect(
      try refusalOf(body, simple).names(.logProofInvalid, "is of a certificate, but it is signed with a bare key"))
    let entry = try RekorEntry(parsing: Array(body.utf8))
    #expect(try refusal { try entry.requireEntry(of: bare) } == nil)
    // A renewed certificate over the same key is another certificate.
    let renewed = LoggedSignature(
      signature: simple.bytes, verifier: .certificate(try DevelopmentCertificate().certificate),
      content: simple.signature.content)
    #expect(try refusal { try entry.requireEntry(of: renewed) }.names(.logProofInvalid, "is of another certificate"))
  }

  @Test func `attack 25: base64 in an entry has one spelling`() throws {
    let sig = simple.sig
    let forms = [
      sig + "\\n", " " + sig, String(sig.prefix(8)) + "\\r\\n" + sig.dropFirst(8), sig + "=", sig + "====",
      sig.replacing("=", with: "") + "!",
    ]
    for form in forms {
      let body = simple.hashedRekord.replacing(sig, with: form)
      #expect(try refusalOf(body, simple).names(.malformed, "spec.signature.content is not base64"), "\(form)")
    }
    for form in ["\(simple.hash.uppercased())", simple.hash + "00", "0x" + simple.hash.dropFirst(2), ""] {
      let body = simple.hashedRekord.replacing(simple.hash, with: form)
      #expect(try refusalOf(body, simple).names(.malformed, "is not 64 lower-case hexadecimal digits"))
    }
    let notTwice = dsse.inToto.replacing(Base64.encode(Array(dsse.sig.utf8)), with: dsse.sig)
    #expect(try refusalOf(notTwice, dsse).names(.malformed, "is not base64 of base64"))
  }
}
