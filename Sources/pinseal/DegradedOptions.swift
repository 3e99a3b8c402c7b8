import ArgumentParser
import Kubernetes
import Logging
import Webhook

/// Whether and where the condition Degraded tells of refused updates.
struct DegradedOptions: ParsableArguments {
  @Option(
    help:
      "Whether the condition Degraded tells of refused updates in the status of StatefulSets: enabled or disabled. A file: cluster has none. (default: enabled)"
  )
  var degradedCondition: String?

  @Option(
    help:
      "A kind, PLURAL.GROUP, whose objects get the condition too where they control a StatefulSet, such as openbaoclusters.openbao.org. May be repeated."
  )
  var degradedOwner: [String] = []

  static let names = ["degraded-condition", "degraded-owner"]

  private enum Choice: String, CaseIterable { case enabled, disabled }
  private static let maximumOwners = 32

  /// Who keeps the condition; nil if nobody does.
  func reporter(_ settings: Settings, cluster: any Cluster, logger: Logger) throws -> DegradedReporter? {
    let isEnabled =
      try settings.choice("degraded-condition", flag: degradedCondition, default: Choice.enabled) == .enabled
    var options = DegradedKeeper.Options()
    for text in settings.values("degraded-owner", flags: degradedOwner) {
      do throws(ClusterError) {
        options.owners.insert(try OwnerKind(parsing: text))
      } catch {
        throw ValidationError("--degraded-owner: \(error.description)")
      }
    }
    guard options.owners.count <= Self.maximumOwners else {
      throw ValidationError("--degraded-owner: at most \(Self.maximumOwners) kinds are taken")
    }
    guard isEnabled || options.owners.isEmpty else {
      throw ValidationError("--degraded-owner has no effect with --degraded-condition disabled")
    }
    guard isEnabled, let cluster = cluster as? APICluster else { return nil }
    return DegradedReporter(keeper: cluster.degradedKeeper(options: options, logger: logger))
  }
}
