/// The checks by which a candidate is judged, in the order in which they are made.
public enum CandidateCheck: String, Sendable, Hashable, CaseIterable {
  /// Its JSON, members, base64: whether it is a candidate at all.
  case form
  /// The signature itself, by a trusted key or by the certificate's.
  case signature
  /// What was signed: an image's signature, of this digest.
  case content
  /// Timestamps of authorities.
  case timestamps
  /// The proof of the transparency log, and that it is of this signature.
  case log
  /// The certificate's path at every trusted time, and its own log's timestamp.
  case certificate
  /// What the policy asks for beside: the identity, the key's time, annotations, the repository.
  case policy
}

/// Watches how a candidate is judged; for people who ask why. Nobody watches where requests are served.
public protocol CandidateCheckObserver: Sendable {
  /// `check` begins.
  func began(_ check: CandidateCheck)
  /// `check` has ended; `rejection` says why it did not pass.
  func ended(_ check: CandidateCheck, _ rejection: CandidateRejection?)
}

extension Optional where Wrapped == any CandidateCheckObserver {
  /// Runs `body` as this check, which is not one that was made if there is nothing that it could be made of.
  func duringIfAny<Result>(
    _ check: CandidateCheck, _ body: () throws(CandidateRejection) -> Result?
  ) throws(CandidateRejection) -> Result? {
    guard let observer = self else { return try body() }
    observer.began(check)
    do {
      let result = try body()
      if result != nil { observer.ended(check, nil) }
      return result
    } catch {
      observer.ended(check, error)
      throw error
    }
  }

  /// Runs `body` as the part of this check that can refuse beforehand; if it does not, the check is still to be made.
  func beforehand<Result>(
    _ check: CandidateCheck, _ body: () throws(CandidateRejection) -> Result
  ) throws(CandidateRejection) -> Result {
    guard let observer = self else { return try body() }
    observer.began(check)
    do { return try body() } catch {
      observer.ended(check, error)
      throw error
    }
  }

  /// Runs `body` as this check. Without an observer it is only run.
  func during<Result>(
    _ check: CandidateCheck, _ body: () throws(CandidateRejection) -> Result
  ) throws(CandidateRejection) -> Result {
    guard let observer = self else { return try body() }
    observer.began(check)
    do {
      let result = try body()
      observer.ended(check, nil)
      return result
    } catch {
      observer.ended(check, error)
      throw error
    }
  }
}
