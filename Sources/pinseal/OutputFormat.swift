import ArgumentParser
import Primitives

/// How a command prints what it has to say.
enum OutputFormat: String, CaseIterable, ExpressibleByArgument {
  case text, json

  /// Writes the one form or the other to standard output.
  func write(text: @autoclosure () -> String, json: @autoclosure () -> String) {
    switch self {
    case .text: StandardOutput.write(text())
    case .json: StandardOutput.write(json())
    }
  }
}
