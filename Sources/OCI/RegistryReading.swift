public import Crypto
public import Primitives

/// How a manifest is asked for.
public enum ManifestAddress: Sendable, Hashable {
  /// By a name that may point elsewhere tomorrow.
  case tag(String)
  /// By content.
  case digest(Digest)
}

/// What the verifier asks of a registry; `RegistryClient` is the real one.
public protocol RegistryReading: Sendable {
  /// The digest that `reference`'s tag names now (HEAD, else GET and hash), or the reference's own digest after asking
  /// that it exists.
  func resolve(_ reference: ImageReference, credentials: any CredentialsProviding, deadline: Deadline)
    async throws(RegistryError) -> Digest

  /// The manifest by digest (hashed and compared) or by tag (digest computed); nil for 404.
  func manifest(
    _ repository: ImageReference, at: ManifestAddress, credentials: any CredentialsProviding, deadline: Deadline
  ) async throws(RegistryError) -> FetchedManifest?

  /// The blob, hashed and compared; at most `maximumBytes`.
  func blob(
    _ repository: ImageReference, descriptor: Descriptor, maximumBytes: Int, credentials: any CredentialsProviding,
    deadline: Deadline
  ) async throws(RegistryError) -> [UInt8]

  /// Descriptors that refer to `digest`: by the referrers API, else by the fallback tag.
  func referrers(
    _ repository: ImageReference, of digest: Digest, credentials: any CredentialsProviding, deadline: Deadline
  ) async throws(RegistryError) -> Referrers
}
