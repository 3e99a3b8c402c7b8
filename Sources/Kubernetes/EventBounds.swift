import Primitives

/// How much is said. The defaults keep an object's Events readable and the API server unburdened.
struct EventBounds: Sendable {
  /// Events that wait to be written; the oldest makes room.
  var queued = 1024
  /// Of these, so many of one namespace; its oldest makes room, not somebody else's.
  var queuedPerNamespace = 256
  /// The same thing seen again within this time counts up the Event that says it.
  var seriesTime: Duration = .seconds(360)
  /// How often such a count is written, after its first time.
  var seriesPace: Duration = .seconds(60)
  /// Events that are remembered for being counted up.
  var series = 1024
  /// New Events about one StatefulSet: ten at once, then one a minute.
  var object = (burst: 10, pace: Duration.seconds(60))
  /// New Events in one namespace: sixty at once, then one in five seconds.
  var namespace = (burst: 60, pace: Duration.seconds(5))
  /// Calls to the API server: fifty at once, then ten a second.
  var calls = (burst: 50, pace: Duration.milliseconds(100))
  /// Waits before a StatefulSet that is being created is looked for; after the last the namespace gets the Event.
  var lookups: [Duration] = [.milliseconds(500), .seconds(1), .seconds(2), .seconds(4)]
  /// Times that an Event is tried while the API server is away, and the first wait between; each wait doubles.
  var attempts = 6
  var retry: Duration = .milliseconds(500)
  /// The longest of these waits.
  var longestRetry: Duration = .seconds(30)
  /// The most time for one call.
  var callTime: Duration = .seconds(5)
  /// The time for what is left at the end.
  var flushTime: Duration = .seconds(2)
}
