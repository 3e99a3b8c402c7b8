public import Crypto
public import HTTPClient
public import Primitives

public struct ReferenceError: Error, Sendable, Equatable, CustomStringConvertible {
  /// UTF-8 offset of the first offending byte in the literal.
  public let position: Int
  public let description: String
}

/// An image reference by the grammar of the distribution project, with Docker's defaults.
public struct ImageReference: Sendable, Hashable {
  /// As the user wrote it.
  public let literal: String
  /// Normalised registry: `docker.io`, `ghcr.io`, `127.0.0.1:5000`, `[::1]:5000`.
  public let registry: String
  /// Normalised repository: `library/nginx`.
  public let repository: String
  public let tag: String?
  public let digest: Digest?
  public init(parsing literal: String) throws(ReferenceError) { fatalError("skeleton") }
  /// `registry/repository`.
  public var name: String { registry + "/" + repository }
  /// Host and port that are asked: `registry-1.docker.io` for `docker.io`, else `registry`.
  public var endpoint: String { registry == "docker.io" ? "registry-1.docker.io" : registry }
  /// The tag that is resolved where neither tag nor digest is given: `latest`.
  public var effectiveTag: String { tag ?? "latest" }
  public enum PinStyle: Sendable { case tagAndDigest, digest }
  /// The literal with `@digest` appended (`tagAndDigest`), or with the tag taken off and `@digest` appended; unchanged if it holds that digest in that style already.
  public func pinned(to digest: Digest, style: PinStyle) -> String { fatalError("skeleton") }
}

/// One `dockerconfigjson`/`dockercfg` worth of credentials, and where it came from (a name for messages, never a value).
public struct RegistryCredentials: Sendable {
  public let source: String
  /// `{"auths":{…}}` (`.dockerconfigjson`).
  public init(dockerConfigJSON bytes: [UInt8], source: String) throws(CredentialsError) { fatalError("skeleton") }
  /// `{"host":{…}}` (`.dockercfg`).
  public init(dockerCfg bytes: [UInt8], source: String) throws(CredentialsError) { fatalError("skeleton") }
  public enum Credential: Sendable, Hashable { case basic(username: String, password: String), identityToken(String), registryToken(String) }
  /// The credential for this repository by Docker's and the kubelet's matching rules, the most specific first.
  public func credential(forRegistry registry: String, repository: String) -> Credential? { fatalError("skeleton") }
}

public struct CredentialsError: Error, Sendable, CustomStringConvertible {
  public let description: String
  public init(_ description: String) { self.description = description }
}

/// Finds credentials when (and only when) a registry must be asked. The first source with a match wins.
public protocol CredentialsProviding: Sendable {
  /// In order of precedence. `notes` says what could not be used and why (a missing Secret, a wrong type), for refusal messages.
  func credentials() async -> (sources: [RegistryCredentials], notes: [String])
  /// Who this is for: look-ups are shared only among equal scopes (namespace and Secret names and versions). Known without waiting.
  var scope: String { get }
}

/// No credentials at all: anonymous.
public struct AnonymousCredentials: CredentialsProviding {
  public init() {}
  public func credentials() async -> (sources: [RegistryCredentials], notes: [String]) { ([], []) }
  public var scope: String { "" }
}

public struct FetchedManifest: Sendable {
  public let digest: Digest
  /// Content-Type without parameters.
  public let mediaType: String
  public let bytes: [UInt8]
}

public struct Descriptor: Sendable, Hashable {
  public let mediaType: String
  public let digest: Digest
  public let size: Int64
  public let artifactType: String?
  public let annotations: [String: String]
}

/// An OCI image manifest or Docker schema-2 manifest, or an index / manifest list; never both (CVE-2021-41190).
public enum Manifest: Sendable {
  case image(artifactType: String?, config: Descriptor, layers: [Descriptor], subject: Descriptor?, annotations: [String: String])
  case index(manifests: [Descriptor], subject: Descriptor?, annotations: [String: String])
  public init(parsing manifest: FetchedManifest, maximumDescriptors: Int = 1000) throws(RegistryError) { fatalError("skeleton") }
}

/// What the verifier asks of a registry; `RegistryClient` is the real one.
public protocol RegistryReading: Sendable {
  /// The digest that `reference`'s tag names now (HEAD, else GET and hash), or the reference's own digest after asking that it exists.
  func resolve(_ reference: ImageReference, credentials: any CredentialsProviding, deadline: Deadline) async throws(RegistryError) -> Digest
  /// The manifest by digest (hashed and compared) or by tag (digest computed); nil for 404.
  func manifest(_ repository: ImageReference, at: ManifestAddress, credentials: any CredentialsProviding, deadline: Deadline) async throws(RegistryError) -> FetchedManifest?
  /// The blob, hashed and compared; at most `maximumBytes`.
  func blob(_ repository: ImageReference, descriptor: Descriptor, maximumBytes: Int, credentials: any CredentialsProviding, deadline: Deadline) async throws(RegistryError) -> [UInt8]
  /// Descriptors that refer to `digest`: by the referrers API, else by the fallback tag.
  func referrers(_ repository: ImageReference, of digest: Digest, credentials: any CredentialsProviding, deadline: Deadline) async throws(RegistryError) -> Referrers
}

public enum ManifestAddress: Sendable, Hashable { case tag(String), digest(Digest) }

public struct Referrers: Sendable {
  public enum Place: Sendable, Hashable { case api, fallbackTag(String), none }
  public let place: Place
  public let descriptors: [Descriptor]
  /// More pages were there than are read.
  public let isTruncated: Bool
  public init(place: Place, descriptors: [Descriptor], isTruncated: Bool) { self.place = place; self.descriptors = descriptors; self.isTruncated = isTruncated }
}
