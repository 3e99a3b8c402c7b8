import EndToEndSupport
import Foundation

/// The admission of a newer API server than the control plane's, by its own code: Tests/AdmissionHost.
struct AdmissionHost: Sendable {
  /// A file of what the API server has stored.
  let objects: String
  /// Where all services are found, `HOST:PORT`.
  let service: String

  /// Has the API server admit each of the requests, `parallel` of them at a time.
  func ask(_ requests: [AdmissionRequest], parallel: Int = 1) async throws -> [AdmissionAnswer] {
    let lines = try requests.map { try $0.line() }.joined(separator: "\n")
    let outcome = try await command(
      Tool.admissionHost.path(), ["-objects", objects, "-service", service, "-parallel", "\(parallel)"], input: lines
    ).checked()
    let answers = try outcome.output.split(separator: "\n").map { try AdmissionAnswer(line: String($0)) }
    guard answers.count == requests.count else { throw EndToEndFailure("\(answers.count) answers: \(outcome)") }
    return answers
  }

  /// The same for a single one.
  func ask(_ request: AdmissionRequest) async throws -> AdmissionAnswer { try await ask([request])[0] }

  /// What the API server would warn about in the stored policies, when it holds them against the types in `schemas`.
  func typeWarnings(schemas: String) async throws -> String {
    try await command(Tool.admissionHost.path(), ["-objects", objects, "-schemas", schemas]).checked().output
  }
}

/// What somebody asks of the API server.
struct AdmissionRequest {
  var operation = "CREATE"
  var object: [String: Any]?
  var oldObject: [String: Any]?
  var subresource = ""
  var user = "ann"
  var groups: [String] = []
  var isDryRun = false

  fileprivate func line() throws -> String {
    var line: [String: Any] = [
      "operation": operation, "subresource": subresource, "user": user, "groups": groups, "dryRun": isDryRun,
    ]
    line["object"] = object
    line["oldObject"] = oldObject
    return String(decoding: try JSONSerialization.data(withJSONObject: line), as: UTF8.self)
  }
}

/// What the API server says to it.
struct AdmissionAnswer: CustomStringConvertible {
  let isAllowed: Bool
  /// The refusal, as kubectl shows it.
  let message: String
  let warnings: [String]
  /// The audit log's annotations.
  let audit: [String: String]
  /// The image of the first container that would be stored.
  let image: String?
  let description: String

  fileprivate init(line: String) throws {
    guard let answer = try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any],
      let isAllowed = answer["allowed"] as? Bool, let warnings = answer["warnings"] as? [String],
      let audit = answer["audit"] as? [String: String]
    else { throw EndToEndFailure("that is no answer: \(line)") }
    self.isAllowed = isAllowed
    self.warnings = warnings
    self.audit = audit
    message = answer["message"] as? String ?? ""
    let template = ((answer["object"] as? [String: Any])?["spec"] as? [String: Any])?["template"] as? [String: Any]
    let containers = (template?["spec"] as? [String: Any])?["containers"] as? [[String: Any]]
    image = containers?.first?["image"] as? String
    description = line
  }
}
