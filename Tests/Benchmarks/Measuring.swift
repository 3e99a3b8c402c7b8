import CAllocations
import Glibc

/// One thing that is measured.
struct Benchmark {
  let name: String
  let body: () throws -> Void

  init(_ name: String, _ body: @escaping () throws -> some Any) {
    self.name = name
    self.body = { consume(try body()) }
  }
}

/// Keeps a result from being optimised away.
@inline(never) private func consume(_ value: some Any) { withExtendedLifetime(value) {} }

/// What was measured of one benchmark, each a mean over a batch.
struct Measurement {
  let name: String
  /// µs of this thread's processor time.
  var processor: [Double] = []
  /// µs that passed.
  var wall: [Double] = []
  let allocations: Int
  let allocatedBytes: Int
}

/// Runs batches of all benchmarks in turn, so that what else the machine does meets all alike.
func measure(_ benchmarks: [Benchmark], rounds: Int, batch: Double) throws -> [Measurement] {
  var iterations: [Int] = []
  var measurements: [Measurement] = []
  for benchmark in benchmarks {
    // The first run pays for what is made once.
    try benchmark.body()
    let before = allocations_of_thread()
    try benchmark.body()
    let after = allocations_of_thread()
    measurements.append(
      Measurement(
        name: benchmark.name, allocations: Int(after.count - before.count),
        allocatedBytes: Int(after.bytes - before.bytes)))
    let start = microseconds(CLOCK_MONOTONIC)
    for _ in 0..<8 { try benchmark.body() }
    let once = (microseconds(CLOCK_MONOTONIC) - start) / 8
    iterations.append(max(1, Int(batch / max(once, 0.01))))
  }
  for _ in 0..<rounds {
    for (index, benchmark) in benchmarks.enumerated() {
      let (wall, processor) = (microseconds(CLOCK_MONOTONIC), microseconds(CLOCK_THREAD_CPUTIME_ID))
      for _ in 0..<iterations[index] { try benchmark.body() }
      let count = Double(iterations[index])
      measurements[index].processor.append((microseconds(CLOCK_THREAD_CPUTIME_ID) - processor) / count)
      measurements[index].wall.append((microseconds(CLOCK_MONOTONIC) - wall) / count)
    }
  }
  return measurements
}

private func microseconds(_ clock: clockid_t) -> Double {
  var time = timespec()
  clock_gettime(clock, &time)
  return Double(time.tv_sec) * 1e6 + Double(time.tv_nsec) / 1e3
}

/// The table.
func table(_ measurements: [Measurement]) -> String {
  func column(_ text: String, _ width: Int) -> String {
    String(repeating: " ", count: max(0, width - text.count)) + text
  }
  func number(_ value: Double) -> String {
    let tenths = Int((value * 10).rounded())
    return "\(tenths / 10).\(tenths % 10)"
  }
  func median(_ values: [Double]) -> Double { values.sorted()[values.count / 2] }
  let width = measurements.map(\.name.count).max() ?? 0
  let titles = ["cpu min", "median", "wall min", "median", "allocs", "bytes"]
  var lines = ["µs".padded(width) + titles.map { column($0, 10) }.joined()]
  for measurement in measurements {
    let values = [
      number(measurement.processor.min() ?? 0), number(median(measurement.processor)),
      number(measurement.wall.min() ?? 0), number(median(measurement.wall)), "\(measurement.allocations)",
      "\(measurement.allocatedBytes)",
    ]
    lines.append(measurement.name.padded(width) + values.map { column($0, 10) }.joined())
  }
  return lines.joined(separator: "\n")
}

extension String {
  fileprivate func padded(_ width: Int) -> String { self + String(repeating: " ", count: max(0, width - count)) }
}
