/// Names as RFC 1123 and Kubernetes have them: lower-case letters, digits, inner hyphens, and dots between labels.
public enum DNSName {
  /// A label of 1 to 63 bytes: the name of a namespace.
  public static func isLabel(_ name: String) -> Bool { isLabel(name.utf8, limit: 63) }

  /// A subdomain of at most 253 bytes, as Kubernetes means it, which bounds no label of it: the names of most objects.
  public static func isSubdomain(_ name: String) -> Bool { areLabels(name.utf8, limit: 253) }

  /// A host's name of at most 253 bytes, in labels of at most 63.
  public static func isHost(_ name: String) -> Bool { areLabels(name.utf8, limit: 63) }

  private static func areLabels(_ name: some BidirectionalCollection<UInt8>, limit: Int) -> Bool {
    name.count <= 253
      && name.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
        .allSatisfy { isLabel($0, limit: limit) }
  }

  private static func isLabel(_ label: some BidirectionalCollection<UInt8>, limit: Int) -> Bool {
    guard label.count <= limit, let first = label.first, let last = label.last, first != 0x2d, last != 0x2d else {
      return false
    }
    return label.allSatisfy { ($0 >= 0x61 && $0 <= 0x7a) || ($0 >= 0x30 && $0 <= 0x39) || $0 == 0x2d }
  }
}
