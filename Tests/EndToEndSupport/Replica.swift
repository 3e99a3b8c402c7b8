/// A `pinseal serve` that comes and goes while a test runs, unlike one that lives as long as a closure.
package final class Replica: Sendable {
  package let webhook: Webhook
  private let leave: AsyncStream<Void>.Continuation
  private let running: Task<Void, any Error>

  private init(
    webhook: Webhook, leave: AsyncStream<Void>.Continuation, running: Task<Void, any Error>
  ) {
    self.webhook = webhook
    self.leave = leave
    self.running = running
  }

  /// Starts one and waits until it is ready; the parameters are those of `Webhook.with`.
  package static func start(
    _ name: String, in folder: String, cluster: String, certificate: Certificate, hasCertificate: Bool = true,
    arguments: [String] = [], until probe: String = "readyz"
  ) async throws -> Replica {
    let (staying, leave) = AsyncStream<Void>.makeStream()
    let (started, start) = AsyncThrowingStream<Webhook, any Error>.makeStream()
    let running = Task {
      do {
        try await Webhook.with(
          name, in: folder, cluster: cluster, certificate: certificate, hasCertificate: hasCertificate,
          arguments: arguments, until: probe
        ) { webhook in
          start.yield(webhook)
          for await _ in staying {}
        }
        start.finish()
      } catch {
        start.finish(throwing: error)
        throw error
      }
    }
    for try await webhook in started { return Replica(webhook: webhook, leave: leave, running: running) }
    throw EndToEndFailure("\(name) left before it was ready")
  }

  /// Sends SIGTERM and waits for the end, which must be a clean one.
  package func stop() async throws {
    leave.finish()
    try await running.value
  }
}

/// Runs `body` with a list for the replicas that it starts; those still there afterwards are stopped.
package func withReplicas<Value: Sendable>(_ body: (Guarded<[Replica]>) async throws -> Value) async throws -> Value {
  let replicas = Guarded<[Replica]>([])
  func stopAll() async throws {
    for replica in replicas.with({ $0 }) { try await replica.stop() }
  }
  let value: Value
  do {
    value = try await body(replicas)
  } catch {
    try? await stopAll()
    throw error
  }
  try await stopAll()
  return value
}
