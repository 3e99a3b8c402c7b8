public import CoreMetrics
import Primitives
import Synchronization

/// Metrics as Prometheus scrapes them: a factory for swift-metrics that keeps every series in memory.
///
/// Counters get the suffix `_total`, timers `_seconds`, unless their label ends so already; what Prometheus does not take in
/// a name becomes `_`. Timers and aggregating recorders are histograms with the buckets of `Histogram.bounds`; other
/// recorders and meters are gauges. Making a metric takes a lock, so keep what you made; using it takes none.
///
/// How many names there are and how many series each has is bounded: a label that somebody outside can choose must not fill
/// the memory. What goes beyond counts nothing itself but is counted in `pinseal_dropped_series_total`.
public final class PrometheusRegistry: MetricsFactory, Sendable {
  /// How much it keeps.
  public struct Limits: Sendable {
    /// Label combinations of one name.
    public var seriesPerName = 256
    /// Names.
    public var names = 512
    /// The defaults.
    public init() {}
  }

  private struct State {
    var families: [String: Family] = [:]
    var collectors: [@Sendable () -> Void] = []
  }

  private let limits: Limits
  private let help: [String: String]
  private let state = Locked(State())
  private let dropped = CounterSeries()

  /// An empty registry; `help` explains names (as exposed, with their suffix).
  public init(limits: Limits = Limits(), help: [String: String] = [:]) {
    self.limits = limits
    self.help = help
  }

  /// Runs `collector` before every exposition, to set gauges whose values are kept elsewhere.
  public func onExposition(_ collector: @escaping @Sendable () -> Void) {
    state.withLock { $0.collectors.append(collector) }
  }

  /// All series in the text format of Prometheus, version 0.0.4 (`text/plain; version=0.0.4`), ordered by name and labels.
  public func exposition() -> [UInt8] {
    for collector in state.withLock({ $0.collectors }) { collector() }
    var families = state.withLock { $0.families }
    let name = "pinseal_dropped_series_total"
    families[name] = Family(kind: .counter, series: ["": dropped])
    var writer = ExpositionWriter()
    for (name, family) in families.sorted(by: { $0.key < $1.key }) {
      writer.write(family, named: name, help: help[name] ?? Self.ownHelp[name])
    }
    return writer.bytes
  }

  /// The media type of `exposition()`.
  public static let contentType = "text/plain; version=0.0.4; charset=utf-8"

  private static let ownHelp = [
    "pinseal_dropped_series_total":
      "Metrics that were asked for and not kept, because of a bound or of a name used twice."
  ]

  /// The series of this name and these labels, made if there is none; nil if there is no room or the name is of another kind.
  private func series<S: Series>(
    _ kind: Family.Kind, _ name: String, _ dimensions: [(String, String)], make: () -> S
  ) -> S? {
    let labels = LabelText.render(dimensions, reserved: kind == .histogram ? ["le"] : [])
    let made = make()
    let found: S? = state.withLock { state in
      var family = state.families[name] ?? Family(kind: kind)
      guard family.kind == kind else { return nil }
      if let known = family.series[labels] { return known as? S }
      guard family.series.count < limits.seriesPerName else { return nil }
      guard !family.series.isEmpty || state.families.count < limits.names else { return nil }
      family.series[labels] = made
      state.families[name] = family
      return made
    }
    if found == nil { dropped.increment(by: 1) }
    return found
  }

  private func remove(_ handler: AnyObject) {
    state.withLock { state in
      for (name, family) in state.families {
        guard let labels = family.series.first(where: { $0.value === handler })?.key else { continue }
        state.families[name]?.series[labels] = nil
        if state.families[name]?.series.isEmpty == true { state.families[name] = nil }
        return
      }
    }
  }

  // MARK: MetricsFactory

  /// A counter of whole numbers.
  public func makeCounter(label: String, dimensions: [(String, String)]) -> any CounterHandler {
    series(.counter, LabelText.name(label, suffix: "_total"), dimensions) { CounterSeries() } ?? CounterSeries()
  }

  /// A counter of fractions.
  public func makeFloatingPointCounter(
    label: String, dimensions: [(String, String)]
  ) -> any FloatingPointCounterHandler {
    series(.counter, LabelText.name(label, suffix: "_total"), dimensions) { FractionSeries() } ?? FractionSeries()
  }

  /// A gauge.
  public func makeMeter(label: String, dimensions: [(String, String)]) -> any MeterHandler {
    series(.gauge, LabelText.name(label), dimensions) { GaugeSeries() } ?? GaugeSeries()
  }

  /// A histogram if it aggregates, else a gauge.
  public func makeRecorder(label: String, dimensions: [(String, String)], aggregate: Bool) -> any RecorderHandler {
    let name = LabelText.name(label)
    if aggregate { return series(.histogram, name, dimensions) { HistogramSeries() } ?? HistogramSeries() }
    return series(.gauge, name, dimensions) { GaugeSeries() } ?? GaugeSeries()
  }

  /// A histogram of seconds.
  public func makeTimer(label: String, dimensions: [(String, String)]) -> any TimerHandler {
    series(.histogram, LabelText.name(label, suffix: "_seconds"), dimensions) { HistogramSeries() } ?? HistogramSeries()
  }

  /// Forgets a counter.
  public func destroyCounter(_ handler: any CounterHandler) { remove(handler) }
  /// Forgets a counter.
  public func destroyFloatingPointCounter(_ handler: any FloatingPointCounterHandler) { remove(handler) }
  /// Forgets a gauge.
  public func destroyMeter(_ handler: any MeterHandler) { remove(handler) }
  /// Forgets a recorder.
  public func destroyRecorder(_ handler: any RecorderHandler) { remove(handler) }
  /// Forgets a timer.
  public func destroyTimer(_ handler: any TimerHandler) { remove(handler) }
}
