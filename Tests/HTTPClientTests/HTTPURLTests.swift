import Primitives
import Testing

@testable import HTTPClient

@Suite struct HTTPURLTests {
  @Test(arguments: [
    ("https://a.example", "https://a.example/"), ("HTTPS://A.Example:443/B?c", "https://a.example/B?c"),
    ("http://a:80/", "http://a/"), ("http://a:443/", "http://a:443/"), ("https://a?b=c", "https://a/?b=c"),
    ("https://[2001:DB8:0:0::1]:5000/v2/", "https://[2001:db8::1]:5000/v2/"),
    ("https://10.0.0.1/", "https://10.0.0.1/"),
    ("https://a/?", "https://a/?"), ("https://a_b.c-d/", "https://a_b.c-d/"), ("https://a./x", "https://a./x"),
    ("https://1.a/", "https://1.a/"),
  ])
  func `an address is read and written again`(text: String, written: String) throws {
    #expect(try HTTPURL(parsing: text).description == written)
  }

  @Test(arguments: [
    "", "a", "/a", "//a/", "http:/a", "http:a", "ftp://a/", "file:///x", "https://", "https:///x", "https://?a",
    "https://u@a/", "https://u:p@a/", "https://a#", "https://a/#x", "https://a b/", "https://a/ b", "https://a/\t",
    "https://a/\n", "https://a/\u{7f}", "https://ä/", "https://a/ä", "https://a\\@b/", "https://a/\\", "https://%61/",
    "https://a:/", "https://a:0/", "https://a:65536/", "https://a:-1/", "https://a:1x/", "https://a:000001/",
    "https://a..b/", "https://.a/", "https://127.1/", "https://0x7f000001/", "https://2130706433/",
    "https://0177.0.0.1/",
    "https://1.2.3.4.5/", "https://256.1.1.1/", "https://[::1/", "https://::1/", "https://[fe80::1%25eth0]/",
    "https://[127.0.0.1]/", "https://[]/", "https://a.0x1/", "javascript://a/",
  ])
  func `what more than one reader might read is refused`(text: String) {
    #expect {
      try HTTPURL(parsing: text)
    } throws: {
      ($0 as? HTTPClientError)?.code == .invalidURL
    }
  }

  @Test func `what is too long is refused`() {
    #expect(throws: HTTPClientError.self) {
      try HTTPURL(parsing: "https://a/" + String(repeating: "x", count: HTTPURL.maximumBytes))
    }
    #expect(throws: HTTPClientError.self) {
      try HTTPURL(parsing: "https://" + String(repeating: "x", count: 254) + "/")
    }
  }

  @Test(arguments: [
    ("https://b/c", "https://b/c"), ("//b/c", "https://b/c"), ("/c?d", "https://a/c?d"), ("?z", "https://a/x/y?z"),
    ("c", "https://a/x/c"), ("../c", "https://a/c"), ("../../../c", "https://a/c"), ("./c/.", "https://a/x/c/"),
    ("c/../d?../e", "https://a/x/d?../e"), ("", "https://a/x/y?q"), ("http://a/", "http://a/"), ("..", "https://a/"),
  ])
  func `a reference is resolved`(reference: String, target: String) throws {
    #expect(try HTTPURL(parsing: "https://a/x/y?q").resolving(reference).description == target)
  }

  @Test(arguments: ["javascript:alert(1)", "data:,x", "https://u@b/", "/a#b", "/a b", "//", "mailto:x", "http:c"])
  func `a reference to what is no address is refused`(reference: String) {
    #expect(throws: HTTPClientError.self) { try HTTPURL(parsing: "https://a/x/y").resolving(reference) }
  }

  @Test(arguments: [
    ("127.0.0.1", LocalPlace.loopback), ("127.255.0.9", .loopback), ("[::1]", .loopback), ("localhost", .loopback),
    ("LOCALHOST.", .loopback), ("a.localhost", .loopback), ("[::ffff:127.0.0.1]", .loopback), ("0.0.0.0", .unspecified),
    ("[::]", .unspecified), ("169.254.169.254", .linkLocal), ("169.254.170.2", .linkLocal), ("[fe80::1]", .linkLocal),
    ("[febf::1]", .linkLocal), ("[::ffff:169.254.169.254]", .linkLocal), ("[64:ff9b::a9fe:a9fe]", .linkLocal),
    ("metadata.google.internal", .metadata), ("100.100.100.200", .metadata), ("168.63.129.16", .metadata),
    ("[fd00:ec2::254]", .metadata), ("192.0.0.192", .metadata),
  ])
  func `a local place is known by its name`(host: String, place: LocalPlace) throws {
    #expect(try HTTPURL(parsing: "https://\(host)/").localPlace == place)
  }

  @Test(arguments: [
    "10.0.0.1", "192.168.1.1", "8.8.8.8", "[2001:db8::1]", "[fd00::1]", "a.example", "localhost.example",
  ])
  func `other places are not local`(host: String) throws {
    #expect(try HTTPURL(parsing: "https://\(host)/").localPlace == nil)
  }

  @Test func `a name that leads to a local address is not asked where that is refused`() async throws {
    let server = SocketServer.answering("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
    var configuration = HTTPClient.Configuration()
    configuration.usesProxyEnvironment = false
    configuration.pinnedNames = ["rebound.example:\(server.port):127.0.0.1"]
    let client = try HTTPClient(configuration)
    var request = HTTPRequest(url: "http://rebound.example:\(server.port)/", allowsPlainHTTP: true)
    request.refusesLocalAddresses = true
    await #expect {
      try await client.send(request, deadline: .after(.seconds(60)))
    } throws: {
      let error = $0 as? HTTPClientError
      return error?.code == .cannotConnect && error?.description.contains("a loopback address") == true
    }
    #expect(server.connectionCount == 0)
    request.refusesLocalAddresses = false
    #expect(try await client.send(request, deadline: .after(.seconds(60))).status == 200)
  }

  @Test func `a query is not part of a message`() throws {
    #expect(try HTTPURL(parsing: "https://a/b?token=secret").withoutQuery == "https://a/b")
  }
}
