import EndToEndSupport
import Foundation
import Testing

/// Several replicas behind what stands in for their Service.
extension ClusterTests {
  /// Runs `body` with a balancer in front of two replicas, registered for namespaces served by `name`.
  func withFleet(
    _ name: String, _ environment: ClusterEnvironment, certificate: Certificate? = nil, arguments: [String] = [],
    perform body: (Fleet) async throws -> Void
  ) async throws {
    try await withReplicas { replicas in
      let fleet = try Fleet(
        name: name, environment: environment, certificate: certificate ?? environment.webhook.certificate,
        arguments: arguments, replicas: replicas)
      for _ in 0..<2 { try await fleet.add() }
      try await environment.register(
        name, port: fleet.balancer.port, authorities: read(fleet.certificate.authorityFile))
      try await environment.makeNamespace(name, servedBy: name)
      try await body(fleet)
      try await environment.unregister(name)
      fleet.balancer.close()
    }
  }

  @Test func `a rolling restart under load fails no admission and lets none through`() async throws {
    let environment = try ClusterEnvironment.current()
    try await withFleet("rolled", environment) { fleet in
      let result = try await Load.with(clients: 8, in: "rolled", environment) { load in
        try await load.more(20)
        for _ in 0..<3 {
          // As a Deployment's rollout: a new one is ready and an endpoint, then an old one no endpoint and told to stop.
          for old in fleet.members {
            try await fleet.add()
            try await load.more(10)
            try await fleet.remove(old)
            try await load.more(10)
          }
        }
      }
      #expect(result.wrong.isEmpty, "\(result.wrong.count) of \(result.right): \(result.wrong.prefix(5))")
      #expect(result.right >= 140)
      #expect(fleet.balancer.acceptedConnections >= 8, "the API server did not move on")
    }
  }

  @Test func `replicas give the same answers, whoever is asked and what was asked before`() async throws {
    let environment = try ClusterEnvironment.current()
    let warned = Objects.verifying(environment.key.publicPEM, ["failure-policy": "Warn"])
    try await environment.makeNamespace("twins-warned", warned, servedBy: "twins")
    try await environment.makeNamespace(
      "twins-other-key", Objects.verifying(environment.otherKey.publicPEM), servedBy: "twins")
    try await environment.makeNamespace("twins-invalid", ["image-verification": "yes"], servedBy: "twins")
    try await environment.makeNamespace("twins-off", [:], servedBy: "twins")
    try await withFleet("twins", environment) { fleet in
      let (signed, unsigned) = (environment.signed, environment.unsigned)
      var update = Review(signed.pinned, in: "twins")
      update.operation = "UPDATE"
      update.oldImages = [signed.pinned]
      var withInit = Review(signed.tagged, in: "twins")
      withInit.initImages = [environment.signedToo.tagged, unsigned.tagged]
      var dryRun = Review(unsigned.tagged, in: "twins")
      dryRun.isDryRun = true
      let reviews = [
        Review(signed.tagged, in: "twins"), Review(signed.digested, in: "twins"), Review(unsigned.tagged, in: "twins"),
        Review(signed.tagged, environment.signedToo.tagged, in: "twins"), update, withInit, dryRun,
        Review("\(environment.registry.address)/shop/db:absent", in: "twins"), Review("Not A Name", in: "twins"),
        Review(unsigned.tagged, in: "twins-warned"), Review(signed.tagged, in: "twins-warned"),
        Review(signed.tagged, in: "twins-other-key"), Review(signed.tagged, in: "twins-invalid"),
        Review(unsigned.tagged, in: "twins-off"), Review(signed.tagged, in: "twins-absent"),
      ]
      // The second is asked in the opposite order, so that what it remembers is something else.
      let members = fleet.members
      var answers: [[Int: Answer]] = [[:], [:], [:]]
      for (index, review) in reviews.enumerated() { answers[0][index] = try await members[0].webhook.review(review) }
      for (index, review) in reviews.enumerated().reversed() {
        answers[1][index] = try await members[1].webhook.review(review)
      }
      for (index, review) in reviews.enumerated() {
        answers[2][index] = try await fleet.review(review)
      }
      for index in reviews.indices {
        let told = answers.compactMap { $0[index] }.map(Verdict.init)
        #expect(told.count == 3 && Set(told).count == 1, "review \(index): \(told)")
      }
      #expect(answers[0][0]?.image() == signed.pinned)
      #expect(answers[0][2]?.isAllowed == false && answers[0][9]?.isAllowed == true)
      #expect(answers[0][9]?.warnings.isEmpty == false)
    }
  }

  @Test func `certificates are replaced under load, and no admission fails`() async throws {
    let environment = try ClusterEnvironment.current()
    let folder = "\(environment.folder)/renewed"
    let old = try await Certificate.make(in: "\(folder)/old")
    let new = try await Certificate.make(in: "\(folder)/new")
    let live = Certificate(
      authorityFile: "\(folder)/live/ca.crt", chainFile: "\(folder)/live/tls.crt", keyFile: "\(folder)/live/tls.key")
    try live.replace(by: old)
    try await withFleet("renewed", environment, certificate: live) { fleet in
      let result = try await Load.with(in: "renewed", environment) { load in
        try await load.more(6)
        // The order in which an authority is changed: trust both, serve the new, trust the new alone.
        let both = try read(old.authorityFile) + read(new.authorityFile)
        try await expectGreeting(of: fleet) {
          try await environment.writeRegistration("renewed", port: fleet.balancer.port, authorities: both)
        }
        try await load.more(6)
        try live.replace(by: new)
        try await eventually("the new certificate is served") {
          for member in fleet.members
          where (try? await curl("https://127.0.0.1:\(member.webhook.port)/", ["--cacert", new.authorityFile])) == nil {
            return false
          }
          return true
        }
        try await load.more(6)
        try await expectGreeting(of: fleet) {
          try await environment.writeRegistration(
            "renewed", port: fleet.balancer.port, authorities: read(new.authorityFile))
        }
        try await load.more(12)
      }
      #expect(result.wrong.isEmpty, "\(result.wrong.count) of \(result.right): \(result.wrong.prefix(5))")
    }
  }

  /// Waits until the API server goes by what `change` has stored: with other authorities it greets anew.
  private func expectGreeting(of fleet: Fleet, after change: () async throws -> Void) async throws {
    let before = fleet.balancer.acceptedConnections
    try await change()
    try await eventually("the API server greets anew") { fleet.balancer.acceptedConnections > before }
  }

  @Test func `with --client-ca only the API server is answered, and the authority is replaced under load`()
    async throws
  {
    let environment = try ClusterEnvironment.current()
    let folder = "\(environment.folder)/clients"
    let authority = try read("\(environment.cluster.folder)/pki/ca.crt")
    let other = try await Certificate.make(in: "\(folder)/other")
    try write(authority, to: "\(folder)/ca.crt")
    try await withFleet("clients", environment, arguments: ["--client-ca", "\(folder)/ca.crt"]) { fleet in
      let member = fleet.members[0].webhook
      func expectStranger(_ credentials: [String]) async throws {
        let url = "https://127.0.0.1:\(member.port)/mutate"
        let answer = try? await curl(
          url, ["--cacert", member.certificate.authorityFile, "-H", "Content-Type: application/json"] + credentials,
          body: Review(environment.signed.tagged, in: "clients").json())
        #expect(answer == nil || answer?.status == 401 || answer?.status == 403, "\(String(describing: answer))")
      }
      try await expectStranger([])
      try await expectStranger(["--cert", other.chainFile, "--key", other.keyFile])
      let result = try await Load.with(in: "clients", environment) { load in
        try await load.more(6)
        try write(read(other.authorityFile) + authority, to: "\(folder)/ca.crt")
        try await eventually("the longer list of authorities is in use") {
          try await fleet.members[0].webhook.metrics().sum("pinseal_certificate_reloads_total") >= 1
        }
        // What the cut itself breaks is not counted.
        load.expect(.anything)
        fleet.balancer.cut()
        try await load.more(6)
        load.expect(.verified)
        try await load.more(6)
      }
      #expect(result.wrong.isEmpty, "\(result.wrong.count) of \(result.right): \(result.wrong.prefix(5))")
      try await expectStranger([])
    }
  }
}

/// What an answer says, without what may differ.
private struct Verdict: Hashable, CustomStringConvertible {
  let status: Int
  let isAllowed: Bool
  let message: String
  let warnings: [String]
  let patch: [String: String]

  init(_ answer: Answer) {
    status = answer.status
    isAllowed = answer.isAllowed
    message = answer.message
    warnings = answer.warnings
    patch = answer.patch
  }

  var description: String { "\(status) \(isAllowed) \(message) \(warnings) \(patch)" }
}

/// Replicas behind a balancer.
final class Fleet: Sendable {
  let balancer: Balancer
  let certificate: Certificate
  private let name: String
  private let environment: ClusterEnvironment
  private let arguments: [String]
  private let replicas: Guarded<[Replica]>
  private let count = Guarded(0)

  init(
    name: String, environment: ClusterEnvironment, certificate: Certificate, arguments: [String],
    replicas: Guarded<[Replica]>
  ) throws {
    self.name = name
    self.environment = environment
    self.certificate = certificate
    self.arguments = arguments
    self.replicas = replicas
    balancer = try Balancer()
  }

  /// Those that run, oldest first.
  var members: [Replica] { replicas.with { $0 } }

  /// Starts one more; once it is ready, new connections may go to it.
  func add() async throws {
    let number = count.with { count in
      count += 1
      return count
    }
    let replica = try await Replica.start(
      "\(name)-\(number)", in: environment.folder, cluster: environment.clusterOption, certificate: certificate,
      arguments: environment.serveOptions + arguments)
    replicas.with { $0.append(replica) }
    balancer.add(replica.webhook.port)
  }

  /// Sends no new connection to one any more, and then has it stop.
  func remove(_ replica: Replica) async throws {
    balancer.remove(replica.webhook.port)
    replicas.with { $0.removeAll { $0 === replica } }
    try await replica.stop()
  }

  /// Sends a review through the balancer.
  func review(_ review: Review) async throws -> Answer {
    try await Webhook(
      port: balancer.port, operationsPort: 0, certificate: certificate, daemon: members[0].webhook.daemon
    ).review(review)
  }
}

extension Certificate {
  /// Writes the content of another one into these files.
  func replace(by other: Certificate) throws {
    for (target, source) in [
      (authorityFile, other.authorityFile), (chainFile, other.chainFile), (keyFile, other.keyFile),
    ] { try write(read(source), to: target) }
  }
}
