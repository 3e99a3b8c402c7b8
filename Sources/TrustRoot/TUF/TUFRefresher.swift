public import Crypto
public import Logging
import Primitives

/// Refreshes the bundled root through TUF, in the background: soon after the start, then every day, with jitter. When a
/// refresh fails, the root stays as it is and the next attempt comes sooner.
public final class TUFRefresher: Sendable {
  /// How long one refresh may take.
  public static let timeLimit: Duration = .seconds(120)
  /// How soon after the first failure the next attempt comes; each further failure doubles it, up to the interval.
  public static let firstRetry: Duration = .seconds(900)
  /// Within which time after the start the first refresh begins.
  public static let startWindow: Duration = .seconds(60)

  private let store: TrustRootStore
  private let client: TUFClient
  private let interval: Duration
  private let logger: Logger
  private let clock: @Sendable () -> UnixTime
  private let random: @Sendable () -> Double
  private let sleep: @Sendable (Duration) async throws -> Void

  /// A refresher of `store`, which must use the public-good root; throws if it does not. `random` gives numbers from 0 up
  /// to 1, `clock` the time.
  public init(
    store: TrustRootStore, client: TUFClient, interval: Duration = .seconds(86_400), logger: Logger,
    clock: @escaping @Sendable () -> UnixTime, random: @escaping @Sendable () -> Double = { Double.random(in: 0..<1) },
    sleep: @escaping @Sendable (Duration) async throws -> Void = { try await Task.sleep(for: $0) }
  ) throws(TrustRootError) {
    guard store.selection.includesBundled else {
      throw TrustRootError(
        "a refresh through TUF is asked for, but it refreshes the public-good trusted root, and a user's takes its place;"
          + " leave out one of the two, or use the user's beside the public-good one")
    }
    self.store = store
    self.client = client
    self.interval = interval
    self.logger = logger
    self.clock = clock
    self.random = random
    self.sleep = sleep
    store.note(
      tuf: TUFStatus(mirror: client.mirror, rootVersion: client.rootVersion, expires: client.expires))
  }

  /// Takes up what the cache holds, and refreshes until the task is cancelled.
  public func run() async {
    var client = client
    var status = TUFStatus(mirror: client.mirror, rootVersion: client.rootVersion, expires: client.expires)
    if let bytes = client.target(at: clock()) {
      do throws(TrustRootError) {
        _ = try store.replaceBundled(with: bytes, place: client.mirror, at: clock())
      } catch {
        logger.warning("the cached trusted root is not used", metadata: ["reason": "\(error)"])
      }
    }
    var failuresInARow = 0
    var delay = Self.startWindow * random()
    while !Task.isCancelled {
      do { try await sleep(delay) } catch { return }
      await refresh(&client, &status)
      failuresInARow = status.failure == nil ? 0 : failuresInARow + 1
      delay = pause(after: failuresInARow)
    }
  }

  private func refresh(_ client: inout TUFClient, _ status: inout TUFStatus) async {
    let now = clock()
    status.lastAttempt = now
    do throws(TUFError) {
      let bytes = try await client.refresh(at: now, deadline: .after(Self.timeLimit))
      do throws(TrustRootError) {
        _ = try store.replaceBundled(with: bytes, place: client.mirror, at: now)
      } catch {
        throw TUFError(.unusable, error.description)
      }
      status.lastSuccess = now
      status.failure = nil
      status.successes += 1
    } catch {
      status.failure = error
      status.failures += 1
      logger.warning(
        "the trusted root was not refreshed, it stays as it is",
        metadata: ["code": "\(error.code.rawValue)", "reason": "\(error.description.printable(limit: 512))"])
    }
    if let reason = client.cacheFailure {
      logger.warning("the TUF cache could not be written", metadata: ["reason": "\(reason.printable())"])
    }
    status.rootVersion = client.rootVersion
    status.expires = client.expires
    store.note(tuf: status)
  }

  /// The interval, or after failures less, give or take a tenth, so that instances do not come all at once.
  private func pause(after failuresInARow: Int) -> Duration {
    var pause = interval
    if failuresInARow > 0 { pause = min(interval, Self.firstRetry * (1 << min(failuresInARow - 1, 16))) }
    return pause * (0.9 + 0.2 * random())
  }
}
