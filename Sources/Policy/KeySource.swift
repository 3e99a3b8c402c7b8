public import Crypto
import Primitives

/// Where the namespace's public keys, or those of its transparency logs, are.
public enum KeySource: Sendable, Hashable, CustomStringConvertible {
  /// In the annotation itself; one at least, none twice.
  case inline([PublicKey])
  /// In a Secret of the same namespace, under this key of its data.
  case secret(name: String, key: String)
  /// In a ConfigMap of the same namespace, under this key of its data.
  case configMap(name: String, key: String)

  /// The reference as it is written in the annotation, or how many keys there are.
  public var description: String {
    switch self {
    case .inline(let keys): "\(keys.count) inline public key\(keys.count == 1 ? "" : "s")"
    case .secret(let name, let key): "secret://\(name)/\(key)"
    case .configMap(let name, let key): "configmap://\(name)/\(key)"
    }
  }

  private static let allowed =
    "allowed are PEM public keys (BEGIN PUBLIC KEY), secret://NAME/KEY or configmap://NAME/KEY of the same namespace"

  /// Reads the value of `annotation`, white space around it taken off.
  init(_ text: String, of annotation: PolicyAnnotation) throws(PolicyError) {
    guard !text.isEmpty else { throw PolicyError(annotation, "is empty; \(Self.allowed)") }
    if text.utf8.starts(with: "-----BEGIN".utf8) {
      do throws(KeyTextError) {
        self = .inline(try parseKeys(text))
      } catch {
        throw PolicyError(annotation, error.problem)
      }
      return
    }
    // What is no reference is not quoted: it may be the inside of a private key.
    guard let scheme = Self.scheme(of: text) else {
      throw PolicyError(annotation, "is neither a PEM public key nor a reference to one; \(Self.allowed)")
    }
    let path = text.utf8.dropFirst(scheme.utf8.count + 3)
    let parts = path.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false).map { String(Substring($0)) }
    switch scheme {
    case "secret":
      let (name, key) = try Self.nameAndKey(parts, kind: "Secret", scheme: scheme, annotation)
      self = .secret(name: name, key: key)
    case "configmap":
      let (name, key) = try Self.nameAndKey(parts, kind: "ConfigMap", scheme: scheme, annotation)
      self = .configMap(name: name, key: key)
    default:
      let lower = String(decoding: scheme.utf8.map(asciiLowercase), as: UTF8.self)
      let hint = lower != scheme && ["secret", "configmap"].contains(lower) ? " (in lower case)" : ""
      throw PolicyError(
        annotation, "the scheme \"\(scheme.printable(limit: 32))://\" is not supported; \(Self.allowed)\(hint)")
    }
  }

  /// What stands before `://`, if it looks like a scheme (RFC 3986 §3.1).
  private static func scheme(of text: String) -> String? {
    let bytes = Array(text.utf8.prefix(64))
    guard let colon = bytes.firstIndex(of: UInt8(ascii: ":")), colon > 0, bytes[colon...].starts(with: "://".utf8),
      bytes[..<colon].allSatisfy({ isASCIIAlphanumeric($0) || $0 == 0x2b || $0 == 0x2d || $0 == 0x2e })
    else { return nil }
    return String(decoding: bytes[..<colon], as: UTF8.self)
  }

  private static func nameAndKey(
    _ parts: [String], kind: String, scheme: String, _ annotation: PolicyAnnotation
  ) throws(PolicyError) -> (name: String, key: String) {
    let form = "write \(scheme)://NAME/KEY"
    if parts.count > 2 {
      throw PolicyError(
        annotation,
        "\(scheme):// has \(parts.count) parts; only a \(kind) of the namespace itself may be named, without a namespace: \(form)"
      )
    }
    let name = parts[0]
    guard !name.isEmpty else { throw PolicyError(annotation, "\(scheme):// lacks the name of the \(kind); \(form)") }
    guard DNSName.isSubdomain(name) else {
      throw PolicyError(
        annotation,
        "\"\(name.printable(limit: 64))\" cannot be the name of a \(kind) (\(KubernetesName.subdomainRule)); \(form)")
    }
    guard parts.count == 2, !parts[1].isEmpty else {
      throw PolicyError(
        annotation, "\(scheme)://\(name.printable(limit: 64)) does not say which key of the \(kind)'s data; \(form)")
    }
    guard KubernetesName.isDataKey(parts[1]) else {
      throw PolicyError(
        annotation,
        "\"\(parts[1].printable(limit: 64))\" cannot be a key of a \(kind)'s data (\(KubernetesName.dataKeyRule)); \(form)"
      )
    }
    return (name, parts[1])
  }
}

/// Why a text is no list of public keys; a predicate without its subject ("holds …").
struct KeyTextError: Error {
  let problem: String
}

/// Bytes of PEM that are read, and keys among them.
let maximumKeyTextBytes = 64 << 10
let maximumKeys = 16

/// The public keys of a PEM text, wherever it came from, each once.
func parseKeys(_ text: String) throws(KeyTextError) -> [PublicKey] {
  guard text.utf8.count <= maximumKeyTextBytes else {
    throw KeyTextError(problem: "holds \(text.utf8.count) bytes, at most \(maximumKeyTextBytes) are read")
  }
  let trimmed = trimmed(text)
  guard !trimmed.isEmpty else { throw KeyTextError(problem: "is empty where PEM public keys should be") }
  // Before anything looks into it, so that no message can hold any of it.
  if Array(trimmed.utf8)[...].contains(subsequence: "PRIVATE KEY-----") {
    throw KeyTextError(
      problem: "holds a private key; put the public key there (BEGIN PUBLIC KEY), and replace that private key, which "
        + "whoever may read the object has seen")
  }
  try refuseTextOutsideBlocks(trimmed)
  let keys: [PublicKey]
  do throws(KeyError) {
    keys = try PublicKey.parsePEM(trimmed, maximumCount: maximumKeys)
  } catch {
    throw KeyTextError(problem: "is not usable: \(error.description.printable(limit: 300))")
  }
  var seen: Set<KeyFingerprint> = []
  let distinct = keys.filter { seen.insert($0.fingerprint).inserted }
  guard !distinct.isEmpty else { throw KeyTextError(problem: "holds no public key") }
  return distinct
}

/// Refuses text outside of PEM blocks without quoting it: the text may be any value of any Secret that the annotation
/// names, and whoever reads the message need not be allowed to read that.
private func refuseTextOutsideBlocks(_ text: String) throws(KeyTextError) {
  var isInside = false
  for (number, line) in text.utf8.split(separator: 0x0a, omittingEmptySubsequences: false).enumerated() {
    let line = trimmed(Substring(line))
    if line.utf8.starts(with: "-----BEGIN ".utf8) {
      isInside = true
    } else if line.utf8.starts(with: "-----END ".utf8) {
      isInside = false
    } else if !isInside, !line.isEmpty {
      let isOpenSSH = line.hasPrefix("ssh-") || line.hasPrefix("ecdsa-sha2-")
      throw KeyTextError(
        problem: "is no list of PEM public keys: line \(number + 1) is outside of a PEM block"
          + (isOpenSSH
            ? "; it is in OpenSSH's form, which ssh-keygen -e -m PKCS8 -f FILE converts"
            : "; only -----BEGIN PUBLIC KEY----- blocks may be there"))
    }
  }
}
