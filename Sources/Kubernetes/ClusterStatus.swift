/// How well what is known of a cluster follows what is.
public struct ClusterStatus: Sendable {
  /// Watches of one kind of object.
  public struct Watches: Sendable {
    /// `namespaces`, `secrets` or `configmaps`.
    public var name: String
    /// How many there are.
    public var count: Int
    /// The objects that they keep.
    public var objects: Int
    /// The time since the last sign of life of that which has been silent for longest; nil if there is none.
    public var age: Duration?
    /// How often one broke.
    public var breaks: Int
    /// Those that RBAC does not allow; their objects are read each time, so that none of them is old.
    public var forbidden: Int

    /// Watches that are as said.
    public init(name: String, count: Int, objects: Int, age: Duration?, breaks: Int, forbidden: Int = 0) {
      self.name = name
      self.count = count
      self.objects = objects
      self.age = age
      self.breaks = breaks
      self.forbidden = forbidden
    }
  }

  /// Something that is not followed, though it should be.
  public struct Trouble: Sendable {
    /// What: `namespaces in the whole cluster`.
    public var subject: String
    /// For how long.
    public var duration: Duration
    /// Why, in words.
    public var reason: String
    /// Whether it goes on for so long that it should be known: a minute.
    public var isLong: Bool { duration > .seconds(60) }

    /// Trouble with `subject`.
    public init(subject: String, duration: Duration, reason: String) {
      self.subject = subject
      self.duration = duration
      self.reason = reason
    }
  }

  /// A kind each; none where nothing is watched.
  public var watches: [Watches]
  /// The longest first.
  public var troubles: [Trouble]

  /// Of these parts.
  public init(watches: [Watches] = [], troubles: [Trouble] = []) {
    self.watches = watches
    self.troubles = troubles
  }
}
