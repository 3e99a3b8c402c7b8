public import Admission
public import Kubernetes
public import ServiceLifecycle

/// Tells whoever keeps the condition `Degraded` what became of updates: refused ones make a StatefulSet degraded, and the
/// next one that is let in makes it well again.
public struct DegradedReporter: AdmissionObserver, Service {
  private let keeper: DegradedKeeper

  /// Images that a message names.
  private static let maximumImages = 16

  /// Tells `keeper`.
  public init(keeper: DegradedKeeper) { self.keeper = keeper }

  /// How many StatefulSets are looked after, and what came of writes.
  public var statistics: DegradedKeeper.Statistics { keeper.statistics }

  /// Passes on what concerns a stored object's condition; never waits.
  public func decided(_ report: AdmissionReport) {
    guard !report.isDryRun, let uid = report.uid,
      let id = StatefulSetID(namespace: report.namespace, name: report.name, uid: uid),
      report.decision == .refused || report.isDegraded || keeper.holdsDegraded(id),
      let verdict = Self.verdict(report)
    else { return }
    keeper.decide(id, verdict, generation: report.generation)
  }

  /// Works until the shutdown.
  public func run() async {
    await withTaskGroup(of: Void.self) { group in
      group.addTask { await self.keeper.run() }
      group.addTask { try? await gracefulShutdown() }
      // Only the shutdown or a cancellation ends.
      _ = await group.next()
      group.cancelAll()
    }
  }

  /// What a decision says about the images of the stored object; nil if nothing.
  static func verdict(_ report: AdmissionReport) -> DegradedVerdict? {
    switch report.decision {
    case .refused: return .refused(report.message ?? "the update was refused")
    case .pinned, .passed: return .verified(text(report.verified))
    case .skipped: return .notEnforced("the update was let in: images are not verified in this namespace")
    case .warned:
      // An update that leaves the images as they were, and could not have them verified just now, shows nothing.
      guard report.changesImages || report.isUnderWarn else { return nil }
      return .notEnforced("the update was let in although: " + (report.message ?? "an image is not verified"))
    case .malformed: return nil
    }
  }

  private static func text(_ images: [AdmissionReport.Image]) -> String {
    if images.isEmpty { return "the update was let in: it has no image that must be verified" }
    var texts = images.prefix(maximumImages).map { "\($0.place), image \($0.to), verified by \($0.signer)" }
    if images.count > maximumImages { texts.append("and \(images.count - maximumImages) more") }
    return texts.joined(separator: "; ")
  }
}
