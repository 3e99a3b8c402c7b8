import Primitives
import Sigstore

/// Who must have signed, and what must be signed with it.
extension PolicyAnnotations {
  /// The most bytes of an identity or issuer that is compared as it is.
  static let maximumIdentityBytes = 2048
  /// The most bytes of a name and of a value of `signature-annotations`.
  static let maximumAnnotationNameBytes = 256
  static let maximumAnnotationValueBytes = 1024

  private static let allowedSigners =
    "give \(PolicyAnnotation.publicKey.fullName) (PEM public keys, secret://NAME/KEY or configmap://NAME/KEY), or "
    + "\(PolicyAnnotation.certificateIdentity.fullName) with \(PolicyAnnotation.certificateIssuer.fullName)"

  /// Keys, identities or both: either may have signed.
  static func readSigners(
    in values: [PolicyAnnotation: String], isByDefault: Bool
  ) throws(PolicyError) -> (keys: KeySource?, identities: [IdentityMatcher]) {
    let keys = try readKeySource(.publicKey, in: values).source
    let identity = try readIdentity(in: values)
    guard keys != nil || identity != nil else {
      let why =
        isByDefault
        ? "this server verifies images by default" : "\(PolicyAnnotation.imageVerification.fullName) is enabled"
      throw PolicyError(
        .publicKey,
        "is missing, and \(why); \(allowedSigners), or set \(PolicyAnnotation.imageVerification.fullName) to \"disabled\""
      )
    }
    return (keys, identity.map { [$0] } ?? [])
  }

  /// A key source that may be absent; a struct, so that absent and unreadable stay two things.
  struct OptionalKeySource {
    let source: KeySource?
  }

  static func readKeySource(
    _ annotation: PolicyAnnotation, in values: [PolicyAnnotation: String]
  ) throws(PolicyError) -> OptionalKeySource {
    guard let text = values[annotation] else { return OptionalKeySource(source: nil) }
    guard text.utf8.count <= maximumKeyTextBytes else {
      throw PolicyError(annotation, "holds \(text.utf8.count) bytes, at most \(maximumKeyTextBytes) are read")
    }
    return OptionalKeySource(source: try KeySource(trimmed(text), of: annotation))
  }

  private static func readIdentity(in values: [PolicyAnnotation: String]) throws(PolicyError) -> IdentityMatcher? {
    let identity = try matcher(.certificateIdentity, or: .certificateIdentityRegexp, in: values)
    let issuer = try matcher(.certificateIssuer, or: .certificateIssuerRegexp, in: values)
    switch (identity, issuer) {
    case (let identity?, let issuer?): return IdentityMatcher(identity: identity, issuer: issuer)
    case (nil, nil): return nil
    case (_?, nil):
      throw PolicyError(
        .certificateIssuer,
        "is missing: an identity means nothing without who vouches for it; give it, or "
          + PolicyAnnotation.certificateIssuerRegexp.fullName)
    case (nil, _?):
      throw PolicyError(
        .certificateIdentity,
        "is missing: an issuer vouches for everybody who can log in there; say who must have signed, with it or "
          + PolicyAnnotation.certificateIdentityRegexp.fullName)
    }
  }

  private static func matcher(
    _ exact: PolicyAnnotation, or regexp: PolicyAnnotation, in values: [PolicyAnnotation: String]
  ) throws(PolicyError) -> TextMatcher? {
    if values[exact] != nil, values[regexp] != nil {
      throw PolicyError(regexp, "stands beside \(exact.fullName); only one of the two may be given")
    }
    if let text = values[exact] {
      guard text.utf8.count <= maximumIdentityBytes else {
        throw PolicyError(exact, "holds \(text.utf8.count) bytes, at most \(maximumIdentityBytes) are read")
      }
      let wanted = trimmed(text)
      guard !wanted.isEmpty else { throw PolicyError(exact, "is empty; write the exact text") }
      return .exact(wanted)
    }
    guard let text = values[regexp] else { return nil }
    do throws(Sigstore.PatternError) {
      return .pattern(try AnchoredPattern(trimmed(text)))
    } catch {
      throw PolicyError(regexp, "is no regular expression that is taken: \(error.description.printable(limit: 300))")
    }
  }

  /// `NAME=VALUE` pairs, each of which must be in what is signed.
  static func signatureAnnotations(in values: [PolicyAnnotation: String]) throws(PolicyError) -> [String: String] {
    guard let text = try list(.signatureAnnotations, in: values) else { return [:] }
    let form = "write NAME=VALUE pairs separated by commas, as cosign sign -a has them"
    guard !trimmed(text).isEmpty else { throw PolicyError(.signatureAnnotations, "is empty; \(form)") }
    var pairs: [String: String] = [:]
    for part in text.utf8.split(separator: UInt8(ascii: ","), omittingEmptySubsequences: false) {
      let pair = trimmed(Substring(part))
      guard let equals = pair.utf8.firstIndex(of: UInt8(ascii: "=")) else {
        throw PolicyError(.signatureAnnotations, "\"\(pair.printable(limit: 64))\" has no \"=\"; \(form)")
      }
      let name = trimmed(Substring(pair.utf8[..<equals]))
      let value = trimmed(Substring(pair.utf8[pair.utf8.index(after: equals)...]))
      guard !name.isEmpty else { throw PolicyError(.signatureAnnotations, "has a pair without a name; \(form)") }
      guard !value.isEmpty else {
        throw PolicyError(.signatureAnnotations, "\(name.printable(limit: 64)) has no value; \(form)")
      }
      guard name.utf8.count <= maximumAnnotationNameBytes, value.utf8.count <= maximumAnnotationValueBytes else {
        throw PolicyError(
          .signatureAnnotations,
          "\(name.printable(limit: 64)) is too long: a name has at most \(maximumAnnotationNameBytes) bytes, a value "
            + "\(maximumAnnotationValueBytes)")
      }
      // By bytes, since a dictionary of strings takes two spellings for one name.
      guard !pairs.keys.contains(where: { $0.utf8.elementsEqual(name.utf8) }), pairs[name] == nil else {
        throw PolicyError(.signatureAnnotations, "asks for \(name.printable(limit: 64)) twice")
      }
      pairs[name] = value
      guard pairs.count <= SignatureDemand.maximumAnnotations else {
        throw PolicyError(
          .signatureAnnotations,
          "holds more than \(SignatureDemand.maximumAnnotations) pairs, which is the most allowed")
      }
    }
    let byteCount = pairs.reduce(0) { $0 + $1.key.utf8.count + $1.value.utf8.count }
    guard byteCount <= SignatureDemand.maximumAnnotationBytes else {
      throw PolicyError(
        .signatureAnnotations,
        "asks for \(byteCount) bytes of names and values together, at most \(SignatureDemand.maximumAnnotationBytes) are "
          + "taken, since no more than \(VerifiedSignature.maximumAnnotationBytes) are kept of what is signed")
    }
    return pairs
  }
}
