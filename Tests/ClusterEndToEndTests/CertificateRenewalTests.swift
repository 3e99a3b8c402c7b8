import EndToEndSupport
import Foundation
import Testing

/// A serving certificate and its authority, both near their ends, while admissions go on.
///
/// The overlap of two authorities lasts minutes; how the next one comes to sign, and the old one to be forgotten, is in
/// CertificateLifeTests.
extension ClusterTests {
  @Test func `a serving certificate is renewed and the next authority announced, and no admission fails`() async throws
  {
    let environment = try ClusterEnvironment.current()
    let cluster = environment.cluster
    let release = try Release("renewal", environment: environment)
    try await cluster.apply(Objects.namespace(release.namespace))
    try await Kubelet.with(namespace: release.namespace, port: release.port, environment) { kubelet in
      try await release.helm("install", values: ["certificates": ["mode": "selfManaged"]])
      try await release.waitForRollout(kubelet, pods: 2)
      try await environment.makeNamespace("renewed", servedBy: release.namespace)
      try await environment.waitUntilJudged(in: "renewed")
      let secret = SecretOfCertificates(release)
      let position = try cluster.auditPosition()

      let result = try await Load.with(in: "renewed", environment) { load in
        try await load.more(6)
        let aged = try await AgedPair.make(of: try await secret.values(), in: "\(environment.folder)/aged")
        let kubeconfig = try await secret.kubeconfig()
        try await secret.set(["tls.crt": aged.serving, "ca.crt": aged.authority])
        // Two at once, as pods of two CronJobs, with the rights of the release's own pods.
        async let one = secret.renew(kubeconfig)
        async let other = secret.renew(kubeconfig)
        _ = try await (one.checked(), other.checked())

        let made = try await secret.values()
        let (serving, bundle) = (made["tls.crt"] ?? "", made["ca.crt"] ?? "")
        #expect(!serving.isEmpty && serving != aged.serving)
        #expect(try await isIssued(serving, by: aged.authority))
        #expect(made["next-ca.key"] != nil)
        // Trusted everywhere before it signs.
        #expect(
          bundle.hasPrefix(aged.authority) && bundle.components(separatedBy: "BEGIN CERT").count == 3, "\(bundle)")
        #expect(try await !isIssued(serving, by: String(bundle.dropFirst(aged.authority.count))))
        #expect(try await release.authorities() == .init(mutating: bundle, validating: bundle))

        // The replicas look at the Secret once a minute.
        try await eventually("two replicas are ready") { kubelet.readyPods == 2 }
        let ports = kubelet.readyPorts
        for port in ports {
          try await eventually("the replica at \(port) serves the new certificate", within: .seconds(240)) {
            if try await served(at: port, host: release.host, authorities: bundle) == serving { return true }
            try await Task.sleep(for: .seconds(1))
            return false
          }
        }
        // Replicas and both passes by hand agree: what was to be done was written once, that it is in force once more.
        // Minutes later the next authority would sign, which is another matter.
        let left = try await secret.values()
        #expect(left == made)
        let written = try cluster.audited(since: position).filter {
          $0.verb == "patch" && $0.objectRef?.resource == "secrets" && $0.objectRef?.name == secret.name
            && $0.user.username.hasPrefix("system:serviceaccount:") && $0.responseStatus?.code == 200
        }
        #expect(written.count == 2, "\(written)")

        try await load.more(6)
        // From here on the API server has to greet the replicas anew; what the cut itself breaks is not counted.
        load.expect(.anything)
        kubelet.cutConnections()
        try await environment.waitUntilJudged(in: "renewed")
        load.expect(.verified)
        try await load.more(6)
        try await release.helm("test")

        load.expect(.admitted)
        try await release.helm("uninstall")
        try await eventually("the pods are gone") { kubelet.readyPods == 0 }
      }
      #expect(result.wrong.isEmpty, "\(result.wrong.count) of \(result.right): \(result.wrong.prefix(5))")
      try await release.expectNothingLeft()
    }
  }

  private func isIssued(_ certificate: String, by authority: String) async throws -> Bool {
    try await withTemporaryFile(authority) { file in
      try await command("openssl", ["verify", "-CAfile", file], input: certificate).succeeded
    }
  }

  /// The certificate that `port` presents to a client that trusts `authorities`; throws where those do not vouch for it.
  private func served(at port: Int, host: String, authorities: String) async throws -> String {
    try await withTemporaryFile(authorities) { file in
      let handshake = try await command(
        "openssl",
        [
          "s_client", "-connect", "127.0.0.1:\(port)", "-servername", host, "-verify_hostname", host, "-CAfile", file,
          "-verify_return_error",
        ]
      ).checked().output
      return try await command("openssl", ["x509"], input: handshake).checked().output
    }
  }

  private func withTemporaryFile<Value>(_ text: String, _ body: (String) async throws -> Value) async throws -> Value {
    let file = "\(try ClusterEnvironment.current().folder)/\(UUID().uuidString).pem"
    try write(text, to: file)
    defer { try? FileManager.default.removeItem(atPath: file) }
    return try await body(file)
  }
}

/// The Secret in which a release keeps certificates.
private struct SecretOfCertificates {
  let release: Release
  var name: String { "\(release.name)-certificates" }

  init(_ release: Release) { self.release = release }

  func values() async throws -> [String: String] {
    let answer = try await release.environment.cluster.api(
      "GET", "/api/v1/namespaces/\(release.namespace)/secrets/\(name)")
    return try JSONDecoder().decode(Content.self, from: Data(answer.body.utf8)).data
      .mapValues { String(decoding: Data(base64Encoded: $0) ?? Data(), as: UTF8.self) }
  }

  func set(_ values: [String: String]) async throws {
    let data = try JSONEncoder().encode(Content(data: values.mapValues { Data($0.utf8).base64EncodedString() }))
    try await release.environment.cluster.kubectl([
      "patch", "secret", name, "-n", release.namespace, "--type=merge", "-p", String(decoding: data, as: UTF8.self),
    ]).checked()
  }

  /// A kubeconfig with the rights of the release's pods.
  func kubeconfig() async throws -> String {
    let cluster = release.environment.cluster
    let token = try await cluster.kubectl(["create", "token", release.name, "-n", release.namespace]).checked().output
    let file = "\(release.environment.folder)/\(release.name).kubeconfig"
    try write(Kubelet.kubeconfig(cluster, token: token.filter { !$0.isNewline }), to: file)
    return file
  }

  /// One pass of `pinseal certs apply`.
  func renew(_ kubeconfig: String) async throws -> Outcome {
    try await command(
      Tool.pinseal.path(),
      [
        "certs", "apply", "--cluster=kubeconfig:\(kubeconfig)", "--tls-secret=\(release.namespace)/\(name)",
        "--tls-dns-name=\(release.host)", "--webhook-configuration=mutating/\(release.name)-mutate",
        "--webhook-configuration=validating/\(release.name)-validate",
      ])
  }

  private struct Content: Codable { let data: [String: String] }
}

/// What a Secret holds, but older: the same names and keys, and more than two thirds of the time over.
private struct AgedPair {
  let authority: String
  let serving: String

  static func make(of values: [String: String], in folder: String) async throws -> AgedPair {
    for (key, value) in values { try write(value, to: "\(folder)/\(key)") }
    try write("", to: "\(folder)/index")
    try write(
      """
      [ca]
      default_ca = this
      [this]
      database = \(folder)/index
      new_certs_dir = \(folder)
      rand_serial = yes
      default_md = sha256
      policy = names
      copy_extensions = copyall
      [names]
      commonName = supplied

      """, to: "\(folder)/openssl.cnf")
    // Signed by the same key and of the same name: who trusts the one trusts what the other signed.
    let authority = try await again("ca", days: -250...100, issuer: ["-selfsign"], in: folder)
    try write(authority, to: "\(folder)/ca.crt")
    let serving = try await again("tls", days: -70...20, issuer: ["-cert", "\(folder)/ca.crt"], in: folder)
    return AgedPair(authority: authority, serving: serving)
  }

  /// The certificate `name` once more, valid for these days from now on.
  private static func again(
    _ name: String, days: ClosedRange<Int>, issuer: [String], in folder: String
  ) async throws -> String {
    let (file, request) = ("\(folder)/\(name)", "\(folder)/\(name).csr")
    try await command(
      "openssl",
      [
        "x509", "-x509toreq", "-copy_extensions", "copyall", "-in", "\(file).crt", "-signkey", "\(file).key", "-out",
        request,
      ]
    ).checked()
    return try await command(
      "openssl",
      [
        "ca", "-batch", "-config", "\(folder)/openssl.cnf", "-keyfile", "\(folder)/ca.key", "-in", request, "-notext",
        "-startdate", time(days.lowerBound), "-enddate", time(days.upperBound),
      ] + issuer
    ).checked().output
  }

  /// Midnight so many days from now, as OpenSSL takes it.
  private static func time(_ days: Int) -> String {
    let date = Date(timeIntervalSinceNow: Double(days) * 86_400)
    return date.formatted(.iso8601.year().month().day().dateSeparator(.omitted)) + "000000Z"
  }
}
