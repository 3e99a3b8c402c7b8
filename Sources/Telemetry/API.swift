
/// Placeholder of the module's surface: `PrometheusRegistry` (a swift-metrics `MetricsFactory` with `exposition()`), log handlers.
public enum LogFormat: String, Sendable, CaseIterable { case text, json }
