import Foundation

/// A program that the end-to-end tests drive. The raw value is the environment variable that names its path.
package enum Tool: String, Sendable, CaseIterable {
  case pinseal = "PINSEAL_BINARY"
  case cosign2 = "PINSEAL_COSIGN2"
  case cosign3 = "PINSEAL_COSIGN3"
  case skopeo = "PINSEAL_SKOPEO"
  case dockerRegistry = "PINSEAL_DOCKER_REGISTRY"
  case kubectl = "PINSEAL_KUBECTL"
  /// The python that has the packages of charts/requirements.txt.
  case chartPython = "PINSEAL_CHART_PYTHON"
  /// The admission of a newer API server: Tests/AdmissionHost.
  case admissionHost = "PINSEAL_ADMISSION_HOST"

  /// Whether scripts/test said that it is not to be had at present.
  package var isOutOfReach: Bool { ProcessInfo.processInfo.environment[rawValue] == "" }

  /// Its path; throws where it is not named or not there, since a test that wanted it must not pass without it.
  package func path() throws -> String {
    guard let path = ProcessInfo.processInfo.environment[rawValue], !path.isEmpty else {
      throw EndToEndFailure("\(rawValue) names no program; scripts/test sets it")
    }
    guard FileManager.default.isExecutableFile(atPath: path) else {
      throw EndToEndFailure("\(rawValue)=\(path) is no program")
    }
    return path
  }
}

/// Why an end-to-end test could not go on.
package struct EndToEndFailure: Error, CustomStringConvertible {
  package let description: String
  package init(_ description: String) { self.description = description }
}

/// Whether the end-to-end suites run, and where they keep things.
package enum EndToEnd {
  /// In CI always (a missing program is then a failure), elsewhere when scripts/test asked for them.
  package static var isWanted: Bool {
    let environment = ProcessInfo.processInfo.environment
    return environment["CI"] == "true" || environment["PINSEAL_E2E"] == "1"
  }

  /// What a skipped suite says.
  package static let reason = "they drive real programs, which scripts/test provides (PINSEAL_E2E is not set)"

  /// The folder of the package.
  package static let root: String = {
    URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
      .path
  }()

  /// Runs `body` with a new folder.
  ///
  /// It lies in PINSEAL_E2E_WORK, where scripts/test finds the process ids of what a killed test left behind, and the logs
  /// of a test that failed. Without such a folder it is removed afterwards unless `body` throws.
  package static func withFolder(_ name: String, _ body: (String) async throws -> Void) async throws {
    let parent = ProcessInfo.processInfo.environment["PINSEAL_E2E_WORK"]
    let folder = "\(parent ?? NSTemporaryDirectory())/\(name).\(UUID().uuidString.prefix(8))"
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    try await body(folder)
    if parent == nil { try? FileManager.default.removeItem(atPath: folder) }
  }
}

/// Writes a text file, its folders included.
package func write(_ text: String, to path: String) throws {
  let url = URL(fileURLWithPath: path)
  try FileManager.default.createDirectory(at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
  try text.write(to: url, atomically: true, encoding: .utf8)
}

/// A text file's content.
package func read(_ path: String) throws -> String { try String(contentsOfFile: path, encoding: .utf8) }

/// Waits until `condition` holds, looking ten times a second; throws saying what was waited for when time is up.
///
/// The limit is for what never comes, however slow the machine is: who waits for what comes does not wait longer for it.
package func eventually(
  _ what: @autoclosure () -> String, within limit: Duration = .seconds(120), _ condition: () async throws -> Bool
) async throws {
  let end = ContinuousClock.now.advanced(by: limit)
  while try await !condition() {
    guard ContinuousClock.now < end else { throw EndToEndFailure("waited \(limit) in vain: \(what())") }
    try await Task.sleep(for: .milliseconds(100))
  }
}
