import Primitives
import Testing

@Suite struct DNSNameTests {
  @Test(arguments: [
    ("a", true, true, true), ("shop-1", true, true, true), ("a.b", false, true, true), ("", false, false, false),
    ("-a", false, false, false), ("a-", false, false, false), ("A", false, false, false), ("a_b", false, false, false),
    ("a..b", false, false, false), (".a", false, false, false), ("a.", false, false, false),
    ("a/b", false, false, false),
    ("\u{e9}", false, false, false), ("\u{212a}", false, false, false),
    (String(repeating: "a", count: 63), true, true, true), (String(repeating: "a", count: 64), false, true, false),
    (String(repeating: "a", count: 253), false, true, false), (String(repeating: "a", count: 254), false, false, false),
    (String(repeating: "a.", count: 126) + "a", false, true, true),
    (String(repeating: "a.", count: 127) + "a", false, false, false),
  ])
  func `labels, subdomains and hosts differ in dots and lengths`(
    name: String, isLabel: Bool, isSubdomain: Bool, isHost: Bool
  ) {
    #expect(DNSName.isLabel(name) == isLabel)
    #expect(DNSName.isSubdomain(name) == isSubdomain)
    #expect(DNSName.isHost(name) == isHost)
  }
}
