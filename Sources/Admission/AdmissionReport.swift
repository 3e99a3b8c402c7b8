/// Who is told about each decision on a StatefulSet, after it was made. Called on an event loop: it must not wait.
public protocol AdmissionObserver: Sendable {
  /// A review was judged under the namespace's policy, `skipped` included. Not called for what passes without being a
  /// StatefulSet's CREATE or UPDATE (DELETE, subresources, objects being deleted, malformed bodies).
  func decided(_ report: AdmissionReport)
}

/// What was decided about a StatefulSet, for those who tell others: Events, conditions.
public struct AdmissionReport: Sendable {
  /// An image that was verified.
  public struct Image: Sendable, Hashable {
    /// `container db`.
    public let place: String
    /// As the object named it.
    public let from: String
    /// As it is stored, with its digest.
    public let to: String
    /// The short fingerprint of the key, or the identity.
    public let signer: String

    /// An image of these parts.
    public init(place: String, from: String, to: String, signer: String) {
      self.place = place
      self.from = from
      self.to = to
      self.signer = signer
    }
  }

  /// Which endpoint was asked.
  public var endpoint: Endpoint
  /// What it came to.
  public var decision: AdmissionAnswer.Decision
  /// Whether nothing may be written because of this review.
  public var isDryRun: Bool
  /// The namespace; a valid DNS label.
  public var namespace: String
  /// The StatefulSet's name, as the request has it: at most 253 bytes, otherwise unchecked. Empty for a CREATE with
  /// `generateName`.
  public var name: String
  /// `metadata.uid` of the stored object: nil for a CREATE.
  public var uid: String?
  /// `metadata.generation` of the stored object: nil for a CREATE.
  public var generation: Int64?
  /// Whether the stored object's status says Degraded=True with reason ImageVerificationFailed.
  public var isDegraded: Bool
  /// Whether an image, as it will be stored, is not in the stored object under the same name, or there is no stored object.
  /// False where nobody looked at the images (`skipped`).
  public var changesImages: Bool
  /// Whether an image that was not verified was let in because the failure policy is Warn.
  public var isUnderWarn: Bool
  /// The refusal as kubectl shows it, or what was let through though it was not verified; nil if there is nothing to say.
  public var message: String?
  /// The images that were verified, 64 at most. Put into words when asked for: most reviews bring nothing that is told.
  public var verified: [Image] {
    get { given ?? Self.verified(records) }
    set { given = newValue }
  }

  private var given: [Image]?
  /// What the images are put into words from.
  var records: [Outcome.ImageRecord] = []

  /// A report without message and images.
  public init(
    endpoint: Endpoint, decision: AdmissionAnswer.Decision, namespace: String, name: String, uid: String? = nil
  ) {
    self.endpoint = endpoint
    self.decision = decision
    isDryRun = false
    self.namespace = namespace
    self.name = name
    self.uid = uid
    isDegraded = false
    changesImages = false
    isUnderWarn = false
  }
}
