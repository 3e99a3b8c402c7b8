import Crypto
public import Kubernetes
public import Logging
public import Primitives

/// Keeps the serving certificate and its authority in a Secret, and the authorities in webhook configurations.
///
/// Every replica runs one. They agree through the Secret's resource version: who writes first wins, and the others take
/// what is there. A pass reads the configurations first and the Secret after them, so that a bundle that another replica
/// wrote meanwhile is never taken back: the configuration is then another than the one that was read.
public final class CertificateKeeper: Sendable {
  /// What is kept where.
  public struct Configuration: Sendable {
    /// The Secret.
    public var secret: SecretPlace
    /// The names that the API server may call the webhook by, such as `pinseal.pinseal.svc`.
    public var dnsNames: [String]
    /// The webhook configurations whose `caBundle` is written; nobody else may.
    public var registrations: [WebhookRegistrationID]
    /// How often all of it is looked at.
    public var interval: Duration = .seconds(60)
    /// The same while something is missing or fails.
    public var retryInterval: Duration = .seconds(5)
    /// Time for one call to the API server.
    public var callTimeout: Duration = .seconds(5)

    /// These parts; throws if a name is none of a host.
    public init(
      secret: SecretPlace, dnsNames: [String], registrations: [WebhookRegistrationID]
    ) throws(CertificateKeeperError) {
      guard (1...CertificateRules.maximumNames / 2).contains(dnsNames.count) else {
        throw CertificateKeeperError(
          isFinal: true,
          "\(dnsNames.count) names for the certificate; 1 to \(CertificateRules.maximumNames / 2) are expected")
      }
      for name in dnsNames where !DNSName.isHost(name) {
        throw CertificateKeeperError(
          isFinal: true, "\"\(name.printable(limit: 64))\" is not the name of a host, in lower case and without *")
      }
      self.secret = secret
      self.dnsNames = dnsNames
      self.registrations = registrations
    }
  }

  /// What a pass did.
  public struct Outcome: Sendable {
    /// In words, in their order; empty if everything was as it must be.
    public internal(set) var changes: [String] = []
    /// Configurations that are not there (yet).
    public internal(set) var missing: [WebhookRegistrationID] = []
    /// When the serving certificate ends, in seconds since 1970.
    public internal(set) var servingNotAfter: Int64 = 0
    /// When the authority that signs ends.
    public internal(set) var authorityNotAfter: Int64 = 0
  }

  struct State: Sendable {
    /// What the file holds.
    var installed: (pair: CertificateMaterial.Serving, authorities: [X509Certificate])?
    var status: CertificateStatus?
    var failures = 0
    var lastFailure: String?
  }

  let configuration: Configuration
  let rules: CertificateRules
  let logger: Logger
  private let objects: any CertificateObjects
  private let file: String?
  private let clock: @Sendable () -> Int64
  let state = Locked(State())

  /// Keeps the pair in `objects` and, if there is a `file`, certificate and key in that one file, which only this user may
  /// read; its folder must be there.
  public convenience init(
    _ configuration: Configuration, objects: any CertificateObjects, file: String?,
    clock: @escaping @Sendable () -> Int64 = { WallClock.seconds }, logger: Logger
  ) {
    self.init(
      configuration, rules: CertificateRules(dnsNames: configuration.dnsNames), objects: objects, file: file,
      clock: clock, logger: logger)
  }

  init(
    _ configuration: Configuration, rules: CertificateRules, objects: any CertificateObjects, file: String?,
    clock: @escaping @Sendable () -> Int64, logger: Logger
  ) {
    self.configuration = configuration
    self.rules = rules
    self.objects = objects
    self.file = file
    self.clock = clock
    self.logger = logger
  }

  /// Whether there is something to serve.
  public var hasCertificate: Bool { state.withLock { $0.installed != nil } }

  /// For `/metrics`; nil before the first pass that came to its end.
  public var status: CertificateStatus? {
    state.withLock { state in
      var status = state.status
      status?.failures = state.failures
      return status
    }
  }

  // MARK: One pass

  /// Looks at everything once and mends it. What another replica changed meanwhile is read again, a few times.
  public func pass() async throws(CertificateKeeperError) -> Outcome {
    var changes: [String] = []
    for _ in 0..<4 {
      do {
        var outcome = try await attempt(&changes)
        outcome.changes = changes
        return outcome
      } catch let error as ClusterError {
        // Whoever was first has done what had to be done, or part of it.
        guard error.code == .conflict else { throw CertificateKeeperError(isFinal: false, error.description) }
      } catch let error as CertificateKeeperError {
        throw error
      } catch {
        throw CertificateKeeperError(isFinal: false, "\(error)")
      }
    }
    throw CertificateKeeperError(
      isFinal: false, "others keep changing Secret \(configuration.secret) or the webhook configurations meanwhile")
  }

  private func attempt(_ changes: inout [String]) async throws -> Outcome {
    var outcome = Outcome()
    var registrations: [WebhookRegistration] = []
    for id in configuration.registrations {
      guard let found = try await objects.registration(id, deadline: deadline) else {
        outcome.missing.append(id)
        continue
      }
      if let other = found.otherWriter {
        throw CertificateKeeperError(
          isFinal: true,
          "\(id): caBundle is written by \(other), and must have one writer only; take that away, or do without --self-managed-tls"
        )
      }
      // Its authority would be taken from a webhook that is not Pinseal's; nor would a certificate for other names do.
      if let host = found.hosts.first(where: { !configuration.dnsNames.contains($0) }) {
        throw CertificateKeeperError(
          isFinal: true,
          "\(id) has a webhook at \"\(host.printable(limit: 253))\", which the certificate is not for; name it with "
            + "--tls-dns-name if it is Pinseal, else it belongs into a configuration of its own")
      }
      registrations.append(found)
    }
    let trusted = registrations.map { Self.certificates($0) }
    let isComplete = outcome.missing.isEmpty
    let material = try await agree(&changes) { authority in
      isComplete && trusted.allSatisfy { $0.contains(authority) }
    }
    // Before what follows can fail: what is in force may be served whatever becomes of the configurations. A configuration
    // that is not there has no clients either.
    try install(material) { authority in trusted.allSatisfy { $0.contains(authority) } }
    try await publish(material.bundle, in: registrations, &changes)
    outcome.servingNotAfter = material.serving?.certificate.validity.end ?? 0
    outcome.authorityNotAfter = material.signer?.certificate.validity.end ?? 0
    let status = CertificateStatus(
      authorityNotAfter: outcome.authorityNotAfter, lastPass: clock(), isComplete: outcome.missing.isEmpty)
    state.withLock { $0.status = status }
    return outcome
  }

  private var deadline: Deadline { .after(configuration.callTimeout) }

  /// The Secret as it must be now, written if it was not.
  private func agree(
    _ changes: inout [String], isInForce: @Sendable (X509Certificate) -> Bool
  ) async throws -> CertificateMaterial {
    let place = configuration.secret
    let secret = try await objects.secret(place, deadline: deadline)
    if let secret, let obstacle = CertificateMaterial.obstacle(secret) {
      throw CertificateKeeperError(isFinal: true, "Secret \(place): \(obstacle)")
    }
    let now = clock()
    var material = CertificateMaterial(secret)
    var done: [String] = []
    if let installed = state.withLock({ $0.installed }), installed.pair.certificate.validity.contains(now),
      material.keepTrusting(
        material.accepts(installed.pair.certificate, at: now) ? [] : installed.authorities, at: now, by: rules)
    {
      done.append("trusts on those by whom what is being served was made")
    }
    done += try material.advance(at: now, by: rules, isInForce: isInForce)
    guard !done.isEmpty else { return material }
    // Only what has become visible to others is done.
    if let secret {
      try await objects.update(
        place, resourceVersion: secret.resourceVersion, data: material.data, annotations: material.annotations,
        deadline: deadline)
    } else {
      try await objects.create(
        KeptSecret(
          type: "kubernetes.io/tls", annotations: material.annotations.compactMapValues(\.self),
          data: material.data.compactMapValues(\.self), resourceVersion: ""),
        at: place, deadline: deadline)
    }
    for line in material.damage {
      logger.warning("what the Secret held was damaged", metadata: ["secret": "\(place)", "what": "\(line)"])
    }
    for line in done { logger.notice("certificates: \(line)", metadata: ["secret": "\(place)"]) }
    changes += done
    return material
  }

  private static func certificates(_ registration: WebhookRegistration) -> Set<X509Certificate> {
    var common: Set<X509Certificate>?
    for bundle in registration.bundles {
      let read = Set((try? X509Certificate.parsePEM(String(decoding: bundle, as: UTF8.self), maximumCount: 64)) ?? [])
      common = common?.intersection(read) ?? read
    }
    return common ?? []
  }

  private func publish(
    _ bundle: [UInt8], in registrations: [WebhookRegistration], _ changes: inout [String]
  ) async throws {
    for registration in registrations where registration.bundles.contains(where: { $0 != bundle }) {
      try await objects.setBundle(bundle, of: registration, deadline: deadline)
      logger.notice("caBundle written", metadata: ["configuration": "\(registration.id)"])
      changes.append("wrote caBundle of \(registration.id)")
    }
  }

  /// Puts the pair into the file. While what is there can still be served, a pair by an authority that was not yet in force
  /// when the pass began waits for the next one.
  private func install(_ material: CertificateMaterial, isInForce: (X509Certificate) -> Bool) throws {
    guard let pair = material.serving else { return }
    let now = clock()
    let present = state.withLock { $0.installed }
    if let present, present.pair.certificate == pair.certificate {
      state.withLock { $0.installed?.authorities = material.authorities }
      return
    }
    if let present, present.pair.certificate.validity.contains(now),
      !material.authorities.contains(where: { isInForce($0) && pair.certificate.isIssued(by: $0, at: now) })
    {
      return
    }
    if let file { try FileBytes.replace(file, with: Array((pair.certificatePEM + pair.keyPEM).utf8)) }
    state.withLock { $0.installed = (pair, material.authorities) }
  }
}

/// Why certificates could not be kept.
public struct CertificateKeeperError: Error, Sendable, CustomStringConvertible {
  /// Whether trying again is of no use before somebody changes something.
  public let isFinal: Bool
  /// What is wrong and what would be right.
  public let description: String

  init(isFinal: Bool, _ description: String) {
    self.isFinal = isFinal
    self.description = description
  }
}

/// What is known about self-managed certificates, for metrics.
public struct CertificateStatus: Sendable, Hashable {
  /// When the authority that signs ends, in seconds since 1970.
  public var authorityNotAfter: Int64
  /// When everything was last found or made right.
  public var lastPass: Int64
  /// Whether all webhook configurations were there.
  public var isComplete: Bool
  /// Passes that failed since the start.
  public var failures = 0
}

extension CertificateMaterial {
  /// Whether who trusts the bundle accepts this certificate.
  func accepts(_ certificate: X509Certificate, at now: UnixTime) -> Bool {
    authorities.contains { certificate.isIssued(by: $0, at: now) }
  }
}

extension X509Certificate {
  /// Whether this is a server's certificate that `authority` vouches for; a clock may be a little behind.
  func isIssued(by authority: X509Certificate, at now: UnixTime) -> Bool {
    let time = max(now, validity.start ?? now)
    return
      (try? CertificatePath.verify(
        leaf: self, intermediates: [], roots: [authority], at: time, purpose: .serverAuthentication)) != nil
  }
}
