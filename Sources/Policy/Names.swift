/// What Kubernetes takes for names, so that nothing else is ever asked for.
enum KubernetesName {
  static let subdomainRule = "lower-case letters, digits, '-' and '.', at most 253"
  static let dataKeyRule = "letters, digits, '-', '_' and '.', at most 253"

  /// A key of a Secret's or ConfigMap's data.
  static func isDataKey(_ key: String) -> Bool {
    guard !key.isEmpty, key.utf8.count <= 253, key != ".", !key.utf8.starts(with: "..".utf8) else { return false }
    return key.utf8.allSatisfy { isASCIIAlphanumeric($0) || $0 == 0x2d || $0 == 0x2e || $0 == 0x5f }
  }
}

func isASCIIAlphanumeric(_ byte: UInt8) -> Bool {
  (byte >= 0x30 && byte <= 0x39) || (asciiLowercase(byte) >= 0x61 && asciiLowercase(byte) <= 0x7a)
}

/// The text without spaces, tabs, carriage returns and line feeds at its ends: what YAML's block scalars leave there.
func trimmed(_ text: some StringProtocol) -> String {
  var bytes = Array(text.utf8)[...]
  while let last = bytes.last, isWhitespace(last) { bytes.removeLast() }
  while let first = bytes.first, isWhitespace(first) { bytes.removeFirst() }
  return String(decoding: bytes, as: UTF8.self)
}

private func isWhitespace(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x09 || byte == 0x0a || byte == 0x0d }
