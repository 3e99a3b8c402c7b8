import ArgumentParser
import Primitives

/// How the commands that judge, and those about certificates, end.
enum VerifyExit {
  /// Verified, and nothing else ends so.
  static let verified: Int32 = 0
  /// Not verified: nothing that counts was found.
  static let refused: Int32 = 1
  /// Not decided: something could not be reached or read in time, or the command was used wrongly.
  static let undecided: Int32 = 2

  /// The status for an error that ends the process, where the command line is `arguments`.
  static func status(of error: any Error, parsed status: Int32, arguments: [String]) -> Int32 {
    guard status != 0, !(error is ExitCode) else { return status }
    // Options go behind the command's name, so the first argument is it.
    return ["verify", "verify-bundle", "certs", "check"].contains(arguments.first) ? undecided : status
  }
}

extension Pinseal {
  /// Runs the command. As ArgumentParser does it, but that wrong usage of the commands that judge ends with their own
  /// status: 64, its own for wrong usage, would be one more that callers must know.
  static func main() async {
    do {
      var command = try parseAsRoot()
      if var asynchronous = command as? any AsyncParsableCommand {
        try await asynchronous.run()
      } else {
        try command.run()
      }
    } catch {
      let status = exitCode(for: error).rawValue
      let own = VerifyExit.status(of: error, parsed: status, arguments: Array(CommandLine.arguments.dropFirst()))
      guard own != status else { exit(withError: error) }
      StandardError.write(fullMessage(for: error))
      exit(withError: ExitCode(own))
    }
  }
}
