import Crypto
import JSON
import Primitives

/// A question to transparency logs (Rekor v1) for the proof of a signature to which none is attached (cosign.md 3.2).
///
/// Only for simple signing payloads signed by a trusted key: bundles carry their proofs, certificates too.
public struct LogProposal: Sendable {
  /// The body of `POST /api/v1/log/entries/retrieve`: the hashedrekord that the log has if it has the signature.
  public let query: [UInt8]
  /// Where the logs are that may be asked, by the trust root.
  public let logURLs: [String]

  private let payload: [UInt8]
  private let layerMediaType: String
  private let annotations: [String: String]

  /// Nil if there is nothing to ask, or nobody: no simple signing payload by a trusted key without a proof, or no log of
  /// the trust root whose proofs count and which can be searched.
  public init?(_ candidate: SignatureCandidate, demand: SignatureDemand, trust: TrustedRoot) {
    guard case .simpleSigning(let payload, let layerMediaType, let annotations) = candidate,
      let signed = try? SimpleSigning(payload: payload, layerMediaType: layerMediaType, annotations: annotations),
      !signed.hasLogProof, let key = try? signed.signer(among: demand.keys.map(\.key))
    else { return nil }
    logURLs = trust.transparencyLogs.filter { log in
      !log.baseURL.isEmpty && !log.isV2Only && (demand.logKeys.isEmpty || demand.logKeys.contains(log.key))
    }.map(\.baseURL)
    guard !logURLs.isEmpty else { return nil }
    self.payload = payload
    self.layerMediaType = layerMediaType
    self.annotations = annotations
    query = Self.query(payload: payload, signature: signed.signature, key: key)
  }

  private static func query(payload: [UInt8], signature: [UInt8], key: PublicKey) -> [UInt8] {
    var writer = JSONWriter(capacity: 1024)
    writer.object { root in
      root.name("entries")
      root.array { entries in
        entries.object { entry in
          entry.member("apiVersion", "0.0.1")
          entry.member("kind", "hashedrekord")
          entry.name("spec")
          entry.object {
            HashedRekord.writeSpec(
              hash: HashAlgorithm.sha256.hash(payload), signature: signature, verifierPEM: key.pem, &$0)
          }
        }
      }
    }
    return writer.bytes
  }

  /// The candidate with each entry of the log's answer attached as a signer would have attached it. Nothing of it is
  /// verified: what is not of a trusted log, or not of this very signature, is refused with the candidate.
  public func completed(answer: [UInt8], maximumCount: Int) throws(CandidateRejection) -> [SignatureCandidate] {
    let root = try Field(parsing: answer, context: "the log's answer")
    var candidates: [SignatureCandidate] = []
    for group in try root.elements(atMost: maximumCount) {
      for (_, entry) in try group.members(atMost: maximumCount) {
        guard candidates.count < maximumCount else { return candidates }
        let timestamp = try entry.member("verification").member("signedEntryTimestamp").string(atMost: 2048)
        var writer = JSONWriter(capacity: 2048)
        let body = try entry.member("body").string()
        let time = try entry.member("integratedTime").int64()
        let identifier = try entry.member("logID").string(atMost: 128)
        let index = try entry.member("logIndex").int64()
        writer.object { annotation in
          annotation.member("SignedEntryTimestamp", timestamp)
          annotation.name("Payload")
          annotation.object { payload in
            payload.member("body", body)
            payload.member("integratedTime", time)
            payload.member("logIndex", index)
            payload.member("logID", identifier)
          }
        }
        var completed = annotations
        completed[MediaType.logAnnotation] = writer.text
        candidates.append(
          .simpleSigning(payload: payload, layerMediaType: layerMediaType, annotations: completed))
      }
    }
    return candidates
  }
}

/// The entry of Rekor v1 for a signature over bytes of which the log keeps the hash.
enum HashedRekord {
  /// The members of `spec`, in the order of their names.
  static func writeSpec(
    hash: [UInt8], signature: [UInt8], verifierPEM: String, _ spec: inout JSONWriter
  ) {
    spec.name("data")
    spec.object { data in
      data.name("hash")
      data.object { value in
        value.member("algorithm", "sha256")
        value.member("value", Hex.encode(hash))
      }
    }
    spec.name("signature")
    spec.object { content in
      content.member("content", Base64.encode(signature))
      content.name("publicKey")
      content.object { $0.member("content", Base64.encode(Array(verifierPEM.utf8))) }
    }
  }

  /// The entry's canonical form.
  static func body(hash: [UInt8], signature: [UInt8], verifierPEM: String) -> [UInt8] {
    var body = JSONWriter(capacity: 1024)
    body.object { root in
      root.member("apiVersion", "0.0.1")
      root.member("kind", "hashedrekord")
      root.name("spec")
      root.object { writeSpec(hash: hash, signature: signature, verifierPEM: verifierPEM, &$0) }
    }
    return body.bytes
  }
}
