public import Crypto
public import OCI
public import Primitives

/// Credentials as they pass through modules that need not look into them.
public typealias CredentialsHandle = any CredentialsProviding

/// One image, and what is to be proven of it.
public struct VerificationRequest: Sendable {
  /// The image.
  public let image: RequestedImage

  /// The trusted keys; a signature by any one of them counts. Without a key nothing is ever verified.
  public let keys: [PublicKey]

  /// Whether a proof of the transparency log is wanted: true where `ignore-tlog` is not set.
  public let requiresLog: Bool

  /// What the registry is asked with.
  public let credentials: any CredentialsProviding

  /// A request for `image` under these conditions.
  public init(image: RequestedImage, keys: [PublicKey], requiresLog: Bool, credentials: any CredentialsProviding) {
    self.image = image
    self.keys = keys
    self.requiresLog = requiresLog
    self.credentials = credentials
  }
}

/// Whoever can say if an image is signed; `ImageVerifier` is the real one.
public protocol ImageVerifying: Sendable {
  /// The verdict if it is known without waiting: a digest reference whose fact is cached. Never asks anybody.
  func known(_ request: VerificationRequest) -> Verdict?

  /// The verdict, within the deadline. Never throws: what could not be decided is a refusal with a transient code.
  func verify(_ request: VerificationRequest, deadline: Deadline) async -> Verdict
}
