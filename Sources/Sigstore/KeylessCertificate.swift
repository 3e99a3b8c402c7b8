public import Crypto
import Primitives

/// Certificates of keyless signatures: short-lived, issued to an identity that OpenID Connect vouched for.
public struct KeylessCertificate: Sendable {
  /// The certificate.
  let leaf: X509Certificate
  /// The identity that it names. Read once, and nothing of it verified: for `verify` to confirm.
  let claimed: SignerIdentity

  /// Reads who `certificate` says it was issued to.
  public init(_ certificate: X509Certificate) throws(CandidateRejection) {
    leaf = certificate
    claimed = try FulcioCertificate.identity(of: certificate)
  }

  /// The identity that it was issued to, if all of it holds at every one of `times`.
  ///
  /// `times` are those that were verified to be when the signature existed: of a log's signed entry timestamp, of
  /// time-stamps. The clock is none: such a certificate is valid for minutes. Without any time nothing is accepted. At every
  /// time one authority must be in service from which a path leads to the leaf; one certificate transparency log must have
  /// signed for the leaf.
  public func verify(
    signedTimes times: [UnixTime], root: TrustedRoot
  ) throws(CandidateRejection) -> SignerIdentity {
    guard !times.isEmpty else {
      throw CandidateRejection(
        .certificateInvalid,
        "it is signed with a certificate, but nothing trusted says when: neither a signed entry timestamp of a log nor a"
          + " time-stamp of an authority was verified")
    }
    // Paths that were found good, with the time in which all of each is valid: signatures do not depend on the time.
    var paths: [(path: [X509Certificate], service: Validity)] = []
    for time in Set(times).sorted() {
      if paths.contains(where: { found in
        found.service.contains(time) && found.path.allSatisfy { $0.validity.contains(time) }
      }) {
        continue
      }
      paths.append(try Self.path(to: leaf, at: time, root.certificateAuthorities))
    }
    var issuers: [X509Certificate] = []
    for found in paths where !issuers.contains(found.path[1]) { issuers.append(found.path[1]) }
    try SignedCertificateTimestamp.verify(in: leaf, issuedByEach: issuers, logs: root.certificateLogs)
    return claimed
  }

  private static func path(
    to leaf: X509Certificate, at time: UnixTime, _ authorities: [CertificateAuthority]
  ) throws(CandidateRejection) -> (path: [X509Certificate], service: Validity) {
    let inService = authorities.filter { $0.validity.contains(time) }
    guard !inService.isEmpty else {
      throw CandidateRejection(
        .certificateInvalid,
        "none of the \(authorities.count) trusted certificate authorities was in service at \(CalendarTime.text(time))")
    }
    var failure: CertificateError?
    for authority in inService {
      guard let root = authority.chain.last else { continue }
      do throws(CertificateError) {
        let path = try CertificatePath.verify(
          leaf: leaf, intermediates: Array(authority.chain.dropLast()), roots: [root], at: time, purpose: .codeSigning)
        return (path, authority.validity)
      } catch {
        // An authority that did not issue it says the least about it.
        if failure == nil || failure?.check == .issuer { failure = error }
      }
    }
    throw CandidateRejection(
      .certificateInvalid,
      "its certificate does not hold: \(failure?.description ?? "no trusted authority has a root")")
  }
}
