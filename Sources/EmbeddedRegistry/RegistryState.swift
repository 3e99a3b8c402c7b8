import Crypto
import Primitives

/// Everything a registry holds; touched only inside its `Locked`.
struct RegistryState: Sendable {
  struct StoredManifest: Sendable {
    var mediaType: String
    var bytes: [UInt8]
    let subject: Digest?
    let artifactType: String?
    let configMediaType: String?
    let annotations: [String: String]
  }

  struct Repository: Sendable {
    var tags: [String: Digest] = [:]
    var manifests: [Digest: StoredManifest] = [:]
    var blobs: [Digest: [UInt8]] = [:]
    /// Manifests by what they refer to, in the order they came.
    var referrers: [Digest: [Digest]] = [:]

    var entries: Int { tags.count + manifests.count + blobs.count }
  }

  struct Upload: Sendable {
    let repository: String
    var bytes: [UInt8] = []
  }

  struct Token: Sendable {
    let grants: [Grant]
    let expires: Deadline
  }

  /// Open uploads at a time; the oldest gives way.
  static let maximumUploads = 256
  /// Tokens at a time; the oldest gives way.
  static let maximumTokens = 10_000

  private let maximumBytes: Int
  private let maximumEntries: Int
  private let maximumLoggedRequests: Int

  private(set) var repositories: [String: Repository] = [:]
  private(set) var storedBytes = 0
  private(set) var uploads: [String: Upload] = [:]
  private var uploadOrder: [String] = []
  var tokens: BoundedCache<String, Token> = .init(capacity: RegistryState.maximumTokens)
  private(set) var log: [LoggedRequest] = []
  var faults: [FaultRule] = []
  var interceptor: Interceptor?
  /// Makes images that are pushed from here differ.
  var imageCount = 0

  init(_ configuration: EmbeddedRegistry.Configuration) {
    maximumBytes = configuration.maximumBytes
    maximumEntries = configuration.maximumEntries
    maximumLoggedRequests = max(1, configuration.maximumLoggedRequests)
  }

  // MARK: Content

  mutating func store(blob bytes: [UInt8], as digest: Digest, in name: String) throws(RegistryFault) {
    if repositories[name]?.blobs[digest] != nil { return }
    try reserve(bytes.count, in: name)
    repositories[name, default: .init()].blobs[digest] = bytes
  }

  mutating func store(manifest: StoredManifest, as digest: Digest, tag: String?, in name: String) throws(RegistryFault)
  {
    if repositories[name]?.manifests[digest] == nil {
      try reserve(manifest.bytes.count, in: name)
      if let subject = manifest.subject {
        repositories[name, default: .init()].referrers[subject, default: []].append(digest)
      }
    }
    // Pushed again: the media type may be another now.
    repositories[name, default: .init()].manifests[digest] = manifest
    if let tag { repositories[name, default: .init()].tags[tag] = digest }
  }

  /// Changes what a digest stands for, as no honest registry does.
  mutating func overwrite(blob digest: Digest, in name: String, with bytes: [UInt8]) -> Bool {
    guard let old = repositories[name]?.blobs[digest] else { return false }
    storedBytes += bytes.count - old.count
    repositories[name]?.blobs[digest] = bytes
    return true
  }

  /// Changes what a digest stands for, as no honest registry does.
  mutating func overwrite(manifest digest: Digest, in name: String, with bytes: [UInt8]) -> Bool {
    guard let old = repositories[name]?.manifests[digest] else { return false }
    storedBytes += bytes.count - old.bytes.count
    repositories[name]?.manifests[digest]?.bytes = bytes
    return true
  }

  mutating func setTag(_ tag: String, in name: String, to digest: Digest?) {
    repositories[name, default: .init()].tags[tag] = digest
  }

  mutating func removeManifest(_ digest: Digest, in name: String) -> Bool {
    guard let manifest = repositories[name]?.manifests.removeValue(forKey: digest) else { return false }
    storedBytes -= manifest.bytes.count
    for (tag, target) in repositories[name]?.tags ?? [:] where target == digest { repositories[name]?.tags[tag] = nil }
    if let subject = manifest.subject { repositories[name]?.referrers[subject]?.removeAll { $0 == digest } }
    return true
  }

  mutating func removeBlob(_ digest: Digest, in name: String) -> Bool {
    guard let blob = repositories[name]?.blobs.removeValue(forKey: digest) else { return false }
    storedBytes -= blob.count
    return true
  }

  private mutating func reserve(_ bytes: Int, in name: String) throws(RegistryFault) {
    let repository = repositories[name]
    guard repository != nil || repositories.count < maximumEntries, (repository?.entries ?? 0) < maximumEntries else {
      throw .full("more than \(maximumEntries) entries")
    }
    guard bytes <= maximumBytes - storedBytes else { throw .full("more than \(maximumBytes) bytes") }
    storedBytes += bytes
  }

  // MARK: Uploads

  mutating func startUpload(in name: String) -> String {
    if uploadOrder.count >= Self.maximumUploads { endUpload(uploadOrder[0]) }
    let id = randomName()
    uploads[id] = Upload(repository: name)
    uploadOrder.append(id)
    return id
  }

  mutating func append(_ bytes: [UInt8], toUpload id: String) throws(RegistryFault) {
    guard bytes.count <= maximumBytes - storedBytes else { throw .full("more than \(maximumBytes) bytes") }
    storedBytes += bytes.count
    uploads[id]?.bytes += bytes
  }

  mutating func endUpload(_ id: String) {
    guard let upload = uploads.removeValue(forKey: id) else { return }
    storedBytes -= upload.bytes.count
    uploadOrder.removeAll { $0 == id }
  }

  // MARK: Log

  mutating func record(_ request: LoggedRequest) {
    if log.count >= maximumLoggedRequests { log.removeFirst(log.count - maximumLoggedRequests + 1) }
    log.append(request)
  }

  mutating func clearLog() { log.removeAll() }
}

/// Thirty-two random hexadecimal digits.
func randomName() -> String {
  Hex.encode((0..<16).map { _ in UInt8.random(in: .min ... .max) })
}
