import Kubernetes
import Metrics

/// What `/metrics` shows of conditions.
struct DegradedMetrics: Sendable {
  private let objects: Gauge
  private let writes: [DegradedKeeper.WriteOutcome: Delta]

  init(objects: Gauge, writes: (String) -> Counter) {
    self.objects = objects
    self.writes = Dictionary(
      uniqueKeysWithValues: DegradedKeeper.WriteOutcome.allCases.map { ($0, Delta(writes($0.rawValue))) })
  }

  func update(to statistics: DegradedKeeper.Statistics) {
    objects.record(statistics.objects)
    for (outcome, counter) in writes { counter.update(to: statistics.writes[outcome] ?? 0) }
  }
}
