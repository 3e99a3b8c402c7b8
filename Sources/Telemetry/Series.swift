import CoreMetrics
import Synchronization

/// What is known under one name and one set of labels. Every change is atomic and takes no lock.
protocol Series: AnyObject, Sendable {
  /// Writes its samples; `labels` is empty or `{…}`.
  func write(name: String, labels: String, to writer: inout ExpositionWriter)
}

/// All series of one name.
struct Family: Sendable {
  enum Kind: String, Sendable { case counter, gauge, histogram }

  let kind: Kind
  /// By their labels as they are written.
  var series: [String: any Series] = [:]
}

/// A counter of whole numbers; never falls, except by `reset`.
final class CounterSeries: Series, CounterHandler {
  private let value = Atomic<Int64>(0)

  func increment(by amount: Int64) {
    guard amount > 0 else { return }
    value.wrappingAdd(amount, ordering: .relaxed)
  }

  func reset() { value.store(0, ordering: .relaxed) }

  func write(name: String, labels: String, to writer: inout ExpositionWriter) {
    writer.sample(name, labels, "\(value.load(ordering: .relaxed))")
  }
}

/// A floating-point number that many threads change.
struct AtomicDouble: ~Copyable {
  private let bits = Atomic<UInt64>(0)

  func load() -> Double { Double(bitPattern: bits.load(ordering: .relaxed)) }

  func store(_ value: Double) { bits.store(value.bitPattern, ordering: .relaxed) }

  func add(_ amount: Double) {
    var old = bits.load(ordering: .relaxed)
    while true {
      let new = (Double(bitPattern: old) + amount).bitPattern
      let (exchanged, original) = bits.weakCompareExchange(expected: old, desired: new, ordering: .relaxed)
      if exchanged { return }
      old = original
    }
  }
}

/// A counter of fractions; never falls, except by `reset`.
final class FractionSeries: Series, FloatingPointCounterHandler {
  private let value = AtomicDouble()

  func increment(by amount: Double) {
    guard amount > 0, amount.isFinite else { return }
    value.add(amount)
  }

  func reset() { value.store(0) }

  func write(name: String, labels: String, to writer: inout ExpositionWriter) {
    writer.sample(name, labels, ExpositionWriter.number(value.load()))
  }
}

/// A value that rises and falls.
final class GaugeSeries: Series, MeterHandler, RecorderHandler {
  private let value = AtomicDouble()

  func set(_ value: Int64) { self.value.store(Double(value)) }
  func set(_ value: Double) { self.value.store(value) }
  func increment(by amount: Double) { value.add(amount) }
  func decrement(by amount: Double) { value.add(-amount) }
  func record(_ value: Int64) { set(value) }
  func record(_ value: Double) { set(value) }

  func write(name: String, labels: String, to writer: inout ExpositionWriter) {
    writer.sample(name, labels, ExpositionWriter.number(value.load()))
  }
}

/// The buckets that all histograms have.
enum Histogram {
  /// Inclusive upper bounds, from 50 µs to 10 s where the unit is seconds, as they are written.
  static let bounds: [(value: Double, text: String)] = [
    (0.000_05, "0.00005"), (0.000_1, "0.0001"), (0.000_25, "0.00025"), (0.000_5, "0.0005"), (0.001, "0.001"),
    (0.002_5, "0.0025"), (0.005, "0.005"), (0.01, "0.01"), (0.025, "0.025"), (0.05, "0.05"), (0.1, "0.1"),
    (0.25, "0.25"), (0.5, "0.5"), (1, "1"), (2.5, "2.5"), (5, "5"), (10, "10"),
  ]
}

/// How often which values came.
final class HistogramSeries: Series, RecorderHandler, TimerHandler {
  private final class Cell: Sendable {
    let count = Atomic<UInt64>(0)
  }

  /// One a bound, and one for what is above all of them.
  private let cells: [Cell] = (0...Histogram.bounds.count).map { _ in Cell() }
  private let sum = AtomicDouble()

  func record(_ value: Int64) { record(Double(value)) }

  func record(_ value: Double) {
    guard value.isFinite else { return }
    let index = Histogram.bounds.firstIndex { value <= $0.value } ?? Histogram.bounds.count
    cells[index].count.wrappingAdd(1, ordering: .relaxed)
    sum.add(value)
  }

  func recordNanoseconds(_ duration: Int64) { record(Double(max(0, duration)) / 1e9) }

  func write(name: String, labels: String, to writer: inout ExpositionWriter) {
    // The count is the sum of the buckets as they are read: it never contradicts them while others go on recording.
    var count: UInt64 = 0
    for (index, cell) in cells.enumerated() {
      count += cell.count.load(ordering: .relaxed)
      let bound = index < Histogram.bounds.count ? Histogram.bounds[index].text : "+Inf"
      writer.sample(name + "_bucket", LabelText.adding("le", bound, to: labels), "\(count)")
    }
    writer.sample(name + "_sum", labels, ExpositionWriter.number(sum.load()))
    writer.sample(name + "_count", labels, "\(count)")
  }
}
