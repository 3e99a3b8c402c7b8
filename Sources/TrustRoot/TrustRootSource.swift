public import Primitives

/// Where a user's trusted root comes from: a file, or a key of a ConfigMap, which the wiring reads.
public protocol TrustRootSource: Sendable {
  /// The kind, for a metric's label.
  var kind: TrustRootKind { get }
  /// Where it is, for messages: `/etc/pinseal/trusted_root.json`.
  var place: String { get }

  /// The content with its revision, or nil if the revision is still `known`; throws if there is none to be read.
  func read(unless known: TrustRootRevision?) async throws(TrustRootError) -> TrustRootContent?
}

/// Where a trusted root can come from: a closed set, fit for a label.
public enum TrustRootKind: String, Sendable, Hashable, CaseIterable {
  /// What Pinseal was built with.
  case bundled
  /// What TUF brought in place of the bundled one.
  case tuf
  /// A user's file.
  case file
  /// A key of a user's ConfigMap.
  case configMap = "configmap"
}

/// What tells one state of a source from another without reading it.
public enum TrustRootRevision: Sendable, Hashable {
  /// A file's identity.
  case file(FileBytes.Identity)
  /// Another mark: an object's UID and resource version.
  case mark(String)
}

/// A source's content at one time.
public struct TrustRootContent: Sendable {
  /// The text of the trusted root.
  public let bytes: [UInt8]
  /// The state of the source that it was.
  public let revision: TrustRootRevision

  /// A content.
  public init(bytes: [UInt8], revision: TrustRootRevision) {
    self.bytes = bytes
    self.revision = revision
  }
}

/// A trusted root in a file, as `--trusted-root` names it. Links are followed, so the kubelet's swap of a volume shows.
public struct TrustRootFile: TrustRootSource {
  /// Bytes of a trusted root that are read; the public one has 7 KB.
  public static let maximumByteCount = 1 << 20

  /// `file`.
  public var kind: TrustRootKind { .file }
  /// The path.
  public let place: String

  /// The file at `path`.
  public init(path: String) { place = path }

  /// Reads the file if its identity is another one than `known`.
  public func read(unless known: TrustRootRevision?) async throws(TrustRootError) -> TrustRootContent? {
    // The identity first: a change while reading is then seen by the next look, at the price of reading twice.
    let identity = FileBytes.identity(of: place)
    if let identity, known == .file(identity) { return nil }
    do {
      let bytes = try FileBytes.read(place, maximumBytes: Self.maximumByteCount)
      guard let identity else { throw TrustRootError("\(place): it came to be just now; it is read at the next look") }
      return TrustRootContent(bytes: bytes, revision: .file(identity))
    } catch let error as TrustRootError {
      throw error
    } catch {
      throw TrustRootError("\(error)")
    }
  }
}
