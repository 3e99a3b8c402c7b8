import Crypto
import JSON
import Primitives

/// A root (TUF 1.0, section 4.3): the keys, and how many of which must sign each role.
struct TUFRoot: Sendable {
  struct Authority: Sendable {
    let keyIDs: Set<TUFKeyID>
    let threshold: Int
  }

  /// Keys that a root may list, and identifiers that a role may.
  static let maximumKeyCount = 64

  let envelope: TUFEnvelope
  let hasConsistentSnapshots: Bool
  private let keys: [TUFKeyID: TUFKey]
  /// Why a listed key cannot count.
  private let unusable: [TUFKeyID: String]
  private let authorities: [TUFRole: Authority]

  var version: Int64 { envelope.version }

  init(_ bytes: [UInt8]) throws(TUFError) {
    envelope = try TUFEnvelope(bytes, role: .root)
    let signed = envelope.signed
    let file = TUFField(role: .root)
    hasConsistentSnapshots =
      try file.reading { () throws(JSONError) in try signed.optionalMember("consistent_snapshot")?.bool() } ?? false

    let listed = try file.reading { () throws(JSONError) in try signed.member("keys").members() }
    try Self.bound(listed.count, "keys")
    var keys: [TUFKeyID: TUFKey] = [:]
    var unusable: [TUFKeyID: String] = [:]
    for (name, value) in listed {
      // A key with another kind of identifier can be no role's.
      guard let id = TUFKeyID(name) else { continue }
      do throws(KeyError) { keys[id] = try TUFKey(value, id: id) } catch { unusable[id] = error.description }
    }
    self.keys = keys
    self.unusable = unusable

    let roles = try file.reading { () throws(JSONError) in try signed.member("roles") }
    var authorities: [TUFRole: Authority] = [:]
    for role in TUFRole.allCases {
      let entry = try file.reading { () throws(JSONError) in try roles.member(role.rawValue) }
      let elements = try file.reading { () throws(JSONError) in try entry.member("keyids").elements() }
      try Self.bound(elements.count, "identifiers of keys in the role \(role.rawValue)")
      var ids: Set<TUFKeyID> = []
      for element in elements {
        if let id = TUFKeyID(try file.reading { () throws(JSONError) in try element.string() }) { ids.insert(id) }
      }
      let threshold = try file.reading { () throws(JSONError) in try entry.member("threshold").integer() }
      guard threshold >= 1 else {
        throw TUFError(
          .malformed, "root.json is malformed: the threshold of \(role.rawValue) is \(threshold), it must be 1 at least"
        )
      }
      authorities[role] = Authority(keyIDs: ids, threshold: Int(threshold))
    }
    self.authorities = authorities
  }

  private static func bound(_ count: Int, _ what: String) throws(TUFError) {
    guard count <= maximumKeyCount else {
      throw TUFError(.limitExceeded, "root.json has \(count) \(what), at most \(maximumKeyCount) are looked at")
    }
  }

  /// Throws unless as many keys as the role asks for signed `envelope`.
  ///
  /// Keys are counted, not identifiers and not signatures: one key counts once however often it signed and under however
  /// many identifiers it is listed (RUSTSEC-2020-0024, CVE-2026-23992), and only if the role names it and the identifier is
  /// its own (GHSA-3633-5h82-39pq).
  func verify(_ envelope: TUFEnvelope) throws(TUFError) {
    let role = envelope.role
    guard let authority = authorities[role] else {
      throw TUFError(.thresholdNotMet, "\(envelope.name): root.json names no keys for it")
    }
    var signers: Set<KeyFingerprint> = []
    var reasons: Set<String> = []
    for (keyID, signature) in envelope.signatures {
      // A signer who has not signed yet stands there with an empty signature.
      if signature.isEmpty { continue }
      guard let id = TUFKeyID(keyID), authority.keyIDs.contains(id) else {
        reasons.insert("a signature is by a key that the role does not name")
        continue
      }
      let short = Hex.encode(id.bytes.prefix(4))
      guard let key = keys[id] else {
        reasons.insert("key \(short)… does not count: \(unusable[id] ?? "it is not listed")")
        continue
      }
      guard !signers.contains(key.key.fingerprint) else {
        reasons.insert("key \(short)… stands there more than once")
        continue
      }
      guard signature.utf8.count <= 1024, let bytes = Hex.decode(signature),
        key.key.verify(bytes, of: envelope.message, scheme: key.scheme) == .valid
      else {
        reasons.insert("the signature by key \(short)… is not valid")
        continue
      }
      signers.insert(key.key.fingerprint)
    }
    guard signers.count >= authority.threshold else {
      let details = reasons.sorted().prefix(4).map { "; " + $0.printable(limit: 200) }.joined()
      throw TUFError(
        .thresholdNotMet,
        "\(envelope.name): \(signers.count) of the \(authority.threshold) different keys that root.json, version"
          + " \(version), asks for have signed it\(details)")
    }
  }
}

/// What one role's file says of another's: version, and perhaps length and hashes (TUF 1.0, section 4.4).
struct TUFReference: Sendable {
  let version: Int64
  let content: TUFContent

  init(_ value: JSONValue, in file: TUFField) throws(TUFError) {
    version = try file.version(of: value)
    content = try file.content(of: value)
  }

  func matches(_ envelope: TUFEnvelope) -> Bool { envelope.version == version && content.matches(envelope.bytes) }
}

/// The timestamp (TUF 1.0, section 4.6): which snapshot is the present one.
struct TUFTimestamp: Sendable {
  let envelope: TUFEnvelope
  let snapshot: TUFReference

  init(_ bytes: [UInt8]) throws(TUFError) {
    envelope = try TUFEnvelope(bytes, role: .timestamp)
    let file = TUFField(role: .timestamp)
    let signed = envelope.signed
    let entry = try file.reading { () throws(JSONError) in try signed.member("meta").member("snapshot.json") }
    snapshot = try TUFReference(entry, in: file)
  }
}

/// The snapshot (TUF 1.0, section 4.4): which versions of the targets' files belong together.
struct TUFSnapshot: Sendable {
  /// Files that a snapshot may list.
  static let maximumFileCount = 4096

  let envelope: TUFEnvelope
  let targets: TUFReference
  /// The versions of all files, by the bytes of their names.
  let versions: [[UInt8]: Int64]

  init(_ bytes: [UInt8]) throws(TUFError) {
    envelope = try TUFEnvelope(bytes, role: .snapshot)
    let file = TUFField(role: .snapshot)
    let signed = envelope.signed
    let entries = try file.reading { () throws(JSONError) in try signed.member("meta").members() }
    guard entries.count <= Self.maximumFileCount else {
      throw TUFError(
        .limitExceeded,
        "snapshot.json lists \(entries.count) files, at most \(Self.maximumFileCount) are looked at")
    }
    var versions: [[UInt8]: Int64] = [:]
    for (name, value) in entries { versions[Array(name.utf8)] = try file.version(of: value) }
    self.versions = versions
    let entry = try file.reading { () throws(JSONError) in try signed.member("meta").member("targets.json") }
    targets = try TUFReference(entry, in: file)
  }
}

/// The top-level targets (TUF 1.0, section 4.5). Delegations are not followed: Sigstore's own files are all listed here.
struct TUFTargets: Sendable {
  let envelope: TUFEnvelope

  init(_ bytes: [UInt8]) throws(TUFError) {
    envelope = try TUFEnvelope(bytes, role: .targets)
    let file = TUFField(role: .targets)
    let signed = envelope.signed
    _ = try file.reading { () throws(JSONError) in try signed.member("targets").members() }
  }

  /// What is signed of the target of this name: length and hashes both.
  func content(of name: TUFTargetName) throws(TUFError) -> TUFContent {
    let file = TUFField(role: .targets)
    let targets = try file.reading { () throws(JSONError) in try envelope.signed.member("targets") }
    guard let entry = targets[name.description] else {
      throw TUFError(
        .targetMissing, "\(envelope.name), does not list \(name) (delegations to other roles are not searched)")
    }
    let content = try file.content(of: entry)
    guard content.length != nil, !content.hashes.isEmpty else {
      throw TUFError(.malformed, "\(envelope.name), gives no length or no hashes for \(name)")
    }
    return content
  }
}
