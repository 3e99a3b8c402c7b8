/// The answer to a request, whole.
public struct HTTPResponse: Sendable {
  /// The final status, 200 to 599 from an honest server.
  public var status: Int
  /// Fields in the order received; a real client gives the names in lower case.
  public var headers: [(name: String, value: String)]
  /// The content, never decompressed.
  public var body: [UInt8]

  /// An answer; for fakes.
  public init(status: Int, headers: [(name: String, value: String)] = [], body: [UInt8] = []) {
    self.status = status
    self.headers = headers
    self.body = body
  }

  /// First header of this name, compared without regard to case.
  public func header(_ name: String) -> String? {
    let wanted = name.lowercased()
    return headers.first { $0.name.lowercased() == wanted }?.value
  }

  /// The values of all headers of this name, in order.
  public func headers(named name: String) -> [String] {
    let wanted = name.lowercased()
    return headers.filter { $0.name.lowercased() == wanted }.map(\.value)
  }
}
