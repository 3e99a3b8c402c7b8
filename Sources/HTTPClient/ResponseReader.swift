import Primitives

/// Takes in what libcurl hands over of an answer, and says stop at the first byte that breaks a bound or the protocol.
struct ResponseReader: Sendable {
  struct Refusal: Sendable, Equatable {
    let code: HTTPClientError.Code
    let reason: String
  }

  static let maximumHeaderBytes = 64 << 10
  static let maximumHeaderCount = 256

  let maximumBodyBytes: Int
  private(set) var headers: [(name: String, value: String)] = []
  private(set) var body: [UInt8] = []
  /// Why the answer was given up; nil while it is good.
  private(set) var refusal: Refusal?
  /// Of the last status line.
  private(set) var status = 0
  /// Whether the final header is whole.
  private(set) var hasHeader = false

  private var headerBytes = 0
  private var fieldCount = 0
  private var isInterim = false
  private var sawStatus = false

  init(maximumBodyBytes: Int) {
    self.maximumBodyBytes = maximumBodyBytes
  }

  /// One line of the header or the trailer, with its line end; false stops the transfer.
  mutating func readHeader(_ line: some BidirectionalCollection<UInt8>) -> Bool {
    headerBytes += line.count
    guard headerBytes <= Self.maximumHeaderBytes else {
      return refuse(.headersTooLarge, "the answer's header has more than \(Self.maximumHeaderBytes) bytes")
    }
    var text = line[...]
    while let last = text.last, last == 0x0a || last == 0x0d { text = text.dropLast() }
    if !sawStatus || (isInterim && text.starts(with: Array("HTTP/".utf8))) {
      let status = Array(text.split(separator: 0x20, maxSplits: 2).dropFirst().first ?? [])
      sawStatus = true
      self.status = Int(String(decoding: status, as: UTF8.self)) ?? 0
      isInterim = status.count == 3 && status[0] == UInt8(ascii: "1")
      headers = []
      return true
    }
    if text.isEmpty { return isInterim || hasHeader ? true : finishHeader() }
    fieldCount += 1
    guard fieldCount <= Self.maximumHeaderCount else {
      return refuse(.headersTooLarge, "the answer has more than \(Self.maximumHeaderCount) header fields")
    }
    // A trailer is counted, and told to nobody.
    if hasHeader || isInterim { return true }
    guard let colon = text.firstIndex(of: UInt8(ascii: ":")), Self.isToken(text[..<colon]) else {
      return refuse(.protocolError, "the answer has a header line that is no field")
    }
    let value = text[text.index(after: colon)...]
    let isSpace = { (byte: UInt8) in byte == 0x20 || byte == 0x09 }
    var trimmed = value.drop(while: isSpace)
    while let last = trimmed.last, isSpace(last) { trimmed = trimmed.dropLast() }
    headers.append(
      (String(decoding: text[..<colon], as: UTF8.self).lowercased(), String(decoding: trimmed, as: UTF8.self)))
    return true
  }

  /// A piece of the body; false stops the transfer.
  mutating func readBody(_ bytes: UnsafeRawBufferPointer) -> Bool {
    guard bytes.count <= maximumBodyBytes - body.count else {
      return refuse(.bodyTooLarge, "the answer's body has more than \(maximumBodyBytes) bytes")
    }
    body.append(contentsOf: bytes)
    return true
  }

  /// Gives the answer up for a reason that is not in it.
  mutating func giveUp(_ code: HTTPClientError.Code, _ reason: String) { _ = refuse(code, reason) }

  private mutating func finishHeader() -> Bool {
    hasHeader = true
    for (name, value) in headers {
      let coding = value.lowercased()
      if name == "content-encoding", coding != "identity", !coding.isEmpty {
        return refuse(
          .protocolError, "the answer has Content-Encoding \(value.printable(limit: 32)), which was not asked for")
      }
      if name == "transfer-encoding", coding != "chunked", coding != "identity" {
        return refuse(.protocolError, "the answer has Transfer-Encoding \(value.printable(limit: 32)), not chunked")
      }
    }
    let length = headers.first { $0.name == "content-length" }.flatMap { Int($0.value) } ?? 0
    // What is announced is not yet there: no more than a little is set aside for it.
    body.reserveCapacity(max(0, min(length, maximumBodyBytes, 64 << 10)))
    return true
  }

  private mutating func refuse(_ code: HTTPClientError.Code, _ reason: String) -> Bool {
    if refusal == nil { refusal = Refusal(code: code, reason: reason) }
    return false
  }

  /// Whether the bytes are a `token` of RFC 9110 §5.6.2.
  static func isToken(_ bytes: some Collection<UInt8>) -> Bool {
    !bytes.isEmpty
      && bytes.allSatisfy { byte in
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
          UInt8(ascii: "0")...UInt8(ascii: "9"):
          true
        default: Array("!#$%&'*+-.^_`|~".utf8).contains(byte)
        }
      }
  }
}
