public import Crypto
public import HTTPClient
public import Primitives

/// A client of a TUF repository (TUF 1.0, section 5) that fetches one target of the top-level targets.
///
/// Everything is bounded: new roots in one refresh, bytes of each file, time. What was verified stays trusted when a later
/// step fails, so that each refresh goes on where the last one ended.
public struct TUFClient: Sendable {
  /// Where Sigstore's public-good instance publishes.
  public static let publicGoodMirror = "https://tuf-repo-cdn.sigstore.dev"
  /// Roots that one refresh goes on by.
  public static let maximumRootCount = 64
  /// Bytes of a target; the public trusted root has 7 KB.
  public static let maximumTargetByteCount = 1 << 20

  private let http: any HTTPExchanging
  /// The mirror, without a slash at its end.
  public let mirror: String
  private let target: TUFTargetName
  private let cache: TUFCache?
  private let requestTimeout: Duration
  private var trust: TUFTrust
  /// The target that was verified last.
  private var content: [UInt8]?
  /// Why the last refresh could not keep something in the cache's folder; the refresh itself does not fail by that.
  public private(set) var cacheFailure: String?

  /// A client that trusts `initialRoot` and what its chain leads to, and takes up what `cacheFolder` holds.
  ///
  /// `mirror` is an `https` address to whose path the files' names are appended; its host is as trusted as any mirror: it
  /// can withhold, not forge. Without `cacheFolder`, which is made if it is not there, all is kept in memory only.
  public init(
    http: any HTTPExchanging, mirror: String = TUFClient.publicGoodMirror, target: TUFTargetName = .trustedRoot,
    initialRoot: [UInt8] = BundledTrustRoot.tufRoot, cacheFolder: String? = nil,
    requestTimeout: Duration = .seconds(20)
  ) throws(TUFError) {
    do {
      let url = try HTTPURL(parsing: mirror)
      guard url.isSecure, url.query == nil else {
        throw TUFError(.unavailable, "the TUF mirror's address must be https and have no query")
      }
      self.mirror = url.path.hasSuffix("/") ? String(url.description.dropLast()) : url.description
    } catch let error as TUFError {
      throw error
    } catch {
      throw TUFError(.unavailable, "the TUF mirror's address cannot be used: \(error)")
    }
    self.http = http
    self.target = target
    self.requestTimeout = requestTimeout
    cache = cacheFolder.map { TUFCache(folder: $0) }
    trust = try TUFTrust(root: initialRoot)
    restore()
  }

  /// The version of the root that is trusted now.
  public var rootVersion: Int64 { trust.root.version }
  /// When the first of the files at hand goes out of date.
  public var expires: UnixTime { trust.expires }

  /// The target as it was verified last, if nothing that vouches for it is out of date at `now`. No network.
  public func target(at now: UnixTime) -> [UInt8]? {
    guard let content else { return nil }
    do {
      return try trust.content(of: target, at: now).matches(content) ? content : nil
    } catch {
      return nil
    }
  }

  // MARK: Refreshing

  /// Goes through the whole of section 5 and returns the target. `now` is the time for all expiry checks (5.1).
  public mutating func refresh(at now: UnixTime, deadline: Deadline) async throws(TUFError) -> [UInt8] {
    cacheFailure = nil
    try await refreshRoot(deadline)
    try trust.root.envelope.requireFresh(at: now)

    let timestamp = try await fetch("timestamp.json", TUFRole.timestamp.maximumByteCount, deadline)
    try trust.update(timestamp: timestamp, at: now)
    keep(.timestamp, trust.timestamp?.envelope.bytes)

    let isConsistent = trust.root.hasConsistentSnapshots
    if trust.needsSnapshot, let reference = trust.timestamp?.snapshot {
      let bytes = try await fetch(.snapshot, reference, isConsistent, deadline)
      try trust.update(snapshot: bytes, at: now)
      keep(.snapshot, bytes)
    }
    if trust.needsTargets, let reference = trust.snapshot?.targets {
      let bytes = try await fetch(.targets, reference, isConsistent, deadline)
      try trust.update(targets: bytes, at: now)
      keep(.targets, bytes)
    }
    let signed = try trust.content(of: target, at: now)
    if let content, signed.matches(content) { return content }

    guard let length = signed.length, length <= Int64(Self.maximumTargetByteCount) else {
      throw TUFError(
        .limitExceeded,
        "\(target) is signed with \(signed.length ?? 0) bytes, at most \(Self.maximumTargetByteCount) are read")
    }
    let path = "targets/" + target.path(hash: isConsistent ? signed.hashes.first?.value : nil)
    let bytes = try await fetch(path, Int(length), deadline)
    try signed.verify(bytes, name: target.description)
    content = bytes
    keep(.target, bytes)
    return bytes
  }

  private mutating func refreshRoot(_ deadline: Deadline) async throws(TUFError) {
    for _ in 0..<Self.maximumRootCount {
      guard trust.root.version < .max else { return }
      let version = trust.root.version + 1
      guard
        let bytes = try await fetchIfThere("\(version).root.json", TUFRole.root.maximumByteCount, deadline)
      else { return }
      try trust.update(root: bytes)
      keep(.root(version: version), bytes)
    }
    throw TUFError(
      .limitExceeded,
      "the mirror has more than \(Self.maximumRootCount) new roots; the next refresh goes on at \(trust.root.version)")
  }

  private func fetch(
    _ role: TUFRole, _ reference: TUFReference, _ isConsistent: Bool, _ deadline: Deadline
  ) async throws(TUFError) -> [UInt8] {
    if let length = reference.content.length, length > Int64(role.maximumByteCount) {
      throw TUFError(
        .limitExceeded, "\(role.fileName) is signed with \(length) bytes, at most \(role.maximumByteCount) are read")
    }
    let limit = reference.content.length.map { Int($0) } ?? role.maximumByteCount
    return try await fetch(isConsistent ? "\(reference.version).\(role.fileName)" : role.fileName, limit, deadline)
  }

  private func fetch(_ path: String, _ limit: Int, _ deadline: Deadline) async throws(TUFError) -> [UInt8] {
    guard let bytes = try await fetchIfThere(path, limit, deadline) else {
      throw TUFError(.unavailable, "\(mirror)/\(path) is not there")
    }
    return bytes
  }

  /// The file's bytes; nil if the mirror says that there is none (403 is how some object stores say it).
  private func fetchIfThere(_ path: String, _ limit: Int, _ deadline: Deadline) async throws(TUFError) -> [UInt8]? {
    let url = "\(mirror)/\(path)"
    let response: HTTPResponse
    do {
      response = try await http.send(
        HTTPRequest(url: url, maximumResponseBytes: limit), deadline: min(deadline, .after(requestTimeout)))
    } catch {
      guard error.code == .bodyTooLarge else {
        throw TUFError(.unavailable, "\(url): \(error.description.printable())")
      }
      throw TUFError(.limitExceeded, "\(url): more than \(limit) bytes")
    }
    if response.status == 404 || response.status == 403 { return nil }
    guard response.status == 200 else {
      throw TUFError(.unavailable, "\(url): answered with status \(response.status)")
    }
    guard response.body.count <= limit else { throw TUFError(.limitExceeded, "\(url): more than \(limit) bytes") }
    return response.body
  }

  // MARK: The cache

  private mutating func keep(_ file: TUFCache.File, _ bytes: [UInt8]?) {
    guard let cache, let bytes, cache.read(file) != bytes else { return }
    do {
      try cache.write(file, bytes)
    } catch {
      cacheFailure = error.description
    }
  }

  /// Takes up what the cache holds, as far as it verifies.
  private mutating func restore() {
    guard let cache else { return }
    do throws(TUFError) {
      for _ in 0..<Self.maximumRootCount where trust.root.version < .max {
        guard let bytes = cache.read(.root(version: trust.root.version + 1)) else { break }
        try trust.update(root: bytes)
      }
      if let bytes = cache.read(.timestamp) { try trust.update(timestamp: bytes, at: nil) }
      if let bytes = cache.read(.snapshot) { try trust.update(snapshot: bytes, at: nil) }
      if let bytes = cache.read(.targets) { try trust.update(targets: bytes, at: nil) }
      content = cache.read(.target)
    } catch {
      // Foreign, damaged or overtaken: what is not taken up is fetched.
      return
    }
  }
}
