/// Why bytes are not the JSON that was asked for.
public struct JSONError: Error, Sendable, Equatable, CustomStringConvertible {
  /// What kind of fault it is.
  public enum Code: Sendable, Equatable {
    /// Not the grammar of RFC 8259.
    case syntax
    /// Not UTF-8, or an escape that stands for no Unicode scalar.
    case encoding
    /// One object names a member twice.
    case duplicateMember
    /// Larger, deeper or of more values than allowed.
    case limitExceeded
    /// A member that must be there is not.
    case missingMember
    /// A member that nobody knows, where only known ones may be.
    case unknownMember
    /// A value of another type, or out of range.
    case wrongType
  }

  /// What kind of fault it is.
  public let code: Code
  /// Where in the bytes.
  public let offset: Int
  /// What is wrong, with the path of the value where there is one.
  public let description: String

  init(_ code: Code, at offset: Int, _ description: String) {
    self.code = code
    self.offset = offset
    self.description = description
  }
}
