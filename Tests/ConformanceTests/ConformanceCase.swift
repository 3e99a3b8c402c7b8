import Foundation
import Sigstore
import Testing

/// The folder that `PINSEAL_FIXTURES` names.
enum Fixtures {
  static let folder: String? = ProcessInfo.processInfo.environment["PINSEAL_FIXTURES"].flatMap { $0.isEmpty ? nil : $0 }

  static func path(_ name: String) throws -> String {
    guard let folder else { throw FixtureError(description: "PINSEAL_FIXTURES is not set") }
    return "\(folder)/\(name)"
  }

  static func json(_ name: String) throws -> [String: Any] {
    let data = try Data(contentsOf: URL(fileURLWithPath: try path(name)))
    guard let object = try JSONSerialization.jsonObject(with: data) as? [String: Any] else {
      throw FixtureError(description: "\(name) is no JSON object")
    }
    return object
  }
}

struct FixtureError: Error, CustomStringConvertible { let description: String }

/// A bundle with what it is judged by, and the verdict.
struct ConformanceCase: Sendable, CustomTestStringConvertible, CustomStringConvertible {
  enum Verdict: Sendable, Equatable {
    case valid
    /// The check that must fail, and words of what it says.
    case invalid(CandidateRejection.Reason, String)
  }

  enum Artifact: Sendable {
    /// A file of the fixtures.
    case fixture(String)
    /// A digest.
    case text(String)
    /// The digest that the bundle itself names, where the artifact is not among the fixtures: all but the comparison with
    /// the artifact is then tested, and that is by the other tests.
    case named
  }

  enum Signer: Sendable {
    case key(String)
    case identity(String, issuer: String)
  }

  enum Root: Sendable {
    /// The public-good one that is built in.
    case bundled
    case fixture(String)
    /// The trusted root inside a file of settings for clients.
    case configuration(String)
    /// The same with another authority for time-stamps.
    case stamping(String, authority: String)
    /// A trusted root with its one log at another address.
    case renamed(String, log: String)
    /// All that two trusted roots trust.
    case combined(String, String)
    /// A line of a file with a root on each.
    case line(Int, String)
  }

  let bundle: String
  var artifact: Artifact
  var signer: Signer
  var root: Root
  let verdict: Verdict

  var description: String { bundle }
  var testDescription: String { bundle }

  /// The command line.
  func arguments(scratch folder: String) throws -> [String] {
    var arguments = ["--bundle", try Fixtures.path(bundle)]
    switch signer {
    case .key(let file): arguments += ["--key", try Fixtures.path(file)]
    case .identity(let identity, let issuer):
      arguments += ["--certificate-identity", identity, "--certificate-oidc-issuer", issuer]
    }
    switch root {
    case .bundled: break
    case .fixture(let file): arguments += ["--trusted-root", try Fixtures.path(file)]
    case .configuration(let file):
      guard let root = try Fixtures.json(file)["trustedRoot"] else {
        throw FixtureError(description: "\(file) has no trustedRoot")
      }
      arguments += ["--trusted-root", try write(JSONSerialization.data(withJSONObject: root), folder)]
    case .stamping(let file, let authority):
      guard var root = try Fixtures.json(file)["trustedRoot"] as? [String: Any] else {
        throw FixtureError(description: "\(file) has no trustedRoot")
      }
      root["timestampAuthorities"] = [try Fixtures.json(authority)]
      arguments += ["--trusted-root", try write(JSONSerialization.data(withJSONObject: root), folder)]
    case .renamed(let file, let log):
      var root = try Fixtures.json(file)
      guard var logs = root["tlogs"] as? [[String: Any]], logs.count == 1 else {
        throw FixtureError(description: "\(file) has not one log")
      }
      logs[0]["baseUrl"] = log
      root["tlogs"] = logs
      arguments += ["--trusted-root", try write(JSONSerialization.data(withJSONObject: root), folder)]
    case .combined(let one, let other):
      let roots = try (Fixtures.json(one), Fixtures.json(other))
      let root = roots.0.merging(roots.1) { mine, theirs in
        guard let mine = mine as? [Any], let theirs = theirs as? [Any] else { return mine }
        return mine + theirs
      }
      arguments += ["--trusted-root", try write(JSONSerialization.data(withJSONObject: root), folder)]
    case .line(let number, let file):
      let text = try String(contentsOfFile: try Fixtures.path(file), encoding: .utf8)
      let lines = text.split(separator: "\n")
      guard lines.indices.contains(number) else { throw FixtureError(description: "\(file) has no line \(number)") }
      arguments += ["--trusted-root", try write(Data(lines[number].utf8), folder)]
    }
    switch artifact {
    case .fixture(let file): arguments.append(try Fixtures.path(file))
    case .text(let text): arguments.append(text)
    case .named: arguments.append(try namedDigest())
    }
    return arguments
  }

  private func write(_ data: Data, _ folder: String) throws -> String {
    let path = "\(folder)/root.json"
    try data.write(to: URL(fileURLWithPath: path))
    return path
  }

  private func namedDigest() throws -> String {
    let json = try Fixtures.json(bundle)
    if let message = json["messageSignature"] as? [String: Any] {
      guard let digest = message["messageDigest"] as? [String: Any], let name = digest["algorithm"] as? String,
        let text = digest["digest"] as? String, let bytes = Data(base64Encoded: text)
      else { return "sha256:" + String(repeating: "0", count: 64) }
      return name.replacingOccurrences(of: "SHA2_", with: "sha") + ":"
        + bytes.map { String(format: "%02x", $0) }.joined()
    }
    guard let envelope = json["dsseEnvelope"] as? [String: Any], let text = envelope["payload"] as? String,
      let payload = Data(base64Encoded: text),
      let statement = try? JSONSerialization.jsonObject(with: payload) as? [String: Any],
      let subjects = statement["subject"] as? [[String: Any]],
      let digests = subjects.first?["digest"] as? [String: String],
      let (name, hex) = digests.first
    else { return "sha256:" + String(repeating: "0", count: 64) }
    return "\(name):\(hex)"
  }
}
