import Kubernetes
import Logging
import Primitives
public import ServiceLifecycle

extension CertificateKeeper: Service {
  /// Passes until there is a certificate to serve; throws only what trying again does not cure.
  public func start(sleep: @Sendable (Duration) async throws -> Void = { try await Task.sleep(for: $0) }) async throws {
    var pause = Duration.seconds(1)
    while true {
      do throws(CertificateKeeperError) {
        note(try await pass())
      } catch {
        guard !error.isFinal else { throw error }
        note(error)
      }
      if hasCertificate { return }
      try await sleep(pause)
      pause = min(pause * 2, configuration.retryInterval * 2)
    }
  }

  /// Passes again and again until the shutdown. A pass that fails leaves everything as it is.
  public func run() async {
    await cancelWhenGracefulShutdown {
      var isSettled = self.status?.isComplete == true
      while !Task.isCancelled {
        // Jitter keeps replicas that started together from writing together.
        let pause = isSettled ? self.configuration.interval : self.configuration.retryInterval
        guard (try? await Task.sleep(for: pause * Double.random(in: 0.8...1.2))) != nil else { return }
        isSettled = await self.runPass()
      }
    }
  }

  /// Whether nothing is left to do soon.
  private func runPass() async -> Bool {
    do throws(CertificateKeeperError) {
      let outcome = try await pass()
      note(outcome)
      return outcome.missing.isEmpty
    } catch {
      note(error)
      // A refusal waits for people.
      return error.isFinal
    }
  }

  private func note(_ outcome: Outcome) {
    let missing = outcome.missing.map(\.description).joined(separator: ", ")
    let message = missing.isEmpty ? nil : "there is no \(missing) yet"
    let (isNews, isOver) = state.withLock { state in
      defer { state.lastFailure = message }
      return (message != nil && state.lastFailure != message, message == nil && state.lastFailure != nil)
    }
    if isNews {
      logger.warning("certificates: webhook configurations are missing", metadata: ["missing": "\(missing)"])
    }
    if isOver { logger.notice("certificates: everything is in place again") }
  }

  /// Logged once as long as it stays the same.
  private func note(_ error: CertificateKeeperError) {
    let isNews = state.withLock { state in
      state.failures += 1
      defer { state.lastFailure = error.description }
      return state.lastFailure != error.description
    }
    guard isNews else { return }
    logger.error(
      "certificates cannot be looked after; what is there stays in use",
      metadata: ["reason": "\(error.description.printable(limit: 600))"])
  }
}
