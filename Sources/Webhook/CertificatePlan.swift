import Crypto
import Primitives

/// How long things last, and for whom they are made.
struct CertificateRules: Sendable {
  /// The names that the API server may call the webhook by.
  var dnsNames: [String]
  /// Seconds that a serving certificate is valid; renewed when two thirds have passed.
  var servingLifetime: Int64 = 90 * 86_400
  /// The same for an authority. The third that is left when it is replaced outlives a serving certificate.
  var authorityLifetime: Int64 = 365 * 86_400
  /// Seconds that a new authority is trusted everywhere before it signs: API servers hear of changes within moments.
  var overlap: Int64 = 300
  /// Validity begins this much earlier, for clocks that are behind.
  let backdating: Int64 = 300
  /// A certificate that begins later than this was made by a clock that is wrong.
  let tolerance: Int64 = 3600
  /// Names in one certificate, those of a configuration before this one included.
  static let maximumNames = 16
  /// Retired authorities that are kept.
  static let maximumRetired = 4
}

/// The steps from what is there to what must be there. Each leaves a state in which whoever trusts `bundle` accepts the
/// serving certificate, and, but where there is nothing good to go on from, one whose serving certificate was signed by
/// an authority that has been in force for a while.
extension CertificateMaterial {
  /// Takes all steps that are due at `now`; `isInForce` says whether every webhook configuration was seen to trust an
  /// authority. What was done, in words; empty if nothing had to be.
  mutating func advance(
    at now: UnixTime, by rules: CertificateRules, isInForce: (X509Certificate) -> Bool
  ) throws(KeyError) -> [String] {
    var done: [String] = []
    // More steps than there are kinds of them mean a fault; the next pass goes on.
    while done.count < 8, let step = try step(now, rules, isInForce) { done.append(step) }
    return done
  }

  private mutating func step(
    _ now: UnixTime, _ rules: CertificateRules, _ isInForce: (X509Certificate) -> Bool
  ) throws(KeyError) -> String? {
    if let done = try replaceUnusable(now, rules) { return done }
    if let done = renew(now, rules) { return done }
    if let done = try announce(now, rules) { return done }
    return note(now, isInForce) ?? promote(now, rules, isInForce) ?? forget(now, rules)
  }

  // MARK: The serving certificate

  /// Why the serving certificate cannot be used, or nil.
  func servingProblem(at now: UnixTime, _ rules: CertificateRules) -> String? {
    guard let serving else { return "there is none" }
    let certificate = serving.certificate
    if !Self.isInTime(certificate, now, rules) { return "it is valid only from \(certificate.validity)" }
    let names = certificate.hostNames
    if let missing = rules.dnsNames.first(where: { !names.contains($0) }) { return "it is not for \(missing)" }
    do throws(CertificateError) {
      // A clock that is behind finds certificates that begin later.
      _ = try CertificatePath.verify(
        leaf: certificate, intermediates: [], roots: authorities, at: max(now, certificate.validity.start ?? now),
        purpose: .serverAuthentication)
      return nil
    } catch {
      return error.description
    }
  }

  private static func isInTime(_ certificate: X509Certificate, _ now: UnixTime, _ rules: CertificateRules) -> Bool {
    certificate.validity.contains(now)
      || certificate.validity.contains(now + rules.tolerance) && (certificate.validity.start ?? now) > now
  }

  /// Two thirds of its time.
  private static func isDue(_ certificate: X509Certificate, _ now: UnixTime) -> Bool {
    guard let start = certificate.validity.start, let end = certificate.validity.end else { return false }
    return now >= start + (end - start) / 3 * 2
  }

  private mutating func replaceUnusable(_ now: UnixTime, _ rules: CertificateRules) throws(KeyError) -> String? {
    guard let problem = servingProblem(at: now, rules) else { return nil }
    // Two configurations that share a Secret for a while, as in a rolling update, must not replace each other's in turn.
    let present = serving.flatMap { Self.isInTime($0.certificate, now, rules) ? $0.certificate.hostNames : nil } ?? []
    let names = Array(
      (rules.dnsNames + present.sorted().filter { !rules.dnsNames.contains($0) }).prefix(CertificateRules.maximumNames))
    if let signer, let made = issue(by: signer, for: names, now, rules) {
      serving = made
      return "made a serving certificate: \(problem)"
    }
    if let next, let made = issue(by: next, for: names, now, rules) {
      retireSigner(now, rules)
      signer = next
      self.next = nil
      nextInForceSince = nil
      serving = made
      return "made a serving certificate by the next authority at once: \(problem)"
    }
    let authority = try makeAuthority(for: names, now, rules)
    guard let made = issue(by: authority, for: names, now, rules) else {
      throw KeyError("a new authority cannot issue for \(names.joined(separator: ", "))")
    }
    retireSigner(now, rules)
    if let next { retire(next.certificate, now, rules) }
    next = nil
    nextInForceSince = nil
    signer = authority
    serving = made
    return "made an authority and a serving certificate: \(problem)"
  }

  private mutating func renew(_ now: UnixTime, _ rules: CertificateRules) -> String? {
    guard let serving, let signer, Self.isDue(serving.certificate, now),
      let made = issue(by: signer, for: rules.dnsNames, now, rules),
      // What the authority cannot outlive gains nothing from being renewed; the next authority is due.
      (made.certificate.validity.end ?? 0) > (serving.certificate.validity.end ?? 0) + rules.backdating
    else { return nil }
    self.serving = made
    return "renewed the serving certificate, whose end was near"
  }

  // MARK: Authorities

  private mutating func announce(_ now: UnixTime, _ rules: CertificateRules) throws(KeyError) -> String? {
    if let next {
      guard issue(by: next, for: rules.dnsNames, now, rules) == nil else { return nil }
      // It has signed nothing.
      self.next = nil
      nextInForceSince = nil
    } else if let signer, !Self.isDue(signer.certificate, now) {
      // What is served shows what its issuer can do, and was found good before.
      if let serving, serving.certificate.isIssued(by: signer.certificate, at: now) { return nil }
      if issue(by: signer, for: rules.dnsNames, now, rules) != nil { return nil }
    }
    let why =
      signer == nil ? "the present one cannot sign any more" : "the present one's end is near, or it is for other names"
    next = try makeAuthority(for: rules.dnsNames, now, rules)
    nextInForceSince = nil
    return "made the next authority, to be trusted before it signs: \(why)"
  }

  private mutating func note(_ now: UnixTime, _ isInForce: (X509Certificate) -> Bool) -> String? {
    guard let next, isInForce(next.certificate) else { return nil }
    // A note from the future is of a clock that was wrong.
    if let since = nextInForceSince, since <= now { return nil }
    nextInForceSince = now
    return "noted that the next authority is trusted everywhere"
  }

  private mutating func promote(
    _ now: UnixTime, _ rules: CertificateRules, _ isInForce: (X509Certificate) -> Bool
  ) -> String? {
    guard let next, let since = nextInForceSince, now >= since + rules.overlap, isInForce(next.certificate),
      let made = issue(by: next, for: rules.dnsNames, now, rules)
    else { return nil }
    retireSigner(now, rules)
    signer = next
    self.next = nil
    nextInForceSince = nil
    serving = made
    return "made a serving certificate by the next authority, which signs from now on"
  }

  private mutating func forget(_ now: UnixTime, _ rules: CertificateRules) -> String? {
    guard !retired.isEmpty else {
      guard retiredUntil != nil else { return nil }
      retiredUntil = nil
      return "nothing is retired any more"
    }
    guard let until = retiredUntil else {
      retiredUntil = now + rules.servingLifetime
      return "noted how long retired authorities may still be needed"
    }
    var left = now >= until ? [] : retired.filter { !($0.validity.end.map { $0 < now } ?? false) }
    left = Array(left.prefix(CertificateRules.maximumRetired))
    guard left.count < retired.count else { return nil }
    let before = retired
    retired = left
    // Where nothing else can sign, what is served may still rest on a retired one.
    guard servingProblem(at: now, rules) == nil else {
      retired = before
      return nil
    }
    return "trusts retired authorities no more, none of whose certificates is valid"
  }

  private mutating func retireSigner(_ now: UnixTime, _ rules: CertificateRules) {
    if let signer { retire(signer.certificate, now, rules) }
    signer = nil
  }

  /// Trusted on until the last certificate that it may have signed ends.
  private mutating func retire(_ certificate: X509Certificate, _ now: UnixTime, _ rules: CertificateRules) {
    retired.insert(certificate, at: 0)
    retiredUntil = max(retiredUntil ?? 0, serving?.certificate.validity.end ?? 0, now + rules.overlap)
  }

  /// Trusts these as well, because certificates by them are in use: what a process still serves whose Secret was lost.
  mutating func keepTrusting(_ others: [X509Certificate], at now: UnixTime, by rules: CertificateRules) -> Bool {
    let known = authorities
    let lost = others.filter { !known.contains($0) && $0.validity.contains(now) }
      .prefix(CertificateRules.maximumRetired - min(retired.count, CertificateRules.maximumRetired))
    guard !lost.isEmpty else { return false }
    retired += lost
    retiredUntil = max(retiredUntil ?? 0, now + rules.servingLifetime)
    return true
  }

  // MARK: Making

  private func makeAuthority(
    for names: [String], _ now: UnixTime, _ rules: CertificateRules
  ) throws(KeyError) -> Authority {
    let made = try IssuedCertificate.authority(
      // The day tells one from the next in whatever lists them.
      commonName: "Pinseal authority of \(CalendarTime.text(now).prefix(10))",
      validity: now - rules.backdating...now + rules.authorityLifetime, permittedNames: names)
    return Authority(certificate: try Self.parsed(made), issuing: made)
  }

  /// A certificate by this authority, valid no longer than it; nil if the authority cannot vouch for it.
  private func issue(
    by authority: Authority, for names: [String], _ now: UnixTime, _ rules: CertificateRules
  ) -> Serving? {
    // A clock that is behind finds authorities that begin later.
    let first = authority.certificate.validity.start ?? 0
    guard first <= now + rules.tolerance else { return nil }
    let now = max(now, first)
    let start = max(now - rules.backdating, first)
    let end = min(now + rules.servingLifetime, authority.certificate.validity.end ?? .max)
    guard now < end else { return nil }
    do {
      let made = try authority.issuing.issueLeaf(
        commonName: "pinseal", dnsNames: names, ipAddresses: [], validity: start...end)
      let certificate = try Self.parsed(made)
      _ = try CertificatePath.verify(
        leaf: certificate, intermediates: [], roots: [authority.certificate], at: now, purpose: .serverAuthentication)
      return Serving(certificate: certificate, certificatePEM: made.certificatePEM, keyPEM: made.key.pem)
    } catch {
      return nil
    }
  }

  private static func parsed(_ made: IssuedCertificate) throws(KeyError) -> X509Certificate {
    do throws(CertificateError) {
      guard let certificate = try X509Certificate.parsePEM(made.certificatePEM, maximumCount: 1).first else {
        throw CertificateError(.form, "it is empty")
      }
      return certificate
    } catch {
      throw KeyError("the certificate that was made cannot be read: \(error.description)")
    }
  }
}

extension X509Certificate {
  /// The names of hosts that it is for.
  var hostNames: Set<String> {
    Set(subjectAlternativeNames.compactMap { if case .dns(let name) = $0 { name } else { nil } })
  }
}
