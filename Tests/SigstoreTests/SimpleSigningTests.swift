import Crypto
import Primitives
import Sigstore
import Testing

/// Payloads and annotations that are wrong, each signed by the trusted key where it can be.
@Suite struct SimpleSigningTests {
  let forge: Forge

  init() throws { forge = try Forge() }

  struct Edit: CustomTestStringConvertible {
    let from: String
    let to: String
    let reason: CandidateRejection.Reason
    let text: String
    init(_ from: String, _ to: String, _ reason: CandidateRejection.Reason, _ text: String) {
      (self.from, self.to, self.reason, self.text) = (from, to, reason, text)
    }
    init(_ from: String, _ to: String, _ text: String) { self.init(from, to, .malformed, text) }
    var testDescription: String { "\(from) → \(to.prefix(60))" }
  }

  static let edits: [Edit] = [
    Edit(
      "cosign container image signature", "atomic container signature", #"of type "atomic container signature", not"#),
    Edit("cosign container image signature", "cosign container image signature ", "of type"),
    Edit("cosign container image signature", "Cosign container image signature", "of type"),
    Edit(#","type":"cosign container image signature""#, "", #"critical lacks the member "type""#),
    Edit(#"{"critical""#, #"{"extra":1,"critical""#, #"unknown member "extra""#),
    Edit(#"{"identity""#, #"{"extra":1,"identity""#, #"critical has an unknown member "extra""#),
    Edit(
      #"{"docker-reference""#, #"{"extra":1,"docker-reference""#, #"critical.identity has an unknown member "extra""#),
    Edit(
      #"{"docker-manifest-digest""#, #"{"a":1,"docker-manifest-digest""#, #"critical.image has an unknown member "a""#),
    Edit(#""docker-reference":"r/i""#, "", #"critical.identity lacks the member "docker-reference""#),
    Edit(
      #""docker-reference":"r/i""#, #""docker-reference":null"#, "critical.identity.docker-reference is of type null"),
    Edit(#","optional":null"#, "", #"lacks the member "optional""#),
    Edit(#""optional":null"#, #""optional":[]"#, "optional is of type array, expected object"),
    Edit(#""optional":null"#, #""optional":"x""#, "optional is of type string, expected object"),
    Edit(#""optional":null"#, #""optional":{"creator":1}"#, "optional.creator is of type number, expected string"),
    Edit(#""optional":null"#, #""optional":{"timestamp":"1"}"#, "optional.timestamp is not an integer"),
    Edit(#""optional":null"#, #""optional":{"timestamp":1.5}"#, "optional.timestamp is not an integer"),
    Edit(#""optional":null"#, #""optional":{"timestamp":1e400}"#, "optional.timestamp is not an integer"),
    Edit(#""optional":null"#, #""optional":{"a":1,"a":2}"#, #"member "a" twice"#),
    Edit(#""optional":null"#, #""optional":{"timestamp":9223372036854775808}"#, "optional.timestamp is not an integer"),
    Edit("sha256:", "sha512:", "sha512 has 128"),
    Edit("sha256:", "SHA256:", "unsupported algorithm"),
    Edit("sha256:", "sha256:0", "65 digits"),
    Edit("sha256:", "", "names no algorithm"),
    Edit("sha256:", "sha256:../", "no hexadecimal digit at character 8"),
  ]

  @Test(arguments: edits) func `a payload of another form is refused even where the trusted key signed it`(
    _ edit: Edit
  ) throws {
    let payload = forge.payload.replacing(edit.from, with: edit.to)
    #expect(payload != forge.payload)
    let verdict = try forge.verdict(payload: payload)
    #expect(verdict.isRefused(edit.reason, edit.text), "\(verdict)")
    #expect(verdict.description.hasPrefix("signed by \(forge.key.publicKey.fingerprint.short), but"))
  }

  @Test(arguments: [
    #"{"creator":"me","timestamp":1700000000,"other":[1,{"a":null}]}"#, "{}", #"{"env":"prod"}"#, #"{"timestamp":-1}"#,
  ]) func `what a signer may put into optional is accepted`(_ optional: String) throws {
    let payload = forge.payload.replacing(#""optional":null"#, with: #""optional":\#(optional)"#)
    #expect(try forge.verdict(payload: payload).reason == nil)
  }

  @Test func `white space and the order of members do not matter`() throws {
    let payload = """
      { "optional" : null,
        "critical": { "type": "cosign container image signature", "image": {"docker-manifest-digest":"\(forge.digest)"},
        "identity":{"docker-reference":""}}}

      """
    #expect(try forge.verdict(payload: payload).reason == nil)
  }

  @Test func `a digest in upper case is no digest`() throws {
    let payload = forge.payload.replacing(forge.digest.hex, with: forge.digest.hex.uppercased())
    #expect(try forge.verdict(payload: payload).isRefused(.malformed, "upper-case digit"))
  }

  @Test func `a sha512 digest is compared with a sha512 digest`() throws {
    let digest = Digest(hashing: [1], algorithm: .sha512)
    let candidate = try forge.simpleSigning(ImageSignature.defaultPayload(dockerReference: "r", digest: digest))
    let keys = [forge.key.publicKey]
    #expect(try ImageSignature.verify(candidate, imageDigest: digest, keys: keys).format == .simpleSigning)
    let verdict = try Verdict { try ImageSignature.verify(candidate, imageDigest: Digest(hashing: [1]), keys: keys) }
    #expect(verdict.reason == .otherDigest)
  }

  @Test(arguments: [
    "", "application/json", "application/vnd.oci.image.layer.v1.tar+gzip", MediaType.bundleV03,
    MediaType.simpleSigning + "; charset=utf-8", MediaType.simpleSigning.uppercased(),
    "x\u{202E}\n" + String(repeating: "y", count: 500),
  ]) func `a layer of another media type is no signature`(_ mediaType: String) throws {
    let candidate = try forge.simpleSigning(Array(forge.payload.utf8), mediaType: mediaType)
    let verdict = try Verdict { try forge.verify(candidate) }
    #expect(verdict.isRefused(.malformed, "its layer's media type is"), "\(verdict)")
  }

  @Test func `a layer without its annotation is no signature`() throws {
    for annotations in [[:], [MediaType.signatureAnnotation: ""], [MediaType.signatureAnnotation.uppercased(): "AAAA"]]
    {
      let verdict = try Verdict {
        try forge.verify(
          .simpleSigning(
            payload: Array(forge.payload.utf8), layerMediaType: MediaType.simpleSigning, annotations: annotations))
      }
      #expect(verdict.isRefused(.malformed, "its layer has no annotation dev.cosignproject.cosign/signature"))
    }
  }

  @Test func `attack 25: base64 in an annotation is read strictly`() throws {
    // A signature whose base64 has padding and both special characters.
    let payload = Array(forge.payload.utf8)
    var text = ""
    repeat {
      text = Base64.encode(try forge.key.sign(payload, scheme: .ecdsa(.sha256)))
    } while !(text.hasSuffix("=") && !text.hasSuffix("==") && text.contains("/") && text.contains("+"))
    func verdict(_ text: String) throws -> Verdict {
      try Verdict {
        try forge.verify(forge.simpleSigning(payload, annotations: [MediaType.signatureAnnotation: text]))
      }
    }
    #expect(try verdict(text).reason == nil)
    // The last character before the padding carries two bits that must be zero.
    let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")
    let last = try #require(alphabet.firstIndex(of: text[text.index(text.endIndex, offsetBy: -2)]))
    let forms = [
      "line feed": text + "\n", "carriage return inside": text.prefix(8) + "\r\n" + text.dropFirst(8),
      "space": " " + text,
      "no padding": String(text.dropLast()), "more padding": text + "=", "padding inside": text + text,
      "URL alphabet": text.replacing("/", with: "_").replacing("+", with: "-"),
      "non-zero trailing bits": text.dropLast(2) + String(alphabet[last + 1]) + "=",
      "not base64": "!!!!", "NUL": text + "\u{0}", "too long": String(repeating: "AAAA", count: 600),
    ]
    for (name, form) in forms {
      let verdict = try verdict(String(form))
      #expect(verdict.isRefused(.malformed, "is not base64"), "\(name): \(verdict)")
    }
  }

  @Test func `a signature with a certificate is said to be keyless, unless the trusted key made it`() throws {
    let annotations = ["dev.sigstore.cosign/certificate": "-----BEGIN CERTIFICATE-----"]
    let candidate = try forge.simpleSigning(Array(forge.payload.utf8), annotations: annotations)
    #expect(try Verdict { try forge.verify(candidate) }.reason == nil)
    let stranger = try Forge().simpleSigning(Array(forge.payload.utf8), annotations: annotations)
    #expect(try Verdict { try forge.verify(stranger) }.isRefused(.keyless, "signed with a certificate (keyless)"))
  }

  @Test func `CVE-2024-29902: a payload beyond the bound is not read`() throws {
    let payload = forge.payload + String(repeating: " ", count: 1 << 20)
    #expect(try forge.verdict(payload: payload).isRefused(.malformed, "bytes, at most 1048576 are read"))
  }

  /// What the annotations of a log say is not evaluated, so it neither helps nor harms.
  @Test func `a log's annotation is not looked at`() throws {
    for text in ["", "{", "null", #"{"SignedEntryTimestamp":1,"Payload":{"body":[]}}"#] {
      let candidate = try forge.simpleSigning(
        Array(forge.payload.utf8), annotations: ["dev.sigstore.cosign/bundle": text])
      #expect(try forge.verify(candidate).isLogged == false)
    }
  }
}
