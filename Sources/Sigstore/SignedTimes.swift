public import Crypto

/// Times at which a signature is known to have existed, by authorities that signed them (RFC 3161).
public enum SignedTimes {
  /// Time-stamps that one signature may have.
  public static let maximumCount = 32

  /// The time of every one of `timestamps` (TimeStampResp, DER) over `signature` that is by an authority of `root`, in
  /// whole seconds: of a time with a fraction the two around it, at both of which all that rests on it must hold.
  ///
  /// Time-stamps of other authorities are passed over; one of a trusted authority that does not hold is a refusal. Two of
  /// one authority count as they are: what matters is that the certificate is valid at each time.
  public static func verify(
    _ timestamps: [[UInt8]], over signature: [UInt8], root: TrustedRoot
  ) throws(CandidateRejection) -> [UnixTime] {
    guard timestamps.count <= maximumCount else {
      throw CandidateRejection(
        .timestampInvalid, "it has \(timestamps.count) time-stamps, at most \(maximumCount) are read")
    }
    let authorities = root.timestampAuthorities.map { (chain: $0.chain, validity: $0.validity) }
    var times: [UnixTime] = []
    for timestamp in timestamps {
      do throws(TimestampError) {
        times += try TimestampToken.verify(response: timestamp, over: signature, authorities: authorities).time
      } catch {
        // Who is not trusted may say anything; it neither helps nor harms.
        if error.check == .authority { continue }
        throw CandidateRejection(.timestampInvalid, error.description)
      }
    }
    return times
  }
}
