/// How far the verifier goes for one image, whatever the registry offers.
public struct VerifierLimits: Sendable {
  /// Candidates judged per store (the `.sig` tag is one, the referrers are one). Past it the answer is a refusal.
  public var candidatesPerStore = 50

  /// Bytes of a simple signing payload.
  public var payloadBytes = 1 << 20

  /// Bytes of a bundle.
  public var bundleBytes = 1 << 20

  /// Manifests and blobs of one store that are fetched at a time.
  public var concurrentFetches = 8

  /// Questions to a transparency log in one search, where logs are asked at all.
  public var logLookups = 4

  /// The longest that one such question may take.
  public var logLookupTime: Duration = .seconds(5)

  /// Facts remembered; the least recently used is forgotten first.
  public var cachedFacts = 65_536

  /// About how many bytes of memory the facts take together: a signer may sign much beside a digest.
  public var cachedFactBytes = 64 << 20

  /// How long a fact is remembered, nil for as long as there is room.
  ///
  /// A signature that was valid stays valid: taking it out of the registry withdraws nothing, since anybody may have kept
  /// it. What withdraws is taking the key out of the policy, or what it rests on out of the trust root, and that works at
  /// once, because facts are kept by both. So facts do not age by default.
  public var factLifetime: Duration?

  /// How long a definitive "no" is remembered.
  public var negativeLifetime: Duration = .seconds(5)

  /// Definitive refusals remembered at a time.
  public var cachedRefusals = 1024

  /// The longest that one search goes on, whoever waits for it and however long.
  public var searchTime: Duration = .seconds(30)

  /// The defaults.
  public init() {}
}
