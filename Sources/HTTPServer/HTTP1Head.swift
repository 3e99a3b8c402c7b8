/// Why bytes are not a request that is answered, with the status that says so. The connection cannot go on after it.
struct HTTP1Refusal: Error, Equatable {
  let status: Int
  let reason: String

  static func malformed(_ reason: String) -> HTTP1Refusal { HTTP1Refusal(status: 400, reason: reason) }
}

/// How a request's body is delimited (RFC 9112 §6).
enum HTTP1Framing: Equatable {
  case none
  case length(Int)
  case chunked
}

/// The head of an HTTP/1.1 request, read strictly: whatever two implementations might read differently is refused.
struct HTTP1Head {
  var method = ""
  var path = ""
  var query = ""
  var headers: [(name: String, value: String)] = []
  var framing = HTTP1Framing.none
  /// Whether the client takes another request on this connection.
  var keepsAlive = true
  /// Whether the client waits for `100 Continue`.
  var expectsContinue = false

  private static let methodBytes = 24

  /// Reads a complete head: `bytes` from the method's first byte to the empty line, both included.
  ///
  /// The caller has made sure that every line ends in CRLF and that no NUL, CR or LF stands anywhere else.
  init(parsing bytes: Span<UInt8>, maximumHeaders: Int) throws(HTTP1Refusal) {
    var position = 0
    let isOldVersion = try readRequestLine(bytes, &position)
    try readHeaders(bytes, &position, maximumHeaders)
    try interpretHeaders(isOldVersion: isOldVersion)
  }

  // MARK: Request line (RFC 9112 §3)

  /// Whether the version is HTTP/1.0.
  private mutating func readRequestLine(_ bytes: Span<UInt8>, _ position: inout Int) throws(HTTP1Refusal) -> Bool {
    let methodEnd = Self.end(bytes, from: 0) { Self.isMethod($0) }
    guard methodEnd > 0, methodEnd <= Self.methodBytes, methodEnd < bytes.count, bytes[methodEnd] == ASCII.space else {
      throw .malformed("the method is not one")
    }
    method = String(bytes, 0..<methodEnd)

    let targetStart = methodEnd + 1
    let targetEnd = Self.end(bytes, from: targetStart) { $0 > 0x20 && $0 < 0x7F && $0 != 0x23 }
    guard targetEnd > targetStart, targetEnd < bytes.count, bytes[targetEnd] == ASCII.space else {
      throw .malformed("the request target is malformed")
    }
    try readTarget(bytes, targetStart..<targetEnd)

    let versionEnd = Self.end(bytes, from: targetEnd + 1) { $0 != ASCII.carriageReturn }
    let version = String(bytes, targetEnd + 1..<versionEnd)
    position = versionEnd + 2
    switch version {
    case "HTTP/1.1": return false
    case "HTTP/1.0": return true
    default:
      guard version.hasPrefix("HTTP/"), version.utf8.count == 8 else {
        throw .malformed("the request line is malformed")
      }
      throw HTTP1Refusal(status: 505, reason: "only HTTP/1.1 and HTTP/2 are spoken here")
    }
  }

  /// Upper-case letters, `-` and `_`: every registered method. Others are more likely an attack than a need.
  private static func isMethod(_ byte: UInt8) -> Bool {
    (byte >= 0x41 && byte <= 0x5A) || byte == 0x2D || byte == 0x5F
  }

  /// The origin form, `*`, or the absolute form, whose authority is dropped (RFC 9112 §3.2).
  private mutating func readTarget(_ bytes: Span<UInt8>, _ range: Range<Int>) throws(HTTP1Refusal) {
    var start = range.lowerBound
    if bytes[start] != 0x2F {
      let target = String(bytes, range)
      if target == "*", method == "OPTIONS" {
        path = target
        return
      }
      guard let scheme = ["http://", "https://"].first(where: { target.lowercased().hasPrefix($0) }) else {
        throw .malformed("the request target is malformed")
      }
      let authority = start + scheme.utf8.count
      start = Self.end(bytes, from: authority) { $0 != 0x2F && $0 != ASCII.questionMark && $0 != ASCII.space }
      guard start > authority else { throw .malformed("the request target is malformed") }
    }
    let pathEnd = min(Self.end(bytes, from: start) { $0 != ASCII.questionMark && $0 != ASCII.space }, range.upperBound)
    path = start == pathEnd ? "/" : String(bytes, start..<pathEnd)
    query = pathEnd < range.upperBound ? String(bytes, pathEnd + 1..<range.upperBound) : ""
  }

  // MARK: Headers (RFC 9112 §5)

  private mutating func readHeaders(
    _ bytes: Span<UInt8>, _ position: inout Int, _ maximum: Int
  ) throws(HTTP1Refusal) {
    headers.reserveCapacity(8)
    while position < bytes.count, bytes[position] != ASCII.carriageReturn {
      if bytes[position] == ASCII.space || bytes[position] == ASCII.tab {
        throw .malformed("a header goes on over a second line")
      }
      let nameEnd = Self.end(bytes, from: position) { ASCII.isToken($0) }
      guard nameEnd > position, nameEnd < bytes.count, bytes[nameEnd] == ASCII.colon else {
        throw .malformed("a header's name is malformed")
      }
      let valueEnd = Self.end(bytes, from: nameEnd + 1) { ASCII.isFieldValue($0) }
      guard valueEnd + 1 < bytes.count, bytes[valueEnd] == ASCII.carriageReturn else {
        throw .malformed("a header's value holds a control character")
      }
      guard headers.count < maximum else {
        throw HTTP1Refusal(status: 431, reason: "more than \(maximum) headers")
      }
      headers.append(
        (
          String(lowercasing: bytes, position..<nameEnd),
          String(bytes, Self.trimmed(bytes, nameEnd + 1..<valueEnd))
        ))
      position = valueEnd + 2
    }
  }

  private mutating func interpretHeaders(isOldVersion: Bool) throws(HTTP1Refusal) {
    keepsAlive = !isOldVersion
    var hosts = 0
    var length: Int?
    var isChunked = false
    for (name, value) in headers {
      switch name {
      case "host":
        hosts += 1
        guard Self.isAuthority(value) else { throw .malformed("the Host header is malformed") }
      case "content-length":
        guard length == nil else { throw .malformed("there is more than one Content-Length") }
        guard let count = Self.contentLength(value) else { throw .malformed("the Content-Length is malformed") }
        length = count
      case "transfer-encoding":
        guard !isChunked else { throw .malformed("there is more than one Transfer-Encoding") }
        guard value.equalsIgnoringCase("chunked") else {
          throw .malformed("the only Transfer-Encoding understood is chunked")
        }
        isChunked = true
      case "connection":
        if value.utf8.count >= 5, Self.lists(value, "close") { keepsAlive = false }
      case "expect":
        guard value.equalsIgnoringCase("100-continue") else {
          throw HTTP1Refusal(status: 417, reason: "the only expectation met is 100-continue")
        }
        expectsContinue = !isOldVersion
      default: break
      }
    }
    // A proxy in front that reads the other of the two would see another request than this server (RFC 9112 §6.3).
    if isChunked, length != nil { throw .malformed("there are both Content-Length and Transfer-Encoding") }
    if isChunked, isOldVersion { throw .malformed("HTTP/1.0 has no Transfer-Encoding") }
    guard hosts == 1 || (hosts == 0 && isOldVersion) else {
      throw .malformed(hosts == 0 ? "there is no Host header" : "there is more than one Host header")
    }
    framing = isChunked ? .chunked : length.map { .length($0) } ?? .none
  }

  // MARK: Pieces

  /// The first position from `start` on whose byte does not belong.
  private static func end(_ bytes: Span<UInt8>, from start: Int, while belongs: (UInt8) -> Bool) -> Int {
    var position = start
    while position < bytes.count, belongs(bytes[position]) { position += 1 }
    return position
  }

  private static func trimmed(_ bytes: Span<UInt8>, _ range: Range<Int>) -> Range<Int> {
    var (start, end) = (range.lowerBound, range.upperBound)
    while start < end, bytes[start] == ASCII.space || bytes[start] == ASCII.tab { start += 1 }
    while end > start, bytes[end - 1] == ASCII.space || bytes[end - 1] == ASCII.tab { end -= 1 }
    return start..<end
  }

  /// Decimal digits and nothing else, up to 10^18 - 1.
  static func contentLength(_ value: String) -> Int? {
    guard !value.isEmpty, value.utf8.count <= 18 else { return nil }
    var result = 0
    for byte in value.utf8 {
      guard byte >= 0x30, byte <= 0x39 else { return nil }
      result = result * 10 + Int(byte - 0x30)
    }
    return result
  }

  /// What can be a host and port; commas, slashes, `@` and blanks cannot.
  private static func isAuthority(_ value: String) -> Bool {
    value.utf8.allSatisfy { byte in
      switch byte {
      case 0x30...0x39, 0x41...0x5A, 0x61...0x7A: true
      // - . : [ ] _ ~ % and the sub-delimiters without the comma
      case 0x2D, 0x2E, 0x3A, 0x5B, 0x5D, 0x5F, 0x7E, 0x25, 0x21, 0x24, 0x26...0x2B, 0x3B, 0x3D: true
      default: false
      }
    }
  }

  /// Whether a comma-separated list holds the token.
  private static func lists(_ value: String, _ token: StaticString) -> Bool {
    value.split(separator: ",").contains { item in
      var item = item
      while let first = item.first, first == " " || first == "\t" { item.removeFirst() }
      while let last = item.last, last == " " || last == "\t" { item.removeLast() }
      return String(item).equalsIgnoringCase(token)
    }
  }
}
