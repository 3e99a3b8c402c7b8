import JSON
public import Logging
public import Policy
public import Primitives
public import Sigstore
public import Verification

/// Where policies come from; the wiring gives one that reads the cluster.
public protocol PolicySource: Sendable {
  /// The namespace's policy if it is known without waiting.
  func knownPolicy(ofNamespace name: String) -> NamespacePolicy?
  /// The namespace's policy, read if need be, within the deadline.
  func policy(ofNamespace name: String, deadline: Deadline) async -> NamespacePolicy
  /// Credentials of the policy's Secrets, then of the Pod template's, then the server's own; read only when asked.
  func credentials(namespace: String, policySecrets: [String], templateSecrets: [String]) -> CredentialsHandle
  /// Whose logs and authorities count now: a snapshot, cheap to take, the same for all images of one review.
  var trustedRoot: TrustedRoot { get }
}

extension PolicySource {
  /// No log and no authority, where nothing says which.
  public var trustedRoot: TrustedRoot { .nothing }
}

/// Which endpoint was asked.
public enum Endpoint: String, Sendable {
  /// Pins what is verified and refuses the rest.
  case mutate
  /// Refuses what is not pinned and verified; changes nothing.
  case validate
}

/// When the answer comes.
public enum AdmissionReply: Sendable {
  /// Everything was known.
  case now(AdmissionAnswer)
  /// Somebody must be asked first: run the closure, and cancel the task that runs it when nobody waits any more.
  case later(@Sendable () async -> AdmissionAnswer)
}

/// The HTTP answer and what it came to, for metrics and the log.
public struct AdmissionAnswer: Sendable {
  /// What a review came to.
  public enum Decision: String, Sendable, CaseIterable {
    /// Allowed, with a patch.
    case pinned
    /// Allowed; every image is verified (or exempt) and there was nothing to pin.
    case passed
    /// Allowed although an image is not verified: under Warn, or because the update leaves that image as it was.
    case warned
    /// Not allowed.
    case refused
    /// Allowed without a look at the images: verification is off, or the operation brings no image.
    case skipped
    /// No AdmissionReview: HTTP 400.
    case malformed
  }

  /// The HTTP status: 200, or 400 for what is no AdmissionReview.
  public let status: Int
  /// JSON with status 200, plain text otherwise.
  public let body: [UInt8]
  /// What it came to.
  public let decision: Decision
  /// Codes of the images refused or warned about, each once.
  public let codes: [RefusalCode]
  /// Who signed the images that were verified, one for each.
  public let signers: [VerifiedSignature.Signer]
  /// The media type of the body.
  public var contentType: String { status == 200 ? "application/json" : "text/plain; charset=utf-8" }
}

/// Judges AdmissionReviews: which images a StatefulSet brings, whether they are verified, and what follows from it.
///
/// What passes untouched: DELETE and CONNECT, subresources (all but `ephemeralcontainers`, which bring images), and
/// updates of an object that is being deleted. Any other kind than apps/v1 StatefulSet is refused: to let it in would look
/// as if its images had been verified.
///
/// An image that an update leaves as it was (the same string in the same list under the same name) is verified and pinned
/// like any other, but for no longer than `unchangedTimeout`, and it does not stand in the way where its verification
/// fails for a transient reason, nor where the whole Pod template is as it was, so that the update starts nothing that
/// would not start without it. It is then let through with a warning. A definitive refusal of an unchanged image in a
/// changed template (a rollout restart, say) counts.
public struct AdmissionController: Sendable {
  /// Bounds and times.
  public struct Options: Sendable {
    /// Used where the request brings no `timeout`.
    public var defaultTimeout: Duration = .seconds(10)
    /// Taken off the caller's time, for the way back.
    public var margin: Duration = .seconds(2)
    /// The longest that images wait which an update leaves as they were.
    public var unchangedTimeout: Duration = .seconds(3)
    /// Images in one object.
    public var maximumImages = 256
    /// Bytes of one review.
    public var maximumBytes = 3 << 20
    /// The defaults.
    public init() {}
  }

  let policies: any PolicySource
  let verifier: any ImageVerifying
  let options: Options
  let logger: Logger
  let observer: (any AdmissionObserver)?
  /// One line a second about what is no review: anybody who reaches the port can send that.
  let malformedLines = LinePace(every: .seconds(1))

  /// A controller that asks `policies` and `verifier`, writes one line a decision to `logger`, and tells `observer` what
  /// became of StatefulSets.
  public init(
    policies: any PolicySource, verifier: any ImageVerifying, options: Options = .init(), logger: Logger,
    observer: (any AdmissionObserver)? = nil
  ) {
    self.policies = policies
    self.verifier = verifier
    self.options = options
    self.logger = logger
    self.observer = observer
  }

  /// Judges one review; `query` is that of the URL, undecoded. Answered at once where everything is known.
  public func review(_ body: [UInt8], endpoint: Endpoint, query: String) -> AdmissionReply {
    let started = Deadline.now
    let review: AdmissionReview
    do throws(AdmissionReview.Malformed) {
      review = try AdmissionReview(parsing: body, maximumBytes: options.maximumBytes)
    } catch {
      return .now(malformed(error.reason, endpoint: endpoint))
    }
    let subject = Case(review: review, endpoint: endpoint, started: started)
    if let outcome = triage(review) { return .now(conclude(outcome, of: subject)) }

    let budget = Timeout.budget(query: query, fallback: options.defaultTimeout, margin: options.margin)
    let deadline = started.advanced(by: budget)
    guard let policy = policies.knownPolicy(ofNamespace: review.namespace) else {
      return .later {
        let asked = Deadline.now
        let policy = await policies.policy(ofNamespace: review.namespace, deadline: deadline)
        var subject = subject
        subject.policyTime = Deadline.now.nanoseconds &- asked.nanoseconds
        return await decide(subject, under: policy, deadline: deadline)
      }
    }
    switch begin(subject, under: policy) {
    case .decided(let outcome): return .now(concludeJudged(outcome, of: subject))
    case .open(let judgement):
      return .later { concludeJudged(await finish(judgement, deadline: deadline), of: subject) }
    }
  }

  /// What one review is about.
  struct Case: Sendable {
    let review: AdmissionReview
    let endpoint: Endpoint
    let started: Deadline
    /// Nanoseconds that reading the policy took, where it was not known.
    var policyTime: UInt64?
  }

  private func decide(_ subject: Case, under policy: NamespacePolicy, deadline: Deadline) async -> AdmissionAnswer {
    switch begin(subject, under: policy) {
    case .decided(let outcome): concludeJudged(outcome, of: subject)
    case .open(let judgement): concludeJudged(await finish(judgement, deadline: deadline), of: subject)
    }
  }

  /// Decides what can be decided before the policy is looked at.
  private func triage(_ review: AdmissionReview) -> Outcome? {
    switch review.operation {
    case .delete, .connect: return .skipped()
    case .create, .update: break
    case .unknown(let name):
      return .refused(
        .objectInvalid,
        "the operation \(name.printable(limit: 64)) is unknown, expected CREATE, UPDATE, DELETE or CONNECT")
    }
    if !review.subResource.isEmpty, review.subResource != "ephemeralcontainers" { return .skipped() }
    guard review.isStatefulSet, review.subResource.isEmpty else {
      let subResource =
        review.subResource.isEmpty ? "" : " with the subresource \(review.subResource.printable(limit: 64))"
      return .refused(
        .objectInvalid,
        "\(review.kindDescription)\(subResource) was sent for verification, which is made for apps/v1 StatefulSet; take it out of the rules of the webhook configuration"
      )
    }
    guard let object = review.object, object.kind == .object else {
      return .refused(.objectInvalid, "the review holds no object")
    }
    if let fault = identityFault(of: object, in: review) { return .refused(.objectInvalid, fault) }
    // The old object is the stored one; a user can write anything into the new one.
    if review.operation == .update, review.oldObject?["metadata"]?["deletionTimestamp"]?.kind == .string {
      return .skipped()
    }
    return nil
  }

  /// Why the object is not the one that the request is about, or nil.
  private func identityFault(of object: JSONValue, in review: AdmissionReview) -> String? {
    if let kind = object["kind"], !kind.isString("StatefulSet") { return "the object's kind is not StatefulSet" }
    if let version = object["apiVersion"], !version.isString("apps/v1") {
      return "the object's apiVersion is not apps/v1"
    }
    guard DNSName.isLabel(review.namespace) else {
      return "request.namespace is \"\(review.namespace.printable(limit: 64))\", expected the name of a namespace"
    }
    if let namespace = object["metadata"]?["namespace"], !namespace.isNull, !namespace.isString("") {
      guard namespace.isString(review.namespace) else {
        return "the object's namespace is not the request's, \(review.namespace)"
      }
    }
    return nil
  }
}
