import Logging
import Primitives
import Synchronization

/// Holds the certificate in use, and changes it when the files change.
final class CertificateStore: Sendable {
  private struct State {
    var context: TLSContext
    var seen: [FileIdentity?]
    /// What was logged last, so that a broken file is not logged every second.
    var lastFailure: (seen: [FileIdentity?], message: String)?
  }

  private let configuration: TLSConfiguration
  private let logger: Logger
  private let state: Locked<State>
  private let reloadCount = Atomic<Int>(0)

  init(_ configuration: TLSConfiguration, logger: Logger) throws(ServerError) {
    self.configuration = configuration
    self.logger = logger
    let seen = Self.look(at: configuration)
    state = Locked(State(context: try TLSContext(configuration), seen: seen))
    reportExpiry(state.withLock { $0.context })
  }

  /// The context for a new connection.
  var current: TLSContext { state.withLock { $0.context } }
  var reloads: Int { reloadCount.load(ordering: .relaxed) }
  var reloadInterval: Duration { configuration.reloadInterval }

  /// Looks whether a file changed and takes the new pair into use if it is good. A pair that is not whole, because one
  /// of its files is still to be written, is tried again at the next look; until then the present one stays.
  func reloadIfChanged() {
    // Looked at before reading: what changes during the reading is then seen at the next look.
    let present = Self.look(at: configuration)
    guard state.withLock({ $0.seen != present }) else { return }
    do throws(ServerError) {
      let context = try TLSContext(configuration)
      state.withLock {
        $0.context = context
        $0.seen = present
        $0.lastFailure = nil
      }
      reloadCount.add(1, ordering: .relaxed)
      logger.notice(
        "certificate reloaded",
        metadata: [
          "file": "\(configuration.certificateFile.printable())", "subject": "\(context.subject)",
          "not_after": "\(HTTPDate.text(context.notAfter))",
        ])
      reportExpiry(context)
    } catch {
      let message = error.description
      let isNews = state.withLock { state in
        if let last = state.lastFailure, last.seen == present, last.message == message { return false }
        state.lastFailure = (present, message)
        return true
      }
      guard isNews else { return }
      logger.error(
        "the changed certificate is not usable; the one before it stays in use", metadata: ["reason": "\(message)"])
    }
  }

  private static func look(at configuration: TLSConfiguration) -> [FileIdentity?] {
    var identities = [
      FileIdentity(path: configuration.certificateFile), FileIdentity(path: configuration.keyFile),
    ]
    if let file = configuration.clientAuthoritiesFile { identities.append(FileIdentity(path: file)) }
    return identities
  }

  private func reportExpiry(_ context: TLSContext) {
    guard context.notAfter <= WallClock.seconds else { return }
    logger.error(
      "the certificate has expired: clients will refuse it",
      metadata: [
        "file": "\(configuration.certificateFile.printable())", "not_after": "\(HTTPDate.text(context.notAfter))",
      ])
  }
}
