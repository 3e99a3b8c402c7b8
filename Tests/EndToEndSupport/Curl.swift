import Foundation

/// An HTTP answer as curl saw it.
package struct HTTPAnswer: Sendable {
  package let status: Int
  /// `1.1` or `2`.
  package let version: String
  /// Names in lower case.
  package let headers: [String: String]
  package let body: String
}

/// Sends one request with curl, whose own idea of HTTP and TLS is then part of the test. `body` goes to its standard input.
package func curl(_ url: String, _ arguments: [String] = [], body: String? = nil) async throws -> HTTPAnswer {
  var all = ["-sS", "-i", "--max-time", "40", "--noproxy", "*"] + arguments
  if body != nil { all += ["--data-binary", "@-"] }
  let outcome = try await command("curl", all + [url], input: body ?? "").checked()
  var rest = outcome.output[...]
  while let end = rest.range(of: "\r\n\r\n") {
    let lines = rest[..<end.lowerBound].components(separatedBy: "\r\n")
    rest = rest[end.upperBound...]
    let first = lines[0].split(separator: " ")
    guard first.count >= 2, first[0].hasPrefix("HTTP/"), let status = Int(first[1]) else { break }
    if status < 200 { continue }
    var headers: [String: String] = [:]
    for line in lines.dropFirst() {
      guard let colon = line.firstIndex(of: ":") else { continue }
      headers[line[..<colon].lowercased()] = line[line.index(after: colon)...].trimmingCharacters(in: .whitespaces)
    }
    return HTTPAnswer(status: status, version: String(first[0].dropFirst(5)), headers: headers, body: String(rest))
  }
  throw EndToEndFailure("curl \(url) got no HTTP answer: \(outcome.output.prefix(400))")
}
