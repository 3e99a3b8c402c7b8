/// What refers to a manifest (OCI distribution specification, "Listing Referrers"): descriptors, unverified.
public struct Referrers: Sendable {
  /// Where they were found.
  public enum Place: Sendable, Hashable {
    /// The registry's referrers API.
    case api
    /// The index at this tag, where the registry has no such API.
    case fallbackTag(String)
    /// Neither: nothing refers to the manifest.
    case none
  }

  /// Where they were found.
  public let place: Place
  /// In the registry's order. Their `artifactType` is what the registry says and often wrong.
  public let descriptors: [Descriptor]
  /// More pages were there than are read.
  public let isTruncated: Bool

  /// What was found at `place`.
  public init(place: Place, descriptors: [Descriptor], isTruncated: Bool) {
    self.place = place
    self.descriptors = descriptors
    self.isTruncated = isTruncated
  }
}
