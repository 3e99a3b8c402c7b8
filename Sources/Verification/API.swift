public import Crypto
public import OCI
public import Primitives
public import Sigstore

/// A parsed image reference, for those who need not know of registries.
public struct RequestedImage: Sendable, Hashable {
  let reference: ImageReference
  public var literal: String { reference.literal }
  /// `docker.io/library/nginx`.
  public var normalizedName: String { reference.name }
  public var tag: String? { reference.tag }
  /// `sha256:…` where the user gave one.
  public var digest: String? { reference.digest?.description }
  /// Throws IMAGE_REFERENCE_INVALID.
  public init(parsing literal: String) throws(Refusal) { fatalError("skeleton") }
}

/// Why an image is not verified: a stable code and a sentence for people.
public struct Refusal: Error, Sendable, Hashable {
  public let code: RefusalCode
  public let message: String
  public init(_ code: RefusalCode, _ message: String) { self.code = code; self.message = message }
}

public struct VerificationRequest: Sendable {
  public let image: RequestedImage
  public let keys: [PublicKey]
  /// True where `ignore-tlog` is not set: a proof of the log is wanted.
  public let requiresLog: Bool
  public let credentials: any CredentialsProviding
  public init(image: RequestedImage, keys: [PublicKey], requiresLog: Bool, credentials: any CredentialsProviding) {
    self.image = image; self.keys = keys; self.requiresLog = requiresLog; self.credentials = credentials
  }
}

public struct VerifiedImage: Sendable, Hashable {
  public let image: RequestedImage
  public let digest: String
  /// The signature that counted.
  public let signature: VerifiedSignature
  /// Whether the fact was in the cache.
  public let fromCache: Bool
  /// `repo:tag@sha256:…`
  public var pinnedKeepingTag: String { fatalError("skeleton") }
  /// `repo@sha256:…`
  public var pinnedByDigest: String { fatalError("skeleton") }
  /// For tests and `known` implementations.
  public init(image: RequestedImage, digest: String, signature: VerifiedSignature, fromCache: Bool) { self.image = image; self.digest = digest; self.signature = signature; self.fromCache = fromCache }
}

public enum Verdict: Sendable, Hashable {
  case verified(VerifiedImage)
  case refused(Refusal)
}

public protocol ImageVerifying: Sendable {
  /// The verdict if it is known without waiting: a digest reference whose fact is cached. Never asks anybody.
  func known(_ request: VerificationRequest) -> Verdict?
  /// The verdict, within the deadline. Never throws: what could not be decided is a refusal with a transient code.
  func verify(_ request: VerificationRequest, deadline: Deadline) async -> Verdict
}

public struct VerifierLimits: Sendable {
  /// Candidates judged per store.
  public var candidatesPerStore = 50
  public var payloadBytes = 1 << 20
  public var bundleBytes = 1 << 20
  public var cachedFacts = 65_536
  /// How long a definitive "no" is remembered.
  public var negativeLifetime: Duration = .seconds(5)
  public init() {}
}

public final class ImageVerifier: ImageVerifying {
  public init(registry: any RegistryReading, limits: VerifierLimits = .init()) { fatalError("skeleton") }
  public func known(_ request: VerificationRequest) -> Verdict? { fatalError("skeleton") }
  public func verify(_ request: VerificationRequest, deadline: Deadline) async -> Verdict { fatalError("skeleton") }
  public struct Statistics: Sendable { public var hits = 0, misses = 0, entries = 0, joined = 0; public init() {} }
  public var statistics: Statistics { fatalError("skeleton") }
}

/// Credentials as they pass through modules that need not look into them.
public typealias CredentialsHandle = any CredentialsProviding
