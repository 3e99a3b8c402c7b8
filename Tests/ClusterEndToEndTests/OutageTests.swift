import EndToEndSupport
import Foundation
import Glibc
import Testing

/// An API server that is not there yet, hangs, goes away and comes back.
extension ClusterTests {
  @Test func `nobody is let in before the namespaces are listed`() async throws {
    let environment = try ClusterEnvironment.current()
    try await environment.makeNamespace("early")
    // The API server, as behind a load balancer that does not reach it yet.
    let way = try Balancer()
    defer { way.close() }
    let address = try environment.cluster.address()
    let kubeconfig = "\(environment.folder)/early.kubeconfig"
    try write(
      read("\(environment.cluster.folder)/pinseal.kubeconfig")
        .replacingOccurrences(of: address, with: "https://127.0.0.1:\(way.port)"), to: kubeconfig)
    try await withReplicas { replicas in
      let early = try await Replica.start(
        "early", in: environment.folder, cluster: "kubeconfig:\(kubeconfig)",
        certificate: environment.webhook.certificate,
        arguments: environment.serveOptions + ["--log-format", "json"], until: "livez")
      replicas.with { $0.append(early) }
      for _ in 0..<5 {
        let answer = try await early.webhook.operations("readyz")
        #expect(answer.status == 503 && answer.body.hasPrefix("cluster: "), "\(answer)")
        try await Task.sleep(for: .milliseconds(200))
      }
      let review = Review(environment.signed.tagged, in: "early")
      let refused = try await early.webhook.review(review)
      #expect(!refused.isAllowed && refused.message.contains("POLICY_UNAVAILABLE"), "\(refused)")
      way.add(try environment.cluster.port())
      try await eventually("it is ready") { try await early.webhook.operations("readyz").status == 200 }
      #expect(try await early.webhook.review(review).isAllowed)
      // What is logged about the cluster is of the wanted form too. The last line may still be written.
      let lines = early.webhook.daemon.log.split(separator: "\n", omittingEmptySubsequences: false).dropLast()
      #expect(lines.contains { $0.contains("127.0.0.1:\(way.port)") })
      for line in lines {
        #expect((try? JSONSerialization.jsonObject(with: Data(line.utf8))) is [String: Any], "\(line)")
      }
    }
  }

  @Test func `without its certificate it does not start`() async throws {
    let environment = try ClusterEnvironment.current()
    let outcome = try await command(
      Tool.pinseal.path(),
      [
        "serve", "--listen", "127.0.0.1:\(freePort())", "--ops-listen", "127.0.0.1:\(freePort())", "--cluster",
        environment.clusterOption, "--tls-cert", "\(environment.folder)/none.crt", "--tls-key",
        "\(environment.folder)/none.key",
      ])
    #expect(!outcome.succeeded)
    #expect((outcome.output + outcome.errors).contains("none.crt"), "\(outcome)")
  }

  @Test func `an API server that hangs, goes away and comes back leaves decisions as they are and nothing behind`()
    async throws
  {
    let environment = try ClusterEnvironment.current()
    let (cluster, webhook) = (environment.cluster, environment.webhook)
    try await environment.makeNamespace("away", Objects.verifying("secret://signing/cosign.pub"))
    let key = Objects.secret("signing", in: "away", key: "cosign.pub", value: environment.key.publicPEM)
    try await cluster.apply(key)
    // How long they take while the API server is there.
    var usual: Duration?
    func expectDecisions(_ when: String) async throws {
      let begin = ContinuousClock.now
      let pinned = try await webhook.review(Review(environment.signed.tagged, in: "away"))
      #expect(pinned.isAllowed && pinned.image() == environment.signed.pinned, "\(when): \(pinned)")
      let refused = try await webhook.review(Review(environment.unsigned.tagged, in: "away"))
      #expect(!refused.isAllowed && refused.message.contains("SIGNATURE_NOT_FOUND"), "\(when): \(refused)")
      let readiness = try await webhook.operations("readyz")
      #expect(readiness.status == 200, "\(when): \(readiness.body)")
      let taken = begin.duration(to: .now)
      if let usual { #expect(taken < .seconds(5) + usual * 10, "\(when): decisions waited for the API server") }
      usual = usual ?? taken
    }
    try await eventually("the key is read") {
      try await webhook.review(Review(environment.signed.tagged, in: "away")).isAllowed
    }
    /// Whether the API server has as many watches open as Pinseal says that it keeps.
    func isWatching() async throws -> Bool {
      let kept = try await webhook.operations("readyz?verbose").body.firstMatch(of: /secrets: \d+ known by (\d+) watch/)
      return try await kept.flatMap { Double($0.1) } == cluster.namedWatches()
    }
    try await eventually("the key is watched") { try await isWatching() }
    try await expectDecisions("before")
    let before = (files: webhook.daemon.openFiles, memory: webhook.daemon.residentKiB)

    try cluster.signal("kube-apiserver", SIGSTOP)
    for _ in 0..<3 {
      try await expectDecisions("while it hangs")
      try await Task.sleep(for: .seconds(1))
    }
    try cluster.signal("kube-apiserver", SIGCONT)
    try await eventually("the API server goes on") { await cluster.isReady() }
    try await expectDecisions("after it hung")

    for absence in [63, 0, 0] {
      try await cluster.stop("kube-apiserver")
      for _ in 0...absence / 3 {
        try await expectDecisions("while it is away")
        try await Task.sleep(for: .seconds(absence == 0 ? 1 : 3))
      }
      if absence > 0 {
        let unknown = try await webhook.review(Review(environment.signed.tagged, in: "never-seen"))
        #expect(!unknown.isAllowed && unknown.message.contains("POLICY_UNAVAILABLE"), "\(unknown)")
        // After a minute it is said, and makes nobody unready.
        let readiness = try await webhook.operations("readyz")
        #expect(
          readiness.status == 200 && readiness.body.contains("namespaces in the whole cluster: not seen since "),
          "\(readiness.body)")
        #expect(try await webhook.metrics().largest("pinseal_watch_age_seconds") > 60)
      }
      let begun = ContinuousClock.now
      try await cluster.start("kube-apiserver")
      try await eventually("the API server is back") { await cluster.isReady() }
      // The longest pause between two tries is ten seconds. A watch that is open again has had a sign of it.
      try await eventually("all watches are open again") {
        let age = try await webhook.metrics().largest("pinseal_watch_age_seconds")
        guard age < Double(begun.duration(to: .now).components.seconds) else { return false }
        return try await isWatching()
      }
    }

    let changed = Objects.secret("signing", in: "away", key: "cosign.pub", value: environment.otherKey.publicPEM)
    try await expectWithinASecond([{ try await cluster.put(changed, "/api/v1/namespaces/away/secrets", "signing") }]) {
      _ in
      try await webhook.review(Review(environment.signed.tagged, in: "away")).message.contains("SIGNATURE_KEY_MISMATCH")
    }

    try await eventually("no file stays open: \(before.files) before, \(webhook.daemon.openFiles) now") {
      webhook.daemon.openFiles <= before.files + 2
    }
    #expect(webhook.daemon.residentKiB < before.memory + (32 << 10), "\(before.memory), \(webhook.daemon.residentKiB)")
    // One that the API server has ended is opened anew.
    try await eventually("no watch is left over") { try await isWatching() }
  }
}

extension TestCluster {
  /// How many watches of Secrets within a namespace the API server has open: nobody but Pinseal has any.
  func namedWatches() async throws -> Double {
    let metrics = Metrics(try await api("GET", "/metrics").body)
    // Versions before 1.23 have another name for it.
    return ["apiserver_longrunning_gauge", "apiserver_longrunning_requests"].reduce(0) {
      $0 + metrics.sum($1, "resource=\"secrets\"", "scope=\"namespace\"", "verb=\"WATCH\"")
    }
  }

  /// The API server's port.
  func port() throws -> Int {
    guard let port = Int(try address().split(separator: ":").last ?? "") else {
      throw EndToEndFailure("the API server has no port")
    }
    return port
  }
}
