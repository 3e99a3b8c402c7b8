/// One request on an HTTP/2 connection, from its first header to the last byte of its answer.
final class HTTP2Stream {
  let id: Int32
  let openedAt: UInt64
  /// Of the head and the body, until the answer is made.
  var claim: BufferClaim

  // The head while it comes.
  var method = ""
  var target = ""
  var authority: String?
  var headers: [(name: String, value: String)] = []
  var headerBytes = 0
  /// Why the head is refused, if it is.
  var headRefusal: Response?

  /// The head once it is there.
  var head: RequestHead?
  var body: [UInt8] = []
  /// What `content-length` says.
  var declaredBytes: Int?
  /// How large the stream's window was made.
  var askedForWindow = false
  /// Whether all of the request is there.
  var requestIsComplete = false
  /// Whether there is an answer, which the rest of the request cannot change.
  var isAnswered = false
  /// Whether all of the answer was handed to the socket's buffer.
  var answerIsSent = false

  var task: Task<Void, Never>?
  var answer: [UInt8] = []
  var answerOffset = 0
  /// When the answer last went on.
  var progressAt: UInt64 = 0

  init(id: Int32, core: ServerCore, now: UInt64) {
    self.id = id
    openedAt = now
    claim = BufferClaim(core)
  }

  /// Takes one header field. nghttp2 has checked that names and values are well-formed and pseudo-headers come first,
  /// once and complete (RFC 9113 §8.2, §8.3).
  func add(_ name: UnsafeBufferPointer<UInt8>, _ value: UnsafeBufferPointer<UInt8>, _ limits: ServerLimits) {
    headerBytes += name.count + value.count + 32
    guard headRefusal == nil else { return }
    guard headerBytes <= limits.headerBytes else {
      headRefusal = .text(431, "the headers are larger than \(limits.headerBytes) bytes")
      headers = []
      return
    }
    let value = String(decoding: value, as: UTF8.self)
    if name.first == ASCII.colon {
      switch String(decoding: name, as: UTF8.self) {
      case ":method": method = value
      case ":path": target = value
      case ":authority": authority = value
      default: break
      }
      return
    }
    guard headers.count < limits.headerCount else {
      headRefusal = .text(431, "more than \(limits.headerCount) headers")
      headers = []
      return
    }
    headers.append((String(decoding: name, as: UTF8.self), value))
  }

  /// Makes the head of what came. Sets `headRefusal` if it makes none.
  func finishHead(hasVerifiedClientCertificate: Bool) {
    var hosts = 0
    for (name, value) in headers {
      switch name {
      case "host":
        hosts += 1
        if let authority, authority != value { refuse("the Host header and :authority differ") }
      case "content-length": declaredBytes = HTTP1Head.contentLength(value)
      default: break
      }
    }
    if hosts > 1 { refuse("there is more than one Host header") }
    if let authority, hosts == 0 { headers.append(("host", authority)) }
    if method.utf8.count > 24 || !method.utf8.allSatisfy({ (0x41...0x5A).contains($0) || $0 == 0x2D || $0 == 0x5F }) {
      refuse("the method is not one")
    }
    if !target.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F && $0 != 0x23 }) { refuse("the request target is malformed") }
    let path: Substring
    let query: Substring
    if let mark = target.utf8.firstIndex(of: ASCII.questionMark) {
      path = target[..<mark]
      query = target[target.utf8.index(after: mark)...]
    } else {
      path = target[...]
      query = ""
    }
    head = RequestHead(
      version: .http2, method: method, path: String(path), query: String(query), headers: headers,
      hasVerifiedClientCertificate: hasVerifiedClientCertificate)
    headers = []
  }

  /// What of the request is kept.
  var keptBytes: Int { (headRefusal == nil ? headerBytes : 0) + body.count }

  /// Forgets what the client sent, all but the method, which says how the answer ends.
  func forgetRequest() {
    body = []
    target = ""
    authority = nil
    if head != nil { head = RequestHead(version: .http2, method: method, path: "") }
    _ = claim.resize(to: 0)
  }

  private func refuse(_ reason: String) {
    if headRefusal == nil { headRefusal = .text(400, reason) }
  }
}
