import CNghttp2

/// The fields of an answer's head, laid out in one buffer as nghttp2 takes them.
struct HTTP2HeaderBlock {
  private var bytes: [UInt8] = []
  private var pieces: [(name: Range<Int>, value: Range<Int>)] = []

  init(status: Int) {
    bytes.reserveCapacity(256)
    pieces.reserveCapacity(8)
    var digits: [UInt8] = []
    HTTP1Encoder.append(status, to: &digits)
    add(":status", digits)
  }

  mutating func add(_ name: StaticString, _ value: [UInt8]) {
    let start = bytes.count
    bytes.append(name)
    let middle = bytes.count
    bytes += value
    pieces.append((start..<middle, middle..<bytes.count))
  }

  /// The value's control characters become spaces.
  mutating func add(_ name: String, _ value: String) {
    let start = bytes.count
    bytes += name.utf8
    let middle = bytes.count
    ResponseRules.append(value: value, to: &bytes)
    pieces.append((start..<middle, middle..<bytes.count))
  }

  /// Calls `body` with the fields, which nghttp2 copies.
  func withFields<Result>(_ body: (UnsafeBufferPointer<nghttp2_nv>) -> Result) -> Result {
    bytes.withUnsafeBufferPointer { buffer in
      // nghttp2 takes mutable pointers but writes to none.
      let base = UnsafeMutablePointer(mutating: buffer.baseAddress)
      let fields = pieces.map { piece in
        nghttp2_nv(
          name: base.map { $0 + piece.name.lowerBound }, value: base.map { $0 + piece.value.lowerBound },
          namelen: piece.name.count, valuelen: piece.value.count, flags: UInt8(NGHTTP2_NV_FLAG_NONE.rawValue))
      }
      return fields.withUnsafeBufferPointer(body)
    }
  }
}
