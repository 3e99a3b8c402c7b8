import Primitives

/// The annotations of a namespace that Pinseal knows.
public enum PolicyAnnotation: String, Sendable, Hashable, CaseIterable {
  /// `enabled` or `disabled`.
  case imageVerification = "image-verification"
  /// PEM public keys, or `secret://NAME/KEY` or `configmap://NAME/KEY`.
  case publicKey = "public-key"
  /// `true` or `false`.
  case ignoreLog = "ignore-tlog"
  /// Public keys of transparency logs, as `public-key`: the only logs that count then.
  case logKey = "rekor-public-key"
  /// `any` or `repository`.
  case signedIdentity = "signed-identity"
  /// `NAME=VALUE`, comma separated.
  case signatureAnnotations = "signature-annotations"
  /// Names of Secrets, comma separated.
  case imagePullSecrets = "image-pull-secrets"
  /// `Block` or `Warn`.
  case failurePolicy = "failure-policy"
  /// Keyless: who must have signed.
  case certificateIdentity = "certificate-identity"
  /// Keyless: as a regular expression.
  case certificateIdentityRegexp = "certificate-identity-regexp"
  /// Keyless: who must vouch for the identity.
  case certificateIssuer = "certificate-oidc-issuer"
  /// Keyless: as a regular expression.
  case certificateIssuerRegexp = "certificate-oidc-issuer-regexp"
  /// `tag-and-digest`, `digest` or `none`.
  case pin
  /// Patterns, one a line.
  case exemptImages = "exempt-images"

  /// The name with its prefix, as it stands in the namespace.
  public var fullName: String { PolicyAnnotations.prefix + rawValue }

  /// The known annotation that `name` (without prefix) most likely means, if any is near.
  static func nearest(to name: String) -> PolicyAnnotation? {
    let bytes = Array(name.utf8.map(asciiLowercase))
    guard bytes.count <= 64 else { return nil }
    var best: (annotation: PolicyAnnotation, distance: Int)?
    for annotation in allCases {
      let known = Array(annotation.rawValue.utf8)
      let distance = editDistance(bytes, known)
      // A third of the name wrong is a slip, more is another word.
      guard distance <= max(1, known.count / 3), distance < best?.distance ?? .max else { continue }
      best = (annotation, distance)
    }
    return best?.annotation
  }
}

/// ASCII upper case made lower case; other bytes as they are.
func asciiLowercase(_ byte: UInt8) -> UInt8 { byte >= 0x41 && byte <= 0x5a ? byte | 0x20 : byte }

/// How many bytes must be put in, taken out, exchanged or swapped with their neighbour to make one of the other.
func editDistance(_ left: [UInt8], _ right: [UInt8]) -> Int {
  var beforeLast = [Int](repeating: 0, count: right.count + 1)
  var last = Array(0...right.count)
  for row in 0..<left.count {
    var current = [row + 1]
    current.reserveCapacity(right.count + 1)
    for column in 0..<right.count {
      var cost = min(last[column + 1] + 1, current[column] + 1, last[column] + (left[row] == right[column] ? 0 : 1))
      if row > 0, column > 0, left[row] == right[column - 1], left[row - 1] == right[column] {
        cost = min(cost, beforeLast[column - 1] + 1)
      }
      current.append(cost)
    }
    beforeLast = last
    last = current
  }
  return last[right.count]
}
