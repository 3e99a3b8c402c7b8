import CoreMetrics
import Primitives
import Testing

@testable import Telemetry

@Suite struct PrometheusTests {
  private func text(_ registry: PrometheusRegistry) -> String { String(decoding: registry.exposition(), as: UTF8.self) }

  /// What an empty registry exposes: how much it dropped.
  private static func dropped(_ count: Int) -> String {
    """
    # HELP pinseal_dropped_series_total Metrics that were asked for and not kept, because of a bound or of a name used twice.
    # TYPE pinseal_dropped_series_total counter
    pinseal_dropped_series_total \(count)

    """
  }

  @Test func `counters and gauges are written by name and labels`() {
    let registry = PrometheusRegistry(help: ["requests_total": "Requests,\nby \\ code."])
    registry.makeCounter(label: "requests", dimensions: [("code", "500"), ("a", "x")]).increment(by: 2)
    registry.makeCounter(label: "requests", dimensions: [("code", "200")]).increment(by: 1)
    registry.makeCounter(label: "requests", dimensions: [("a", "x"), ("code", "500")]).increment(by: 3)
    registry.makeCounter(label: "requests_total", dimensions: []).increment(by: 7)
    registry.makeMeter(label: "cache.entries", dimensions: []).set(12.5)
    registry.makeFloatingPointCounter(label: "seconds", dimensions: []).increment(by: 0.25)
    #expect(
      text(registry) == """
        # TYPE cache_entries gauge
        cache_entries 12.5

        """ + Self.dropped(0) + #"""
          # HELP requests_total Requests,\nby \\ code.
          # TYPE requests_total counter
          requests_total 7
          requests_total{a="x",code="500"} 5
          requests_total{code="200"} 1
          # TYPE seconds_total counter
          seconds_total 0.25

          """#)
  }

  @Test func `a timer is a histogram of seconds with cumulative buckets`() {
    let registry = PrometheusRegistry()
    let timer = registry.makeTimer(label: "duration", dimensions: [("endpoint", "mutate")])
    for nanoseconds: Int64 in [1_000, 50_000, 50_001, 3_000_000, 10_000_000_000, 10_000_000_001, -5] {
      timer.recordNanoseconds(nanoseconds)
    }
    let lines = text(registry).split(separator: "\n").map(String.init)
    #expect(lines.contains("# TYPE duration_seconds histogram"))
    #expect(lines.contains(#"duration_seconds_bucket{endpoint="mutate",le="0.00005"} 3"#))
    #expect(lines.contains(#"duration_seconds_bucket{endpoint="mutate",le="0.0001"} 4"#))
    #expect(lines.contains(#"duration_seconds_bucket{endpoint="mutate",le="0.0025"} 4"#))
    #expect(lines.contains(#"duration_seconds_bucket{endpoint="mutate",le="0.005"} 5"#))
    #expect(lines.contains(#"duration_seconds_bucket{endpoint="mutate",le="10"} 6"#))
    #expect(lines.contains(#"duration_seconds_bucket{endpoint="mutate",le="+Inf"} 7"#))
    #expect(lines.contains(#"duration_seconds_count{endpoint="mutate"} 7"#))
    #expect(lines.count { $0.hasPrefix("duration_seconds_bucket") } == 18)
    let sum = lines.first { $0.hasPrefix("duration_seconds_sum") }
    #expect(sum?.hasPrefix(#"duration_seconds_sum{endpoint="mutate"} 20.0031010"#) == true)
  }

  @Test func `recorders are histograms or gauges`() {
    let registry = PrometheusRegistry()
    registry.makeRecorder(label: "size", dimensions: [], aggregate: true).record(Int64(3))
    registry.makeRecorder(label: "size", dimensions: [], aggregate: true).record(Double.nan)
    registry.makeRecorder(label: "level", dimensions: [], aggregate: false).record(Double.infinity)
    #expect(text(registry).contains("size_bucket{le=\"2.5\"} 0\nsize_bucket{le=\"5\"} 1\n"))
    #expect(text(registry).contains("size_sum 3\nsize_count 1\n"))
    #expect(text(registry).contains("level +Inf\n"))
  }

  @Test(arguments: [
    ("a.b-c/d", "a_b_c_d_total"), ("9lives", "_9lives_total"), ("", "__total"), ("héllo", "h_llo_total"),
    ("a:b", "a:b_total"),
    ("x\ny 1", "x_y_1_total"),
  ])
  func `names are made fit`(_ label: String, _ name: String) {
    let registry = PrometheusRegistry()
    registry.makeCounter(label: label, dimensions: []).increment(by: 1)
    #expect(text(registry).contains("\n\(name) 1\n") || text(registry).hasPrefix("# TYPE \(name) counter\n\(name) 1\n"))
  }

  @Test func `labels cannot break out of their line`() {
    let registry = PrometheusRegistry()
    registry.makeCounter(label: "c", dimensions: [("a b", "x\"} 1\nevil 2\\"), ("le", "v"), ("le", "w"), ("9:", "")])
      .increment(by: 1)
    #expect(text(registry).contains(#"c_total{_9_="",a_b="x\"} 1\nevil 2\\",le="v"} 1"# + "\n"))
    registry.makeTimer(label: "t", dimensions: [("le", "v")]).recordNanoseconds(1)
    #expect(text(registry).contains(#"t_seconds_count{exported_le="v"} 1"#))
    registry.makeCounter(label: "long", dimensions: [("a", String(repeating: "x", count: 10_000))]).increment(by: 1)
    #expect(text(registry).utf8.count < 4096)
  }

  @Test func `series are bounded and what is dropped is counted`() {
    var limits = PrometheusRegistry.Limits()
    limits.seriesPerName = 3
    limits.names = 2
    let registry = PrometheusRegistry(limits: limits)
    for index in 0..<10 {
      registry.makeCounter(label: "a", dimensions: [("i", "\(index)")]).increment(by: 1)
    }
    registry.makeMeter(label: "b", dimensions: []).set(Int64(1))
    registry.makeMeter(label: "c", dimensions: []).set(Int64(1))
    registry.makeMeter(label: "a_total", dimensions: []).set(Int64(99))
    let lines = text(registry).split(separator: "\n")
    #expect(lines.count { $0.hasPrefix("a_total{") } == 3)
    #expect(!lines.contains { $0.hasPrefix("c ") || $0.hasPrefix("a_total 99") })
    #expect(lines.contains("pinseal_dropped_series_total 9"))
  }

  @Test func `a destroyed metric is gone and makes room`() {
    var limits = PrometheusRegistry.Limits()
    limits.names = 1
    let registry = PrometheusRegistry(limits: limits)
    let counter = registry.makeCounter(label: "a", dimensions: [])
    registry.destroyCounter(counter)
    let meter = registry.makeMeter(label: "b", dimensions: [])
    meter.set(Int64(4))
    #expect(!text(registry).contains("a_total"))
    #expect(text(registry).contains("b 4\n"))
    registry.destroyMeter(meter)
    #expect(text(registry) == Self.dropped(0))
  }

  @Test func `counters do not fall`() {
    let registry = PrometheusRegistry()
    let counter = registry.makeCounter(label: "a", dimensions: [])
    counter.increment(by: 5)
    counter.increment(by: -3)
    let fraction = registry.makeFloatingPointCounter(label: "f", dimensions: [])
    fraction.increment(by: 1.5)
    fraction.increment(by: -1)
    fraction.increment(by: .nan)
    #expect(text(registry).contains("a_total 5\n"))
    #expect(text(registry).contains("f_total 1.5\n"))
    counter.reset()
    fraction.reset()
    #expect(text(registry).contains("a_total 0\n"))
    #expect(text(registry).contains("f_total 0\n"))
  }

  @Test func `collectors set what is kept elsewhere`() {
    let registry = PrometheusRegistry()
    let gauge = registry.makeMeter(label: "connections", dimensions: [])
    let current = Locked(3)
    registry.onExposition { gauge.set(Int64(current.withLock { $0 })) }
    #expect(text(registry).contains("connections 3\n"))
    current.withLock { $0 = 8 }
    #expect(text(registry).contains("connections 8\n"))
  }

  @Test func `no count is lost among many tasks`() async {
    let registry = PrometheusRegistry()
    await withTaskGroup(of: Void.self) { group in
      for _ in 0..<8 {
        group.addTask {
          let counter = registry.makeCounter(label: "a", dimensions: [])
          let timer = registry.makeTimer(label: "t", dimensions: [])
          let meter = registry.makeMeter(label: "m", dimensions: [])
          for _ in 0..<2_000 {
            counter.increment(by: 1)
            timer.recordNanoseconds(1_000_000_000)
            meter.increment(by: 1)
            meter.decrement(by: 0.5)
          }
        }
      }
    }
    #expect(text(registry).contains("a_total 16000\n"))
    #expect(text(registry).contains("t_seconds_sum 16000\nt_seconds_count 16000\n"))
    #expect(text(registry).contains("m 8000\n"))
  }
}
