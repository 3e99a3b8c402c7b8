public import Crypto
public import OCI
public import Primitives
public import Sigstore

/// Credentials as they pass through modules that need not look into them.
public typealias CredentialsHandle = any CredentialsProviding

/// One image, and what is to be proven of it.
public struct VerificationRequest: Sendable {
  /// The image.
  public let image: RequestedImage

  /// What a signature must be to count. Without a key and an identity nothing is ever verified.
  public let demand: SignatureDemand

  /// The trust root as it is now: whose logs, certificate authorities and timestamp authorities count.
  public let trust: TrustedRoot

  /// What the registry is asked with.
  public let credentials: any CredentialsProviding

  /// Notes how long the steps take, for whoever wants to know.
  public let stopwatch: VerificationStopwatch?

  /// A request for `image` under these conditions.
  public init(
    image: RequestedImage, demand: SignatureDemand, trust: TrustedRoot, credentials: any CredentialsProviding,
    stopwatch: VerificationStopwatch? = nil
  ) {
    self.stopwatch = stopwatch
    self.image = image
    self.demand = demand
    self.trust = trust
    self.credentials = credentials
  }

  /// A request for a signature by one of `keys`, where no log and no authority is trusted.
  public init(image: RequestedImage, keys: [PublicKey], requiresLog: Bool, credentials: any CredentialsProviding) {
    self.init(
      image: image, demand: SignatureDemand(keys: keys, requiresLog: requiresLog), trust: .nothing,
      credentials: credentials)
  }
}

/// Whoever can say if an image is signed; `ImageVerifier` is the real one.
public protocol ImageVerifying: Sendable {
  /// The verdict if it is known without waiting: a digest reference whose fact is cached. Never asks anybody.
  func known(_ request: VerificationRequest) -> Verdict?

  /// The verdict, within the deadline. Never throws: what could not be decided is a refusal with a transient code.
  func verify(_ request: VerificationRequest, deadline: Deadline) async -> Verdict
}
