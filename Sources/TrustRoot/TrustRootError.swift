/// Why a trusted root cannot be used.
public struct TrustRootError: Error, Sendable, Equatable, CustomStringConvertible {
  /// Which root, what is wrong with it, and what would be right.
  public let description: String

  /// An error with this text.
  public init(_ description: String) { self.description = description }
}
