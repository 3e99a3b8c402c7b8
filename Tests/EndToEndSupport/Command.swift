import Foundation
import Subprocess

/// What a program that has ended left.
package struct Outcome: Sendable, CustomStringConvertible {
  package let program: String
  /// The exit code, or 128 and the signal.
  package let status: Int
  package let output: String
  package let errors: String

  package var succeeded: Bool { status == 0 }
  package var description: String { "\(program) ended with \(status)\n\(output)\(errors)" }

  /// This, if the program succeeded; else throws with what it said.
  @discardableResult
  package func checked() throws -> Outcome {
    guard succeeded else { throw EndToEndFailure(description) }
    return self
  }
}

/// Runs a program to its end, `environment` added to this process's own, and kills it when time is up.
package func command(
  _ program: String, _ arguments: [String], environment: [String: String] = [:], input: String = "",
  within limit: Duration = .seconds(180)
) async throws -> Outcome {
  let line = ([program] + arguments).joined(separator: " ")
  return try await withThrowingTaskGroup(of: Outcome?.self) { group in
    group.addTask { try await execute(program, arguments, environment, input) }
    group.addTask {
      try await Task.sleep(for: limit)
      return nil
    }
    defer { group.cancelAll() }
    guard let first = try await group.next(), let outcome = first else {
      throw EndToEndFailure("took more than \(limit): \(line)")
    }
    return outcome
  }
}

private func execute(
  _ program: String, _ arguments: [String], _ environment: [String: String], _ input: String
) async throws -> Outcome {
  var line = [program] + arguments
  let file = input.isEmpty ? nil : "\(NSTemporaryDirectory())/input-\(UUID().uuidString)"
  if let file {
    // Not through a pipe: a program that ends before it has read all, as a cancelled one does, would end the tests by SIGPIPE.
    try write(input, to: file)
    line = ["sh", "-c", #"exec "$@" <"$0""#, file] + line
  }
  defer { if let file { try? FileManager.default.removeItem(atPath: file) } }
  let result = try await run(
    // env takes a path as well as a name, and becomes the program.
    .name("env"), arguments: Arguments(line), environment: .inherit.updating(keyed(environment)), input: .none,
    output: .string(limit: 16 << 20), error: .string(limit: 16 << 20))
  let status: Int
  switch result.terminationStatus {
  case .exited(let code): status = Int(code)
  case .signaled(let signal): status = 128 + Int(signal)
  }
  return Outcome(
    program: program, status: status, output: result.standardOutput, errors: result.standardError)
}

/// Variables in the form that Subprocess takes.
func keyed(_ environment: [String: String]) -> [Environment.Key: String?] {
  var keyed: [Environment.Key: String?] = [:]
  for (name, value) in environment { keyed[Environment.Key(stringLiteral: name)] = value }
  return keyed
}
