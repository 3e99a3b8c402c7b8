/// Finds credentials when (and only when) a registry must be asked. The first source with a match wins.
public protocol CredentialsProviding: Sendable {
  /// In order of precedence. `notes` says what could not be used and why (a missing Secret, a wrong type), for refusal
  /// messages.
  func credentials() async -> (sources: [RegistryCredentials], notes: [String])
  /// Who this is for: look-ups under way are shared only among equal scopes (namespace and Secret names). Known without
  /// waiting.
  var scope: String { get }
  /// Changes with what `credentials` gives: what a registry gave for older credentials is then not shown to it again. Nil
  /// if that cannot be told now. Asked where an authorization is at hand, so it should be cheap.
  func version() async -> String?
}

extension CredentialsProviding {
  /// They never change.
  public func version() async -> String? { "" }
}

/// No credentials at all: anonymous.
public struct AnonymousCredentials: CredentialsProviding {
  /// The one there is.
  public init() {}
  /// None.
  public func credentials() async -> (sources: [RegistryCredentials], notes: [String]) { ([], []) }
  /// The same for everybody.
  public var scope: String { "" }
}
