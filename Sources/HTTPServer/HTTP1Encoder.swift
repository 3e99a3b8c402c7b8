/// Writes HTTP/1.1 answers.
enum HTTP1Encoder {
  /// The interim answer to `Expect: 100-continue`.
  static let continueAnswer: StaticString = "HTTP/1.1 100 Continue\r\n\r\n"

  /// Appends `response`. For a `HEAD` request the body is left out and its length stays. `date` is as `HTTPDate` makes it.
  static func append(
    _ response: Response, forHead: Bool, keepsAlive: Bool, date: [UInt8], to bytes: inout [UInt8]
  ) {
    let status = ResponseRules.status(response.status)
    let hasBody = ResponseRules.mayHaveBody(status)
    bytes.reserveCapacity(bytes.count + 256 + (forHead ? 0 : response.body.count))
    bytes.append("HTTP/1.1 ")
    append(status, to: &bytes)
    bytes.append(" ")
    bytes.append(reason(status))
    bytes.append("\r\ndate: ")
    bytes += date
    for (name, value) in response.headers where ResponseRules.mayBeSent(name) {
      bytes.append("\r\n")
      bytes += name.utf8
      bytes.append(": ")
      ResponseRules.append(value: value, to: &bytes)
    }
    if hasBody {
      bytes.append("\r\ncontent-length: ")
      append(response.body.count, to: &bytes)
    }
    if !keepsAlive { bytes.append("\r\nconnection: close") }
    bytes.append("\r\n\r\n")
    if hasBody, !forHead { bytes += response.body }
  }

  /// Appends a number in decimal digits.
  static func append(_ number: Int, to bytes: inout [UInt8]) {
    if number >= 10 { append(number / 10, to: &bytes) }
    bytes.append(0x30 + UInt8(truncatingIfNeeded: number % 10))
  }

  private static func reason(_ status: Int) -> StaticString {
    switch status {
    case 200: "OK"
    case 201: "Created"
    case 202: "Accepted"
    case 204: "No Content"
    case 206: "Partial Content"
    case 301: "Moved Permanently"
    case 302: "Found"
    case 303: "See Other"
    case 304: "Not Modified"
    case 307: "Temporary Redirect"
    case 308: "Permanent Redirect"
    case 400: "Bad Request"
    case 401: "Unauthorized"
    case 403: "Forbidden"
    case 404: "Not Found"
    case 405: "Method Not Allowed"
    case 408: "Request Timeout"
    case 409: "Conflict"
    case 411: "Length Required"
    case 413: "Content Too Large"
    case 414: "URI Too Long"
    case 415: "Unsupported Media Type"
    case 416: "Range Not Satisfiable"
    case 417: "Expectation Failed"
    case 429: "Too Many Requests"
    case 431: "Request Header Fields Too Large"
    case 500: "Internal Server Error"
    case 501: "Not Implemented"
    case 502: "Bad Gateway"
    case 503: "Service Unavailable"
    case 504: "Gateway Timeout"
    case 505: "HTTP Version Not Supported"
    default: "Status"
    }
  }
}

/// What an answer may hold, whichever protocol carries it.
enum ResponseRules {
  /// `status` if it is a final one, 500 otherwise.
  static func status(_ status: Int) -> Int { (200...599).contains(status) ? status : 500 }

  /// Whether answers with this status have content (RFC 9110 §6.4.1).
  static func mayHaveBody(_ status: Int) -> Bool { status != 204 && status != 304 }

  /// Whether the handler may set this header: it is a token in lower case, and not one of the server's own.
  static func mayBeSent(_ name: String) -> Bool {
    switch name {
    case "", "content-length", "date", "connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade",
      "te", "trailer":
      false
    default: name.utf8.allSatisfy { ASCII.isToken($0) && !(0x41...0x5A).contains($0) }
    }
  }

  /// Appends a header's value, control characters as spaces, so that no text can end the header and begin another.
  static func append(value: String, to bytes: inout [UInt8]) {
    for byte in value.utf8 { bytes.append(ASCII.isFieldValue(byte) ? byte : ASCII.space) }
  }
}
