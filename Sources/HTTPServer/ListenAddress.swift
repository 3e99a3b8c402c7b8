import Primitives

/// An address to listen at: `HOST:PORT`, `[IPv6]:PORT`, or `:PORT` for every address of the machine.
struct ListenAddress: Equatable {
  /// Without brackets; empty for every address.
  let host: String
  let port: UInt16

  init(parsing text: String) throws(ServerError) {
    func refused(_ why: String) -> ServerError {
      ServerError(
        "“\(text.printable())” is not an address to listen at: \(why); write HOST:PORT, as 0.0.0.0:8443 or [::]:8443")
    }
    guard let colon = text.lastIndex(of: ":") else { throw refused("it has no port") }
    var host = text[..<colon]
    if host.hasPrefix("[") {
      guard host.hasSuffix("]"), host.count > 2 else { throw refused("its brackets do not match") }
      host = host.dropFirst().dropLast()
    } else if host.contains(":") {
      throw refused("an IPv6 address needs brackets")
    }
    guard !host.contains(where: { $0 == "[" || $0 == "]" || $0 == "\0" || $0.isWhitespace }), host.utf8.count <= 253
    else {
      throw refused("its host is malformed")
    }
    let digits = text[text.index(after: colon)...]
    guard !digits.isEmpty, digits.utf8.allSatisfy({ (48...57).contains($0) }), let port = UInt16(digits) else {
      throw refused("its port is not a number from 0 to 65535")
    }
    self.host = String(host)
    self.port = port
  }
}
