import Glibc

/// The environment of this process.
public enum Environment {
  /// All variables whose name begins with `prefix`.
  public static func variables(prefix: String) -> [String: String] {
    var result: [String: String] = [:]
    var entry = environ
    while let text = entry.pointee {
      let pair = String(cString: text)
      if let equals = pair.firstIndex(of: "="), pair.hasPrefix(prefix) {
        result[String(pair[..<equals])] = String(pair[pair.index(after: equals)...])
      }
      entry += 1
    }
    return result
  }
}
