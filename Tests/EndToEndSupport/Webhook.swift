import Foundation

/// A running `pinseal serve`.
package struct Webhook: Sendable {
  /// How curl is to speak.
  package enum Transport: String, Sendable, CaseIterable {
    case http1 = "--http1.1"
    case http2 = "--http2"
  }

  package let port: Int
  package let operationsPort: Int
  package let certificate: Certificate
  package let daemon: Daemon

  package init(port: Int, operationsPort: Int, certificate: Certificate, daemon: Daemon) {
    self.port = port
    self.operationsPort = operationsPort
    self.certificate = certificate
    self.daemon = daemon
  }

  /// Runs `body` with the real executable serving on free ports; afterwards it must end with status 0 on SIGTERM.
  ///
  /// - Parameters:
  ///   - name: that of its log in `folder`.
  ///   - cluster: `file:PATH` or `kubeconfig:FILE`.
  ///   - hasCertificate: whether it is given `certificate`; else it is told otherwise where one comes from.
  ///   - probe: the path on the operations port that says 200 before `body` is run.
  package static func with<Value: Sendable>(
    _ name: String = "pinseal", in folder: String, cluster: String, certificate: Certificate,
    hasCertificate: Bool = true, arguments: [String] = [], until probe: String = "readyz",
    perform body: (Webhook) async throws -> Value
  ) async throws -> Value {
    let port = try freePort()
    let operationsPort = try freePort()
    var all = [
      "serve", "--listen", "127.0.0.1:\(port)", "--ops-listen", "127.0.0.1:\(operationsPort)", "--cluster", cluster,
    ]
    if hasCertificate { all += ["--tls-cert", certificate.chainFile, "--tls-key", certificate.keyFile] }
    return try await withDaemon(
      name, in: folder, Tool.pinseal.path(), all + arguments, exitsCleanly: true,
      ready: { (try? await curl("http://127.0.0.1:\(operationsPort)/\(probe)").status) == 200 }
    ) { daemon in
      try await body(
        Webhook(port: port, operationsPort: operationsPort, certificate: certificate, daemon: daemon))
    }
  }

  /// The address of an endpoint, `mutate` or `validate`.
  package func url(_ endpoint: String) -> String { "https://127.0.0.1:\(port)/\(endpoint)?timeout=10s" }

  /// Sends a review with curl, over TLS that curl verifies.
  package func review(
    _ review: Review, at endpoint: String = "mutate", over transport: Transport = .http2
  ) async throws -> Answer {
    let answer = try await post(review.json(), at: endpoint, over: transport)
    guard answer.status != 200 || answer.uid == review.uid else {
      throw EndToEndFailure("the answer is to another review: \(answer)")
    }
    return answer
  }

  /// Sends any body with curl.
  package func post(
    _ body: String, at endpoint: String = "mutate", over transport: Transport = .http2
  ) async throws -> Answer {
    try await Answer(
      curl(
        url(endpoint),
        ["--cacert", certificate.authorityFile, transport.rawValue, "-H", "Content-Type: application/json"],
        body: body))
  }

  /// What a path on the operations port answers.
  package func operations(_ path: String) async throws -> HTTPAnswer {
    try await curl("http://127.0.0.1:\(operationsPort)/\(path)")
  }

  /// The metrics now.
  package func metrics() async throws -> Metrics { try await Metrics(operations("metrics").body) }
}

/// Prometheus' text format, read as far as tests need it.
package struct Metrics: Sendable {
  package let text: String
  /// Sample lines without comments: name with labels, and value.
  private let samples: [(series: Substring, value: Double)]

  package init(_ text: String) {
    self.text = text
    samples = text.split(separator: "\n").compactMap { line in
      guard !line.hasPrefix("#"), let space = line.lastIndex(of: " "),
        let value = Double(line[line.index(after: space)...])
      else { return nil }
      return (line[..<space], value)
    }
  }

  /// The sum of all series of this name whose labels contain each of `labels` (`endpoint="mutate"`).
  package func sum(_ name: String, _ labels: String...) -> Double {
    samples.reduce(0) { sum, sample in
      let series = sample.series
      guard series == name || series.hasPrefix(name + "{"), labels.allSatisfy(series.contains) else { return sum }
      return sum + sample.value
    }
  }

  /// The largest value of the series of this name; zero if there are none.
  package func largest(_ name: String) -> Double {
    samples.filter { $0.series == name || $0.series.hasPrefix(name + "{") }.map(\.value).max() ?? 0
  }

  /// Whether there is any series of this name.
  package func contains(_ name: String) -> Bool {
    samples.contains { $0.series == name || $0.series.hasPrefix(name + "{") }
  }
}

extension Metrics {
  /// Reviews that were answered, both endpoints together.
  package var reviews: Double { sum("pinseal_reviews_total") }

  /// Reviews by the version of HTTP that brought them.
  package func reviews(http2: Bool) -> Double {
    sum("pinseal_reviews_total", "protocol=\"\(http2 ? "h2" : "http/1.1")\"")
  }
}
