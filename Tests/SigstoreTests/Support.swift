import Crypto
import Foundation
import JSON
import Primitives
import Sigstore
import Testing

/// A signature as a signer wrote it, and the digest of the image that it is meant for.
struct Sample {
  let candidate: SignatureCandidate
  let imageDigest: Digest

  func verify(_ keys: [PublicKey]) throws(CandidateRejection) -> VerifiedSignature {
    try ImageSignature.verify(candidate, imageDigest: imageDigest, keys: keys)
  }
}

/// What cosign and skopeo wrote into a registry (see Artifacts/INDEX.md).
enum Artifacts {
  static var root: URL { Foundation.Bundle.module.bundleURL.appendingPathComponent("Artifacts") }

  static func bytes(_ path: String) throws -> [UInt8] {
    [UInt8](try Data(contentsOf: root.appendingPathComponent(path)))
  }

  static func key(_ name: String) throws -> PublicKey {
    let keys = try PublicKey.parsePEM(String(decoding: bytes("keys/\(name).pub"), as: UTF8.self))
    return try #require(keys.first)
  }

  /// All signature layers of a repository.
  static func samples(_ repository: String) throws -> [Sample] {
    var samples: [Sample] = []
    let folder = root.appendingPathComponent(repository)
    for name in try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted() {
      guard name.hasSuffix(".manifest.json") else { continue }
      let manifest = try JSONDocument(bytes("\(repository)/\(name)")).root
      let digest =
        try manifest["subject"]?.member("digest").string()
        ?? String(name.prefix(71)).replacingOccurrences(of: "-", with: ":")
      for layer in try manifest.member("layers").elements() {
        let blob = try bytes(
          "\(repository)/" + layer.member("digest").string().replacingOccurrences(of: ":", with: "-"))
        let mediaType = try layer.member("mediaType").string()
        var annotations: [String: String] = [:]
        for (name, value) in try layer["annotations"]?.members() ?? [] { annotations[name] = try value.string() }
        let candidate: SignatureCandidate =
          mediaType.hasPrefix(MediaType.bundlePrefix)
          ? .bundle(blob) : .simpleSigning(payload: blob, layerMediaType: mediaType, annotations: annotations)
        samples.append(Sample(candidate: candidate, imageDigest: try Digest(parsing: digest)))
      }
    }
    try #require(!samples.isEmpty)
    return samples
  }

  static func sample(_ repository: String) throws -> Sample {
    let samples = try samples(repository)
    try #require(samples.count == 1)
    return samples[0]
  }
}

/// Makes candidates of any content, signed: independent of the module's own signer.
struct Forge {
  let key: PrivateKey
  let digest = Digest(hashing: Array("an image".utf8))

  init(_ kind: PublicKey.Kind = .p256) throws { key = try PrivateKey(generating: kind) }

  var scheme: SignatureScheme {
    switch key.publicKey.kind {
    case .p256, .p384, .p521: .ecdsa(.sha256)
    case .rsa: .rsaPKCS1v15(.sha256)
    case .ed25519: .ed25519
    }
  }

  var statement: String {
    #"{"_type":"https://in-toto.io/Statement/v1","subject":[{"digest":{"sha256":"\#(digest.hex)"},"annotations":{}}],"#
      + #""predicateType":"https://sigstore.dev/cosign/sign/v1","predicate":{}}"#
  }

  var payload: String {
    String(decoding: ImageSignature.defaultPayload(dockerReference: "r/i", digest: digest), as: UTF8.self)
  }

  func simpleSigning(
    _ payload: [UInt8], mediaType: String = MediaType.simpleSigning, annotations: [String: String] = [:]
  ) throws -> SignatureCandidate {
    var all = annotations
    if all[MediaType.signatureAnnotation] == nil {
      all[MediaType.signatureAnnotation] = Base64.encode(try key.sign(payload, scheme: scheme))
    }
    return .simpleSigning(payload: payload, layerMediaType: mediaType, annotations: all)
  }

  func bundle(_ statement: [UInt8], scheme: SignatureScheme? = nil, edit: (String) -> String = { $0 }) throws
    -> SignatureCandidate
  {
    let type = "application/vnd.in-toto+json"
    let signed = Array("DSSEv1 \(type.utf8.count) \(type) \(statement.count) ".utf8) + statement
    let signature = Base64.encode(try key.sign(signed, scheme: scheme ?? self.scheme))
    let text =
      #"{"mediaType":"application/vnd.dev.sigstore.bundle.v0.3+json","verificationMaterial":{"publicKey":{"hint":""#
      + Base64.encode(key.publicKey.fingerprint.bytes)
      + #""}},"dsseEnvelope":{"payload":"\#(Base64.encode(statement))","payloadType":"\#(type)","#
      + #""signatures":[{"sig":"\#(signature)"}]}}"#
    return .bundle(Array(edit(text).utf8))
  }

  func verify(_ candidate: SignatureCandidate) throws(CandidateRejection) -> VerifiedSignature {
    try ImageSignature.verify(candidate, imageDigest: digest, keys: [key.publicKey])
  }

  /// The verdict on a bundle that is changed outside of what is signed.
  func verdict(editing edit: (String) -> String) throws -> Verdict {
    try Verdict { try verify(bundle(Array(statement.utf8), edit: edit)) }
  }

  /// The verdict on a bundle around a statement, signed as it is.
  func verdict(statement: String) throws -> Verdict { try Verdict { try verify(bundle(Array(statement.utf8))) } }

  /// The verdict on a simple signing payload, signed as it is.
  func verdict(payload: [UInt8]) throws -> Verdict { try Verdict { try verify(simpleSigning(payload)) } }
  func verdict(payload: String) throws -> Verdict { try verdict(payload: Array(payload.utf8)) }
}

/// What became of a candidate: accepted, or why not.
struct Verdict: CustomStringConvertible {
  let reason: CandidateRejection.Reason?
  let description: String

  init(_ verify: () throws -> VerifiedSignature) throws {
    do {
      _ = try verify()
      (reason, description) = (nil, "accepted")
    } catch let rejection as CandidateRejection {
      (reason, description) = (rejection.reason, rejection.description)
      #expect(description == description.printable(limit: 2000), "a message must be printable")
      #expect(description.utf8.count < 900)
    }
  }

  func isRefused(_ reason: CandidateRejection.Reason, _ text: String) -> Bool {
    self.reason == reason && description.contains(text)
  }
}
