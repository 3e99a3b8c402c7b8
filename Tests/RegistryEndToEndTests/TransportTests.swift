import EndToEndSupport
import Testing

extension RegistryTests {
  private func signedImage(_ environment: RegistryEnvironment) async throws -> TestImage {
    let image = try await environment.docker.push("transport/app", content: "transport")
    try await environment.signing.sign(image, with: environment.key(.p256))
    return image
  }

  @Test(arguments: Webhook.Transport.allCases)
  func `curl is answered over HTTP/1.1 and HTTP/2`(transport: Webhook.Transport) async throws {
    let environment = try RegistryEnvironment.current()
    let image = try await signedImage(environment)
    let before = try await environment.webhook.metrics()
    let answer = try await environment.webhook.review(Review(image.tagged, in: "key-p256"), over: transport)
    let after = try await environment.webhook.metrics()
    #expect(after.reviews(http2: transport == .http2) == before.reviews(http2: transport == .http2) + 1)
    #expect(after.reviews(http2: transport == .http1) == before.reviews(http2: transport == .http1))
    #expect(answer.version == (transport == .http1 ? "1.1" : "2"))
    #expect(answer.image() == image.pinned, "\(answer)")
  }

  @Test func `nghttp2's own client is answered`() async throws {
    let environment = try RegistryEnvironment.current()
    let image = try await signedImage(environment)
    let review = Review(image.tagged, in: "key-p256")
    let file = "\(environment.folder)/nghttp-body.json"
    try write(review.json(), to: file)
    let outcome = try await command(
      "nghttp",
      [
        "--no-verify-peer", "-v", "-H", ":method: POST", "-H", "content-type: application/json", "-d", file,
        environment.webhook.url("mutate"),
      ]
    ).checked()
    #expect(outcome.output.contains("The negotiated protocol: h2"), "\(outcome)")
    #expect(outcome.output.contains(":status: 200"), "\(outcome)")
    #expect(outcome.output.contains(review.uid), "\(outcome)")
  }

  @Test(arguments: [("h2", []), ("http/1.1", ["--h1"])])
  func `h2load finds every request answered`(protocolName: String, option: [String]) async throws {
    let environment = try RegistryEnvironment.current()
    let image = try await signedImage(environment)
    let file = "\(environment.folder)/h2load-body.json"
    try write(Review(image.tagged, in: "key-p256").json(), to: file)
    let outcome = try await command(
      "h2load",
      option + [
        "-n", "400", "-c", "4", "-m", "16", "-d", file, "-H", "content-type: application/json",
        environment.webhook.url("mutate"),
      ]
    ).checked()
    #expect(outcome.output.contains("Application protocol: \(protocolName)"), "\(outcome)")
    #expect(outcome.output.contains("status codes: 400 2xx, 0 3xx, 0 4xx, 0 5xx"), "\(outcome)")
  }

  @Test func `what is no review is answered with 400, and what is no request with the status that says so`()
    async throws
  {
    let environment = try RegistryEnvironment.current()
    let webhook = environment.webhook
    let trust = ["--cacert", webhook.certificate.authorityFile]
    for transport in Webhook.Transport.allCases {
      for body in [
        "", "{}", "[]", "{\"kind\":\"AdmissionReview\"}", "{\"a\":1,\"a\":2}", String(repeating: "[", count: 20_000),
      ] {
        let answer = try await webhook.post(body, over: transport)
        #expect(answer.status == 400 && !answer.isAllowed, "\(body.prefix(40)): \(answer)")
      }
      let url = webhook.url("mutate")
      let method = try await curl(url, trust + [transport.rawValue])
      #expect(method.status == 405)
      let path = try await curl(
        webhook.url("elsewhere"), trust + [transport.rawValue, "-H", "Content-Type: application/json"], body: "{}")
      #expect(path.status == 404)
      let type = try await curl(url, trust + [transport.rawValue, "-H", "Content-Type: text/plain"], body: "{}")
      #expect(type.status == 415)
    }
  }

  @Test(arguments: Webhook.Transport.allCases)
  func `a body beyond the bound is answered with 413`(transport: Webhook.Transport) async throws {
    let webhook = try RegistryEnvironment.current().webhook
    let answer = try await webhook.post(String(repeating: " ", count: (3 << 20) + 1), over: transport)
    #expect(answer.status == 413 && !answer.isAllowed, "\(answer)")
  }

  @Test func `TLS below 1.2 is not spoken`() async throws {
    let environment = try RegistryEnvironment.current()
    let address = "127.0.0.1:\(environment.webhook.port)"
    for (option, works) in [("-tls1_1", false), ("-tls1_2", true), ("-tls1_3", true)] {
      let outcome = try await command(
        "openssl",
        [
          "s_client", "-connect", address, "-CAfile", environment.webhook.certificate.authorityFile,
          "-verify_return_error", option,
        ]
      )
      #expect(outcome.succeeded == works, "\(option): \(outcome)")
    }
  }

  @Test func `the operations port tells health and metrics, and no user's names`() async throws {
    let environment = try RegistryEnvironment.current()
    let image = try await signedImage(environment)
    for path in ["livez", "readyz"] {
      #expect(try await environment.webhook.operations(path).status == 200)
    }
    let answer = try await environment.webhook.review(Review(image.tagged, in: "key-p256"))
    #expect(answer.isAllowed, "\(answer)")
    let metrics = try await environment.webhook.metrics()
    #expect(metrics.text.contains("pinseal_"))
    for name in ["key-p256", "transport/app", environment.docker.address] {
      #expect(!metrics.text.contains(name), "a label holds \(name)")
    }
  }
}
