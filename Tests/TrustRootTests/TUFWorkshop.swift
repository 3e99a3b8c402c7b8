import Crypto
import HTTPClient
import JSON
import Primitives

@testable import TrustRoot

/// A key with its entry in a root's list.
struct TUFSigner {
  let key: PrivateKey
  let scheme: SignatureScheme
  /// The entry, JSON.
  let entry: String
  let id: String

  init(_ kind: PublicKey.Kind = .p256, extra: String = "") throws {
    try self.init(key: PrivateKey(generating: kind), extra: extra)
  }

  init(key: PrivateKey, extra: String = "") throws {
    self.key = key
    let entry: String
    switch key.publicKey.kind {
    case .ed25519:
      scheme = .ed25519
      let digits = Hex.encode(key.publicKey.subjectPublicKeyInfo.suffix(32))
      entry = #"{"keytype":"ed25519","keyval":{"public":"\#(digits)"},"scheme":"ed25519"\#(extra)}"#
    case .p384:
      scheme = .ecdsa(.sha384)
      entry = Self.ecdsa(key, "ecdsa-sha2-nistp384", extra)
    default:
      scheme = .ecdsa(.sha256)
      entry = Self.ecdsa(key, "ecdsa-sha2-nistp256", extra)
    }
    self.entry = entry
    id = Hex.encode(HashAlgorithm.sha256.hash(try canonical(entry)))
  }

  private static func ecdsa(_ key: PrivateKey, _ scheme: String, _ extra: String) -> String {
    var writer = JSONWriter()
    writer.string(key.publicKey.pem)
    return #"{"keytype":"ecdsa","keyval":{"public":\#(writer.text)},"scheme":"\#(scheme)"\#(extra)}"#
  }

  func signature(_ message: [UInt8]) throws -> String { Hex.encode(try key.sign(message, scheme: scheme)) }
}

func canonical(_ json: String) throws -> [UInt8] { try CanonicalJSON.encode(JSONDocument(Array(json.utf8)).root) }

/// `signed` with a signature by each of `signers`.
func sealed(_ signed: String, by signers: [TUFSigner]) throws -> [UInt8] {
  let message = try canonical(signed)
  return envelope(signed, try signers.map { ($0.id, try $0.signature(message)) })
}

func envelope(_ signed: String, _ signatures: [(keyID: String, signature: String)]) -> [UInt8] {
  let list = signatures.map { #"{"keyid":"\#($0.keyID)","sig":"\#($0.signature)"}"# }.joined(separator: ",")
  return Array(#"{"signatures":[\#(list)],"signed":\#(signed)}"#.utf8)
}

/// A repository made here: its keys, versions, dates and content can be set one by one, and each file be written.
struct TUFWorkshop {
  static let now: UnixTime = 2_000_000_000

  var rootSigners: [TUFSigner]
  var onlineSigner: TUFSigner
  var rootThreshold = 2
  var rootVersion = 1
  var timestampVersion = 1
  var snapshotVersion = 1
  var targetsVersion = 1
  var hasConsistentSnapshots = true
  /// Seconds from `now` at which each role's file expires.
  var lifetimes: [TUFRole: Int64] = [.root: 10_000_000, .timestamp: 600_000, .snapshot: 5_000_000, .targets: 5_000_000]
  var target: [UInt8] = BundledTrustRoot.trustedRoot
  var targetName = "trusted_root.json"
  /// Whether files are referred to by version alone, as in the public repository, and not by length and hash too.
  var hasBareReferences = false
  /// Instead of what follows from the above.
  var listedRootIDs: [String]?
  var listedKeys: [(id: String, entry: String)]?
  var targetEntry: String?
  /// Further files of the snapshot.
  var delegatedVersions: [String: Int] = [:]

  init() throws {
    rootSigners = [try TUFSigner(), try TUFSigner(), try TUFSigner(.ed25519)]
    onlineSigner = try TUFSigner(extra: #","x-online-uri":"kms:a\/b\u00e9""#)
  }

  private func date(_ role: TUFRole) -> String { CalendarTime.text(Self.now + (lifetimes[role] ?? 0)) }

  private func head(_ role: TUFRole, _ version: Int) -> String {
    #""_type":"\#(role.rawValue)","expires":"\#(date(role))","spec_version":"1.0.31","version":\#(version)"#
  }

  var rootText: String {
    let keys = listedKeys ?? (rootSigners + [onlineSigner]).map { ($0.id, $0.entry) }
    let list = keys.map { #""\#($0.id)":\#($0.entry)"# }.joined(separator: ",")
    let ids = (listedRootIDs ?? rootSigners.map(\.id)).map { "\"\($0)\"" }.joined(separator: ",")
    let root = #"{"keyids":[\#(ids)],"threshold":\#(rootThreshold)}"#
    let online = #"{"keyids":["\#(onlineSigner.id)"],"threshold":1}"#
    return
      #"{\#(head(.root, rootVersion)),"consistent_snapshot":\#(hasConsistentSnapshots),"keys":{\#(list)},"roles":{"#
      + #""root":\#(root),"targets":\#(root),"snapshot":\#(online),"timestamp":\#(online)}}"#
  }

  func root(by signers: [TUFSigner]? = nil) throws -> [UInt8] { try sealed(rootText, by: signers ?? rootSigners) }

  func timestamp(snapshot: [UInt8]? = nil) throws -> [UInt8] {
    let snapshot = try snapshot ?? self.snapshot()
    let entry = reference(snapshotVersion, snapshot)
    return try sealed(
      #"{\#(head(.timestamp, timestampVersion)),"meta":{"snapshot.json":\#(entry)}}"#, by: [onlineSigner])
  }

  func snapshot(targets: [UInt8]? = nil) throws -> [UInt8] {
    let entry = reference(targetsVersion, try targets ?? self.targets())
    let others = delegatedVersions.sorted { $0.key < $1.key }.map { #","\#($0.key)":{"version":\#($0.value)}"# }
      .joined()
    return try sealed(
      #"{\#(head(.snapshot, snapshotVersion)),"meta":{"targets.json":\#(entry)\#(others)}}"#, by: [onlineSigner])
  }

  func targets(by signers: [TUFSigner]? = nil) throws -> [UInt8] {
    let hashes = #"{"sha256":"\#(Digest(hashing: target).hex)"}"#
    let entry = targetEntry ?? #"{"hashes":\#(hashes),"length":\#(target.count)}"#
    return try sealed(
      #"{\#(head(.targets, targetsVersion)),"targets":{"\#(targetName)":\#(entry)}}"#,
      by: signers ?? Array(rootSigners.prefix(rootThreshold)))
  }

  /// ECDSA signs each time otherwise: who refers to a file must have that very file.
  private func reference(_ version: Int, _ bytes: [UInt8]) -> String {
    if hasBareReferences { return #"{"version":\#(version)}"# }
    return #"{"hashes":{"sha256":"\#(Digest(hashing: bytes).hex)"},"length":\#(bytes.count),"version":\#(version)}"#
  }

  /// Puts the present versions of all files on the mirror.
  func publish(on mirror: ScriptedMirror, root: Bool = true) throws {
    let targets = try targets()
    let snapshot = try snapshot(targets: targets)
    if root { mirror["\(rootVersion).root.json"] = try self.root() }
    mirror["timestamp.json"] = try timestamp(snapshot: snapshot)
    let (snapshotName, targetsName, name) =
      hasConsistentSnapshots
      ? (
        "\(snapshotVersion).snapshot.json", "\(targetsVersion).targets.json",
        "\(Digest(hashing: target).hex).\(targetName)"
      )
      : ("snapshot.json", "targets.json", targetName)
    mirror[snapshotName] = snapshot
    mirror[targetsName] = targets
    mirror["targets/\(name)"] = target
  }

  func client(_ mirror: ScriptedMirror, cacheFolder: String? = nil, target: TUFTargetName = .trustedRoot) throws
    -> TUFClient
  {
    try TUFClient(
      http: mirror, mirror: ScriptedMirror.address, target: target, initialRoot: try root(), cacheFolder: cacheFolder)
  }
}

/// A mirror whose files are at hand, and which tells what was asked for.
final class ScriptedMirror: HTTPExchanging {
  static let address = "https://tuf.example.test/repository"

  private struct State: Sendable {
    var files: [String: [UInt8]] = [:]
    var statuses: [String: Int] = [:]
    var failure: HTTPClientError?
    var requests: [HTTPRequest] = []
  }

  private let state = Locked(State())

  subscript(_ path: String) -> [UInt8]? {
    get { state.withLock { $0.files[path] } }
    set { state.withLock { $0.files[path] = newValue } }
  }

  /// The status that `path` is answered with, whatever there is.
  func answer(_ path: String, with status: Int?) { state.withLock { $0.statuses[path] = status } }
  /// Fails every exchange, or no longer.
  func fail(with error: HTTPClientError?) { state.withLock { $0.failure = error } }
  /// The paths that were asked for since the last call.
  func takeRequests() -> [String] {
    state.withLock { state in
      defer { state.requests = [] }
      return state.requests.map { String($0.url.dropFirst(Self.address.count + 1)) }
    }
  }
  /// The bound of bytes with which `path` was asked for last.
  func bound(of path: String) -> Int? {
    state.withLock { $0.requests.last { $0.url.hasSuffix("/" + path) }?.maximumResponseBytes }
  }

  func send(_ request: HTTPRequest, deadline: Deadline) async throws(HTTPClientError) -> HTTPResponse {
    let (failure, file, status) = state.withLock { state in
      state.requests.append(request)
      let path = String(request.url.dropFirst(Self.address.count + 1))
      return (state.failure, state.files[path], state.statuses[path])
    }
    if let failure { throw failure }
    if let status { return HTTPResponse(status: status) }
    guard let file else { return HTTPResponse(status: 404) }
    guard file.count <= request.maximumResponseBytes else {
      throw HTTPClientError(code: .bodyTooLarge, description: "more than \(request.maximumResponseBytes) bytes")
    }
    return HTTPResponse(status: 200, body: file)
  }
}
