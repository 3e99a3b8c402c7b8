import Foundation

/// A program of the machine that a test drives.
struct Tool: Sendable {
  struct Result: Sendable {
    let status: Int32
    let output: String
    let errors: String
  }

  let path: String

  /// Fails, rather than skips, where the program is missing.
  init(_ name: String, package: String) throws {
    let folders = (ProcessInfo.processInfo.environment["PATH"] ?? "/usr/bin:/bin").split(separator: ":")
    guard let folder = folders.first(where: { FileManager.default.isExecutableFile(atPath: "\($0)/\(name)") }) else {
      throw TestFailure("\(name) is not installed, and this test needs it: apt-get install \(package)")
    }
    path = "\(folder)/\(name)"
  }

  static func curl() throws -> Tool { try Tool("curl", package: "curl") }
  static func openssl() throws -> Tool { try Tool("openssl", package: "openssl") }

  func run(_ arguments: [String], input: String = "") async throws -> Result {
    let path = path
    return try await blocking {
      let process = Process()
      process.executableURL = URL(fileURLWithPath: path)
      process.arguments = arguments
      let (input_, output, errors) = (Pipe(), Pipe(), Pipe())
      process.standardInput = input_
      process.standardOutput = output
      process.standardError = errors
      try process.run()
      try? input_.fileHandleForWriting.write(contentsOf: Data(input.utf8))
      try? input_.fileHandleForWriting.close()
      // The errors are few; the output may be much.
      let text = output.fileHandleForReading.readDataToEndOfFile()
      let errorText = errors.fileHandleForReading.readDataToEndOfFile()
      process.waitUntilExit()
      return Result(
        status: process.terminationStatus, output: String(decoding: text, as: UTF8.self),
        errors: String(decoding: errorText, as: UTF8.self))
    }
  }
}
