import Primitives

extension APICluster {
  /// How the watches stand.
  public func status() -> ClusterStatus {
    let now = pace.now()
    var status = ClusterStatus()
    let namespaces = namespaceWatch.status
    status.watches.append(
      ClusterStatus.Watches(
        name: ObjectKind.namespace.resource, count: 1, objects: namespaceStore.count,
        age: namespaces.lastSign.map { now.since($0) }, breaks: namespaces.breaks))
    if let trouble = Self.trouble(namespaces, namespaceWatch.target.subject, now) { status.troubles.append(trouble) }
    for kind in [ObjectKind.secret, .configMap] {
      let (entries, pastBreaks) = objects.watches(kind)
      var watches = ClusterStatus.Watches(
        name: kind.resource, count: entries.count, objects: 0, age: nil, breaks: pastBreaks)
      for entry in entries {
        if case .found = entry.known { watches.objects += 1 }
        guard let watch = entry.status else { continue }
        watches.breaks += watch.breaks
        guard watch.failure?.code != .forbidden else {
          watches.forbidden += 1
          continue
        }
        watches.age = max(watches.age ?? .zero, now.since(watch.lastSign ?? entry.begin))
        if let trouble = Self.trouble(watch, "\(entry.id)", now) { status.troubles.append(trouble) }
      }
      status.watches.append(watches)
    }
    status.troubles.sort { $0.duration > $1.duration }
    return status
  }

  private static func trouble(_ watch: WatchStatus, _ subject: String, _ now: Deadline) -> ClusterStatus.Trouble? {
    guard let since = watch.brokenSince, let failure = watch.failure else { return nil }
    return ClusterStatus.Trouble(subject: subject, duration: now.since(since), reason: failure.description)
  }
}
