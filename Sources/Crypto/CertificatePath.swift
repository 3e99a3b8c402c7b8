import COpenSSL
import Primitives

/// Paths of certificates (RFC 5280 §6), judged at a time that is given.
///
/// Trusted is what the caller trusts, nothing else: no store of the system, no issuer that a candidate brings along.
/// Revocation is not looked at: Sigstore's certificates live for minutes, and what revokes them is the log.
public enum CertificatePath {
  /// What the leaf must be for.
  public enum Purpose: String, Sendable {
    /// Extended key usage codeSigning, perhaps among others.
    case codeSigning = "code signing"
    /// Extended key usage timeStamping, critical and alone (RFC 3161 §2.3).
    case timeStamping = "time stamping"
    /// Extended key usage serverAuth, perhaps among others. Names are the caller's to compare.
    case serverAuthentication = "server authentication"

    fileprivate var identifier: String {
      switch self {
      case .codeSigning: CertificateFields.Identifier.codeSigning
      case .timeStamping: CertificateFields.Identifier.timeStamping
      case .serverAuthentication: CertificateFields.Identifier.serverAuthentication
      }
    }
  }

  /// Certificates of a path, and those that are offered as issuers.
  public static let maximumCount = 10

  /// The path from `leaf` over some of `intermediates` to one of `roots`, all of it valid at `time`: leaf first, root last.
  ///
  /// The leaf must not be an authority's, issuers must be, and everything must be for `purpose`. Both ends of a
  /// certificate's validity are inside it. A certificate that is not valid at `time` is not part of any path.
  public static func verify(
    leaf: X509Certificate, intermediates: [X509Certificate], roots: [X509Certificate], at time: UnixTime,
    purpose: Purpose
  ) throws(CertificateError) -> [X509Certificate] {
    guard leaf.validity.contains(time) else { throw outOfTime(leaf, time) }
    guard !leaf.isCertificateAuthority else {
      throw CertificateError(.authority, "the certificate \(leaf) is an authority's, not a signer's")
    }
    try requirePurpose(purpose, ofLeaf: leaf)
    let offered = intermediates.count + roots.count
    guard offered <= maximumCount else {
      throw CertificateError(
        .issuer, "\(offered) certificates are offered as issuers, at most \(maximumCount) are tried")
    }
    guard !roots.isEmpty else { throw CertificateError(.issuer, "no root is trusted") }
    guard !roots.contains(leaf) else {
      throw CertificateError(.issuer, "the certificate \(leaf) is itself given as a root, so nobody vouches for it")
    }
    // Issuers are chosen here and not by OpenSSL, whose idea of time ends a second earlier.
    func mayIssue(_ certificate: X509Certificate) -> Bool {
      certificate.validity.contains(time) && certificate.isCertificateAuthority
        && certificate.fields.keyUsage?.certificateSigning ?? true && certificate.allows(purpose)
    }
    let path: [X509Certificate]
    do {
      path = try judge(leaf, intermediates.filter(mayIssue), roots.filter(mayIssue))
    } catch {
      guard error.check == .issuer,
        let excluded = (intermediates + roots).first(where: { !mayIssue($0) && $0 != leaf })
      else { throw error }
      throw reason(excluded, time, purpose)
    }
    guard path.count >= 2 else { throw CertificateError(.issuer, "the certificate \(leaf) has no issuer") }
    return path
  }

  /// Why this certificate may not issue.
  private static func reason(_ certificate: X509Certificate, _ time: UnixTime, _ purpose: Purpose) -> CertificateError {
    if !certificate.validity.contains(time) { return outOfTime(certificate, time) }
    if !certificate.isCertificateAuthority || certificate.fields.keyUsage?.certificateSigning == false {
      return CertificateError(.authority, "the issuer \(certificate) is no authority that may sign certificates")
    }
    return CertificateError(.purpose, "the issuer \(certificate) may not issue certificates for \(purpose.rawValue)")
  }

  private static func outOfTime(_ certificate: X509Certificate, _ time: UnixTime) -> CertificateError {
    CertificateError(
      .validity,
      "the certificate \(certificate) is not valid at \(CalendarTime.text(time)), only from \(certificate.validity)")
  }

  private static func requirePurpose(_ purpose: Purpose, ofLeaf leaf: X509Certificate) throws(CertificateError) {
    guard let usage = leaf.fields.extendedKeyUsage else {
      throw CertificateError(
        .purpose, "the certificate \(leaf) has no extended key usage; \(purpose.rawValue) is required")
    }
    guard usage.purposes.contains(purpose.identifier) else {
      throw CertificateError(
        .purpose, "the certificate \(leaf) is not for \(purpose.rawValue), its extended key usages are others")
    }
    let key = leaf.fields.keyUsage
    switch purpose {
    case .codeSigning, .serverAuthentication:
      guard key?.digitalSignature ?? true else {
        throw CertificateError(.purpose, "the certificate \(leaf) has a key usage without digital signatures")
      }
    case .timeStamping:
      guard usage.isCritical, usage.purposes.count == 1 else {
        throw CertificateError(
          .purpose,
          "the certificate \(leaf) is not for time stamping alone: that usage must be critical and the only one")
      }
      guard key.map({ $0.digitalSignature || $0.contentCommitment }) ?? true else {
        throw CertificateError(.purpose, "the certificate \(leaf) has a key usage without digital signatures")
      }
    }
  }

  /// OpenSSL's verdict on paths between these certificates.
  private static func judge(
    _ leaf: X509Certificate, _ intermediates: [X509Certificate], _ roots: [X509Certificate]
  ) throws(CertificateError) -> [X509Certificate] {
    let capacity = maximumCount + 1
    var path = [OpaquePointer?](repeating: nil, count: capacity)
    var count = Int32(capacity)
    var depth: Int32 = 0
    let others = intermediates.map { Optional($0.handle.pointer) }
    let anchors = roots.map { Optional($0.handle.pointer) }
    let context = OpenSSLContext.shared.pointer
    ERR_clear_error()
    let result = others.withUnsafeBufferPointer { others in
      anchors.withUnsafeBufferPointer { anchors in
        pinseal_verify_path(
          context, leaf.handle.pointer, others.baseAddress, Int32(others.count), anchors.baseAddress,
          Int32(anchors.count), &path, &count, &depth)
      }
    }
    ERR_clear_error()
    guard result == X509_V_OK else {
      let reason = result < 0 ? "out of memory" : String(cString: X509_verify_cert_error_string(Int(result)))
      let place = depth == 0 ? "at the certificate \(leaf)" : "at its issuer number \(depth)"
      throw CertificateError(check(result), "the certificate has no good path to a trusted root: \(reason), \(place)")
    }
    // The pointers are those of the certificates given.
    let all = [leaf] + intermediates + roots
    var found: [X509Certificate] = []
    for pointer in path.prefix(Int(count)) {
      guard let certificate = all.first(where: { $0.handle.pointer == pointer }) else {
        throw CertificateError(.issuer, "the certificate's path holds a certificate that was not given")
      }
      found.append(certificate)
    }
    withExtendedLifetime(all) {}
    return found
  }

  private static func check(_ code: Int32) -> CertificateError.Check {
    switch code {
    case X509_V_ERR_CERT_SIGNATURE_FAILURE, X509_V_ERR_UNABLE_TO_DECRYPT_CERT_SIGNATURE,
      X509_V_ERR_UNABLE_TO_DECODE_ISSUER_PUBLIC_KEY, X509_V_ERR_SIGNATURE_ALGORITHM_MISMATCH,
      X509_V_ERR_SIGNATURE_ALGORITHM_INCONSISTENCY:
      .signature
    case X509_V_ERR_INVALID_CA, X509_V_ERR_INVALID_NON_CA, X509_V_ERR_PATH_LENGTH_EXCEEDED,
      X509_V_ERR_KEYUSAGE_NO_CERTSIGN, X509_V_ERR_CERT_CHAIN_TOO_LONG:
      .authority
    case X509_V_ERR_EE_KEY_TOO_SMALL, X509_V_ERR_CA_KEY_TOO_SMALL, X509_V_ERR_CA_MD_TOO_WEAK: .strength
    case X509_V_ERR_UNHANDLED_CRITICAL_EXTENSION, X509_V_ERR_INVALID_EXTENSION, X509_V_ERR_PERMITTED_VIOLATION,
      X509_V_ERR_EXCLUDED_VIOLATION, X509_V_ERR_SUBTREE_MINMAX, X509_V_ERR_UNSUPPORTED_CONSTRAINT_TYPE,
      X509_V_ERR_UNSUPPORTED_CONSTRAINT_SYNTAX, X509_V_ERR_UNSUPPORTED_NAME_SYNTAX,
      X509_V_ERR_UNNESTED_RESOURCE, X509_V_ERR_INVALID_POLICY_EXTENSION:
      .extensions
    default: .issuer
    }
  }
}

extension X509Certificate {
  /// Whether an authority may issue for this purpose: its own extended key usages, if it has any, are a bound.
  fileprivate func allows(_ purpose: CertificatePath.Purpose) -> Bool {
    guard let usage = fields.extendedKeyUsage else { return true }
    return usage.purposes.contains(purpose.identifier)
      || usage.purposes.contains(CertificateFields.Identifier.anyExtendedKeyUsage)
  }
}
