import Testing

@testable import HTTPServer

struct ListenAddressTests {
  @Test(arguments: [
    ("127.0.0.1:8443", "127.0.0.1", 8443), ("[::1]:0", "::1", 0), (":80", "", 80),
    ("localhost:65535", "localhost", 65535),
  ])
  func `an address is read`(text: String, host: String, port: Int) throws {
    let address = try ListenAddress(parsing: text)
    #expect(address.host == host)
    #expect(Int(address.port) == port)
  }

  @Test(arguments: [
    "", "8443", "host:", "host:65536", "host:-1", "host:+1", "::1:80", "[::1:80", "[]:80", "a b:80", "h:8o",
  ])
  func `an address that is none is refused with the reason`(text: String) {
    #expect(throws: ServerError.self) { try ListenAddress(parsing: text) }
  }
}
