import Crypto
import Logging
import Policy
import Primitives
import Testing

@testable import Admission

/// Keeps what was logged.
struct CapturingHandler: LogHandler {
  let events: Locked<[LogEvent]>
  var metadata: Logger.Metadata = [:]
  var metadataProvider: Logger.MetadataProvider?
  var logLevel: Logger.Level = .trace

  subscript(metadataKey key: String) -> Logger.Metadata.Value? {
    get { metadata[key] }
    set { metadata[key] = newValue }
  }

  func log(event: LogEvent) { events.withLock { $0.append(event) } }
}

@Suite struct LogTests {
  private func line(
    _ review: TestReview, _ policy: VerificationPolicy, _ verifier: FakeVerifier
  ) async throws -> LogEvent {
    let events = Locked<[LogEvent]>([])
    let logger = Logger(label: "test", factory: { _ in CapturingHandler(events: events) })
    let policies = FakePolicies(known: .enabled(policy), read: .enabled(policy))
    _ = try await ask(review.body, policies: policies, verifier: verifier, logger: logger)
    let logged = events.withLock { $0 }
    #expect(logged.count == 1)
    return try #require(logged.first)
  }

  @Test func `a decision is one line with all that mattered`() async throws {
    var review = TestReview()
    review.isDryRun = true
    let event = try await line(review, try .test(), .verifyingAll())
    #expect(event.level == .info)
    #expect(event.message == "review pinned")
    let metadata = try #require(event.metadata)
    #expect(metadata["namespace"] == "hk")
    #expect(metadata["name"] == "db")
    #expect(metadata["uid"] == "7a1f")
    #expect(metadata["operation"] == "CREATE")
    #expect(metadata["dry-run"] == "true")
    #expect(metadata["took-us"] != nil)
    guard case .array(let images)? = metadata["images"], case .dictionary(let image)? = images.first else {
      Issue.record("no images in the line")
      return
    }
    #expect(image["from"] == "registry.example/db:v1")
    #expect(image["to"] == "registry.example/db:v1@\(FakeVerifier.digest)")
    #expect(image["key"] == "\(Keys.one.fingerprint)")
    #expect(image["cached"] == "false")
  }

  @Test func `a failure under Warn is an error, a refusal a warning`() async throws {
    let warned = try await line(TestReview(), try .test(failurePolicy: .warn), FakeVerifier())
    #expect(warned.level == .error)
    #expect(warned.metadata?["codes"] == .array(["SIGNATURE_NOT_FOUND"]))
    let refused = try await line(TestReview(), try .test(), FakeVerifier())
    #expect(refused.level == .warning)
    guard case .string(let message)? = refused.metadata?["message"] else {
      Issue.record("no message in the line")
      return
    }
    #expect(message.hasPrefix("SIGNATURE_NOT_FOUND: container db"))
  }
}
