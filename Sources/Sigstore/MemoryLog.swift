public import Crypto
import JSON
import Primitives

/// A transparency log in memory, for the demo and tests: what it writes is in the formats of Rekor v1 or v2, signed with a
/// key of its own. It takes in whatever it is given.
public final class MemoryLog: Sendable {
  /// The formats.
  public enum Version: Sendable, Hashable {
    /// Entry timestamps, inclusion proofs, checkpoints with a tree's number in the origin.
    case rekor1
    /// Inclusion proofs and checkpoints only.
    case rekor2
  }

  /// The log's key: put its public half where `rekor-public-key` is asked for.
  public let key: PrivateKey
  /// Where it claims to be, as a trust root has it.
  public let url: String
  /// The formats it writes.
  public let version: Version
  private let leaves: Locked<[[UInt8]]>
  private static let treeNumber = "1193050959916656506"

  /// A log with a few entries of others. `key` is ECDSA on P-256 or, of Rekor v2, Ed25519.
  public init(key: PrivateKey, url: String = "https://rekor.example", version: Version = .rekor1) {
    self.key = key
    self.url = url
    self.version = version
    leaves = Locked((0..<6).map { MerkleProof.leafHash([$0]) })
  }

  /// The log as an element of `tlogs` in a trust root, valid from the beginning of 1970 (JSON).
  public var trustRootElement: String {
    let details =
      switch key.publicKey.kind {
      case .ed25519: "PKIX_ED25519"
      default: "PKIX_ECDSA_P256_SHA_256"
      }
    var writer = JSONWriter(capacity: 512)
    writer.object { log in
      log.member("baseUrl", url)
      log.member("hashAlgorithm", "SHA2_256")
      log.name("publicKey")
      log.object { publicKey in
        publicKey.member("rawBytes", Base64.encode(key.publicKey.subjectPublicKeyInfo))
        publicKey.member("keyDetails", details)
        publicKey.name("validFor")
        publicKey.object { $0.member("start", "1970-01-01T00:00:00Z") }
      }
      log.name("logId")
      log.object { $0.member("keyId", Base64.encode(logID)) }
    }
    return writer.text
  }

  /// A `trusted_root.json` with this log alone.
  public var trustRootText: String {
    var writer = JSONWriter(capacity: 1024)
    writer.object { root in
      root.member("mediaType", "application/vnd.dev.sigstore.trustedroot+json;version=0.1")
      root.name("tlogs")
      root.array { $0.raw(trustRootElement.utf8) }
    }
    return writer.text
  }

  /// A trust root with this log alone.
  public func trustedRoot() throws(TrustedRootError) -> TrustedRoot {
    try TrustedRoot(parsing: Array(trustRootText.utf8))
  }

  private var origin: String {
    let host = TransparencyLog.host(of: url) ?? url
    return version == .rekor1 ? "\(host) - \(Self.treeNumber)" : host
  }

  private var logID: [UInt8] {
    guard version == .rekor2, key.publicKey.kind == .ed25519 else { return key.publicKey.fingerprint.bytes }
    return HashAlgorithm.sha256.hash(
      Array(origin.utf8) + [0x0A, 0x01] + key.publicKey.subjectPublicKeyInfo.suffix(32))
  }

  private func sign(_ text: [UInt8]) throws(KeyError) -> [UInt8] {
    try key.sign(text, scheme: key.publicKey.kind == .ed25519 ? .ed25519 : .ecdsa(.sha256))
  }

  // MARK: Rekor v1, legacy

  /// Takes in a hashedrekord: the entry as `POST /api/v1/log/entries` answers it, and what its annotation
  /// `dev.sigstore.cosign/bundle` is.
  public func logPayload(
    _ payload: [UInt8], signature: [UInt8], verifierPEM: String, at time: UnixTime
  ) throws(KeyError) -> (annotation: String, answer: String) {
    try logHash(HashAlgorithm.sha256.hash(payload), signature: signature, verifierPEM: verifierPEM, at: time)
  }

  /// The same of bytes of which only the SHA-256 is at hand.
  public func logHash(
    _ hash: [UInt8], signature: [UInt8], verifierPEM: String, at time: UnixTime
  ) throws(KeyError) -> (annotation: String, answer: String) {
    try take(HashedRekord.body(hash: hash, signature: signature, verifierPEM: verifierPEM), at: time)
  }

  /// Takes in a DSSE envelope as dsse 0.0.1, of which `envelope` is the JSON as it was submitted: the entry as
  /// `POST /api/v1/log/entries` answers it.
  public func logEnvelope(
    _ envelope: [UInt8], payload: [UInt8], signature: [UInt8], verifierPEM: String, at time: UnixTime
  ) throws(KeyError) -> String {
    let body = Self.dsseBody(envelope: envelope, payload: payload, signature: signature, verifierPEM: verifierPEM)
    return try take(body, at: time).answer
  }

  private func take(_ body: [UInt8], at time: UnixTime) throws(KeyError) -> (annotation: String, answer: String) {
    let index = append(body)
    let timestamp = Base64.encode(try entryTimestamp(body: body, index: index, time: time))
    let (path, root, size) = proof(Int(index))
    let checkpoint = try checkpoint(root: root, size: size)
    func members(_ writer: inout JSONWriter) {
      writer.member("body", Base64.encode(body))
      writer.member("integratedTime", time)
      writer.member("logIndex", index)
      writer.member("logID", Hex.encode(logID))
    }
    var annotation = JSONWriter(capacity: 2048)
    annotation.object { root in
      root.member("SignedEntryTimestamp", timestamp)
      root.name("Payload")
      root.object { members(&$0) }
    }
    var answer = JSONWriter(capacity: 2048)
    answer.object { entries in
      entries.name(Hex.encode(MerkleProof.leafHash(body)))
      entries.object { entry in
        members(&entry)
        entry.name("verification")
        entry.object { verification in
          verification.name("inclusionProof")
          verification.object { proof in
            proof.member("checkpoint", checkpoint)
            proof.name("hashes")
            proof.array { hashes in
              for hash in path { hashes.string(Hex.encode(hash)) }
            }
            proof.member("logIndex", index)
            proof.member("rootHash", Hex.encode(root))
            proof.member("treeSize", size)
          }
          verification.member("signedEntryTimestamp", timestamp)
        }
      }
    }
    return (annotation.text, answer.text)
  }

  private func entryTimestamp(body: [UInt8], index: Int64, time: UnixTime) throws(KeyError) -> [UInt8] {
    try sign(
      Array(
        (#"{"body":""# + Base64.encode(body) + #"","integratedTime":\#(time),"logID":""# + Hex.encode(logID)
          + #"","logIndex":\#(index)}"#).utf8))
  }

  // MARK: Entries of bundles

  /// Takes in the digest of signed bytes as hashedrekord 0.0.2 (Rekor v2 only): the element of a bundle's `tlogEntries`,
  /// which is what `POST /api/v2/log/entries` answers. The digest is by the hash that Rekor v2 has for keys of this kind.
  public func logDigest(
    _ digest: [UInt8], signature: [UInt8], key signer: PublicKey, at time: UnixTime
  ) throws(KeyError) -> String {
    guard version == .rekor2, let algorithm = HashAlgorithm.allCases.first(where: { $0.byteCount == digest.count })
    else { throw KeyError("this log takes no digest of \(digest.count) bytes") }
    return try log(
      LoggedSignature(signature: signature, verifier: .key(signer), content: .messageDigest(algorithm, digest)),
      at: time)
  }

  private func log(_ signature: LoggedSignature, at time: UnixTime) throws(KeyError) -> String {
    let body: [UInt8]
    do { body = try RekorV2.entry(of: signature) } catch { throw KeyError(error.description) }
    return try log(body, kind: (RekorV2.kind, RekorV2.version), at: time)
  }

  /// Takes in a DSSE signature by a key: the element of a bundle's `tlogEntries` (JSON).
  func logEnvelope(
    payload: [UInt8], preAuthenticationEncoding: [UInt8], signature: [UInt8], key signer: PublicKey, at time: UnixTime
  ) throws(KeyError) -> String {
    guard version == .rekor2 else {
      return try logEnvelope(
        payload: payload, preAuthenticationEncoding: preAuthenticationEncoding, signature: signature,
        verifierPEM: signer.pem, at: time)
    }
    return try log(
      LoggedSignature(
        signature: signature, verifier: .key(signer), content: .dsse(payload: payload, pae: preAuthenticationEncoding)),
      at: time)
  }

  /// Takes in a DSSE signature as Rekor v1 does, by a key or certificate: the element of a bundle's `tlogEntries` (JSON).
  package func logEnvelope(
    payload: [UInt8], preAuthenticationEncoding: [UInt8], signature: [UInt8], verifierPEM: String, at time: UnixTime
  ) throws(KeyError) -> String {
    // Nobody has the JSON that was submitted afterwards: any bytes will do.
    let body = Self.dsseBody(
      envelope: payload + signature, payload: payload, signature: signature, verifierPEM: verifierPEM)
    return try log(body, kind: ("dsse", "0.0.1"), at: time)
  }

  private func log(_ body: [UInt8], kind: (name: String, version: String), at time: UnixTime) throws(KeyError) -> String
  {
    let index = append(body)
    let (path, root, size) = proof(Int(index))
    let checkpoint = try checkpoint(root: root, size: size)
    let timestamp = version == .rekor1 ? try entryTimestamp(body: body, index: index, time: time) : nil
    var writer = JSONWriter(capacity: 4096)
    writer.object { entry in
      entry.member("logIndex", String(index))
      entry.name("logId")
      entry.object { $0.member("keyId", Base64.encode(logID)) }
      entry.name("kindVersion")
      entry.object {
        $0.member("kind", kind.name)
        $0.member("version", kind.version)
      }
      if let timestamp {
        entry.member("integratedTime", String(time))
        entry.name("inclusionPromise")
        entry.object { $0.member("signedEntryTimestamp", Base64.encode(timestamp)) }
      }
      entry.name("inclusionProof")
      entry.object { proof in
        proof.member("logIndex", String(index))
        proof.member("rootHash", Base64.encode(root))
        proof.member("treeSize", String(size))
        proof.name("hashes")
        proof.array { hashes in
          for hash in path { hashes.string(Base64.encode(hash)) }
        }
        proof.name("checkpoint")
        proof.object { $0.member("envelope", checkpoint) }
      }
      entry.member("canonicalizedBody", Base64.encode(body))
    }
    return writer.text
  }

  private static func dsseBody(
    envelope: [UInt8], payload: [UInt8], signature: [UInt8], verifierPEM: String
  ) -> [UInt8] {
    func hash(_ bytes: [UInt8], _ writer: inout JSONWriter) {
      writer.object {
        $0.member("algorithm", "sha256")
        $0.member("value", Hex.encode(HashAlgorithm.sha256.hash(bytes)))
      }
    }
    var body = JSONWriter(capacity: 1024)
    body.object { root in
      root.member("apiVersion", "0.0.1")
      root.member("kind", "dsse")
      root.name("spec")
      root.object { spec in
        spec.name("envelopeHash")
        hash(envelope, &spec)
        spec.name("payloadHash")
        hash(payload, &spec)
        spec.name("signatures")
        spec.array { signatures in
          signatures.object {
            $0.member("signature", Base64.encode(signature))
            $0.member("verifier", Base64.encode(Array(verifierPEM.utf8)))
          }
        }
      }
    }
    return body.bytes
  }

  // MARK: The tree

  private func append(_ body: [UInt8]) -> Int64 {
    leaves.withLock { leaves in
      leaves.append(MerkleProof.leafHash(body))
      return Int64(leaves.count - 1)
    }
  }

  private func proof(_ index: Int) -> (path: [[UInt8]], root: [UInt8], size: Int) {
    let leaves = leaves.withLock { $0 }
    return (Self.path(index, leaves[...]), Self.root(leaves[...]), leaves.count)
  }

  /// RFC 6962 §2.1: the largest power of two that is less than the count.
  private static func split(_ count: Int) -> Int {
    var split = 1
    while split * 2 < count { split *= 2 }
    return split
  }

  private static func root(_ leaves: ArraySlice<[UInt8]>) -> [UInt8] {
    guard leaves.count > 1 else { return leaves.first ?? [] }
    let middle = leaves.startIndex + split(leaves.count)
    return HashAlgorithm.sha256.hash([1] + root(leaves[..<middle]) + root(leaves[middle...]))
  }

  private static func path(_ index: Int, _ leaves: ArraySlice<[UInt8]>) -> [[UInt8]] {
    guard leaves.count > 1 else { return [] }
    let middle = leaves.startIndex + split(leaves.count)
    return index < middle
      ? path(index, leaves[..<middle]) + [root(leaves[middle...])]
      : path(index, leaves[middle...]) + [root(leaves[..<middle])]
  }

  private func checkpoint(root: [UInt8], size: Int) throws(KeyError) -> String {
    let text = "\(origin)\n\(size)\n\(Base64.encode(root))\n"
    let signature = Base64.encode(Array(logID.prefix(4)) + (try sign(Array(text.utf8))))
    let name = version == .rekor1 ? TransparencyLog.host(of: url) ?? url : origin
    return text + "\n\u{2014} \(name) \(signature)\n"
  }
}
