import Foundation
import Glibc
import Subprocess

/// A program that runs while a test does.
package struct Daemon: Sendable {
  package let name: String
  package let processIdentifier: Int32
  /// The file with what it prints.
  package let logFile: String

  /// What it printed so far.
  package var log: String { (try? read(logFile)) ?? "" }

  /// Whether it has not ended.
  package var isRunning: Bool {
    guard let state = try? read("/proc/\(processIdentifier)/stat") else { return false }
    return !state.contains(") Z ")
  }

  /// How many files and sockets it has open.
  package var openFiles: Int {
    ((try? FileManager.default.contentsOfDirectory(atPath: "/proc/\(processIdentifier)/fd")) ?? []).count
  }

  /// How much memory it takes up, in KiB.
  package var residentKiB: Int {
    let line = ((try? read("/proc/\(processIdentifier)/status")) ?? "").split(separator: "\n")
      .first { $0.hasPrefix("VmRSS:") }
    return line.flatMap { Int($0.filter(\.isNumber)) } ?? 0
  }

  /// Sends SIGTERM, or another signal.
  package func signal(_ signal: Int32 = SIGTERM) { kill(processIdentifier, signal) }

  /// Sends SIGTERM and waits until it has ended.
  package func stop() async throws {
    signal()
    try await eventually("\(name) ends after SIGTERM") { !isRunning }
  }
}

/// Starts a program, waits until `ready` says so, and ends it after `body`, however `body` ends.
///
/// - Parameter exitsCleanly: whether anything but exit status 0 after SIGTERM is a failure.
package func withDaemon<Value: Sendable>(
  _ name: String, in folder: String, _ program: String, _ arguments: [String], environment: [String: String] = [:],
  exitsCleanly: Bool = false, ready: () async throws -> Bool, perform body: (Daemon) async throws -> Value
) async throws -> Value {
  let log = "\(folder)/\(name).log"
  // The shell opens the log and becomes the program, so the process id stays.
  let result = try await run(
    .name("sh"), arguments: Arguments(["-c", #"exec "$@" >>"$0" 2>&1"#, log, program] + arguments),
    environment: .inherit.updating(keyed(environment)), input: .none, output: .discarded, error: .discarded
  ) { execution in
    let daemon = Daemon(name: name, processIdentifier: execution.processIdentifier.value, logFile: log)
    let mark = "\(folder)/\(name).pid"
    let value: Value
    do {
      try write("\(daemon.processIdentifier)\n", to: mark)
      try await eventually("\(name) is ready; it printed:\n\(daemon.log.suffix(2000))") {
        guard daemon.isRunning else { throw EndToEndFailure("\(name) ended at once:\n\(daemon.log.suffix(4000))") }
        return try await ready()
      }
      value = try await body(daemon)
    } catch {
      await execution.teardown(using: [.gracefulShutDown(allowedDurationToNextStep: .seconds(5))])
      try? FileManager.default.removeItem(atPath: mark)
      throw error
    }
    await execution.teardown(using: [.gracefulShutDown(allowedDurationToNextStep: .seconds(35))])
    try? FileManager.default.removeItem(atPath: mark)
    return value
  }
  if exitsCleanly, !result.terminationStatus.isSuccess {
    let tail = (try? read(log))?.suffix(4000) ?? ""
    throw EndToEndFailure("\(name) ended after SIGTERM with \(result.terminationStatus), not 0:\n\(tail)")
  }
  return result.closureResult
}

/// TCP ports that nobody listens on now: `count` consecutive ones, the first is returned. None is given twice, since who
/// was given one may bind it much later.
package func freePort(count: Int = 1) throws -> Int {
  for _ in 0..<200 {
    // Below the range that the kernel hands out to outgoing connections.
    let first = Int.random(in: 15_000..<32_000)
    let wanted = first..<first + count
    let isNew = givenPorts.with { given in
      guard given.isDisjoint(with: wanted) else { return false }
      given.formUnion(wanted)
      return true
    }
    if isNew, wanted.allSatisfy(isFree) { return first }
  }
  throw EndToEndFailure("found no \(count) free ports")
}

private let givenPorts = Guarded<Set<Int>>([])

private func isFree(_ port: Int) -> Bool {
  let socket = Glibc.socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
  guard socket >= 0 else { return false }
  defer { close(socket) }
  return withAddress(port, on: "0.0.0.0") { bind(socket, $0, $1) } == 0
}
