import EndToEndSupport
import Testing

/// The webhooks' own client and the code around it, with the chart's configurations.
extension NewerAPIServerTests {
  @Test(arguments: NewerAPIServer.Way.allCases)
  func `signed images are pinned and validated and others refused, by HTTP/2 where the API server speaks it`(
    way: NewerAPIServer.Way
  ) async throws {
    let newer = try NewerAPIServer.current()
    let (signed, signedToo, unsigned) = (newer.signed, newer.signedToo, newer.unsigned)
    let host = try await newer.host(way)
    let before = try await newer.webhook.metrics()
    let answers = try await host.ask([
      AdmissionRequest(object: newer.statefulSet(signed.tagged)),
      AdmissionRequest(object: newer.statefulSet(signed.tagged), isDryRun: true),
      AdmissionRequest(
        operation: "UPDATE", object: newer.statefulSet(signedToo.tagged), oldObject: newer.statefulSet(signed.pinned)),
      AdmissionRequest(object: newer.statefulSet(unsigned.tagged)),
      AdmissionRequest(object: newer.statefulSet(unsigned.tagged), isDryRun: true),
      AdmissionRequest(object: newer.statefulSet(unsigned.tagged, in: "warned")),
    ])
    for (answer, image) in zip(answers, [signed, signed, signedToo]) {
      #expect(answer.isAllowed && answer.image == image.pinned && answer.warnings.isEmpty, "\(answer)")
      #expect(answer.audit.keys.contains { $0.hasPrefix("mutate.pinseal.dev/") }, "\(answer)")
      #expect(answer.audit.keys.contains { $0.hasPrefix("validate.pinseal.dev/") }, "\(answer)")
    }
    // What Pinseal says, and nothing around it but what API servers put before it.
    let refusal = try await newer.webhook.review(Review(unsigned.tagged, in: "shop")).message
    #expect(refusal.hasPrefix("SIGNATURE_NOT_FOUND: container c0, image \(unsigned.tagged): "))
    for answer in answers[3...4] {
      #expect(!answer.isAllowed, "\(answer)")
      #expect(answer.message == #"admission webhook "mutate.pinseal.dev" denied the request: \#(refusal)"#)
    }
    #expect(answers[5].isAllowed && answers[5].image == unsigned.tagged, "\(answers[5])")
    #expect(answers[5].warnings.contains { $0.contains("SIGNATURE_NOT_FOUND") }, "\(answers[5])")

    let after = try await newer.webhook.metrics()
    // Four were asked about twice and two once; one came from curl.
    let byHost = way == .url ? (http2: 10.0, http1: 0.0) : (http2: 0.0, http1: 10.0)
    #expect(after.reviews(http2: true) - before.reviews(http2: true) == byHost.http2 + 1)
    #expect(after.reviews(http2: false) - before.reviews(http2: false) == byHost.http1)
  }

  @Test(arguments: NewerAPIServer.Way.allCases)
  func `hundreds of requests at a time are each answered rightly`(way: NewerAPIServer.Way) async throws {
    let newer = try NewerAPIServer.current()
    let host = try await newer.host(way)
    let before = try await newer.webhook.metrics()
    let images = [newer.signed, newer.unsigned, newer.signedToo]
    let requests = (0..<300).map { AdmissionRequest(object: newer.statefulSet(images[$0 % 3].tagged)) }
    let answers = try await host.ask(requests, parallel: 150)
    for (index, answer) in answers.enumerated() {
      let image = images[index % 3]
      #expect(answer.isAllowed == (image.tag != newer.unsigned.tag), "\(answer)")
      #expect(answer.image == (answer.isAllowed ? image.pinned : nil), "\(answer)")
      #expect(answer.isAllowed || answer.message.contains("SIGNATURE_NOT_FOUND"), "\(answer)")
    }
    let after = try await newer.webhook.metrics()
    #expect(after.reviews(http2: way == .url) - before.reviews(http2: way == .url) == 500)
  }

  @Test func `validation alone refuses what nobody pinned`() async throws {
    let newer = try NewerAPIServer.current()
    let host = try await newer.host(isStored: { $0 != "MutatingWebhookConfiguration" })
    let answers = try await host.ask([
      AdmissionRequest(object: newer.statefulSet(newer.signed.tagged)),
      AdmissionRequest(object: newer.statefulSet(newer.signed.pinned)),
    ])
    #expect(
      answers[0].message.hasPrefix(#"admission webhook "validate.pinseal.dev" denied the request: IMAGE_NOT_PINNED: "#),
      "\(answers[0])")
    #expect(answers[1].isAllowed && answers[1].image == newer.signed.pinned, "\(answers[1])")
  }

  @Test(arguments: ["Fail", "Ignore"]) func `while no Pinseal answers, failurePolicy decides`(policy: String)
    async throws
  {
    let newer = try NewerAPIServer.current()
    let host = try await newer.host(port: freePort(), values: ["webhook": ["failurePolicy": policy]])
    let answer = try await host.ask(AdmissionRequest(object: newer.statefulSet(newer.signed.tagged)))
    if policy == "Ignore" {
      #expect(answer.isAllowed && answer.image == newer.signed.tagged, "\(answer)")
    } else {
      #expect(!answer.isAllowed, "\(answer)")
      // The name, port and path of the chart's Service.
      let call =
        #"failed calling webhook "mutate.pinseal.dev": failed to call webhook: Post "https://pinseal.pinseal.svc:443/mutate"#
      #expect(answer.message.contains(call), "\(answer)")
    }
  }
}
