import Crypto
import JSON
import Primitives

extension RekorEntry {
  /// `{"data":{"hash":…},"signature":{"content":B64,"publicKey":{"content":B64 of PEM}}}`
  func requireHashedRekord(_ spec: Field, _ expected: LoggedSignature) throws(CandidateRejection) {
    try requireData(spec, expected)
    let signature = try spec.member("signature")
    try signature.allowOnly(["content", "publicKey"])
    try requireSignature(signature, expected)
  }

  /// As hashedrekord, with the signature's `format`, which must be `x509`. Entries of 2021 are of this kind.
  func requireRekord(_ spec: Field, _ expected: LoggedSignature) throws(CandidateRejection) {
    guard case .payload = expected.content else { throw wrongContent("a bundle") }
    try requireData(spec, expected)
    let signature = try spec.member("signature")
    try signature.allowOnly(["content", "format", "publicKey"])
    let format = try signature.member("format").string(atMost: 16)
    guard format.isExactly("x509") else {
      throw signature.malformed("spec.signature.format is \"\(format.printable(limit: 16))\", not x509")
    }
    try requireSignature(signature, expected)
  }

  private func requireData(_ spec: Field, _ expected: LoggedSignature) throws(CandidateRejection) {
    let hash: (HashAlgorithm, [UInt8])
    switch expected.content {
    // With simple signing the log is given SHA-256 whatever the key.
    case .payload(let bytes): hash = (.sha256, HashAlgorithm.sha256.hash(bytes))
    case .messageDigest(let algorithm, let bytes): hash = (algorithm, bytes)
    case .dsse: throw wrongContent("a DSSE envelope")
    }
    try spec.allowOnly(["data", "signature"])
    let data = try spec.member("data")
    try data.allowOnly(["hash"])
    try Self.requireSame(hash: data.member("hash"), hash, of: "what is signed")
  }

  private func requireSignature(_ signature: Field, _ expected: LoggedSignature) throws(CandidateRejection) {
    try Self.requireSame(signature: signature.member("content").standardBytes(atMost: 1024), expected)
    let key = try signature.member("publicKey")
    try key.allowOnly(["content"])
    try Self.requireSame(verifier: key.member("content").standardBytes(atMost: 65_536), expected)
  }

  /// `{"envelopeHash":…,"payloadHash":…,"signatures":[{"signature":B64,"verifier":B64 of PEM}]}`
  ///
  /// The envelope's hash is over the very JSON that was submitted, which nobody has any more: only its form is checked.
  func requireDSSE(_ spec: Field, _ expected: LoggedSignature) throws(CandidateRejection) {
    guard case .dsse(let payload, _) = expected.content else { throw wrongContent("a signature without envelope") }
    try spec.allowOnly(["envelopeHash", "payloadHash", "signatures"])
    try requireHashForm(spec.member("envelopeHash"))
    try Self.requireSame(
      hash: spec.member("payloadHash"), (.sha256, HashAlgorithm.sha256.hash(payload)), of: "the envelope's payload")
    let signature = try only(spec.member("signatures"))
    try signature.allowOnly(["signature", "verifier"])
    try Self.requireSame(signature: signature.member("signature").standardBytes(atMost: 1024), expected)
    try Self.requireSame(verifier: signature.member("verifier").standardBytes(atMost: 65_536), expected)
  }

  /// `{"content":{"envelope":{"payloadType":…,"signatures":[{"sig":B64 of B64,"publicKey":B64 of PEM}]},"hash":…,
  /// "payloadHash":…}}`
  func requireInToto(_ spec: Field, _ expected: LoggedSignature) throws(CandidateRejection) {
    guard case .dsse(let payload, let pae) = expected.content else {
      throw wrongContent("a signature without envelope")
    }
    try spec.allowOnly(["content"])
    let content = try spec.member("content")
    try content.allowOnly(["envelope", "hash", "payloadHash"])
    if let hash = try content.optional("hash") { try requireHashForm(hash) }
    try Self.requireSame(
      hash: content.member("payloadHash"), (.sha256, HashAlgorithm.sha256.hash(payload)), of: "the envelope's payload")
    let envelope = try content.member("envelope")
    try envelope.allowOnly(["payloadType", "signatures"])
    let type = try envelope.member("payloadType").string(atMost: 256)
    guard Envelope.preAuthenticationEncoding(of: payload, type: type) == pae else {
      throw CandidateRejection(
        .logProofInvalid, "its log entry's envelope is of another payload type, \"\(type.printable(limit: 100))\"")
    }
    let signature = try only(envelope.member("signatures"))
    try signature.allowOnly(["keyid", "publicKey", "sig"])
    _ = try signature.optional("keyid")?.string(atMost: 1024)
    let sig = try signature.member("sig")
    guard let decoded = Base64.decode(try sig.standardBytes(atMost: 2048)) else {
      throw sig.malformed("\(sig.path) is not base64 of base64")
    }
    try Self.requireSame(signature: decoded, expected)
    try Self.requireSame(verifier: signature.member("publicKey").standardBytes(atMost: 65_536), expected)
  }

  private func only(_ signatures: Field) throws(CandidateRejection) -> Field {
    let all = try signatures.elements(atMost: 16)
    guard let only = all.first, all.count == 1 else {
      throw CandidateRejection(.logProofInvalid, "its log entry has \(all.count) signatures, expected one")
    }
    return only
  }

  private func requireHashForm(_ field: Field) throws(CandidateRejection) {
    try field.allowOnly(["algorithm", "value"])
    let name = try field.member("algorithm").string(atMost: 16)
    guard name.isExactly("sha256") else {
      throw field.malformed("\(field.path).algorithm is \"\(name.printable(limit: 16))\", not sha256")
    }
    _ = try field.member("value").hexadecimal(byteCount: 32)
  }
}

extension Envelope {
  /// The pre-authentication encoding of a payload of any type (DSSE protocol.md).
  static func preAuthenticationEncoding(of payload: [UInt8], type: String) -> [UInt8] {
    Array("DSSEv1 \(type.utf8.count) \(type) \(payload.count) ".utf8) + payload
  }
}

extension Field {
  /// The bytes of a base64 string in RFC 4648's one spelling, as Go writes what is not protobuf.
  func standardBytes(atMost limit: Int = ImageSignature.maximumByteCount) throws(CandidateRejection) -> [UInt8] {
    guard let bytes = Base64.decode(try string(atMost: limit / 3 * 4 + 4)), bytes.count <= limit else {
      throw malformed("\(path) is not base64 of at most \(limit) bytes")
    }
    return bytes
  }

  /// The integer, written as a number and in no other way.
  func number() throws(CandidateRejection) -> Int64 {
    do { return try value.integer() } catch { throw malformed(error.description) }
  }

  /// The bytes of a string of lower-case hexadecimal digits.
  func hexadecimal(byteCount: Int) throws(CandidateRejection) -> [UInt8] {
    guard let bytes = Hex.decode(try string(atMost: 256)), bytes.count == byteCount else {
      throw malformed("\(path) is not \(byteCount * 2) lower-case hexadecimal digits")
    }
    return bytes
  }
}
