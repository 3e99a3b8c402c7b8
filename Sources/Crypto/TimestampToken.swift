import Primitives

/// Why a time-stamp is refused.
public struct TimestampError: Error, Sendable, Equatable, CustomStringConvertible {
  /// What was looked at when the fault was found.
  public enum Check: String, Sendable, Hashable {
    /// The encoding: not one TimeStampResp in DER of the form that RFC 3161 gives.
    case form
    /// The response's status: not granted.
    case status
    /// The hash in the token: of another message, or by a hash function that is not taken.
    case imprint
    /// Made by none of the trusted authorities.
    case authority
    /// The signature over the token.
    case signature
    /// The authority's certificates at the token's time.
    case path
    /// The authority was not in service at the token's time.
    case validity
  }

  /// What was looked at.
  public let check: Check
  /// What is wrong, in words; printable.
  public let description: String

  /// An error of this check, in these words.
  public init(_ check: Check, _ description: String) {
    self.check = check
    self.description = description
  }
}

extension TimestampError: DERFailure {
  static let encoding = "the time-stamp's DER"
  init(encodingProblem: String) { self.init(.form, encodingProblem) }
}

/// Time-stamps of RFC 3161: an authority's signed word that a message existed at a time.
public enum TimestampToken {
  /// Bytes of the largest response that is read; one with its certificates has about 6,000.
  public static let maximumByteCount = 65_535

  /// Judges a TimeStampResp over `message` (for Sigstore: the raw bytes of a signature).
  ///
  /// The response must be granted, its imprint the message's hash by SHA-256, SHA-384 or SHA-512, and its CMS signature
  /// made by the very certificate that stands first in one authority's `chain` (leaf first, root last). That
  /// certificate's path must be good, and the authority's `validity` hold, at the token's own time. Certificates inside
  /// the token are not looked at (CVE-2026-39984). Returns the time in whole seconds, where it has a fraction the two
  /// around it, and which of `authorities` it is by.
  public static func verify(
    response der: [UInt8], over message: [UInt8], authorities: [(chain: [X509Certificate], validity: Validity)]
  ) throws(TimestampError) -> (time: ClosedRange<UnixTime>, authority: Int) {
    guard der.count <= maximumByteCount else {
      throw TimestampError(.form, "the time-stamp has \(der.count) bytes, at most \(maximumByteCount) are read")
    }
    let token = try SignedTimestamp(reading: der)
    var failure: TimestampError?
    for (index, authority) in authorities.enumerated() {
      guard let leaf = authority.chain.first, token.names(leaf) else { continue }
      do throws(TimestampError) {
        try token.verify(over: message, by: leaf, issuers: Array(authority.chain.dropFirst()), in: authority.validity)
        return (token.info.time, index)
      } catch {
        failure = failure ?? error
      }
    }
    throw failure
      ?? TimestampError(
        .authority, "the time-stamp is made by none of the \(authorities.count) trusted time-stamp authorities")
  }
}

extension SignedTimestamp {
  /// Judges this token as one of the authority whose signing certificate is `leaf`.
  fileprivate func verify(
    over message: [UInt8], by leaf: X509Certificate, issuers: [X509Certificate], in validity: Validity
  ) throws(TimestampError) {
    try requireCertificate(leaf)
    guard info.imprint == info.hash.hash(message) else {
      throw TimestampError(.imprint, "the time-stamp is of another message: its hash differs")
    }
    let key: PublicKey
    do { key = try leaf.publicKey } catch { throw TimestampError(.path, error.description) }
    guard let scheme = scheme(for: key.kind) else {
      throw TimestampError(
        .signature, "the time-stamp's signature algorithm does not belong to its authority's key, \(key.kind)")
    }
    switch key.verify(signature, of: signedBytes, scheme: scheme) {
    case .valid: break
    case .invalid: throw TimestampError(.signature, "the time-stamp's signature is wrong")
    case .unsupported(let reason): throw TimestampError(.signature, "the time-stamp cannot be checked: \(reason)")
    }
    guard info.time.allSatisfy(validity.contains) else {
      let fraction = info.time.count > 1 ? " and a fraction" : ""
      throw TimestampError(
        .validity,
        "the time-stamp is of \(CalendarTime.text(info.time.lowerBound))\(fraction), its authority was in service from"
          + " \(validity)")
    }
    guard let root = issuers.last else {
      throw TimestampError(.path, "the time-stamp authority's chain has no root beside its signing certificate")
    }
    do {
      for time in info.time {
        _ = try CertificatePath.verify(
          leaf: leaf, intermediates: Array(issuers.dropLast()), roots: [root], at: time, purpose: .timeStamping)
      }
    } catch {
      throw TimestampError(.path, "the time-stamp authority's certificate does not hold: \(error.description)")
    }
  }
}
