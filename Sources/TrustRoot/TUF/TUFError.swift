/// Why a refresh through TUF was refused or could not be made. What was trusted before stays so.
public struct TUFError: Error, Sendable, Equatable, CustomStringConvertible {
  /// Which rule was broken.
  public enum Code: String, Sendable, Hashable {
    /// Not the JSON or not the members that the specification (TUF 1.0, section 4) asks for.
    case malformed
    /// Not signed by as many different keys as the role asks for.
    case thresholdNotMet
    /// Older than what was already trusted.
    case rollback
    /// Roots do not follow one another, or files are not the ones that belong together (mix and match).
    case versionMismatch
    /// Out of date: an attacker, or a repository that nobody signs any more, could freeze us there.
    case expired
    /// Content whose hash is not the signed one.
    case hashMismatch
    /// Content whose length is not the signed one.
    case lengthMismatch
    /// The top-level targets do not list the target.
    case targetMissing
    /// The target's name could lead out of a folder, or is none.
    case unsafeName
    /// More bytes, roots, keys or signatures than are looked at.
    case limitExceeded
    /// The mirror did not answer, or with something else than the file.
    case unavailable
    /// The refreshed file is no trusted root.
    case unusable
  }

  /// Which rule was broken.
  public let code: Code
  /// The file, the rule, and what would be right.
  public let description: String

  /// An error with this text.
  public init(_ code: Code, _ description: String) {
    self.code = code
    self.description = description
  }
}
