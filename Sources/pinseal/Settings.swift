import ArgumentParser
import JSON
import OCI
import Primitives

/// Where an option's value comes from if no flag gives it: the environment, then the configuration file.
///
/// The file is one JSON object whose members are the options' names without dashes in front; a list gives an option
/// that may be repeated. Members that are no option are refused: a misspelt bound must not leave the default in force.
struct Settings {
  private let environment: [String: String]
  private let file: [String: [String]]

  init(environment: [String: String], file: [String: [String]] = [:]) {
    self.environment = environment
    self.file = file
  }

  /// Reads the file at `path` (none: no file), which may set only `known` options.
  init(configurationFile path: String?, known: Set<String>) throws {
    environment = Environment.variables(prefix: "PINSEAL_")
    guard let path = path ?? environment["PINSEAL_CONFIG"] else {
      file = [:]
      return
    }
    file = try Self.parse(try FileBytes.read(path), path: path, known: known)
  }

  static func parse(_ bytes: [UInt8], path: String, known: Set<String>) throws -> [String: [String]] {
    var values: [String: [String]] = [:]
    do {
      for (name, value) in try JSONDocument(bytes).root.members() {
        guard known.contains(name) else {
          throw ValidationError("\(path): \(name.printable(limit: 64)) is no option of this command")
        }
        values[name] = value.kind == .array ? try value.elements().map(text) : [try text(value)]
      }
    } catch let error as JSONError {
      throw ValidationError("\(path): \(error)")
    }
    return values
  }

  private static func text(_ value: JSONValue) throws(JSONError) -> String {
    switch value.kind {
    case .number, .bool: String(decoding: value.bytes, as: UTF8.self)
    default: try value.string()
    }
  }

  /// One value, or nil if nothing gives one.
  func value(_ name: String, flag: String?) -> String? {
    flag ?? environment[Self.variable(name)] ?? file[name]?.last
  }

  /// All values of an option that may be repeated; in the environment they are separated by commas.
  func values(_ name: String, flags: [String]) -> [String] {
    if !flags.isEmpty { return flags }
    if let variable = environment[Self.variable(name)] {
      return variable.split(separator: ",").map { String($0.trimmingPrefix(while: { $0 == " " })) }
    }
    return file[name] ?? []
  }

  /// Names of registries, as they stand in images' references: an entry of another form would match none.
  func registries(_ name: String, flags: [String]) throws -> Set<String> {
    let names = values(name, flags: flags)
    for registry in names {
      // Whatever an image's reference takes it for, it must be the registry that is meant.
      guard (try? ImageReference(parsing: "\(registry)/image"))?.registry.utf8.elementsEqual(registry.utf8) == true
      else {
        throw ValidationError("--\(name) \(registry.printable(limit: 100)): HOST or HOST:PORT is expected")
      }
    }
    return Set(names)
  }

  /// A value that must be there.
  func required(_ name: String, flag: String?) throws -> String {
    guard let value = value(name, flag: flag) else {
      throw ValidationError("--\(name) is missing (or \(Self.variable(name)), or \"\(name)\" in the file of --config)")
    }
    return value
  }

  /// Whether a flag is set, by the command line or elsewhere.
  func isSet(_ name: String, flag: Bool) throws -> Bool {
    if flag { return true }
    guard let text = value(name, flag: nil) else { return false }
    switch text {
    case "true": return true
    case "false": return false
    default: throw ValidationError("--\(name) \(text.printable(limit: 64)): true or false is expected")
    }
  }

  /// A whole number within `range`, `standard` if nothing gives one.
  func integer(_ name: String, flag: String?, default standard: Int, in range: ClosedRange<Int>) throws -> Int {
    guard let text = value(name, flag: flag) else { return standard }
    guard let number = Int(text), range.contains(number) else {
      throw ValidationError(
        "--\(name) \(text.printable(limit: 64)): a whole number from \(range.lowerBound) to \(range.upperBound) is expected"
      )
    }
    return number
  }

  /// A span of time in seconds or milliseconds (`10s`, `500ms`), `standard` if nothing gives one.
  func duration(_ name: String, flag: String?, default standard: Duration) throws -> Duration {
    guard let text = value(name, flag: flag) else { return standard }
    let digits = text.prefix { $0.isASCII && $0.isNumber }
    if let number = Int(digits), number > 0, number <= 3_600_000 {
      switch text.dropFirst(digits.count) {
      case "s" where number <= 3600: return .seconds(number)
      case "ms": return .milliseconds(number)
      default: break
      }
    }
    throw ValidationError(
      "--\(name) \(text.printable(limit: 64)): a time such as 10s or 500ms is expected, at most an hour")
  }

  /// One of `choices` by its raw value, `standard` if nothing gives one.
  func choice<Choice: RawRepresentable & CaseIterable>(
    _ name: String, flag: String?, default standard: Choice
  ) throws -> Choice where Choice.RawValue == String {
    guard let text = value(name, flag: flag) else { return standard }
    guard let choice = Choice(rawValue: text) else {
      let allowed = Choice.allCases.map(\.rawValue).joined(separator: ", ")
      throw ValidationError("--\(name) \(text.printable(limit: 64)): one of \(allowed) is expected")
    }
    return choice
  }

  static func variable(_ name: String) -> String {
    "PINSEAL_" + name.uppercased().replacing("-", with: "_")
  }
}
