import Primitives

/// A target's name that is safe as a path below a folder or an address: `trusted_root.json`, `registry.npmjs.org/keys.json`.
///
/// Segments of letters, digits, `.`, `_` and `-`, none of them beginning with a dot: no way up, no root, no escapes, no
/// separators of other systems (CVE-2026-24137, CVE-2026-24686).
public struct TUFTargetName: Sendable, Hashable, CustomStringConvertible {
  /// The name.
  public let description: String

  /// What Sigstore's repositories call the trusted root.
  public static let trustedRoot = TUFTargetName(unchecked: "trusted_root.json")

  private init(unchecked name: String) { description = name }

  /// Takes `name` if it is safe; throws `unsafeName`.
  public init(parsing name: String) throws(TUFError) {
    let segments = name.utf8.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false)
    let isSafe = segments.allSatisfy { segment in
      guard let first = segment.first, first != UInt8(ascii: ".") else { return false }
      return segment.allSatisfy { byte in
        switch byte {
        case 0x30...0x39, 0x41...0x5a, 0x61...0x7a, UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "-"): true
        default: false
        }
      }
    }
    guard isSafe, name.utf8.count <= 256 else {
      throw TUFError(
        .unsafeName,
        "the target name \"\(name.printable(limit: 64))\" is not safe: expected segments of letters, digits, . _ and -"
          + " between slashes, none beginning with a dot, 256 bytes at most")
    }
    description = name
  }

  /// The path below `targets/`; with a hash where the repository has consistent snapshots (TUF 1.0, section 6.2).
  func path(hash: [UInt8]?) -> String {
    guard let hash else { return description }
    guard let slash = description.lastIndex(of: "/") else { return "\(Hex.encode(hash)).\(description)" }
    return "\(description[...slash])\(Hex.encode(hash)).\(description[description.index(after: slash)...])"
  }
}
