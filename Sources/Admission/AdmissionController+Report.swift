import JSON
import Policy
import Primitives
import Sigstore
import Verification

extension AdmissionController {
  /// Answers a StatefulSet's CREATE or UPDATE that was judged: tells the observer too.
  func concludeJudged(_ outcome: Outcome, of subject: Case) -> AdmissionAnswer {
    let answer = conclude(outcome, of: subject)
    if let observer { observer.decided(AdmissionReport(outcome, of: subject)) }
    return answer
  }
}

extension AdmissionReport {
  /// Images that a report names.
  static let maximumImages = Outcome.maximumAuditAnnotations
  /// Conditions that are looked at.
  private static let maximumElements = 64

  init(_ outcome: Outcome, of subject: AdmissionController.Case) {
    let review = subject.review
    let stored = review.operation == .update ? review.oldObject : nil
    self.init(
      endpoint: subject.endpoint, decision: outcome.decision, namespace: review.namespace,
      name: Self.name(review), uid: Self.text(stored?["metadata"]?["uid"], limit: 128))
    isDryRun = review.isDryRun
    generation = try? stored?["metadata"]?["generation"]?.integer()
    isUnderWarn = outcome.failures.contains { $0.excuse == .warn }
    isDegraded = Self.isDegraded(stored)
    changesImages = Self.changesImages(outcome, stored)
    message = outcome.decision == .refused ? outcome.message : outcome.notice
    records = outcome.images
  }

  /// The request's name, or the object's own where a CREATE came without; none where it is longer than any name.
  private static func name(_ review: AdmissionReview) -> String {
    if !review.name.isEmpty { return review.name.utf8.count <= 253 ? review.name : "" }
    guard review.operation == .create else { return "" }
    return text(review.object?["metadata"]?["name"], limit: 253) ?? ""
  }

  /// A string that is there, not empty and no longer than `limit` bytes.
  private static func text(_ value: JSONValue?, limit: Int) -> String? {
    // Six bytes of JSON at most for each byte of text: a longer one need not be decoded.
    guard let value, value.kind == .string, value.range.count <= limit * 6 + 2, let text = try? value.string(),
      (1...limit).contains(text.utf8.count)
    else { return nil }
    return text
  }

  private static func isDegraded(_ stored: JSONValue?) -> Bool {
    guard let conditions = try? stored?["status"]?["conditions"]?.elements() else { return false }
    return conditions.prefix(maximumElements).contains { condition in
      condition["type"]?.isString("Degraded") == true && condition["status"]?.isString("True") == true
        && condition["reason"]?.isString("ImageVerificationFailed") == true
    }
  }

  /// Whether an image, as it will be stored, is not where it is now. An apply that names a tag again brings nothing new if
  /// pinning it gives what is stored.
  private static func changesImages(_ outcome: Outcome, _ stored: JSONValue?) -> Bool {
    guard let stored else { return !outcome.images.isEmpty }
    let changed = outcome.images.filter { !($0.place.isUnchanged && $0.stored.utf8.elementsEqual($0.place.image.utf8)) }
    if changed.isEmpty { return false }
    var known: [ImageList: OldImages] = [:]
    let specification = stored["spec"]?["template"]?["spec"]
    return !changed.allSatisfy { image in
      let list = image.place.list
      let images = known[list] ?? OldImages(list, in: specification)
      known[list] = images
      return images.contains(image.stored, named: image.place.name)
    }
  }

  /// The images that were verified, in words.
  static func verified(_ records: [Outcome.ImageRecord]) -> [Image] {
    records.lazy.compactMap { image -> Image? in
      guard case .verified(let verified, let pinned) = image.state else { return nil }
      return Image(
        place: image.place.description, from: image.place.image.printable(limit: 300),
        to: pinned.printable(limit: 500), signer: verified.signature.signer.short)
    }.prefix(maximumImages).map { $0 }
  }
}

extension Outcome.ImageRecord {
  /// What will stand there once the patch is applied.
  fileprivate var stored: String {
    if case .verified(_, let pinned) = state { pinned } else { place.image }
  }
}
