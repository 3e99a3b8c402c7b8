/// Undoes the chunked transfer coding (RFC 9112 §7.1), byte by byte, whatever the pieces that the bytes come in.
struct HTTP1ChunkedDecoder {
  /// The bounds, in bytes.
  struct Limits {
    /// Of the decoded body.
    var body: Int
    /// Of all trailers together.
    var trailers: Int
    /// Of one chunk's size line with its extensions.
    let sizeLine = 256
    /// Of all extensions together; nobody uses any.
    let extensions = 4096
  }

  enum Outcome: Equatable {
    case needsMore
    case complete
    case refused(HTTP1Refusal)
  }

  private enum State {
    case size, extensions, sizeLineFeed
    case data(Int), dataCarriageReturn, dataLineFeed
    case trailerStart, trailerName, trailerValue, trailerLineFeed, lastLineFeed
    case complete
  }

  private var state = State.size
  private var size = 0
  private var digits = 0
  private var lineBytes = 0
  private var extensionBytes = 0
  private var trailerBytes = 0
  private var decodedBytes = 0

  /// Decodes `input` from `position` on, which moves past what was read; the body's bytes go to `sink`.
  mutating func decode(
    _ input: Span<UInt8>, _ position: inout Int, limits: Limits, into sink: inout [UInt8], storing: Bool
  ) -> Outcome {
    while position < input.count {
      if case .data(let left) = state {
        let count = min(left, input.count - position)
        if storing { sink.append(input, position..<position + count) }
        position += count
        state = count == left ? .dataCarriageReturn : .data(left - count)
        continue
      }
      let byte = input[position]
      position += 1
      do throws(HTTP1Refusal) {
        try step(byte, limits)
      } catch {
        return .refused(error)
      }
      if case .complete = state { return .complete }
    }
    return .needsMore
  }

  private mutating func step(_ byte: UInt8, _ limits: Limits) throws(HTTP1Refusal) {
    switch state {
    case .size, .extensions, .sizeLineFeed: try stepSizeLine(byte, limits)
    case .dataCarriageReturn:
      guard byte == ASCII.carriageReturn else { throw .malformed("a chunk is longer than its size says") }
      state = .dataLineFeed
    case .dataLineFeed:
      guard byte == ASCII.lineFeed else { throw .malformed("a chunk does not end in CRLF") }
      (state, size, digits, lineBytes) = (.size, 0, 0, 0)
    case .trailerStart, .trailerName, .trailerValue, .trailerLineFeed, .lastLineFeed: try stepTrailer(byte, limits)
    case .data, .complete: break
    }
  }

  private mutating func stepSizeLine(_ byte: UInt8, _ limits: Limits) throws(HTTP1Refusal) {
    lineBytes += 1
    guard lineBytes <= limits.sizeLine else { throw .malformed("a chunk's size line is too long") }
    switch state {
    case .size:
      if let digit = ASCII.hexValue(byte) {
        digits += 1
        // 15 digits stay far below the largest Int.
        guard digits <= 15 else { throw .malformed("a chunk's size is absurd") }
        size = size << 4 | Int(digit)
        return
      }
      guard digits > 0 else { throw .malformed("a chunk's size is not a hexadecimal number") }
      switch byte {
      case ASCII.carriageReturn: state = .sizeLineFeed
      case ASCII.semicolon: state = .extensions
      default: throw .malformed("a chunk's size is not a hexadecimal number")
      }
    case .extensions:
      if byte == ASCII.carriageReturn {
        state = .sizeLineFeed
        return
      }
      extensionBytes += 1
      guard extensionBytes <= limits.extensions else { throw .malformed("there are too many chunk extensions") }
      guard ASCII.isFieldValue(byte) else { throw .malformed("a chunk extension holds a control character") }
    default:
      guard byte == ASCII.lineFeed else { throw .malformed("a chunk's size line does not end in CRLF") }
      guard size > 0 else {
        state = .trailerStart
        return
      }
      guard size <= limits.body - decodedBytes else {
        throw HTTP1Refusal(status: 413, reason: "the body is larger than \(limits.body) bytes")
      }
      decodedBytes += size
      state = .data(size)
    }
  }

  /// Trailers are checked and dropped: nothing here asks for any, and merging them into the headers is an attack's way.
  private mutating func stepTrailer(_ byte: UInt8, _ limits: Limits) throws(HTTP1Refusal) {
    trailerBytes += 1
    guard trailerBytes <= limits.trailers else { throw HTTP1Refusal(status: 431, reason: "the trailers are too large") }
    switch state {
    case .trailerStart:
      if byte == ASCII.carriageReturn {
        state = .lastLineFeed
      } else {
        guard ASCII.isToken(byte) else { throw .malformed("a trailer's name is malformed") }
        state = .trailerName
      }
    case .trailerName:
      if byte == ASCII.colon {
        state = .trailerValue
      } else {
        guard ASCII.isToken(byte) else { throw .malformed("a trailer's name is malformed") }
      }
    case .trailerValue:
      if byte == ASCII.carriageReturn {
        state = .trailerLineFeed
      } else {
        guard ASCII.isFieldValue(byte) else { throw .malformed("a trailer's value holds a control character") }
      }
    case .trailerLineFeed:
      guard byte == ASCII.lineFeed else { throw .malformed("a trailer does not end in CRLF") }
      state = .trailerStart
    default:
      guard byte == ASCII.lineFeed else { throw .malformed("the trailers do not end in CRLF") }
      state = .complete
    }
  }
}
