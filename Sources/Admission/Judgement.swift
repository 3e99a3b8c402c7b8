import Crypto
import JSON
import Policy
import Primitives
import Sigstore
import Verification

/// What is known about the images of one workload under one policy, and what follows from it. Pure.
struct Judgement: Sendable {
  /// What came of one image.
  enum Finding: Sendable {
    case exempt
    case verified(VerifiedImage)
    case failed(Refusal)
  }

  /// One image, however many places name it.
  struct Image: Sendable {
    let literal: String
    /// Nil where the literal is no reference: the finding says so.
    let requested: RequestedImage?
    /// Indices into the workload's places.
    var places: [Int]
    /// Whether all of its places are as they were.
    var isUnchanged: Bool
    var finding: Finding?
    /// What getting the finding took, if somebody had to be asked.
    var times: VerificationTimes?

    var hasFailed: Bool {
      if case .failed = finding { true } else { false }
    }
  }

  let workload: Workload
  let policy: VerificationPolicy
  let endpoint: Endpoint
  var images: [Image]

  /// Collects the images; those that need no verification have their finding at once.
  init(_ workload: Workload, under policy: VerificationPolicy, endpoint: Endpoint) {
    self.workload = workload
    self.policy = policy
    self.endpoint = endpoint
    images = []
    for (index, place) in workload.places.enumerated() { add(place, at: index) }
    for index in images.indices where images[index].finding == nil {
      images[index].finding = findingWithoutVerification(index)
    }
  }

  private mutating func add(_ place: ImagePlace, at index: Int) {
    func single(_ refusal: Refusal) {
      images.append(
        Image(
          literal: place.image, requested: nil, places: [index], isUnchanged: place.isUnchanged,
          finding: .failed(refusal)))
    }
    guard place.value != nil else { return single(Refusal(.objectInvalid, "it names no image")) }
    // By bytes: equal strings in Swift may be spelt differently.
    let known = images.firstIndex { $0.requested != nil && $0.literal.utf8.elementsEqual(place.image.utf8) }
    if let known {
      images[known].places.append(index)
      images[known].isUnchanged = images[known].isUnchanged && place.isUnchanged
      return
    }
    do throws(Refusal) {
      images.append(
        Image(
          literal: place.image, requested: try RequestedImage(parsing: place.image), places: [index],
          isUnchanged: place.isUnchanged, finding: nil))
    } catch {
      single(error)
    }
  }

  private func findingWithoutVerification(_ index: Int) -> Finding? {
    guard let requested = images[index].requested else { return nil }
    let isExempt = policy.exemptImages.contains {
      $0.matches(name: requested.normalizedName, tag: requested.tag, digest: requested.digest)
    }
    if isExempt { return .exempt }
    if lacksPin(requested), !images[index].isUnchanged { return .failed(Self.notPinned) }
    return nil
  }

  /// Whether `/validate` must not let it in for want of a digest.
  private func lacksPin(_ requested: RequestedImage) -> Bool {
    endpoint == .validate && policy.pin != .none && requested.digest == nil
  }

  private static let notPinned = Refusal(
    .imageNotPinned,
    "it is not pinned to a digest; /mutate pins what it verifies, so either that webhook did not run or another one changed the image after it"
  )

  // MARK: The outcome

  /// What follows once every image has its finding.
  func outcome() -> Outcome {
    var outcome = Outcome(decision: .passed)
    outcome.warning = policy.warning
    let keepsTemplate = images.contains(where: \.hasFailed) && workload.keepsTemplate()
    var replacements: [JSONPatch.Replacement] = []
    for image in images {
      switch image.finding {
      case .exempt:
        for place in image.places { outcome.images.append(.init(workload.places[place], state: .exempt)) }
      case .verified(let verified):
        if let fault = Self.fault(in: verified, of: image) {
          fail(image, with: Refusal(.internalError, fault), keepsTemplate, &outcome)
        } else {
          accept(verified, image, &replacements, &outcome)
        }
      case .failed(let refusal): fail(image, with: refusal, keepsTemplate, &outcome)
      case nil: fail(image, with: Refusal(.internalError, "nothing was found out about it"), keepsTemplate, &outcome)
      }
    }
    if outcome.failures.contains(where: { $0.excuse == nil }) {
      outcome.decision = .refused
    } else if !outcome.failures.isEmpty {
      outcome.decision = .warned
    } else if !replacements.isEmpty {
      outcome.decision = .pinned
    }
    if outcome.decision != .refused, !replacements.isEmpty { pin(replacements, &outcome) }
    return outcome
  }

  /// Writes the patch into the outcome, once it is seen to do what it should and nothing else.
  private func pin(_ replacements: [JSONPatch.Replacement], _ outcome: inout Outcome) {
    let patch = JSONPatch.encode(replacements)
    do throws(JSONPatch.Failure) {
      try JSONPatch.check(patch, on: workload.object, does: replacements)
      outcome.patch = patch
    } catch {
      outcome = .refused(.internalError, "the patch that pins the images is not what it should be: \(error)")
    }
  }

  private func accept(
    _ verified: VerifiedImage, _ image: Image, _ replacements: inout [JSONPatch.Replacement], _ outcome: inout Outcome
  ) {
    let pinned: String
    switch policy.pin {
    case .tagAndDigest: pinned = verified.pinnedKeepingTag
    case .digest: pinned = verified.pinnedByDigest
    case .none: pinned = image.literal
    }
    guard Self.isPin(pinned, of: image.literal, with: policy.pin, to: verified.digest) else {
      let fault = "pinning it gave \(pinned.printable(limit: 300))"
      return fail(image, with: Refusal(.internalError, fault), false, &outcome)
    }
    if let requested = image.requested, lacksPin(requested) {
      return fail(image, with: Self.notPinned, false, &outcome)
    }
    for index in image.places {
      let place = workload.places[index]
      let isReplaced = endpoint == .mutate && pinned != image.literal
      outcome.images.append(
        .init(place, state: .verified(verified, pinned: isReplaced ? pinned : image.literal), times: image.times))
      if isReplaced, let target = place.value {
        replacements.append(.init(pointer: place.pointer, target: target, value: pinned))
      }
    }
  }

  /// Whether `pinned` is what the user wrote with nothing but this digest added (or the tag taken off as well).
  static func isPin(_ pinned: String, of literal: String, with mode: PinMode, to digest: String) -> Bool {
    switch mode {
    case .none: return pinned.utf8.elementsEqual(literal.utf8)
    case .tagAndDigest:
      let right = literal.utf8.contains(UInt8(ascii: "@")) ? literal : literal + "@" + digest
      return pinned.utf8.elementsEqual(right.utf8)
    case .digest:
      let (text, written, suffix) = (Array(pinned.utf8), Array(literal.utf8), Array(("@" + digest).utf8))
      guard text.suffix(suffix.count).elementsEqual(suffix) else { return false }
      let name = text.dropLast(suffix.count)
      guard !name.isEmpty, written.starts(with: name) else { return false }
      let rest = written.dropFirst(name.count)
      // What was taken off is a tag and a digest at most: a port is followed by a path.
      return rest.isEmpty || rest.first == UInt8(ascii: "@")
        || (rest.first == UInt8(ascii: ":") && !rest.contains(UInt8(ascii: "/")))
    }
  }

  private func fail(_ image: Image, with refusal: Refusal, _ keepsTemplate: Bool, _ outcome: inout Outcome) {
    for (excuse, indices) in grouped(image.places, failing: refusal.code, keepsTemplate) {
      let places = indices.map { workload.places[$0] }
      outcome.failures.append(
        .init(places: places.map(\.description), image: image.literal, refusal: refusal, excuse: excuse))
      for place in places {
        outcome.images.append(.init(place, state: .failed(refusal.code, excuse), times: image.times))
      }
    }
  }

  /// Places by what lets them pass although their image failed.
  private func grouped(
    _ places: [Int], failing code: RefusalCode, _ keepsTemplate: Bool
  ) -> [(excuse: Outcome.Excuse?, places: [Int])] {
    if policy.failurePolicy == .warn { return [(.warn, places)] }
    let canPass = code.isTransient || code == .imageNotPinned || keepsTemplate
    let excused = canPass ? places.filter { workload.places[$0].isUnchanged } : []
    let refused = canPass ? places.filter { !workload.places[$0].isUnchanged } : places
    return [(nil, refused), (.unchanged, excused)].filter { !$0.1.isEmpty }
  }

  /// What is wrong with a verdict that does not belong to its image; nil where it does, as it always should.
  private static func fault(in verified: VerifiedImage, of image: Image) -> String? {
    guard verified.image.literal.utf8.elementsEqual(image.literal.utf8) else {
      return "its verdict is about another image"
    }
    guard (try? Digest(parsing: verified.digest)) != nil else {
      return "its digest is \(verified.digest.printable(limit: 160)), which is none"
    }
    if let digest = image.requested?.digest, digest != verified.digest {
      return "it names the digest \(digest), and \(verified.digest.printable(limit: 160)) was verified"
    }
    return nil
  }
}
