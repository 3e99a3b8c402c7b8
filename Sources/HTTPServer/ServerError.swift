/// Why a server cannot start: what was asked, why it does not work, what would.
public struct ServerError: Error, Sendable, CustomStringConvertible {
  /// The reason, for a person.
  public let description: String

  /// An error with this reason.
  public init(_ description: String) { self.description = description }
}
